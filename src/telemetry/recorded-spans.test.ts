import { createHash } from 'node:crypto';
import {
  type Context,
  defaultTextMapGetter,
  defaultTextMapSetter,
  ROOT_CONTEXT,
  trace,
} from '@opentelemetry/api';
import { describe, expect, it } from 'vitest';
import { type RecordedSpan, recordingTo, recordingTracerProvider } from './recorded-spans.ts';
import { byRatio, samplerOf } from './samplers.ts';
import { traceContextPropagator } from './trace-context.ts';

const traceId = '0af7651916cd43dd8448eb211c80319c';
const spanId = 'b7ad6b7169203331';
const parent = (flags: string, version = '00', more = '') =>
  `${version}-${traceId}-${spanId}-${flags}${more}`;

const extract = (traceparent: string, into: Context = ROOT_CONTEXT): Context =>
  traceContextPropagator.extract(into, { traceparent }, defaultTextMapGetter);
const inject = (from: Context): string | undefined => {
  const carrier: { traceparent?: string } = {};
  traceContextPropagator.inject(from, carrier, defaultTextMapSetter);
  return carrier.traceparent;
};

describe('traceparent', () => {
  it('comes out as it went in, but for flags that mean nothing here', () => {
    expect(inject(extract(parent('01')))).toBe(parent('01'));
    expect(inject(extract(parent('00')))).toBe(parent('00'));
    expect(inject(extract(parent('03')))).toBe(parent('01'));
    expect(inject(extract(parent('01', 'cc', '-what-comes-later')))).toBe(parent('01'));
  });

  it('is none when it is not well formed', () => {
    for (const wrong of [
      '',
      parent('01').toUpperCase(),
      parent('01', 'ff'),
      parent('01', '00', '-more'),
      parent('1'),
      `00-${'0'.repeat(32)}-${spanId}-01`,
      `00-${traceId}-${'0'.repeat(16)}-01`,
    ])
      expect(inject(extract(wrong)), wrong).toBeUndefined();
  });
});

describe('samplers', () => {
  const [sampled, unsampled] = ['01', '00'].map((flags) => trace.getSpanContext(extract(parent(flags))));
  const ids = Array.from({ length: 4_000 }, (_, at) =>
    createHash('sha256').update(String(at)).digest('hex').slice(0, 32),
  );
  const share = (sampler: ReturnType<typeof byRatio>, name = 'computer.read') =>
    ids.filter((id) => sampler(id, name, undefined)).length / ids.length;

  it('follow the names of OTEL_TRACES_SAMPLER', () => {
    const decide = (name: string | undefined) => {
      const sampler = samplerOf(name, 0);
      return [undefined, sampled, unsampled].map((of) => sampler(traceId, 'computer.read', of));
    };
    expect(decide(undefined)).toEqual([true, true, false]);
    expect(decide('always_on')).toEqual([true, true, true]);
    expect(decide('always_off')).toEqual([false, false, false]);
    expect(decide('traceidratio')).toEqual([false, false, false]);
    expect(decide('parentbased_always_on')).toEqual([true, true, false]);
    expect(decide('parentbased_always_off')).toEqual([false, true, false]);
    expect(decide('parentbased_traceidratio')).toEqual([false, true, false]);
  });

  it('take the share that is asked for, and by default few device calls', () => {
    expect(share(byRatio(0))).toBe(0);
    expect(share(byRatio(1))).toBe(1);
    expect(share(byRatio(0.25))).toBeCloseTo(0.25, 1);
    expect(share(samplerOf(undefined, 1))).toBe(1);
    const call = 'GET /t/:tenantId/devices/:deviceId/compliance';
    expect(share(samplerOf(undefined, 1), call)).toBeLessThan(0.05);
    expect(samplerOf(undefined, 1)(traceId, call, sampled)).toBe(true);
  });
});

describe('spans', () => {
  const record = () => {
    const ended: RecordedSpan[] = [];
    const sink = { sampler: samplerOf(undefined, 1), add: (span: RecordedSpan) => ended.push(span) };
    return { ended, within: recordingTo(sink, ROOT_CONTEXT) };
  };
  const tracer = recordingTracerProvider.getTracer('espalier');

  it('are added when they end, once, with their parent and what went wrong', () => {
    const { ended, within } = record();
    const span = tracer.startSpan('one', { attributes: { a: 1 } }, extract(parent('01'), within));
    span.setAttribute('b', 'two');
    span.recordException(Object.assign(new Error('x'.repeat(10_000)), { code: 'E_LONG' }));
    expect(ended).toEqual([]);
    span.end();
    span.end();
    span.setAttribute('late', true);
    const [found] = ended;
    expect(ended).toHaveLength(1);
    expect(found).toMatchObject({ traceId, parent: { spanId }, name: 'one', attributes: { a: 1, b: 'two' } });
    expect(found?.attributes).not.toHaveProperty('late');
    const [event] = found?.events ?? [];
    expect(event?.attributes['exception.type']).toBe('E_LONG');
    expect(String(event?.attributes['exception.message']).length).toBeLessThan(5_000);
  });

  it('are not recorded below a parent that is not, nor without a place to go, and the trace goes on', () => {
    const { ended, within } = record();
    for (const around of [extract(parent('00'), within), extract(parent('00'))]) {
      const span = tracer.startSpan('one', {}, around);
      expect(inject(trace.setSpan(ROOT_CONTEXT, span))).toMatch(
        new RegExp(`^00-${traceId}-[0-9a-f]{16}-00$`),
      );
      span.end();
    }
    expect(trace.isSpanContextValid(tracer.startSpan('one', {}, ROOT_CONTEXT).spanContext())).toBe(false);
    expect(ended).toEqual([]);
  });
});
