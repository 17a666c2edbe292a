import { mkdtempSync, rmSync, statfsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startDatabase } from './database.ts';
import { percentile } from './pace.ts';
import { type Finding, type Run, unlessAborted, wait } from './run.ts';
import { instancesOfTenant, readTableBytes } from './scale/fleet.ts';
import { logPlans, plansOf, type SeenPlans } from './scale/plans.ts';
import { type Side, startSide } from './scale/side.ts';
import { recordsOfRun, takeIn, type Work, works } from './scale/works.ts';
import { columns, whole } from './table.ts';
import { familyProcessorSeconds, processorSeconds, residentMegabytes } from './usage.ts';

/**
 * Whether anything costs more because the fleet is large: what a gateway does and is asked, beside the same with a hundredth of
 * tenants, instances and devices, in turns. Then what the large fleet costs while nothing happens.
 */

const tenants = 10_000;
const smaller = 100;
const mostDevices = 5_000_000;
/** Where the disk is small. */
const fewerDevices = 2_000_000;
const roomyDisk = 60e9;
/** What a device takes, with room for the log of the database and for temporary files. */
const bytesOfDevice = 12_000;
const defaultRounds = 9;
const warmUps = 2;
const maxRatio = 2;
const defaultIdleSeconds = 300;
const settleMs = 15_000;
const restartMs = 3_000;

/** As many as the disk has room for. */
function devicesFor(freeBytes: number): number {
  const wanted = freeBytes < roomyDisk ? fewerDevices : mostDevices;
  return Math.min(wanted, Math.floor(freeBytes / bytesOfDevice / 1e5) * 1e5);
}

interface Compared {
  readonly work: Work;
  readonly smallMs: number;
  readonly largeMs: number;
  readonly ratio: number;
}

async function timeOf(work: Work, side: Side): Promise<number> {
  const began = performance.now();
  await work.run(side);
  return performance.now() - began;
}

/** In turns, so that other work of the machine is beside both. */
async function compare(work: Work, small: Side, large: Side, rounds: number): Promise<Compared> {
  const took: Readonly<Record<'small' | 'large', number[]>> = { small: [], large: [] };
  for (let round = 0; round < warmUps + rounds; round += 1) {
    const [ofSmall, ofLarge] = [await timeOf(work, small), await timeOf(work, large)];
    if (round < warmUps) continue;
    took.small.push(ofSmall);
    took.large.push(ofLarge);
  }
  const median = (values: number[]): number =>
    percentile(
      values.sort((a, b) => a - b),
      0.5,
    );
  const [smallMs, largeMs] = [median(took.small), median(took.large)];
  return { work, smallMs, largeMs, ratio: largeMs / smallMs };
}

const verdictOf = ({ ratio, work }: Compared): string => {
  if (ratio <= maxRatio) return '';
  return work.grows ?? 'MISSED';
};

const rowOf = (one: Compared, seen: SeenPlans | undefined): string[] => [
  one.work.name,
  one.smallMs.toFixed(2),
  one.largeMs.toFixed(2),
  one.ratio.toFixed(2),
  seen === undefined ? '' : `${seen.plans}`,
  seen === undefined ? '' : seen.scans.length === 0 ? 'none' : [...new Set(seen.scans)].join(', '),
];

interface Idle {
  readonly seconds: number;
  readonly gatewayShare: number;
  readonly postgresShare: number;
  readonly residentMegabytes: number;
  readonly connections: number;
}

async function idleCost(side: Side, postgres: number, seconds: number, signal: AbortSignal): Promise<Idle> {
  await wait(settleMs, signal);
  const used = () => ({
    gateway: processorSeconds(side.gateway.pid) ?? Number.NaN,
    postgres: familyProcessorSeconds(postgres) ?? Number.NaN,
  });
  const before = used();
  await wait(seconds * 1_000, signal);
  const after = used();
  const [row] = await side.sql<{ connections: number }[]>`
    select count(*)::int as connections from pg_stat_activity
    where datname = ${side.database} and backend_type = 'client backend' and application_name like 'espalier%'`;
  return {
    seconds,
    gatewayShare: (after.gateway - before.gateway) / seconds,
    postgresShare: (after.postgres - before.postgres) / seconds,
    residentMegabytes: residentMegabytes(side.gateway.pid) ?? Number.NaN,
    connections: row?.connections ?? 0,
  };
}

/** Of PostgreSQL's log, for a pushed record until it is a claim, a route and a report; others write meanwhile, but little. */
async function walOfTakeIn(side: Side): Promise<number> {
  const written = async (): Promise<number> => {
    const [row] = await side.sql<{ bytes: number }[]>`
      select pg_wal_lsn_diff(pg_current_wal_lsn(), '0/0')::float8 as bytes`;
    return row?.bytes ?? 0;
  };
  const before = await written();
  await takeIn(side);
  return ((await written()) - before) / recordsOfRun;
}

const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;

export async function scale(run: Run): Promise<Finding[]> {
  const { options, signal, stack } = run;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { bavail, bsize } = statfsSync(dir);
  const freeBytes = bavail * bsize;
  const devices = options.devices ?? devicesFor(freeBytes);
  const server = await startDatabase(stack, dir);
  const side = (name: string, part: number) => {
    const size = { tenants: tenants / part, devices: Math.ceil(devices / part) };
    return startSide(stack, server, { name, size, dir }, signal);
  };
  const small = await side('small', smaller);
  const large = await side('large', 1);
  await wait(settleMs, signal);

  const compared: Compared[] = [];
  for (const work of works)
    compared.push(await unlessAborted(signal, compare(work, small, large, options.rounds ?? defaultRounds)));

  const walBytes = await walOfTakeIn(large);
  await small.gateway.stop();
  const idle = await idleCost(large, server.pid, options.seconds ?? defaultIdleSeconds, signal);

  await logPlans(server.sql, large.database);
  await wait(restartMs, signal);
  const logFile = join(dir, 'postgres', 'data', 'server.log');
  const seen = new Map<Work, SeenPlans>();
  for (const work of works) seen.set(work, await plansOf(logFile, () => work.run(large)));

  const tables = await readTableBytes(large.sql);
  const bytes = tables.reduce((sum, table) => sum + table.bytes, 0);
  const grown = compared.filter((one) => verdictOf(one) !== '');
  const scanned = [...seen].filter(([, { scans }]) => scans.length > 0).map(([{ name }]) => name);
  return [
    {
      title: `${whole(tenants)} tenants, ${whole(tenants * instancesOfTenant)} instances, ${whole(devices)} devices beside a hundredth of each; ${whole(freeBytes / 1e9)} GB were free`,
      lines: [
        ...columns([
          ['', 'hundredth ms', 'all ms', 'ratio', 'plans', 'sequential scans of large tables'],
          ...compared.map((one) => rowOf(one, seen.get(one.work))),
        ]),
        ...grown.map((one) => `ratio ${one.ratio.toFixed(1)}: ${one.work.name}: ${verdictOf(one)}`),
        `idle for ${whole(idle.seconds)} s, of one processor: gateway ${percent(idle.gatewayShare)}, PostgreSQL ${percent(idle.postgresShare)}; gateway ${whole(idle.residentMegabytes)} MB, ${idle.connections} connections`,
        `${whole(walBytes)} bytes of WAL for a pushed record that is taken in`,
        `filled in ${whole(large.fillSeconds)} s; ${whole(bytes / devices)} bytes a device: ${tables.map((one) => `${one.table} ${whole(one.bytes / devices)}`).join(', ')}`,
        scanned.length === 0
          ? 'no statement scanned reports, computers or timeline sequentially'
          : `MISSED: a sequential scan in ${scanned.join(', ')}`,
      ],
      data: {
        ...{ tenants, devices, freeBytes, idle, tables, scanned, walBytes },
        fillSeconds: large.fillSeconds,
        compared: compared.map(({ work, ...one }) => ({
          name: work.name,
          ...one,
          grows: work.grows,
          scans: seen.get(work)?.scans ?? [],
        })),
      },
    },
  ];
}
