/** What balancers before this process say of their callers, where it may be believed (docs/balancer.md). */

import type { IncomingMessage } from 'node:http';
import type { HttpBindings } from '@hono/node-server';
import type { Context } from 'hono';
import type { RequestFacts } from '../gateway/listener.ts';
import { callerBehind } from './balancer/forwarded.ts';
import type { TrustedProxies } from './balancer/trusted-proxies.ts';
import { relayedCaller } from './node-connections.ts';

interface Peer {
  readonly address: string | undefined;
  /** True where its headers about the caller count. */
  readonly isProxy: boolean;
}

/**
 * The other end of a request's connection. With the PROXY protocol that is the caller that the balancer named: it passes
 * bytes on without reading them, so their headers are that caller's, and count only if it is a trusted proxy itself.
 */
function peerOf({ socket }: IncomingMessage, trusted: TrustedProxies): Peer {
  const { remoteAddress } = socket;
  const caller = relayedCaller(socket);
  if (caller === undefined) return { address: remoteAddress, isProxy: trusted.has(remoteAddress) };
  return { address: caller.address ?? remoteAddress, isProxy: trusted.has(caller.address) };
}

/** The lines of a header in their order, joined; Node joins some and drops others. */
export function joinedHeader({ rawHeaders }: IncomingMessage, name: string): string | undefined {
  let joined: string | undefined;
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]?.toLowerCase() !== name) continue;
    const value = rawHeaders[index + 1] ?? '';
    joined = joined === undefined ? value : `${joined},${value}`;
  }
  return joined;
}

const incomingOf = (c: Context): IncomingMessage => (c.env as HttpBindings).incoming as IncomingMessage;

export function factsBehindBalancers(trusted: TrustedProxies): Pick<RequestFacts, 'remoteAddress'> {
  return {
    remoteAddress: (c) => {
      const incoming = incomingOf(c);
      const { address, isProxy } = peerOf(incoming, trusted);
      if (!isProxy || address === undefined) return address;
      const headers = {
        forwarded: joinedHeader(incoming, 'forwarded'),
        forwardedFor: joinedHeader(incoming, 'x-forwarded-for'),
      };
      return callerBehind(address, headers, trusted);
    },
  };
}
