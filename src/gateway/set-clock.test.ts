/** Somebody sets the machine's clock: a minute back, a day forward, a day back. */

import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { monotonicMs } from '../clock.ts';
import { createCircuits } from '../delivery/stage/circuit.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import { createRateLimit } from './rate.ts';

const realDate = Date.now;
let offsetMs = 0;
const steps = [-60_000, 86_400_000, -86_400_000];

beforeEach(() => {
  offsetMs = 0;
  vi.spyOn(Date, 'now').mockImplementation(() => realDate() + offsetMs);
});
afterEach(() => vi.restoreAllMocks());

describe('a clock that is set', () => {
  it('does not move what durations are measured by', () => {
    for (const step of steps) {
      const before = monotonicMs();
      offsetMs += step;
      const tookMs = monotonicMs() - before;
      expect(tookMs).toBeGreaterThanOrEqual(0);
      expect(tookMs).toBeLessThan(10_000);
    }
  });

  it('limits nobody', () => {
    const rate = createRateLimit(10);
    expect(rate.take('a')).toBeUndefined();
    for (const step of steps) {
      offsetMs += step;
      expect(rate.take('a')).toBeUndefined();
    }
  });

  it('limits nobody by an injected clock either, and never for longer than a full second of the limit', () => {
    let nowMs = 1_000_000_000;
    const rate = createRateLimit(1, () => nowMs, 1);
    for (const step of steps) {
      rate.take('a');
      nowMs += step;
      expect(rate.take('a') ?? 0).toBeLessThanOrEqual(1);
    }
    nowMs += 1_000;
    expect(rate.take('a')).toBeUndefined();
  });

  it('closes no circuit and lengthens no silence', () => {
    const circuits = createCircuits({ backoff: { baseSeconds: 2, maxSeconds: 300 }, now: monotonicMs });
    circuits.silence('a', 30_000);
    for (const step of steps) {
      offsetMs += step;
      expect(circuits.closedForMs('a')).toBeLessThanOrEqual(30_000);
      expect(circuits.closedForMs('a')).toBeGreaterThan(20_000);
      expect(circuits.mayTake('b')).toBeGreaterThan(0);
      expect(circuits.mayRetry('b')).toBe(true);
    }
  });

  it('makes no Retry-After of a day out of a date', () => {
    const at = new Date(realDate() + 30_000).toUTCString();
    for (const step of steps) {
      const seconds = retryAfterSeconds(new Headers({ 'retry-after': at }), realDate() + step);
      expect(seconds).toBeGreaterThanOrEqual(0);
      expect(seconds).toBeLessThanOrEqual(3_600);
    }
  });
});
