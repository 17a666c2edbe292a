import { Hono } from 'hono';
import { afterEach, expect, it } from 'vitest';
import { setTracing } from '../telemetry/tracing.ts';
import type { ListenerEnv } from './listener.ts';
import { inRequestSpan } from './request-span.ts';

afterEach(() => setTracing(false));

function listen() {
  let made = 0;
  const app = new Hono<ListenerEnv>();
  const attributes = () => {
    made += 1;
    return {};
  };
  app.get('/things/:thingId', (c) => inRequestSpan(c, attributes, async () => c.text('a thing')));
  return { ask: async () => (await app.request('/things/1')).text(), made: () => made };
}

it('nothing of a span is made where none would be recorded, and one for each request where some are', async () => {
  const { ask, made } = listen();
  expect(await ask()).toBe('a thing');
  expect(made()).toBe(0);
  setTracing(true);
  expect(await ask()).toBe('a thing');
  expect(made()).toBe(1);
});
