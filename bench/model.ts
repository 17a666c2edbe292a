import { readFileSync } from 'node:fs';
import type { Finding, Run } from './run.ts';
import { columns, tenths, whole } from './table.ts';

/**
 * What a fleet needs, reckoned from what was measured (`bench/scale/measured.json`) and from how often a Mac does what. It measures
 * nothing: the tables of docs/scale.md are its output, and another machine's numbers give another machine's tables.
 */

interface Cost {
  readonly gatewayMs: number;
  readonly postgresMs: number;
  readonly walBytes: number;
  readonly from: string;
}

const kinds = ['deviceCall', 'webhook', 'read', 'report'] as const;
type Kind = (typeof kinds)[number];

interface MeasuredCosts {
  readonly machine: string;
  readonly date: string;
  readonly work: Readonly<Record<Kind, Cost>>;
  readonly bytesOfDevice: number;
  readonly bytesOfRoute: number;
  /** Memory of a process that holds no routes. */
  readonly gatewayMegabytes: number;
}

const sizes = [100_000, 1_000_000, 10_000_000, 30_000_000] as const;
const daySeconds = 86_400;
const checkInSeconds = 900;

interface Scenario {
  readonly name: string;
  /** `ESPALIER_CHECK_IN_SECONDS`. */
  readonly foldedForSeconds: number;
}

const scenarios: readonly Scenario[] = [
  { name: 'a read every 15 minutes (the default)', foldedForSeconds: 900 },
  { name: 'a read every 4 hours (ESPALIER_CHECK_IN_SECONDS=14400)', foldedForSeconds: 14_400 },
];

/**
 * How often in the busiest hour of a day, of each Mac a second: check-ins go on all day; inventory comes once a day and
 * compliance changes three times, of which the morning brings ten times its share; a device is asked about four times a day.
 */
const peak = 10;
const ratesAtPeak = ({ foldedForSeconds }: Scenario): Readonly<Record<Kind, number>> => ({
  deviceCall: (4 * peak) / daySeconds,
  webhook: 1 / checkInSeconds,
  read: 1 / Math.max(checkInSeconds, foldedForSeconds),
  report: (4 * peak) / daySeconds,
});

/** What one ordinary deployment has: beyond it lies the bottleneck. */
const limits = {
  postgresCores: 32,
  walMegabytesPerSecond: 200,
  diskGigabytes: 4_000,
  gatewayCores: 64,
} as const;

interface Needs {
  readonly devices: number;
  readonly gatewayCores: number;
  readonly postgresCores: number;
  readonly walMegabytesPerSecond: number;
  readonly diskGigabytes: number;
  readonly processMegabytes: number;
  readonly bottleneck: string;
}

const names: Readonly<Record<keyof typeof limits, string>> = {
  postgresCores: "PostgreSQL's processors",
  walMegabytesPerSecond: "PostgreSQL's log",
  diskGigabytes: 'disk',
  gatewayCores: "the gateways' processors",
};

function needsOf(measured: MeasuredCosts, scenario: Scenario, devices: number): Needs {
  const rates = ratesAtPeak(scenario);
  const sum = (of: (cost: Cost) => number): number =>
    kinds.reduce((total, kind) => total + devices * rates[kind] * of(measured.work[kind]), 0);
  const needs = {
    gatewayCores: sum(({ gatewayMs }) => gatewayMs / 1_000),
    postgresCores: sum(({ postgresMs }) => postgresMs / 1_000),
    walMegabytesPerSecond: sum(({ walBytes }) => walBytes / 1e6),
    diskGigabytes: (devices * measured.bytesOfDevice) / 1e9,
  };
  const [name, share] = (Object.keys(limits) as (keyof typeof limits)[])
    .map((one) => [one, needs[one] / limits[one]] as const)
    .reduce((most, one) => (one[1] > most[1] ? one : most));
  return {
    ...{ devices, ...needs },
    processMegabytes: measured.gatewayMegabytes + (devices * measured.bytesOfRoute) / 1e6,
    bottleneck: `${names[name]} (${whole(100 * share)} % of ${limits[name]})`,
  };
}

const rowOf = (one: Needs): string[] => [
  whole(one.devices),
  tenths(one.gatewayCores),
  tenths(one.postgresCores),
  tenths(one.walMegabytesPerSecond),
  whole(one.diskGigabytes),
  whole(one.processMegabytes),
  one.bottleneck,
];

export async function model(_run: Run): Promise<Finding[]> {
  const file = new URL('./scale/measured.json', import.meta.url);
  const measured = JSON.parse(readFileSync(file, 'utf8')) as MeasuredCosts;
  return scenarios.map((scenario) => {
    const needs = sizes.map((devices) => needsOf(measured, scenario, devices));
    return {
      title: `the busiest hour, ${scenario.name}`,
      lines: columns([
        [
          'devices',
          'gateway cores',
          'PostgreSQL cores',
          'WAL MB/s',
          'disk GB',
          'process MB',
          'first bottleneck',
        ],
        ...needs.map(rowOf),
      ]),
      data: { scenario, measured, needs },
    };
  });
}
