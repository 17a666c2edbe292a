/** The span of a request whose sender has shown who he is: a stranger gets none, or he could fill what is exported. */

import { context } from '@opentelemetry/api';
import type { Context } from 'hono';
import { ProblemError, problemKinds } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import { inServerSpan } from '../telemetry/http-spans.ts';
import { isTracing, type SpanAttributes } from '../telemetry/tracing.ts';
import { type TraceIds, traceIdsOf } from '../telemetry/work-context.ts';
import { routeOf } from './listener.ts';

/** What the listener answers for an exception (listener.ts). */
function statusOf(error: unknown): number {
  if (error instanceof ProblemError) return problemKinds[error.problem.slug].status;
  return isStoreUnavailable(error) ? 503 : 500;
}

/** The part of a context that each listener's has, whatever else it holds. */
interface Answering extends Pick<Context, 'req'> {
  get(name: 'requestId'): string;
  set(name: 'trace', value: TraceIds): void;
}

/** `attributes` are made only where spans are. */
export const inRequestSpan = (
  c: Answering,
  attributes: () => SpanAttributes,
  work: () => Promise<Response>,
): Promise<Response> => {
  if (!isTracing()) return work();
  return inServerSpan(
    {
      method: c.req.method,
      route: routeOf(c),
      path: c.req.path,
      traceparent: c.req.header('traceparent'),
    },
    { 'espalier.request.id': c.get('requestId'), ...attributes() },
    () => {
      c.set('trace', traceIdsOf(context.active()));
      return work();
    },
    statusOf,
  );
};
