import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createLog } from '../telemetry/log.ts';
import { type BackgroundWork, runWorks, type WorkTimes, worksOf } from './works.ts';

const lines: string[] = [];
const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) });

const work = (name: string, run: () => Promise<void>): BackgroundWork => ({
  ...{ name, run },
  everyMs: 10_000,
  of: 'all',
});

describe('recurring work', () => {
  beforeEach(() => {
    lines.length = 0;
    vi.useFakeTimers();
  });
  afterEach(() => vi.useRealTimers());

  it('begins after its time, one turn at a time, and goes on at its next time after one that was long or failed', async () => {
    let turns = 0;
    const runner = runWorks(
      log,
      [
        work('slow', async () => {
          turns += 1;
          await new Promise((resolve) => setTimeout(resolve, 25_000));
          throw new Error('no luck');
        }),
      ],
      { dueAtMs: new Map(), firstAtOnce: false },
    );
    expect(runner.resting()).toBe(true);
    await vi.advanceTimersByTimeAsync(9_000);
    expect(turns).toBe(0);
    await vi.advanceTimersByTimeAsync(25_000);
    expect([turns, runner.resting()]).toEqual([1, false]);
    await vi.advanceTimersByTimeAsync(5_000);
    expect([turns, runner.resting()]).toEqual([1, true]);
    await vi.advanceTimersByTimeAsync(2_000);
    expect(turns).toBe(2);
    expect(lines.join()).toContain('slow.failed');
    const stopped = runner.stop();
    await vi.advanceTimersByTimeAsync(60_000);
    await stopped;
    expect(turns).toBe(2);
  });

  it('is not done anew because it was stopped and started, and not left out either', async () => {
    const times: WorkTimes = { dueAtMs: new Map(), firstAtOnce: true };
    const turns: number[] = [];
    // A slice of a second every four seconds.
    for (let second = 0; second < 60; second += 4) {
      const runner = runWorks(log, [work('trim', async () => void turns.push(second))], times);
      await vi.advanceTimersByTimeAsync(1_000);
      expect(runner.resting()).toBe(true);
      await runner.stop();
      await vi.advanceTimersByTimeAsync(3_000);
    }
    expect(turns).toEqual([0, 12, 24, 36, 48]);
  });

  it('of all tenants is done by one shard, of its own tenants by each, of a process by none', () => {
    const done = async (): Promise<void> => undefined;
    const all = ['watching', 'approvals', 'history.trim', 'routes.read'].map((name) => work(name, done));
    const works: readonly BackgroundWork[] = [
      ...all,
      { name: 'heartbeat', everyMs: 1, of: 'tenants', run: done },
      { name: 'shadow', everyMs: 1, of: 'process', run: done },
    ];
    expect(worksOf(works, undefined)).toEqual(works);
    for (const of of [1, 2, 5]) {
      const shards = Array.from({ length: of }, (_, shard) =>
        worksOf(works, { shard, of }).map(({ name }) => name),
      );
      const names = shards.flat();
      for (const { name } of all) expect(names.filter((one) => one === name)).toHaveLength(1);
      expect(shards.every((shard) => shard.includes('heartbeat') && !shard.includes('shadow'))).toBe(true);
    }
  });
});
