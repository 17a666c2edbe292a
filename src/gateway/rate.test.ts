import { describe, expect, it } from 'vitest';
import { createRateLimit } from './rate.ts';

describe('a rate with parts', () => {
  const start = (perSecond: number) => {
    const clock = { ms: 0 };
    const rate = createRateLimit(perSecond, () => clock.ms);
    const taken = (key: string, part?: string): number => {
      let count = 0;
      while (rate.take(key, part) === undefined) count += 1;
      return count;
    };
    return { clock, rate, taken };
  };

  it('gives the only part what it gives a key without one: twice the rate at once, and the rate from then on', () => {
    const { clock, taken } = start(100);
    expect(taken('tenant', 'app')).toBe(200);
    // While it is held back, half of the bucket fills up for the others.
    for (; clock.ms < 5_000; clock.ms += 10) taken('tenant', 'app');
    let later = 0;
    for (; clock.ms < 15_000; clock.ms += 10) later += taken('tenant', 'app');
    expect(later).toBeGreaterThanOrEqual(990);
    expect(later).toBeLessThanOrEqual(1_000);
  });

  it('leaves something for a quiet part beside one that takes all it can get', () => {
    const { clock, rate, taken } = start(100);
    let refused = 0;
    for (; clock.ms < 20_000; clock.ms += 10) {
      taken('tenant', 'noisy');
      // Twenty a second.
      if (clock.ms % 50 === 0 && rate.take('tenant', 'quiet') !== undefined) refused += 1;
    }
    // Only before the noisy one was held back: what it could take at once was all there was.
    expect(refused).toBeLessThanOrEqual(5);
  });

  it('remembers nothing of whom it is only asked about', () => {
    const { rate } = start(1);
    expect([rate.peek('a'), rate.isUsed('a')]).toEqual([undefined, false]);
    rate.take('a');
    expect([rate.peek('a'), rate.isUsed('a')]).toEqual([undefined, true]);
    rate.take('a');
    expect(rate.peek('a')).toBe(1);
  });
});
