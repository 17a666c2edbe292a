import { setTimeout as wait } from 'node:timers/promises';
import type { Crash, Plan } from './plan.ts';
import type { Scene } from './scene.ts';

/** The crashes of gateways and of the database, as the plan has them. */
export interface Crashes {
  readonly counts: { kills: number; databaseRestarts: number };
  /** When something was killed or stopped, milliseconds since the epoch, oldest first. */
  readonly times: readonly number[];
  /** Plays the plan; resolves after `stop`, when everything runs again. */
  run(): Promise<void>;
  /** No more of them. */
  stop(): void;
}

export function createCrashes({ database, gateways }: Scene, plan: Plan): Crashes {
  const counts = { kills: 0, databaseRestarts: 0 };
  const times: number[] = [];
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
    run: async () => {
      const startedAt = Date.now();
      for (const crash of plan.crashes) {
        const aheadMs = Math.max(0, startedAt + crash.atMs - Date.now());
        await wait(aheadMs, undefined, { signal: stopped.signal }).catch(() => undefined);
        if (stopped.signal.aborted) break;
        await (crash.kind === 'kill' ? kill(crash) : restartDatabase(crash));
      }
      await Promise.all(gateways.map((gateway) => gateway.start()));
    },
    stop: () => stopped.abort(),
  };
}
