/** The span of a request whose sender has shown who he is: a stranger gets none, or he could fill what is exported. */

import type { Context } from 'hono';
import { ProblemError, problemKinds } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import { inServerSpan } from '../telemetry/http-spans.ts';
import type { SpanAttributes } from '../telemetry/tracing.ts';
import { type ListenerEnv, routeOf } from './listener.ts';

/** What the listener answers for an exception (listener.ts). */
function statusOf(error: unknown): number {
  if (error instanceof ProblemError) return problemKinds[error.problem.slug].status;
  return isStoreUnavailable(error) ? 503 : 500;
}

export const inRequestSpan = (
  c: Context<ListenerEnv>,
  attributes: SpanAttributes,
  work: () => Promise<Response>,
): Promise<Response> =>
  inServerSpan(
    {
      method: c.req.method,
      route: routeOf(c),
      path: c.req.path,
      traceparent: c.req.header('traceparent'),
    },
    attributes,
    work,
    statusOf,
  );
