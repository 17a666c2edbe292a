import { Hono } from 'hono';
import { afterEach, beforeEach, expect, it, vi } from 'vitest';
import type { Sharing } from '../joining.ts';
import { operatorRequestsPerSecond } from '../limits.ts';
import { ProblemError, problemResponse } from '../problems.ts';
import type { AdminEnv, Operator } from './context.ts';
import { createOperatorShare } from './operator-share.ts';

beforeEach(() => vi.useFakeTimers({ toFake: ['performance', 'setTimeout'] }));
afterEach(() => vi.useRealTimers());

const operator = (id: string): Operator => ({
  kind: 'key',
  id,
  name: id,
  role: 'admin',
  tenantIds: undefined,
});

/** Answers `GET /<operator>` within the share, and counts what was answered. */
function scene(sharing: Sharing = 'process') {
  const share = createOperatorShare(sharing);
  const answered: string[] = [];
  const app = new Hono<AdminEnv>();
  app.use('*', share.begin);
  app.use('/:id', (c, next) => {
    c.set('operator', operator(c.req.param('id')));
    return next();
  });
  app.use('/:id', share.take);
  app.onError((error) => {
    if (error instanceof ProblemError) return problemResponse(error.problem, 'x');
    throw error;
  });
  app.get('/:id', (c) => {
    answered.push(`${c.req.param('id')} ${c.req.query('nth')}`);
    return c.text('');
  });
  return { answered, ask: async (id: string, nth = 0) => app.request(`/${id}?nth=${nth}`) };
}

it('slows down who asks faster than a credential may, in the order of coming, and nobody else', async () => {
  const { answered, ask } = scene();
  for (let nth = 0; nth < 2 * operatorRequestsPerSecond; nth += 1)
    expect((await ask('noisy')).status).toBe(200);
  answered.length = 0;
  const waiting = [1, 2, 3].map((nth) => ask('noisy', nth));
  expect((await ask('quiet')).status).toBe(200);
  await vi.advanceTimersByTimeAsync(1);
  expect(answered).toEqual(['quiet 0']);
  await vi.advanceTimersByTimeAsync(1_000);
  expect(answered).toEqual(['quiet 0', 'noisy 1', 'noisy 2', 'noisy 3']);
  for (const answer of waiting) expect((await answer).status).toBe(200);
});

it('refuses it where requests must not wait, and counts nothing whose end may not be heard of', async () => {
  const { ask } = scene('request');
  for (let nth = 0; nth < 2 * operatorRequestsPerSecond; nth += 1)
    expect((await ask('noisy')).status).toBe(200);
  const refused = await ask('noisy');
  expect([refused.status, refused.headers.get('retry-after')]).toEqual([429, '1']);
  expect((await ask('quiet')).status).toBe(200);
});
