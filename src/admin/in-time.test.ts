import { Hono } from 'hono';
import { expect, it } from 'vitest';
import { ProblemError } from '../problems.ts';
import { type AdminEnv, type ApprovedRequest, approvedRequest } from './context.ts';
import { inTime } from './in-time.ts';

const slow = new Hono<AdminEnv>().use(inTime({ after: () => undefined }, 20)).post('/', async (c) => {
  await new Promise((resolve) => setTimeout(resolve, 200));
  return c.body(null, 204);
});
slow.onError((error, c) => c.text(error.message, error instanceof ProblemError ? 503 : 500));

it('a write that waits for others is answered in time', async () => {
  const answer = await slow.request('/', { method: 'POST' });
  expect(answer.status).toBe(503);
  expect(await answer.text()).toMatch(/goes on/);
});

it('what an approval carries out is waited for, because its answer is the outcome', async () => {
  const approved: ApprovedRequest = {
    operator: { kind: 'key', name: 'key first', id: undefined, role: 'admin', tenantIds: undefined },
    approvedBy: 'key second',
    source: undefined,
    devices: 200,
  };
  const answer = await slow.request('/', { method: 'POST' }, { [approvedRequest]: approved });
  expect(answer.status).toBe(204);
});
