import { setTimeout as wait } from 'node:timers/promises';
import { delivererName } from '../../src/runtime/worker/waker.ts';
import { type Crash, type Plan, shards } from './plan.ts';
import type { Scene } from './scene.ts';

/** The crashes of gateways, of Durable Objects and of the database, as the plan has them. */
export interface Crashes {
  readonly counts: { kills: number; aborts: number; databaseRestarts: number };
  /**
   * When something was killed or stopped, milliseconds since the epoch, oldest first. An object that ends is not among them:
   * nothing that was committed is lost with it, so it is no reason to say anything twice.
   */
  readonly times: readonly number[];
  /** Milliseconds since anything was ended, an object among it. */
  calmMs(): number;
  /** Plays the plan; resolves after `stop`, when everything runs again. */
  run(): Promise<void>;
  /** No more of them. */
  stop(): void;
}

export function createCrashes({ database, gateways }: Scene, plan: Plan): Crashes {
  const counts = { kills: 0, aborts: 0, databaseRestarts: 0 };
  const times: number[] = [];
  let endedAt = 0;
  const stopped = new AbortController();

  const kill = async ({ downMs, gateways: numbers }: Extract<Crash, { kind: 'kill' }>): Promise<void> => {
    const victims = numbers.map((number) => gateways[number]!);
    counts.kills += victims.length;
    times.push(Date.now());
    await Promise.all(victims.map((gateway) => gateway.kill()));
    await wait(downMs);
    // Nobody waits for it: the next crash may come while it starts, as it may in life.
    for (const gateway of victims) void gateway.start().catch(() => undefined);
  };
  const abort = ({ shards: numbers }: Extract<Crash, { kind: 'abort' }>): void => {
    const running = gateways.filter((gateway) => gateway.isUp());
    for (const gateway of running)
      gateway.abort(numbers.map((shard) => delivererName({ shard, of: shards })));
    counts.aborts += running.length * numbers.length;
  };
  const restartDatabase = async ({ downMs, mode }: Extract<Crash, { kind: 'database' }>): Promise<void> => {
    counts.databaseRestarts += 1;
    times.push(Date.now());
    await database.stop(mode);
    await wait(downMs);
    await database.start();
    // Connections broke until it was back.
    times.push(Date.now());
  };

  return {
    counts,
    times,
    calmMs: () => Date.now() - endedAt,
    run: async () => {
      const startedAt = Date.now();
      for (const crash of plan.crashes) {
        const aheadMs = Math.max(0, startedAt + crash.atMs - Date.now());
        await wait(aheadMs, undefined, { signal: stopped.signal }).catch(() => undefined);
        if (stopped.signal.aborted) break;
        if (crash.kind === 'abort') abort(crash);
        else await (crash.kind === 'kill' ? kill(crash) : restartDatabase(crash));
        endedAt = Date.now();
      }
      await Promise.all(gateways.map((gateway) => gateway.start()));
    },
    stop: () => stopped.abort(),
  };
}
