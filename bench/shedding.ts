import type { Asked, Kind } from './caller-requests.ts';
import { startCallerScene } from './caller-scene.ts';
import type { Caller, CallerResult } from './callers.ts';
import type { CloudScene } from './cloud-scene.ts';
import type { Gateway } from './gateway.ts';
import type { LoopSeen } from './loop-slices.ts';
import { percentile } from './pace.ts';
import { type Finding, pause, type Run, wait } from './run.ts';
import { columns, tenths, whole } from './table.ts';

/**
 * More than the gateway and its database can do, of all classes together, and a database that commits nothing for half of the
 * time: what of each is refused, in which order it begins, and how device calls fare.
 */

const defaultSeconds = 20;
const sampleMs = 250;
const patienceMs = 60_000;

const crowd: readonly Asked[] = [
  { kind: 'large pushes', connections: 16 },
  { kind: 'lists', connections: 16, operators: 6 },
  { kind: 'exports', connections: 4, operators: 6 },
  { kind: 'pages', connections: 200 },
  { kind: 'webhooks', connections: 600 },
  { kind: 'calls', connections: 500 },
];

/**
 * The classes in the order in which they may begin to be refused (docs/overload.md), but for pages, which a database that
 * waits does not refuse.
 */
const firstRefused: readonly (readonly Kind[])[] = [
  ['large pushes', 'lists', 'exports'],
  ['webhooks'],
  ['calls'],
];

const countOf = ({ statuses }: CallerResult, is: (status: number) => boolean): number =>
  Object.entries(statuses).reduce((sum, [status, count]) => sum + (is(Number(status)) ? count : 0), 0);

async function levelOf({ ops }: Gateway): Promise<number | undefined> {
  const text = await fetch(`${ops}/metrics`).then(
    (answer) => answer.text(),
    () => '',
  );
  const level = /^espalier_pressure(?:{[^}]*})? (\d+)/m.exec(text)?.[1];
  return level === undefined ? undefined : Number(level);
}

/** The levels that are seen until the function ends it. */
function watchLevels(gateway: Gateway, signal: AbortSignal): () => Promise<readonly (number | undefined)[]> {
  const levels: (number | undefined)[] = [];
  let isOver = false;
  const watch = async (): Promise<void> => {
    while (!isOver) {
      levels.push(await levelOf(gateway));
      await wait(sampleMs, signal);
    }
  };
  const watching = watch();
  // A failure is told by the function that ends the watch, which may be called much later.
  watching.catch(() => undefined);
  return async () => {
    isOver = true;
    await watching;
    return levels;
  };
}

/** A synchronous standby that is away, in the middle half of the time: nothing is committed, and everything is read. */
async function holdCommits({ sql }: CloudScene, seconds: number): Promise<void> {
  const standby = async (names: string): Promise<void> => {
    await sql.unsafe(`alter system set synchronous_standby_names = '${names}'`);
    await sql`select pg_reload_conf()`;
  };
  await pause(seconds * 250);
  await standby('away');
  await pause(seconds * 500);
  await standby('');
}

async function untilCalm(gateway: Gateway, signal: AbortSignal): Promise<number> {
  const endedMs = performance.now();
  while ((await levelOf(gateway)) !== 0) {
    if (performance.now() - endedMs > patienceMs) throw new Error('the pressure did not end');
    await wait(sampleMs, signal);
  }
  return performance.now() - endedMs;
}

function rowOf(result: CallerResult): string[] {
  const { name, seconds, shedAfterMs, statuses, times } = result;
  const shed = countOf(result, (status) => status === 503);
  const unanswered = statuses[0] ?? 0;
  const others = countOf(result, () => true) - times.length - shed - unanswered;
  return [
    name,
    whole(times.length / seconds),
    whole(shed / seconds),
    `${others}`,
    `${unanswered}`,
    tenths(percentile(times, 0.5)),
    tenths(percentile(times, 0.99)),
    shedAfterMs === undefined ? 'never' : tenths(shedAfterMs / 1_000),
  ];
}

/** True where no class was refused before any of those that come before it was. */
function isInOrder(results: readonly CallerResult[]): boolean {
  const begins = firstRefused.map((kinds) => {
    const of = results.filter(({ name }) => kinds.some((kind) => kind === name));
    return of.map(({ shedAfterMs = Number.POSITIVE_INFINITY }) => shedAfterMs);
  });
  return begins.every((all, at) => at === 0 || Math.min(...begins[at - 1]!) <= Math.min(...all));
}

function summary(
  seconds: number,
  results: readonly CallerResult[],
  levels: readonly (number | undefined)[],
  { calmMs, laneWay, loop }: { calmMs: number; laneWay: string; loop: LoopSeen },
): Finding {
  const share = (level: number): string =>
    `${level}: ${Math.round((100 * levels.filter((one) => one === level).length) / Math.max(1, levels.length))} %`;
  const heads = ['', 'answered/s', 'refused/s', 'other', 'no answer', 'p50 ms', 'p99 ms', 'refused after s'];
  const unseen = levels.filter((level) => level === undefined).length;
  return {
    title: `more than there is capacity for, ${seconds} s; fast lane: ${laneWay}`,
    lines: [
      ...columns([heads, ...results.map(rowOf)]),
      `levels of pressure, of ${levels.length} looks: ${[0, 1, 2, 3, 4, 5].map(share).join(', ')}, ${unseen} without an answer; calm ${tenths(calmMs / 1_000)} s after the end`,
      `longest slice ${tenths(loop.longestSliceMs)} ms, longest collection ${tenths(loop.longestCollectionMs)} ms, collections ${tenths(loop.collectionsMs / (10 * seconds))} %`,
      `${isInOrder(results) ? 'holds  ' : 'missed '} no class is refused before the one that comes before it`,
    ],
    data: { seconds, levels, calmMs, loop, results: results.map(({ times: _, ...result }) => result) },
  };
}

export async function sheddingBench(run: Run): Promise<Finding[]> {
  const { seconds = defaultSeconds } = run.options;
  const settings = { ESPALIER_CONNECTIONS_PER_ADDRESS: '10000' };
  const { callerOf, crowds, laneWay, scene, watched } = await startCallerScene(run, {
    isApart: false,
    settings,
  });
  const { gateway } = scene;
  const callers: Caller[] = crowd.map((asked) => callerOf('noisy', asked, { of: 'flood' }));
  await crowds.noisy.connect(callers);
  await watched.seen(gateway);
  const endWatch = watchLevels(gateway, run.signal);
  const held = holdCommits(scene, seconds);
  const results = await crowds.noisy.play(callers, seconds);
  await held;
  const levels = await endWatch();
  const calmMs = await untilCalm(gateway, run.signal);
  const loop = await watched.seen(gateway);
  return [summary(seconds, results, levels, { calmMs, laneWay, loop })];
}
