import { describe, expect, it } from 'vitest';
import { renewInSeconds, retryInSeconds } from './schedule.ts';

const day = 86_400;
const from = Date.UTC(2026, 0, 1);
const life = { notBefore: new Date(from), notAfter: new Date(from + 90 * day * 1_000) };

describe('a certificate of ninety days', () => {
  it('is renewed after sixty of them at the latest, and four and a half earlier at the earliest', () => {
    expect(renewInSeconds(life, from, () => 0)).toBeCloseTo(60 * day);
    expect(renewInSeconds(life, from, () => 1)).toBeCloseTo(55.5 * day);
  });

  it('is due at once when that time is over', () => {
    expect(renewInSeconds(life, from + 80 * day * 1_000)).toBe(1);
  });
});

describe('a try that failed', () => {
  const backoff = { baseSeconds: 60, maxSeconds: 21_600 };

  it('is repeated less and less often, five times in the first hour', () => {
    const waits = [1, 2, 3, 4, 5, 6, 7, 40].map((attempts) =>
      retryInSeconds(attempts, undefined, backoff, () => 0),
    );
    expect(waits).toEqual([60, 180, 540, 1_620, 4_860, 14_580, 21_600, 21_600]);
    const atSeconds = waits.map((_, index) => waits.slice(0, index).reduce((sum, wait) => sum + wait, 0));
    expect(atSeconds.filter((seconds) => seconds < 3_600)).toHaveLength(5);
  });

  it('waits as long as the authority asks for', () => {
    expect(retryInSeconds(1, 7_200, backoff)).toBe(7_200);
    expect(retryInSeconds(7, 5, backoff, () => 1)).toBeCloseTo(19_440);
  });
});
