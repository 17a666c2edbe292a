/**
 * Which work a line of the log belongs to: the request that is answered, and the trace that it stands in. Both travel with
 * the work in OpenTelemetry's context, on Node and on Workers alike; a runtime installs a context manager at its start.
 */

import { context, createContextKey, isSpanContextValid, trace } from '@opentelemetry/api';

const requestKey = createContextKey('the request that is answered');

/** Runs the work on a request; every line that is logged in it names the request. */
export const withRequestId = <T>(requestId: string, work: () => T): T =>
  context.with(context.active().setValue(requestKey, requestId), work);

export interface WorkIds {
  readonly requestId?: string;
  /** The trace that the work stands in; the caller's, where nothing is recorded here. */
  readonly traceId?: string;
  readonly spanId?: string;
}

/** Empty for work that no request and no trace has begun. */
export function workIds(): WorkIds {
  const active = context.active();
  const requestId = active.getValue(requestKey);
  const span = trace.getSpanContext(active);
  return {
    ...(typeof requestId === 'string' ? { requestId } : {}),
    ...(span !== undefined && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : {}),
  };
}
