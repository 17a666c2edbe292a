/** W3C Trace Context (www.w3.org/TR/trace-context) for a runtime without OpenTelemetry's SDK. */

import {
  isSpanContextValid,
  type SpanContext,
  type TextMapPropagator,
  TraceFlags,
  trace,
} from '@opentelemetry/api';

const header = 'traceparent';

/** Section 3.2: a later version may have more behind the flags, and `ff` is none. */
const form = /^(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?$/;

function parse(traceparent: string): SpanContext | undefined {
  const [, version, traceId, spanId, flags, more] = form.exec(traceparent.trim()) ?? [];
  if (traceId === undefined || spanId === undefined || flags === undefined) return undefined;
  if (version === '00' && more !== undefined) return undefined;
  const found = { traceId, spanId, traceFlags: Number.parseInt(flags, 16), isRemote: true };
  return isSpanContextValid(found) ? found : undefined;
}

const format = ({ spanId, traceFlags, traceId }: SpanContext): string =>
  `00-${traceId}-${spanId}-0${traceFlags & TraceFlags.SAMPLED}`;

export const traceContextPropagator: TextMapPropagator = {
  inject: (context, carrier, setter) => {
    const span = trace.getSpanContext(context);
    if (span !== undefined && isSpanContextValid(span)) setter.set(carrier, header, format(span));
  },
  extract: (context, carrier, getter) => {
    const given = getter.get(carrier, header);
    const parent = typeof given === 'string' ? parse(given) : undefined;
    return parent === undefined ? context : trace.setSpanContext(context, parent);
  },
  fields: () => [header],
};
