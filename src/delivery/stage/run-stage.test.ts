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
