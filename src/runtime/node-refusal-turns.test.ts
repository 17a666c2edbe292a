import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { expect, test } from 'vitest';
import { createRefusalTurns } from './node-refusal-turns.ts';

const turnOfLoop = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Turns on a clock that only work moves on. */
function scene() {
  let nowMs = 0;
  const done: string[] = [];
  const turns = createRefusalTurns(1, () => nowMs);
  const work = (name: string, ms: number) => () => {
    done.push(name);
    nowMs += ms;
  };
  /** The same, but its time passes in a promise that it begins. */
  const later = (name: string, ms: number) => () => {
    void Promise.resolve().then(work(name, ms));
  };
  return { done, turns, work, later };
}

test('nothing is done before the loop has gone round', async () => {
  const { done, turns, work } = scene();
  turns.add('stranger', work('a', 0.1));
  await Promise.resolve();
  expect([done.length, turns.waiting()]).toEqual([0, 1]);
  await turnOfLoop();
  expect([done.length, turns.waiting()]).toEqual([1, 0]);
});

test.each(['work', 'later'] as const)(
  'a turn of the loop does a slice of them, in their order: %s',
  async (how) => {
    const { done, turns, ...kinds } = scene();
    const names = Array.from({ length: 30 }, (_, at) => `${at}`);
    for (const name of names) turns.add('stranger', kinds[how](name, 0.25));
    const counts: number[] = [];
    while (turns.waiting() > 0) {
      await turnOfLoop();
      counts.push(done.length);
    }
    expect(done).toEqual(names);
    // The first look may come in the middle of a turn.
    expect(
      counts
        .slice(1)
        .map((count, at) => count - (counts[at] ?? 0))
        .every((count) => count <= 4),
    ).toBe(true);
    expect(counts.length).toBeGreaterThanOrEqual(7);
  },
);

test('one that is longer than a slice delays none of the others beyond its own time', async () => {
  const { done, turns, work } = scene();
  for (const name of ['a', 'b', 'c']) turns.add('customer', work(name, 5));
  for (let turn = 0; turn < 4; turn += 1) await turnOfLoop();
  expect(done).toEqual(['a', 'b', 'c']);
});

test('a customer waits beside strangers and not behind them', async () => {
  const { done, turns, work } = scene();
  for (let at = 0; at < 100; at += 1) turns.add('stranger', work('stranger', 0.5));
  turns.add('customer', work('customer', 0.5));
  while (!done.includes('customer')) await turnOfLoop();
  expect(done.indexOf('customer')).toBeLessThan(3);
  while (turns.waiting() > 0) await turnOfLoop();
  expect(done).toHaveLength(101);
});

test('what has run is let go of although something always waits', async () => {
  const turns = createRefusalTurns(1_000_000);
  const run: WeakRef<object>[] = [];
  let isOver = false;
  const add = (): void => {
    const held = { bytes: Buffer.alloc(64 * 1024) };
    run.push(new WeakRef(held));
    turns.add('stranger', () => {
      held.bytes.fill(1);
      if (!isOver) add();
    });
  };
  for (let waiting = 0; waiting < 4; waiting += 1) add();
  while (run.length < 3_000) await new Promise((resolve) => setImmediate(resolve));
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as () => void;
  collect();
  await new Promise((resolve) => setImmediate(resolve));
  collect();
  const kept = run.slice(0, 2_000).filter((one) => one.deref() !== undefined).length;
  isOver = true;
  expect(kept).toBeLessThan(100);
});
