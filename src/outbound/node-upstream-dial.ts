/** Makes connections to instances: the address rule at each of them, TLS 1.2 or newer, verified. */

import { connect, type Socket } from 'node:net';
import { createSecureContext, getCACertificates, type SecureContext, connect as tlsConnect } from 'node:tls';
import { LRUCache } from 'lru-cache';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import { AddressRefused, checkedLookup } from './node-addresses.ts';
import type { UpstreamFailure, UpstreamTarget } from './upstream.ts';

/** Contexts kept for instances with a certificate authority of their own; each holds all trusted certificates. */
const trustContexts = 256;

/** A socket that is being connected, and the event that says that it is; or why there is none. */
export type Dial = (
  target: UpstreamTarget,
) => { readonly socket: Socket; readonly readyEvent: string } | UpstreamFailure;

const refused = (kind: 'connect' | 'refused-address', detail: string): UpstreamFailure => ({
  kind,
  sent: false,
  detail,
});

/** Explains why a connection could not be made. */
export const explainConnect = (error: Error & { readonly code?: string }): UpstreamFailure =>
  error instanceof AddressRefused
    ? refused('refused-address', error.message)
    : refused('connect', `${error.code ?? error.name}: ${error.message || 'no detail'}`);

export function createDial(policy: AddressPolicy): Dial {
  const lookup = checkedLookup(policy);
  const minVersion = 'TLSv1.2';
  const common = createSecureContext({ minVersion });
  const own = new LRUCache<string, SecureContext>({ max: trustContexts });
  const contextOf = (caCertificate: string | undefined): SecureContext => {
    if (caCertificate === undefined) return common;
    const known = own.get(caCertificate);
    if (known) return known;
    const made = createSecureContext({ minVersion, ca: [...getCACertificates('default'), caCertificate] });
    own.set(caCertificate, made);
    return made;
  };
  return (target) => {
    const { hostname, port, protocol } = new URL(target.origin);
    const host = hostname.replace(/^\[|\]$/g, '');
    const isLiteral = isAddressLiteral(hostname);
    // Node asks no lookup for a literal, so it is checked here, at every connection too.
    if (isLiteral && !policy.permits(hostname, hostname)) {
      return refused('refused-address', `${hostname} is not globally reachable`);
    }
    const where = { host, lookup, noDelay: true };
    if (protocol === 'http:') {
      return { socket: connect({ ...where, port: Number(port || 80) }), readyEvent: 'connect' };
    }
    try {
      const socket = tlsConnect({
        ...where,
        port: Number(port || 443),
        secureContext: contextOf(target.caCertificate),
        ALPNProtocols: ['http/1.1'],
        // A server name is a name (RFC 6066, 3); the certificate is checked against the host either way.
        ...(isLiteral ? {} : { servername: host }),
      });
      return { socket, readyEvent: 'secureConnect' };
    } catch (error) {
      return explainConnect(error as Error);
    }
  };
}
