import {
  type Context,
  type ContextManager,
  context,
  propagation,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type RecordedSpan, recordingTo, recordingTracerProvider } from './recorded-spans.ts';
import { samplerOf } from './samplers.ts';
import { traceContextPropagator } from './trace-context.ts';
import { inStageSpan } from './tracing.ts';

const causeOf = (digit: string, flags = '01') => `00-${digit.repeat(32)}-${digit.repeat(16)}-${flags}`;

/** Enough for work that looks at its context before it first waits. */
let active: Context = ROOT_CONTEXT;
const contexts: ContextManager = {
  active: () => active,
  with: (within, work, self, ...given) => {
    const before = active;
    active = within;
    try {
      return work.apply(self as never, given);
    } finally {
      active = before;
    }
  },
  bind: (_, target) => target,
  enable: () => contexts,
  disable: () => contexts,
};

const disable = (): void => {
  context.disable();
  propagation.disable();
  trace.disable();
};

beforeAll(() => {
  // Files share a process, and one before may have left its own: what is registered a second time is not taken.
  disable();
  context.setGlobalContextManager(contexts);
  propagation.setGlobalPropagator(traceContextPropagator);
  trace.setGlobalTracerProvider(recordingTracerProvider);
});
afterAll(disable);

async function spanOf(causes: readonly (string | null)[]): Promise<RecordedSpan | undefined> {
  const ended: RecordedSpan[] = [];
  const sink = { sampler: samplerOf(undefined, 1), add: (span: RecordedSpan) => ended.push(span) };
  await context.with(recordingTo(sink, ROOT_CONTEXT), () =>
    inStageSpan('stage', {}, causes, async () => undefined),
  );
  return ended[0];
}

it('work that several requests have caused is linked to each of them once, and stands in the trace of the first', async () => {
  const span = await spanOf([causeOf('a'), null, causeOf('b'), causeOf('a'), 'nonsense', causeOf('c', '00')]);
  expect(span?.links.map(({ context: { spanId } }) => spanId[0])).toEqual(['a', 'b', 'c']);
  expect(span).toMatchObject({ traceId: 'a'.repeat(32), parent: { spanId: 'a'.repeat(16) } });
});

it('work of its own begins a trace, and what nobody records stays unrecorded', async () => {
  expect(await spanOf([null])).toMatchObject({ parent: undefined, links: [] });
  expect(await spanOf([causeOf('a', '00'), causeOf('b')])).toBeUndefined();
});

it('no more links than an SDK keeps', async () => {
  const many = Array.from(
    { length: 200 },
    (_, at) => `00-${'a'.repeat(32)}-${(at + 1).toString(16).padStart(16, '0')}-01`,
  );
  expect((await spanOf(many))?.links).toHaveLength(128);
});
