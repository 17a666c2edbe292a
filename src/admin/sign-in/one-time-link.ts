/**
 * The link with which `espalier demo` signs its one person in: 256 bits, of which only the hash is here, for ten minutes,
 * once. It is worth something to a browser on this very machine only. Nothing that `espalier serve` reads makes one: the
 * demo's own entry (cli/demo-gateway.ts) is the only place that creates this, and it takes the hash from its parent process.
 */

import ipaddr from 'ipaddr.js';
import { monotonicMs } from '../../clock.ts';
import { oneTimeLinkMs } from '../../limits.ts';

export const oneTimePath = '/sign-in/once';

export interface OneTimeLink {
  /** Opens the link from now on, in place of an earlier one. `hash` is that of `hashKey`. */
  offer(hash: string): void;
  /** True where this is the link and its time is not over; it stays usable. */
  isOpen(hash: string): boolean;
  /** The same, and it is used up. */
  take(hash: string): boolean;
}

export function createOneTimeLink(now: () => number = monotonicMs): OneTimeLink {
  let kept: { readonly hash: string; readonly endsAtMs: number } | undefined;
  // A hash is compared, which tells nothing by its time about what was hashed.
  const isOpen = (hash: string): boolean => kept?.hash === hash && now() < kept.endsAtMs;
  return {
    isOpen,
    offer: (hash) => {
      kept = { hash, endsAtMs: now() + oneTimeLinkMs };
    },
    take: (hash) => {
      const isTaken = isOpen(hash);
      if (isTaken) kept = undefined;
      return isTaken;
    },
  };
}

export function isLoopback(address: string | undefined): boolean {
  const bare = address?.replace(/%.*$/, '') ?? '';
  return bare === 'localhost' || (ipaddr.isValid(bare) && ipaddr.process(bare).range() === 'loopback');
}

/** The `Host` tells our pages apart from other sites' that a name server leads to this machine. */
const localHost = /^(?:localhost|127\.0\.0\.1|\[::1\])(?::\d{1,5})?$/i;

/** Headers that proxies and balancers add: one stands between the browser and this listener. */
const forwardingHeader =
  /^(?:forwarded|via|(?:true|fastly|fly)-client-ip|cf-.*|x-(?:forwarded|original|real|client|cluster|envoy|arr|amzn|azure|appengine)(?:-.*)?)$/i;

export interface RequestOrigin {
  readonly headers: Headers;
  /** Number of `Host` lines. */
  readonly hostCount: number;
  /** Target as it stands in the request line. */
  readonly target: string;
  readonly remoteAddress: string | undefined;
}

/** True where the request was made on this machine and to this machine, with nobody in between. */
export function isLocalRequest({ headers, hostCount, remoteAddress, target }: RequestOrigin): boolean {
  return (
    isLoopback(remoteAddress) &&
    hostCount === 1 &&
    localHost.test(headers.get('host') ?? '') &&
    target.startsWith('/') &&
    ![...headers.keys()].some((name) => forwardingHeader.test(name))
  );
}
