import type { CallerResult } from './callers.ts';
import type { LoopSeen } from './loop-slices.ts';
import { percentile, percentileInterval } from './pace.ts';
import { tenths } from './table.ts';

/** What rounds of a quiet tenant say: times of rounds of a kind are pooled, and what failed counts as slower than all else. */

export type Side = 'alone' | 'control' | 'beside';
export const quietKinds = ['calls', 'webhooks', 'pushes'] as const;
export type QuietKind = (typeof quietKinds)[number];

export interface Round {
  readonly noise: string;
  readonly side: Side;
  readonly quiet: readonly CallerResult[];
  readonly noisy: readonly CallerResult[];
  /** Processors that were busy meanwhile. */
  readonly processors: {
    readonly gateway: number;
    readonly postgres: number;
    readonly noise: number;
    /** Processor time of programs that have no part in the bench. */
    readonly others: number;
  };
  readonly loop: LoopSeen;
}

/** A round says nothing where the maker of its load was late by more than this share of what it measured. */
const lateShare = 0.2;
/** Nor where others took more than this of the machine; the kernel's own threads are among them. */
const othersProcessors = 0.25;
const atMost = 2;

const sum = (values: readonly number[]): number => values.reduce((all, value) => all + value, 0);

/** Why a round says nothing; undefined: it counts. */
export function voidBecause({ noisy, processors, quiet }: Round): string | undefined {
  if (processors.others > othersProcessors) return 'other work';
  if (quiet.some(({ lateMs, times }) => lateMs > lateShare * percentile(times, 0.99))) return 'late';
  const isSilent = noisy.some(({ statuses: { 0: _none, ...others } }) => Object.keys(others).length === 0);
  return isSilent ? 'no noise' : undefined;
}

export interface Pooled {
  readonly count: number;
  readonly p50Ms: number;
  readonly p95Ms: number;
  readonly p99Ms: number;
  /** In which the 99th percentile lies with 95 %. */
  readonly p99Between: readonly [number, number];
  readonly refused: number;
  readonly unanswered: number;
}

/** Undefined: no round counts. */
export function pool(rounds: readonly Round[], kind: QuietKind): Pooled | undefined {
  const results = rounds
    .filter((round) => voidBecause(round) === undefined)
    .flatMap(({ quiet }) => quiet.filter(({ name }) => name === kind));
  if (results.length === 0) return undefined;
  const times = results.flatMap((result) => result.times);
  const unanswered = sum(results.map(({ statuses }) => statuses[0] ?? 0));
  const answers = sum(results.flatMap(({ statuses }) => Object.values(statuses)));
  const refused = answers - unanswered - times.length;
  const sorted = [
    ...times.sort((a, b) => a - b),
    ...Array<number>(refused + unanswered).fill(Number.POSITIVE_INFINITY),
  ];
  return {
    count: sorted.length,
    p50Ms: percentile(sorted, 0.5),
    p95Ms: percentile(sorted, 0.95),
    p99Ms: percentile(sorted, 0.99),
    p99Between: percentileInterval(sorted, 0.99),
    refused,
    unanswered,
  };
}

const ms = (value: number): string => (Number.isFinite(value) ? tenths(value) : 'none');
const between = (value: number, [low, high]: readonly [number, number], show = ms): string =>
  `${show(value)} (${show(low)} to ${show(high)})`;

function quotient(control: Pooled, beside: Pooled): { value: number; between: readonly [number, number] } {
  const [lowControl, highControl] = control.p99Between;
  const [lowBeside, highBeside] = beside.p99Between;
  return {
    value: beside.p99Ms / control.p99Ms,
    between: [lowBeside / highControl, highBeside / lowControl],
  };
}

/** Of one noise: each quiet kind with the noise going elsewhere (control) and beside it. */
export interface Compared {
  readonly kind: QuietKind;
  readonly control: Pooled | undefined;
  readonly beside: Pooled | undefined;
}

export const compared = (rounds: readonly Round[]): Compared[] =>
  quietKinds.map((kind) => {
    const of = (side: Side) =>
      pool(
        rounds.filter((round) => round.side === side),
        kind,
      );
    return { kind, control: of('control'), beside: of('beside') };
  });

const ratioText = ({ beside, control }: Compared): string => {
  if (!beside || !control) return 'void';
  const { between: ends, value } = quotient(control, beside);
  return between(value, ends, (ratio) => (Number.isFinite(ratio) ? ratio.toFixed(2) : 'none'));
};

export const quietHeads = [
  ...['beside', 'quiet', 'times', 'control p50', 'p99 (95 %)', 'beside p50', 'p95', 'p99 (95 %)'],
  ...['p99 ratio (95 %)', 'refused', 'no answer'],
];

export function quietRow(noise: string, one: Compared): string[] {
  const { beside, control, kind } = one;
  const told = (of: Pooled | undefined, show: (pooled: Pooled) => string): string => (of ? show(of) : 'void');
  return [
    noise,
    kind,
    `${control?.count ?? 0} and ${beside?.count ?? 0}`,
    told(control, ({ p50Ms }) => ms(p50Ms)),
    told(control, ({ p99Between, p99Ms }) => between(p99Ms, p99Between)),
    told(beside, ({ p50Ms }) => ms(p50Ms)),
    told(beside, ({ p95Ms }) => ms(p95Ms)),
    told(beside, ({ p99Between, p99Ms }) => between(p99Ms, p99Between)),
    ratioText(one),
    `${control?.refused ?? 0} and ${beside?.refused ?? 0}`,
    `${control?.unanswered ?? 0} and ${beside?.unanswered ?? 0}`,
  ];
}

export const noiseHeads = [
  ...['noise', 'gateway', 'PostgreSQL', 'noise', 'longest slice ms', 'collection ms', 'collections %'],
  ...['records/s', 'others', 'void', 'got'],
];

const mean = (values: readonly number[]): number => sum(values) / Math.max(1, values.length);

/** What the noisy one got, by status a second; 0 is no answer. */
function gotOf(rounds: readonly Round[]): string {
  const seconds = sum(rounds.map(({ noisy }) => noisy[0]?.seconds ?? 0));
  const counts = new Map<string, number>();
  for (const { statuses } of rounds.flatMap(({ noisy }) => noisy))
    for (const [status, count] of Object.entries(statuses))
      counts.set(status, (counts.get(status) ?? 0) + count);
  return [...counts]
    .sort()
    .map(([status, count]) => `${status}: ${(count / seconds).toFixed(count < 10 * seconds ? 1 : 0)}/s`)
    .join(', ');
}

/** `rounds`: those of one noise. The loop and the processors are those of the gateway beside it. */
export function noiseRow(name: string, rounds: readonly Round[], side: Side): string[] {
  const of = rounds.filter((round) => round.side === side);
  const seconds = sum(of.map(({ quiet }) => quiet[0]?.seconds ?? 0));
  const accepted = sum(of.flatMap(({ noisy }) => noisy.map((result) => result.accepted)));
  const voids = rounds.map(voidBecause).filter((why) => why !== undefined);
  const busy = (which: keyof Round['processors']): string =>
    mean(of.map(({ processors }) => processors[which])).toFixed(2);
  return [
    name,
    ...[busy('gateway'), busy('postgres'), busy('noise')],
    tenths(Math.max(0, ...of.map(({ loop }) => loop.longestSliceMs))),
    tenths(Math.max(0, ...of.map(({ loop }) => loop.longestCollectionMs))),
    tenths(sum(of.map(({ loop }) => loop.collectionsMs)) / (10 * seconds)),
    accepted === 0 ? '' : `${Math.round(accepted / sum(of.map(({ noisy }) => noisy[0]?.seconds ?? 0)))}`,
    busy('others'),
    voids.length === 0 ? '' : `${voids.length} of ${rounds.length}: ${[...new Set(voids)].join(', ')}`,
    gotOf(of),
  ];
}

/** One line: whether the bound holds for every kind of the quiet tenant. */
export function verdict(noise: string, all: readonly Compared[]): string {
  const holds = all.map(({ beside, control }) => {
    if (!beside || !control) return undefined;
    return beside.refused + beside.unanswered === 0 && quotient(control, beside).value <= atMost;
  });
  const word = holds.includes(false) ? 'missed' : holds.includes(undefined) ? 'void' : 'holds';
  const failed = (which: 'refused' | 'unanswered'): number =>
    sum(all.map(({ beside }) => beside?.[which] ?? 0));
  const ratios = all.map((one) => `${one.kind} ${ratioText(one)}`).join(', ');
  return `${word.padEnd(7)} another tenant's p99 at most doubled: ${noise}: ${ratios}; refused ${failed('refused')}, no answer ${failed('unanswered')}`;
}
