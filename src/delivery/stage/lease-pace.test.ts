import { expect, it } from 'vitest';
import { createLeasePace } from './lease-pace.ts';

it('lets some leases follow each other, then one in each pause, and some again after a rest', () => {
  let nowMs = 5_000;
  const pace = createLeasePace({ atOnce: 3, gatherMs: 200, now: () => nowMs });
  for (let lease = 0; lease < 3; lease += 1) {
    expect(pace.restMs()).toBe(0);
    pace.tookAll();
  }
  expect(pace.restMs()).toBe(200);
  nowMs += 150;
  expect(pace.restMs()).toBe(50);
  nowMs += 50;
  expect(pace.restMs()).toBe(0);
  pace.tookAll();
  expect(pace.restMs()).toBe(200);
  nowMs += 600;
  for (let lease = 0; lease < 3; lease += 1) {
    expect(pace.restMs()).toBe(0);
    pace.tookAll();
  }
  expect(pace.restMs()).toBe(200);
});
