import { describe, expect, it } from 'vitest';
import { delayAt } from './delivery-counts.ts';

describe('the delay that a share did not exceed', () => {
  it('is nothing where nothing was counted', () => {
    expect(delayAt([], 0.5)).toBeNull();
    expect(delayAt([0, 0], 0.99)).toBeNull();
  });

  it('lies in the step that holds it', () => {
    // 99 within 50 ms, one between 1.6 and 2.3 s.
    const delays = [99, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
    expect(delayAt(delays, 0.5)).toBeLessThan(0.05);
    expect(delayAt(delays, 0.999)).toBeGreaterThan(1.6);
    expect(delayAt(delays, 1)).toBeLessThan(2.3);
  });

  it('grows with the share', () => {
    const delays = [1, 5, 9, 4, 2, 0, 1];
    const values = [0.1, 0.5, 0.9, 0.99, 1].map((share) => delayAt(delays, share) ?? 0);
    expect(values).toEqual([...values].sort((a, b) => a - b));
  });
});
