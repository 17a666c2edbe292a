import { expect, it } from 'vitest';
import type { OutboundFailure, OutboundRequest } from '../../outbound/port.ts';
import { createBudget } from './budget.ts';

const request: OutboundRequest = {
  method: 'GET',
  url: 'https://jamf.example',
  timeoutMs: 1_000,
  addresses: 'checked',
};
const reset: OutboundFailure = { ok: false, failure: 'reset', detail: '' };

it('is over by time or by requests, and new with each slice', async () => {
  let nowMs = 0;
  const budget = createBudget({ sliceMs: 100, requests: 2, atOnce: 3 }, () => nowMs);
  const send = budget.counted(async () => reset);
  await send(request);
  expect(budget.isOver()).toBe(false);
  await send(request);
  expect(budget.isOver()).toBe(true);
  budget.begin();
  expect(budget.isOver()).toBe(false);
  nowMs = 100;
  expect(budget.isOver()).toBe(true);
  budget.begin();
  expect(budget.isOver()).toBe(false);
});

it('lets so many requests out at a time, and the next where one has failed', async () => {
  const budget = createBudget({ sliceMs: 100, requests: 100, atOnce: 2 }, () => 0);
  const under: PromiseWithResolvers<OutboundFailure>[] = [];
  const send = budget.counted(() => {
    const one = Promise.withResolvers<OutboundFailure>();
    under.push(one);
    return one.promise;
  });
  const sent = Array.from({ length: 4 }, () => send(request).catch((error: unknown) => error));
  await Promise.resolve();
  expect(under).toHaveLength(2);
  under[0]?.reject(new Error('it threw'));
  expect(await sent[0]).toBeInstanceOf(Error);
  expect(under).toHaveLength(3);
  for (const one of under) one.resolve(reset);
  await sent[2];
  under[3]?.resolve(reset);
  expect(await Promise.all(sent.slice(1))).toEqual([reset, reset, reset]);
});
