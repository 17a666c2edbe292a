import { describe, expect, it } from 'vitest';
import type { Schedule } from '../../store/due-rows.ts';
import { createLog } from '../../telemetry/log.ts';
import { createJobs, createTurns } from '../../untrusted/turns.ts';
import { systemClock } from './clock.ts';
import { runStage, type Stage } from './run-stage.ts';

const tenantId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a01';
const schedule: Schedule = { tenantId, background: false };

describe('the rows of a lease', () => {
  it('are begun as many at a time as fit into a millisecond, all the same', async () => {
    let nowMs = 1_000;
    let begunInTurn = 0;
    let most = 0;
    let isRunning = true;
    const loop = (): void => {
      nowMs += 2;
      most = Math.max(most, begunInTurn);
      begunInTurn = 0;
      if (isRunning) setImmediate(loop);
    };
    setImmediate(loop);
    let left = Array.from({ length: 300 }, (_, row) => row);
    const worked: number[] = [];
    const ended = Promise.withResolvers<void>();
    const stage: Stage<number> = {
      name: 'computers',
      look: async () => (left.length > 0 ? [{ schedule, dueInMs: 0 }] : []),
      settleSchedules: async () => undefined,
      lease: async () => left.splice(0),
      scheduleOf: () => schedule,
      mayTake: () => 1_000,
      renew: async () => undefined,
      units: (rows) => rows.map((row) => [row]),
      work: async ([row = -1]) => {
        await Promise.resolve();
        nowMs += 0.25;
        begunInTurn += 1;
        worked.push(row);
        if (worked.length === 300) ended.resolve();
      },
      fail: async (_rows, _holder, error) => ended.reject(error),
    };
    const runner = runStage(stage, {
      ...{ log: createLog({ level: 'error', format: 'json', write: () => undefined }), clock: systemClock },
      ...{ rows: 1_000, scheduleRows: 1_000, inTurn: createJobs(createTurns(() => nowMs)) },
    });
    await ended.promise;
    await runner.stop();
    isRunning = false;
    left = [];
    expect(most).toBe(4);
    expect(worked).toEqual(Array.from({ length: 300 }, (_, row) => row));
  });
});

/** A clock that is moved by hand; what is due then runs, and what follows from it. */
function createManualClock() {
  let nowMs = 1_000;
  const timers = new Set<{ readonly atMs: number; readonly work: () => void }>();
  const settled = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));
  return {
    now: () => nowMs,
    after: (ms: number, work: () => void) => {
      const timer = { atMs: nowMs + ms, work };
      timers.add(timer);
      return () => timers.delete(timer);
    },
    pass: async (ms: number): Promise<void> => {
      const endMs = nowMs + ms;
      await settled();
      for (;;) {
        const [next] = [...timers].sort((a, b) => a.atMs - b.atMs);
        if (next === undefined || next.atMs > endMs) break;
        nowMs = Math.max(nowMs, next.atMs);
        timers.delete(next);
        next.work();
        await settled();
      }
      nowMs = endMs;
    },
  };
}

describe('leases', () => {
  /** Rows that become due by themselves, and the sizes of the leases that took them. */
  function start(scheduleRows: number) {
    const clock = createManualClock();
    let due = 0;
    const sizes: number[] = [];
    const stage: Stage<number> = {
      name: 'reports',
      look: async () => [],
      settleSchedules: async () => undefined,
      lease: async (_holder, shares) => {
        const rows = Array.from({ length: Math.min(due, shares[0]?.limit ?? 0) }, (_, row) => row);
        due -= rows.length;
        sizes.push(rows.length);
        return rows;
      },
      scheduleOf: () => schedule,
      mayTake: () => 1_000,
      renew: async () => undefined,
      units: (rows) => rows.map((row) => [row]),
      work: async () => undefined,
      fail: async () => undefined,
    };
    const runner = runStage(stage, {
      ...{ log: createLog({ level: 'error', format: 'json', write: () => undefined }), clock },
      ...{ rows: 1_000, scheduleRows },
    });
    const add = (rows: number): void => {
      due += rows;
      runner.wake([schedule]);
    };
    return { add, runner, sizes, pass: clock.pass };
  }

  it('take a row at once that comes alone, and a few each where rows go on coming', async () => {
    const { add, pass, runner, sizes } = start(1_000);
    add(1);
    await pass(1);
    expect(sizes).toEqual([1]);
    await pass(5_000);
    const before = sizes.length;
    for (let row = 0; row < 300; row += 1) {
      add(1);
      await pass(10);
    }
    await pass(1_000);
    const taken = sizes.slice(before);
    expect(taken.reduce((sum, size) => sum + size, 0)).toBe(300);
    // Four a second, and those that go ahead.
    expect(taken.filter((size) => size > 0).length).toBeLessThanOrEqual(17);
    await runner.stop();
  });

  it('follow each other at once where more is due than one takes', async () => {
    const { add, pass, runner, sizes } = start(10);
    add(400);
    await pass(1);
    expect(sizes.reduce((sum, size) => sum + size, 0)).toBe(400);
    await runner.stop();
  });

  it('that wait for more do not delay a stop', async () => {
    const { add, pass, runner } = start(1_000);
    for (let row = 0; row < 8; row += 1) {
      add(1);
      await pass(1);
    }
    await runner.stop();
  });
});
