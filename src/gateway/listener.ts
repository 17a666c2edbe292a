/** The common part of all listeners: request ids, problems, metrics, methods that a path does not take. */

import type { Context, Hono, MiddlewareHandler } from 'hono';
import { HTTPException } from 'hono/http-exception';
import { newId } from '../ids.ts';
import { type Problem, ProblemError, problem, problemResponse, unavailableRetryAfter } from '../problems.ts';
import { isStoreUnavailable } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type TraceIds, withRequestId } from '../telemetry/work-context.ts';
import { requestIdOf } from './request-id.ts';

export interface ListenerEnv {
  Bindings: Record<string, unknown>;
  /** `trace`: the span that the request was answered in, where one was begun. */
  Variables: { requestId: string; trace?: TraceIds };
}

export interface IncomingBody {
  /** Bytes, as the caller says; undefined: it does not. */
  readonly length: number | undefined;
  readonly chunks: AsyncIterable<Uint8Array>;
}

/** The properties of a request that only the runtime knows. */
export interface RequestFacts {
  /** Counts a header's lines in the request; frameworks join or drop repeated ones. */
  headerCount(c: Context, name: string): number;
  /** The body's bytes, or the problems of `readBody` (body.ts). */
  readBody(c: Context, limitBytes: number): Promise<Uint8Array>;
  /** Path and query as they stand in the request line: what a URL parser makes of them may be another path. */
  target(c: Context): string;
  /** The body as it comes, neither read nor bounded; leaving it early breaks nothing. Undefined: there is none. */
  body(c: Context): IncomingBody | undefined;
  /** Lets the request's body take longer than `bodyTotalMs`; whoever asks for it bounds it (`boundedChunks`). */
  allowTime(c: Context): void;
  /** Breaks the caller's connection, when nobody takes the answer any more. */
  breakOff(c: Context): void;
  /** SHA-256 of the verified client certificate, of the connection or of a trusted proxy's header, lower-case hex; undefined without one. */
  clientCertificateSha256(c: Context): string | undefined;
  /** Refuses a request whose headers about its caller can be read in two ways; absent where there are none to read. */
  doubt?(c: Context): Problem | undefined;
  /** Address of the caller: of the other end of the connection, unless that is a trusted proxy and names its caller. */
  remoteAddress(c: Context): string | undefined;
}

export interface ListenerOptions {
  readonly name: 'data' | 'admin' | 'ops';
  readonly log: Log;
  readonly metrics: Metrics;
}

/** The route that takes a request, with names for its parameters; `none`: none does. */
export const routeOf = ({ req }: Pick<Context, 'req'>): string =>
  req.matchedRoutes.findLast((match) => !match.path.endsWith('*'))?.path ?? 'none';

const observe =
  <E extends ListenerEnv>({ name, log, metrics }: ListenerOptions): MiddlewareHandler<E> =>
  async (c, next) => {
    const started = performance.now();
    const requestId = requestIdOf(c.req.header('x-request-id'));
    c.set('requestId', requestId);
    await withRequestId(requestId, next);
    if (!c.res.headers.has('x-request-id')) c.header('x-request-id', c.get('requestId'));
    if (c.res.status === 503 && !c.res.headers.has('retry-after'))
      c.header('retry-after', unavailableRetryAfter());
    const seconds = (performance.now() - started) / 1_000;
    const route = routeOf(c);
    metrics.request({ listener: name, route, status: c.res.status }, seconds);
    log.debug('request', {
      listener: name,
      method: c.req.method,
      route,
      status: c.res.status,
      ms: Math.round(seconds * 1_000),
      requestId: c.get('requestId'),
      ...c.get('trace'),
    });
  };

/** The common parts come first; then the routes are added, and `finishListener` closes the app. */
export function beginListener<E extends ListenerEnv>(app: Hono<E>, options: ListenerOptions): void {
  app.use('*', observe<E>(options));
  app.onError((error, c) => {
    const requestId = c.get('requestId') ?? newId();
    // The framework's own refusals, of a body before its schema is looked at.
    if (error instanceof HTTPException && error.status === 415) {
      return problemResponse(
        problem('unsupported-media-type', 'This operation takes no body of that type.'),
        requestId,
      );
    }
    if (error instanceof HTTPException && error.status < 500) {
      return problemResponse(
        problem('invalid-request', error.message || 'The request cannot be read.'),
        requestId,
      );
    }
    if (error instanceof ProblemError) return problemResponse(error.problem, requestId);
    if (isStoreUnavailable(error)) {
      options.log.warn('store.unavailable', { requestId, error });
      return problemResponse(
        problem('store-unavailable', 'The database does not answer; try again.', { retryAfterSeconds: 5 }),
        requestId,
      );
    }
    options.log.error('request.failed', {
      requestId,
      path: c.req.routePath,
      error: error.stack ?? String(error),
    });
    return problemResponse(
      problem('internal-error', 'An error inside Espalier; its log has this request id.'),
      requestId,
    );
  });
  app.notFound((c) =>
    problemResponse(problem('not-found', 'There is nothing at this path.'), c.get('requestId') ?? newId()),
  );
}

/** Before any work, on every path. */
export const refuseDoubtful =
  <E extends ListenerEnv>({ doubt }: Pick<RequestFacts, 'doubt'>): MiddlewareHandler<E> =>
  async (c, next) => {
    const found = doubt?.(c);
    if (found !== undefined) throw new ProblemError(found);
    await next();
  };

export function finishListener<E extends ListenerEnv>(app: Hono<E>): void {
  refuseOtherMethods(app);
}

/**
 * Every path that there is so far answers the methods it does not take with 405 and what it takes. To be called before
 * routes whose parameters could stand for a fixed path of an earlier one, and at the end.
 */
export function refuseOtherMethods<E extends ListenerEnv>(app: Hono<E>): void {
  const methods = new Map<string, Set<string>>();
  for (const { method, path } of app.routes) {
    if (method === 'ALL' || path.includes('*')) continue;
    methods.set(path, (methods.get(path) ?? new Set()).add(method));
  }
  for (const [path, taken] of methods) {
    if (taken.has('GET')) taken.add('HEAD');
    const allow = [...taken].sort().join(', ');
    app.all(path, (c) =>
      problemResponse(
        problem('method-not-allowed', `This path takes ${allow}.`, { headers: { allow } }),
        c.get('requestId'),
      ),
    );
  }
}
