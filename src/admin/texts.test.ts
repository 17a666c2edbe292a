import { Hono } from 'hono';
import { expect, it } from 'vitest';
import type { AdminEnv } from './context.ts';
import { refuseBadTextInBody } from './texts.ts';

it('a body that nothing has bounded is not read', async () => {
  const app = new Hono<AdminEnv>().use(refuseBadTextInBody).delete('/', (c) => c.body(null, 204));
  let chunks = 0;
  const deep = new ReadableStream<Uint8Array>({
    pull: (controller) => {
      chunks += 1;
      controller.enqueue(new TextEncoder().encode((chunks <= 100 ? '[' : ']').repeat(1_000)));
      if (chunks === 200) controller.close();
    },
  });
  const request = { method: 'DELETE', headers: { 'content-type': 'application/json' }, body: deep };
  const answer = await app.request('/', { ...request, duplex: 'half' } as RequestInit);
  expect(answer.status).toBe(204);
  expect(chunks).toBeLessThan(10);
});
