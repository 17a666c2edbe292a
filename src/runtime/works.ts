/** Runs work that is done again and again, on timers of its own. */

import { monotonicMs } from '../clock.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { Log } from '../telemetry/log.ts';

/** Work that is done again and again. */
export interface BackgroundWork {
  /** As the log calls it. */
  readonly name: string;
  /** From the begin of a turn to that of the next; a turn that takes longer leaves out those that it is in the way of. */
  readonly everyMs: number;
  /**
   * Where there are shards: `tenants` is done by each of them for the tenants of its own, `all` by one of them for all
   * tenants, and `process` only where calls are served.
   */
  readonly of: 'tenants' | 'all' | 'process';
  readonly run: () => Promise<void>;
}

const shardOfName = (name: string, of: number): number =>
  [...name].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % of;

/** The works of one shard; without a scope all of them. */
export const worksOf = (
  works: readonly BackgroundWork[],
  scope: TenantScope | undefined,
): readonly BackgroundWork[] =>
  scope === undefined
    ? works
    : works.filter(
        ({ name, of }) => of === 'tenants' || (of === 'all' && shardOfName(name, scope.of) === scope.shard),
      );

/** The times at which works are due, which outlive a stop where they are started again and again. */
export interface WorkTimes {
  /** By name, on the monotonic clock. */
  readonly dueAtMs: Map<string, number>;
  /** A work that never ran begins at once, and not after the time between its turns. */
  readonly firstAtOnce: boolean;
}

export interface WorkRunner {
  /** No work is due or under way just now. */
  resting(): boolean;
  /** Begins no turn any more, and waits for those under way. */
  stop(): Promise<void>;
}

function repeat(log: Log, { everyMs, name, run }: BackgroundWork, times: WorkTimes): WorkRunner {
  const { dueAtMs, firstAtOnce } = times;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let running: Promise<void> | undefined;
  let stopped = false;
  /** Work that is slower than its period still leaves pauses. */
  const leaveOutMissed = (): void => {
    const nextAtMs = dueAtMs.get(name) ?? 0;
    const missed = Math.floor((monotonicMs() - nextAtMs) / everyMs) + 1;
    if (missed > 0) dueAtMs.set(name, nextAtMs + missed * everyMs);
  };
  const turn = (): void => {
    dueAtMs.set(name, monotonicMs() + everyMs);
    running = run()
      .catch((error: unknown) => log.warn(`${name}.failed`, { error }))
      .finally(() => {
        running = undefined;
        leaveOutMissed();
        if (!stopped) arm();
      });
  };
  const arm = (): void => {
    const inMs = (dueAtMs.get(name) ?? 0) - monotonicMs();
    timer = setTimeout(turn, Math.max(0, inMs));
  };
  if (!dueAtMs.has(name)) dueAtMs.set(name, monotonicMs() + (firstAtOnce ? 0 : everyMs));
  arm();
  return {
    resting: () => running === undefined && (dueAtMs.get(name) ?? 0) > monotonicMs(),
    stop: async () => {
      stopped = true;
      clearTimeout(timer);
      await running;
    },
  };
}

/** Runs each work when it is due, one turn of it at a time; an error is logged and the next turn comes. */
export function runWorks(log: Log, works: readonly BackgroundWork[], times: WorkTimes): WorkRunner {
  const runners = works.map((one) => repeat(log, one, times));
  return {
    resting: () => runners.every((runner) => runner.resting()),
    stop: async () => {
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

/** One such work; the function ends it, and waits for the turn under way. */
export const every = (
  log: Log,
  everyMs: number,
  name: string,
  run: () => Promise<void>,
): (() => Promise<void>) =>
  repeat(log, { name, everyMs, of: 'process', run }, { dueAtMs: new Map(), firstAtOnce: false }).stop;
