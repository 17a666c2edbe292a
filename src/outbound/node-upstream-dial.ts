/** Makes connections to instances: the address rule at each of them, TLS 1.2 or newer, verified. */

import { connect, type Socket } from 'node:net';
import {
  createSecureContext,
  getCACertificates,
  type SecureContext,
  type TLSSocket,
  connect as tlsConnect,
} from 'node:tls';
import { LRUCache } from 'lru-cache';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import { AddressRefused, checkedLookup } from './node-addresses.ts';
import { openTunnel } from './node-tunnel.ts';
import type { OutgoingProxies } from './proxies.ts';
import type { UpstreamFailure, UpstreamTarget } from './upstream.ts';

/** Contexts kept for instances with a certificate authority of their own; each holds all trusted certificates. */
const trustContexts = 256;

/** A socket that is being connected, and the event that says that it is. */
export interface DialledDirectly {
  readonly socket: Socket;
  readonly readyEvent: string;
}

/** A connection through the outgoing proxy: begins to make one, and gives it when it is ready, later than the call. */
export interface DialledThrough {
  readonly open: (signal: AbortSignal) => Promise<Socket>;
}

/** Gives the connection, or why there is none. */
export type Dial = (target: UpstreamTarget) => DialledDirectly | DialledThrough | UpstreamFailure;

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

function secured(socket: TLSSocket): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const leave = (): void => {
      socket.off('secureConnect', onReady).off('error', fail).off('close', onClose);
    };
    const onReady = (): void => {
      leave();
      resolve(socket);
    };
    const fail = (error: Error): void => {
      leave();
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const onClose = (): void =>
      fail(Object.assign(new Error('the connection closed'), { code: 'ECONNRESET' }));
    socket.on('secureConnect', onReady).on('error', fail).on('close', onClose);
  });
}

export function createDial(policy: AddressPolicy, proxies?: OutgoingProxies): Dial {
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
    const tls = {
      host,
      secureContext: contextOf(target.caCertificate),
      ALPNProtocols: ['http/1.1'],
      // A server name is a name (RFC 6066, 3); the certificate is checked against the host either way.
      ...(isLiteral ? {} : { servername: host }),
    };
    const tlsPort = Number(port || 443);
    const proxy = proxies?.of(hostname, tlsPort);
    if (proxies !== undefined && proxy !== undefined) {
      const by = proxies.isNamed(hostname) ? 'name' : 'address';
      return {
        open: async (signal) => {
          const socket = await openTunnel(proxy, { hostname, port: tlsPort, by }, policy, signal);
          const over = tlsConnect({ ...tls, socket });
          signal.addEventListener('abort', () => over.destroy(), { once: true });
          return secured(over);
        },
      };
    }
    try {
      return { socket: tlsConnect({ ...where, ...tls, port: tlsPort }), readyEvent: 'secureConnect' };
    } catch (error) {
      return explainConnect(error as Error);
    }
  };
}
