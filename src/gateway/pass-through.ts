/** `ANY /t/{tenantId}/devices/{deviceId}/jamf/{path}`: calls that go to the instance as they are (contract section 6). */

import type { Context } from 'hono';
import type { PassThroughCall } from '../forwarding/forward.ts';
import { matchPassThrough, type PassThroughEntry } from '../forwarding/pass-through.ts';
import { bodyBytes } from '../limits.ts';
import { ProblemError, problem } from '../problems.ts';
import { boundedChunks, tooLarge } from './body.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';

export const passThroughPath = '/t/:tenantId/devices/:deviceId/jamf/:path{.+}';

/** The rest of the request line behind `/jamf`, unread by any URL parser. */
const prefix = /^\/t\/[^/\\?#%]+\/devices\/[^/\\?#%]+\/jamf(?=\/)/;

const wentElsewhere = (): ProblemError =>
  new ProblemError(problem('not-found', 'There is nothing at this path.'));

/** The call at the instance. Throws `ProblemError` with `not-found`, `invalid-request` or `payload-too-large`. */
export function passThroughCall(
  c: Context<ListenerEnv>,
  options: { readonly facts: RequestFacts; readonly passThrough: readonly PassThroughEntry[] },
  jamfComputerId: number,
): PassThroughCall {
  const { facts, passThrough } = options;
  const target = facts.target(c);
  const start = prefix.exec(target)?.[0].length;
  // The router has read a parsed URL; where that is another path than the one sent, it is none of ours.
  if (start === undefined) throw wentElsewhere();
  const { method } = c.req;
  const match = matchPassThrough(passThrough, method, target.slice(start), jamfComputerId);
  if (!match.ok) throw new ProblemError(match.problem);
  const body = facts.body(c);
  if (body?.length !== undefined && body.length > bodyBytes) throw tooLarge(bodyBytes);
  return {
    method,
    path: match.path,
    body: body && { length: body.length, chunks: boundedChunks(body.chunks, bodyBytes) },
  };
}
