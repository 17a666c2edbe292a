/**
 * Bounds what one credential asks of the admin API, so that the script of one operator delays neither the others nor device
 * calls. Beyond its share of requests under way it is refused; a script that is merely fast waits, for its next request
 * comes only when this one is answered.
 *
 * A page of the console asks the API several times and counts as one request. Streams of events have a bound of their own
 * (events/events.ts), and a request that was approved belongs to the approval that carries it out.
 */

import type { Context, MiddlewareHandler } from 'hono';
import { createFairShare } from '../gateway/fair-share.ts';
import { createRateLimits, type RateLimits } from '../gateway/rate.ts';
import type { Sharing } from '../joining.ts';
import { fleetRequestWeight, operatorRequests, operatorRequestsPerSecond } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { createKeyedSemaphore } from '../semaphore.ts';
import { approvedDevices } from './approvals/approved-request.ts';
import { type AdminEnv, type OutsideRequest, outsideRequest } from './context.ts';
import { fleetClassOf } from './shedding.ts';

export interface OperatorShare {
  /** Before everything that may ask the API, the console's pages among it: gives back what `take` took. */
  readonly begin: MiddlewareHandler<AdminEnv>;
  /** Where the operator is known. */
  readonly take: MiddlewareHandler<AdminEnv>;
}

const ofOtherBound = (c: Context<AdminEnv>): boolean =>
  c.req.path === '/api/v1/events' || approvedDevices(c) !== undefined;

/** The empty credential is the key or token itself, the others are sessions. */
type Place = readonly [operator: string, credential: string];

/** Lets go on whoever asks no faster than a credential may. */
function createPace(sharing: Sharing, limits: RateLimits): (...place: Place) => Promise<void> {
  const rate = limits('operators', operatorRequestsPerSecond);
  if (sharing === 'request')
    return async (...place) => {
      const retryAfterSeconds = rate.take(...place);
      if (retryAfterSeconds !== undefined)
        throw new ProblemError(
          problem('rate-limited', 'Too many requests of this credential.', { retryAfterSeconds }),
        );
    };
  const inTurn = createKeyedSemaphore(1);
  // What a credential asks begins in the order of its coming.
  return (...place) =>
    inTurn(place.join(' '), async () => {
      for (;;) {
        const seconds = rate.take(...place);
        if (seconds === undefined) return;
        await new Promise((resolve) => setTimeout(resolve, seconds * 1_000));
      }
    });
}

/** `requests`: how many may be under way in this process. */
export function createOperatorShare(
  sharing: Sharing,
  limits: RateLimits = createRateLimits(),
  requests: number = operatorRequests,
): OperatorShare {
  const underWay = createFairShare({
    inAll: requests,
    least: fleetRequestWeight,
    // An administrator who makes many keys could otherwise shut out all operators of all tenants.
    isOpen: true,
    what: 'requests',
    part: 'credential',
    whole: 'operator',
  });
  const pace = createPace(sharing, limits);
  const enter = (c: Context<AdminEnv>, ...place: Place): (() => void) => {
    // The end of a request that a Worker's platform cuts off is not heard of: its place would never come back.
    if (sharing === 'request') return () => undefined;
    const part = underWay.partOf(...place);
    const weight = fleetClassOf(c) === undefined ? 1 : fleetRequestWeight;
    const refused = underWay.take(part, weight);
    if (refused !== undefined) throw new ProblemError(refused);
    return () => underWay.give(part, weight);
  };
  return {
    begin: async (c, next) => {
      if (c.env?.[outsideRequest] !== undefined) return next();
      const request: OutsideRequest = { leave: undefined };
      c.env = { ...c.env, [outsideRequest]: request };
      try {
        await next();
      } finally {
        request.leave?.();
      }
    },
    take: async (c, next) => {
      const request = c.env[outsideRequest];
      if (request === undefined || request.leave !== undefined || ofOtherBound(c)) return next();
      const { id, kind, name } = c.get('operator');
      const operator = `${kind} ${id ?? name}`;
      const credential = c.get('session')?.sessionId ?? '';
      request.leave = enter(c, operator, credential);
      await pace(operator, credential);
      await next();
    },
  };
}
