import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { createRateLimits, type RateLimit } from '../../gateway/rate.ts';
import { takingsToldMs, takingsWaiting } from '../../limits.ts';
import type { Taken } from './messages.ts';
import { createTakings, type ToldTakings } from './takings.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }));
afterEach(() => vi.useRealTimers());

/** Processes of a machine, each of which tells all others. */
function machine(processes: number) {
  const sent: Taken[] = [];
  const all: ToldTakings[] = Array.from({ length: processes }, (_, number) =>
    createTakings(processes, async (taken) => {
      sent.push(taken);
      for (const [other, takings] of all.entries()) if (other !== number) takings.heard(taken);
    }),
  );
  const limits = (perSecond: number, burst?: number): RateLimit[] =>
    all.map(({ of }) =>
      createRateLimits({ now: () => performance.now(), takingsOf: of })('calls', perSecond, burst),
    );
  return { limits, sent };
}

const takeAll = (limit: RateLimit | undefined, key = 'tenant', part?: string): number => {
  let count = 0;
  while (limit?.take(key, part) === undefined) count += 1;
  return count;
};
const told = (): Promise<unknown> => vi.advanceTimersByTimeAsync(takingsToldMs);

describe('a rate of several processes', () => {
  it('is had whole by whoever comes to a single one', () => {
    const [first] = machine(4).limits(100);
    expect(takeAll(first)).toBe(200);
  });

  it('is had once, whichever of them is asked next', async () => {
    const [first, second, third] = machine(3).limits(100);
    expect(takeAll(first)).toBe(200);
    await told();
    // What was not told yet is less than a sixth of the burst; and two a second have come back meanwhile.
    const beyond = takeAll(second);
    expect(beyond).toBeLessThanOrEqual(200 / 6 + 2);
    await told();
    expect(takeAll(third)).toBeLessThanOrEqual(200 / 6 + 4);
  });

  it('is kept on average by all together, also where all are asked as fast as can be', async () => {
    const limits = machine(3).limits(100);
    let taken = 0;
    for (let turn = 0; turn < 1_500; turn += 1) {
      for (const limit of limits) taken += takeAll(limit);
      await vi.advanceTimersByTimeAsync(20);
    }
    // 30 s, and what can be taken at once.
    expect(taken).toBeGreaterThanOrEqual(30 * 100);
    expect(taken).toBeLessThanOrEqual(30 * 100 + 200 + 100);
  });

  it('owes what the processes took together before they heard of each other', async () => {
    const limits = machine(3).limits(100);
    expect(limits.map((limit) => takeAll(limit))).toEqual([200, 200, 200]);
    await told();
    const seconds = limits[0]?.take('tenant') ?? 0;
    // Two bursts beyond what there was, less what was not told.
    expect(seconds).toBeGreaterThan(3);
    expect(seconds).toBeLessThanOrEqual(4.01);
    await vi.advanceTimersByTimeAsync(seconds * 1_000);
    expect(limits[0]?.take('tenant')).toBeUndefined();
  });

  it('leaves other keys alone, and tells nothing of those that are hardly used', async () => {
    const { limits, sent } = machine(3);
    const [first, second] = limits(100);
    takeAll(first, 'noisy');
    for (let nth = 0; nth < 30; nth += 1) first?.take('quiet');
    await told();
    expect(sent.flat().map(([, key]) => key)).toEqual(['noisy']);
    expect(takeAll(second, 'quiet')).toBe(200);
  });

  it('keeps half for the others of a tenant, in all processes together', async () => {
    const limits = machine(2).limits(100);
    let noisy = 0;
    let refused = 0;
    for (let turn = 0; turn < 1_000; turn += 1) {
      for (const limit of limits) noisy += takeAll(limit, 'tenant', 'noisy');
      // Twenty a second.
      if (turn % 5 === 0 && limits[turn % 2]?.take('tenant', 'quiet') !== undefined && turn > 200)
        refused += 1;
      await vi.advanceTimersByTimeAsync(10);
    }
    expect(noisy).toBeLessThanOrEqual(10 * 100 + 300);
    expect(refused).toBeLessThanOrEqual(5);
  });

  it('of one a second is told at each', async () => {
    const [first, second] = machine(3).limits(1, 1);
    expect(takeAll(first)).toBe(1);
    await told();
    expect(second?.peek('tenant')).toBeGreaterThan(0.9);
    expect(takeAll(second)).toBe(0);
  });
});

describe('what is told', () => {
  it('goes in one message at a time, which gathers what comes meanwhile', async () => {
    const sent: Taken[] = [];
    let leave = (): void => undefined;
    const { of } = createTakings(2, (taken) => {
      sent.push(taken);
      return new Promise((resolve) => {
        leave = resolve;
      });
    });
    const { tell } = of('calls');
    tell('a', 1);
    tell('a', 2);
    await told();
    tell('a', 3);
    tell('b', 4);
    await vi.advanceTimersByTimeAsync(10 * takingsToldMs);
    expect(sent).toEqual([[['calls', 'a', 3]]]);
    leave();
    await told();
    expect(sent[1]).toEqual([
      ['calls', 'a', 3],
      ['calls', 'b', 4],
    ]);
  });

  it('is bounded', async () => {
    const sent: Taken[] = [];
    const { of } = createTakings(2, async (taken) => {
      sent.push(taken);
    });
    const { tell } = of('calls');
    for (let key = 0; key <= takingsWaiting; key += 1) tell(String(key), 1);
    await told();
    expect(sent.map(({ length }) => length)).toEqual([takingsWaiting]);
  });

  it('is of limits that have names of their own', () => {
    const { of } = createTakings(2, async () => undefined);
    of('calls').onOthers(() => undefined);
    expect(() => of('calls').onOthers(() => undefined)).toThrow('two limits are called calls');
  });
});
