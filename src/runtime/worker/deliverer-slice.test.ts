import { expect, it } from 'vitest';
import type { Delivery } from '../delivery.ts';
import { createBudget } from './budget.ts';
import { createSlices, DeliveryStuck } from './deliverer-slice.ts';

/**
 * Bounds of a slice, with delivery that is stuck on purpose; test/system/deliverer-slice.test.ts has real delivery. The
 * clock moves with each look at the budget, so that a busy machine makes no slice longer.
 */

const never = new Promise<never>(() => undefined);

function scene(delivery: Partial<Delivery>, start: Promise<unknown> = Promise.resolve()) {
  let stops = 0;
  const stuck: Delivery = {
    wake: () => undefined,
    idleMs: () => 0,
    sinceEndMs: () => 0,
    nextInMs: () => 1_000,
    ...delivery,
    stop: () => {
      stops += 1;
      return delivery.stop?.() ?? Promise.resolve();
    },
  };
  let nowMs = 0;
  const pass = (ms: number): void => {
    nowMs += ms;
  };
  const counted = createBudget({ sliceMs: 200, requests: 10, atOnce: 1, ofTenant: 1 }, () => nowMs);
  const isOver = (): boolean => {
    pass(100);
    return counted.isOver();
  };
  const begin = () => start.then(() => stuck);
  const bounds = { stopMs: 50, silentMs: 300, wholeMs: 100 };
  const slices = createSlices(begin, { ...counted, isOver }, bounds, () => nowMs);
  return { slices, pass, stops: () => stops };
}

it('gives delivery up that does not stop', async () => {
  const { slices } = scene({ idleMs: () => 60_000, stop: () => never });
  await expect(slices.run()).rejects.toThrow(DeliveryStuck);
  expect(slices.delivering()).toBe(false);
});

it('gives delivery up in which nothing comes to an end, outside or in the database', async () => {
  const { slices, stops } = scene({ sinceEndMs: () => 60_000, stop: () => never });
  // Its budget is younger than the silence that is allowed.
  expect(await slices.run()).toEqual({ nextInMs: 0 });
  expect(slices.delivering()).toBe(true);
  await expect(slices.run()).rejects.toThrow(DeliveryStuck);
  expect(slices.delivering()).toBe(false);
  expect(stops()).toBe(1);
});

it('goes on while rows come to an end', async () => {
  const { slices } = scene({ sinceEndMs: () => 10 });
  for (let slice = 0; slice < 3; slice += 1) expect(await slices.run()).toEqual({ nextInMs: 0 });
  expect(slices.delivering()).toBe(true);
});

it('does not count on a slice that should have ended', () => {
  const { pass, slices } = scene({}, never);
  void slices.run();
  expect(slices.wake()).toBe(true);
  pass(100);
  expect(slices.wake()).toBe(false);
});
