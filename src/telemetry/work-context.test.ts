import { context, trace } from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { createContextManager } from '../runtime/node-contexts.ts';
import { createLog } from './log.ts';
import { withRequestId } from './work-context.ts';

const traceId = 'a'.repeat(32);
const spanId = 'b'.repeat(16);
const lines: string[] = [];
const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
const last = (): Record<string, unknown> => JSON.parse(lines.at(-1) ?? '{}') as Record<string, unknown>;

beforeAll(() => {
  // Files share a process: what one before has left would not be replaced.
  context.disable();
  context.setGlobalContextManager(createContextManager());
});
afterAll(() => context.disable());

it('a line names the request and the trace of its work, also after that has waited, and no other work', async () => {
  const within = trace.setSpanContext(context.active(), { traceId, spanId, traceFlags: 1 });
  await Promise.all([
    context.with(within, () =>
      withRequestId('one', async () => {
        await new Promise((resolve) => setTimeout(resolve, 5));
        log.info('first');
        expect(last()).toMatchObject({ event: 'first', requestId: 'one', traceId, spanId });
      }),
    ),
    withRequestId('two', async () => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      log.warn('second', { requestId: 'its own' });
      expect(last()).toMatchObject({ event: 'second', requestId: 'its own' });
      expect(last()).not.toHaveProperty('traceId');
    }),
  ]);
  log.info('third');
  expect(Object.keys(last())).toEqual(['time', 'level', 'event']);
});
