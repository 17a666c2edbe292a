/**
 * Which work a line of the log belongs to: the request that is answered, and the trace that it stands in. Both travel with
 * the work in OpenTelemetry's context, on Node and on Workers alike; a runtime installs a context manager at its start.
 */

import { type Context, context, createContextKey, isSpanContextValid, trace } from '@opentelemetry/api';

const requestKey = createContextKey('the request that is answered');

/** Runs the work on a request; every line that is logged in it names the request. */
export const withRequestId = <T>(requestId: string, work: () => T): T =>
  context.with(context.active().setValue(requestKey, requestId), work);

/** The trace that work stands in; the caller's, where nothing is recorded here. */
export interface TraceIds {
  readonly traceId?: string;
  readonly spanId?: string;
}

export interface WorkIds extends TraceIds {
  readonly requestId?: string;
}

/** Empty for work that no trace has begun. */
export function traceIdsOf(within: Context): TraceIds {
  const span = trace.getSpanContext(within);
  return span !== undefined && isSpanContextValid(span) ? { traceId: span.traceId, spanId: span.spanId } : {};
}

/** Empty for work that no request and no trace has begun. */
export function workIds(): WorkIds {
  const active = context.active();
  const requestId = active.getValue(requestKey);
  return { ...(typeof requestId === 'string' ? { requestId } : {}), ...traceIdsOf(active) };
}
