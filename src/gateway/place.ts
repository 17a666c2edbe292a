/**
 * The place of a request of an instance: what it holds of the shares of its instance and its tenant, from its entrance
 * until it is left. What a packed body holds shows only while it is unpacked, so a place can be made larger.
 */

import { type Problem, ProblemError } from '../problems.ts';
import type { FairShare } from './fair-share.ts';

export interface Place {
  /** Counts the body as so many bytes, where that is more than before. Throws `ProblemError` where they are not to be had. */
  hold(bytes: number): void;
  /** Gives back all that is held; to be called once. */
  leave(): void;
}

export interface Shares {
  /** Requests under way, and the bytes of their bodies, by tenant and instance. */
  readonly requests: FairShare;
  readonly bodies: FairShare;
}

/**
 * Takes a place for a request and so many bytes of its body. A problem: there is none, and nothing is held. `mostBytes` is what
 * the body may come to hold. It is taken from the beginning once much is held already, for a body that finds no more room in
 * its middle was unpacked and read in vain, which costs more than many refusals at the entrance.
 */
export function takePlace(
  { bodies, requests }: Shares,
  { instanceId, tenantId }: { readonly tenantId: string; readonly instanceId: string },
  bytes: number,
  mostBytes = bytes,
): Place | Problem {
  const request = requests.partOf(tenantId, instanceId);
  const body = bodies.partOf(tenantId, instanceId);
  const busy = requests.take(request);
  if (busy !== undefined) return busy;
  let held = 0;
  // Given back as it was taken: a share on Workers knows what it gave out by its amount.
  const taken: number[] = [];
  const grow = (to: number): Problem | undefined => {
    if (to <= held) return undefined;
    const full = bodies.take(body, to - held);
    if (full !== undefined) return full;
    taken.push(to - held);
    held = to;
    return undefined;
  };
  const full = grow(bodies.isCrowded(body) ? mostBytes : bytes);
  if (full !== undefined) {
    requests.give(request);
    return full;
  }
  return {
    hold: (to) => {
      const problem = grow(to);
      if (problem !== undefined) throw new ProblemError(problem);
    },
    leave: () => {
      requests.give(request);
      for (const amount of taken) bodies.give(body, amount);
    },
  };
}
