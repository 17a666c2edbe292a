/** Requests for a tenant that has moved: what of them is passed on to the deployment where it lives (forwarding/relay.ts). */

import type { Context } from 'hono';
import type { ForwardAnswer } from '../forwarding/forward.ts';
import type { RelayRequest, Relays } from '../forwarding/relay.ts';
import { ProblemError, problem } from '../problems.ts';
import type { Log } from '../telemetry/log.ts';
import { receivedChunks } from './body.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';

/** How a request is passed on; the entrance has checked its caller, and holds its place until the answer is complete. */
export interface Relayed extends Pick<RelayRequest, 'from' | 'relay' | 'tenantId'> {
  /** Bytes of the body at most. */
  readonly bodyBytes: number;
}

/** Answers with what the other deployment says; throws `ProblemError` where that says nothing. */
export type PassOn = (c: Context<ListenerEnv>, relayed: Relayed) => Promise<Response>;

export interface PassOnOptions {
  readonly relays: Relays;
  readonly facts: RequestFacts;
  readonly log: Log;
  readonly respond: (c: Context, answer: ForwardAnswer) => Response | Promise<Response>;
}

/** The path as it was sent: the other deployment reads it as this one would have. */
function pathOf(c: Context<ListenerEnv>, facts: RequestFacts): string {
  const target = facts.target(c);
  // The router has read a parsed URL; where that is another path than the one sent, it is none of ours.
  if (target.split('?', 1)[0] !== new URL(c.req.url).pathname)
    throw new ProblemError(problem('not-found', 'There is nothing at this path.'));
  return target;
}

export const createPassOn =
  ({ facts, log, relays, respond }: PassOnOptions): PassOn =>
  async (c, { bodyBytes, ...relayed }) => {
    const body = facts.body(c);
    const requestId = c.get('requestId');
    const result = await relays({
      ...relayed,
      requestId,
      method: c.req.method,
      path: pathOf(c, facts),
      headers: c.req.raw.headers,
      source: facts.remoteAddress(c),
      body: body && { length: body.length, chunks: receivedChunks(body, bodyBytes) },
      signal: c.req.raw.signal,
    });
    if (result.ok) return respond(c, result.answer);
    const { tenantId } = relayed;
    log.warn('relay.failed', { tenantId, requestId, problem: result.problem.slug });
    throw new ProblemError(result.problem);
  };
