/**
 * The address of a request's caller, the same for the ordinary way and the fast lane: limits of strangers go by it, and one
 * address must not pay for another's.
 */

import type { Socket } from 'node:net';
import { callerBehind, type ForwardedHeaders } from './balancer/forwarded.ts';
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
export function peerOf(socket: Socket, trusted: TrustedProxies): Peer {
  const { remoteAddress } = socket;
  const caller = relayedCaller(socket);
  if (caller === undefined) return { address: remoteAddress, isProxy: trusted.has(remoteAddress) };
  return { address: caller.address ?? remoteAddress, isProxy: trusted.has(caller.address) };
}

/** The caller's address; `headers` are only asked for where a trusted proxy sent them. */
export type CallerOf = (socket: Socket, headers: () => ForwardedHeaders) => string | undefined;

export const createCallerOf =
  (trusted: TrustedProxies): CallerOf =>
  (socket, headers) => {
    const { address, isProxy } = peerOf(socket, trusted);
    return !isProxy || address === undefined ? address : callerBehind(address, headers(), trusted);
  };
