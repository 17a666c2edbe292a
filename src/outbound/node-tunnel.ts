/**
 * A connection through the outgoing proxy: CONNECT, and then bytes that the proxy only passes on. The address rule is kept
 * before anything leaves: a host whose name is an instance's own is resolved and checked here, and the proxy is asked for
 * the very address that was checked, since what it would make of the name cannot be known.
 */

import { lookup as resolveAll } from 'node:dns/promises';
import { connect, type Socket } from 'node:net';
import { connect as tlsConnect } from 'node:tls';
import { type AddressPolicy, isAddressLiteral } from './addresses.ts';
import { AddressRefused } from './node-addresses.ts';
import type { OutgoingProxy } from './proxies.ts';

/** The proxy does not let us through. */
export class ProxyRefused extends Error {
  override readonly name = 'ProxyRefused';
  /** `PROXY_403`, or `PROXY_NO_HTTP`. */
  readonly code: string;
  constructor(code: string, message: string) {
    super(message);
    this.code = code;
  }
}

export interface TunnelTarget {
  readonly hostname: string;
  readonly port: number;
  /**
   * `name`: the proxy resolves the name of a host that a cloud or the operator names. `checked-name`: the same, unless it
   * resolves here to addresses that are all refused. `address`: the proxy is asked for an address that was checked.
   */
  readonly by: 'name' | 'checked-name' | 'address';
}

/** A proxy may have no IPv6, so IPv4 comes first. */
async function hostToAsk({ by, hostname }: TunnelTarget, policy: AddressPolicy): Promise<string> {
  if (by === 'name') return hostname;
  const refused = (): never => {
    throw new AddressRefused(`${hostname} resolves to no address that is allowed`);
  };
  if (isAddressLiteral(hostname)) return policy.permits(hostname, hostname) ? hostname : refused();
  const found = await resolveAll(hostname, { all: true }).catch((error: unknown) => {
    // Where only the proxy knows names, those of the clouds are still good.
    if (by === 'checked-name') return undefined;
    throw error;
  });
  if (found === undefined) return hostname;
  const [first] = found
    .filter(({ address }) => policy.permits(hostname, address))
    .sort((one, other) => one.family - other.family);
  if (first === undefined) return refused();
  return by === 'checked-name' ? hostname : first.address;
}

const maxHeadBytes = 16_384;

/** Reads the answer to CONNECT. The other side speaks only when it is spoken to, so nothing comes behind it. */
function readAnswer(head: string): ProxyRefused | undefined {
  const status = /^HTTP\/1\.[01] (\d{3})(?: [^\r\n]*)?\r\n/.exec(head)?.[1];
  if (status === undefined)
    return new ProxyRefused('PROXY_NO_HTTP', 'the outgoing proxy does not speak HTTP');
  if (!status.startsWith('2'))
    return new ProxyRefused(`PROXY_${status}`, `the outgoing proxy refused the connection (HTTP ${status})`);
  return head.endsWith('\r\n\r\n') && head.indexOf('\r\n\r\n') === head.length - 4
    ? undefined
    : new ProxyRefused('PROXY_NO_HTTP', 'the outgoing proxy sent more than its answer');
}

const openProxy = ({ host, isTls, port }: OutgoingProxy): Socket =>
  isTls
    ? tlsConnect({
        host,
        port,
        minVersion: 'TLSv1.2',
        ...(isAddressLiteral(host) ? {} : { servername: host }),
      })
    : connect({ host, port, noDelay: true });

function askProxy(proxy: OutgoingProxy, authority: string, signal: AbortSignal): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = openProxy(proxy);
    let head = '';
    const leave = (): void => {
      signal.removeEventListener('abort', onAbort);
      socket.off('data', onData).off('error', fail).off('close', onClose);
    };
    const fail = (error: Error): void => {
      leave();
      socket.on('error', () => undefined).destroy();
      reject(error);
    };
    const onAbort = (): void =>
      fail(new ProxyRefused('PROXY_TIMEOUT', 'no connection through the outgoing proxy in time'));
    const onClose = (): void =>
      fail(new ProxyRefused('PROXY_CLOSED', 'the outgoing proxy closed the connection'));
    const onReady = (): void => {
      const { authorization } = proxy;
      const proof = authorization === undefined ? '' : `Proxy-Authorization: ${authorization}\r\n`;
      socket.write(`CONNECT ${authority} HTTP/1.1\r\nHost: ${authority}\r\n${proof}\r\n`, 'latin1');
    };
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1');
      if (!head.includes('\r\n\r\n') && head.length <= maxHeadBytes) return;
      const refused = readAnswer(head);
      if (refused) {
        fail(refused);
        return;
      }
      leave();
      socket.pause();
      resolve(socket);
    };
    signal.addEventListener('abort', onAbort, { once: true });
    socket.once(proxy.isTls ? 'secureConnect' : 'connect', onReady);
    socket.on('data', onData).on('error', fail).on('close', onClose);
    if (signal.aborted) onAbort();
  });
}

/**
 * Rejects with `AddressRefused` before anything has left, with `ProxyRefused`, or with what the socket or the name server
 * says. An aborted signal closes what is not open yet.
 */
export async function openTunnel(
  proxy: OutgoingProxy,
  target: TunnelTarget,
  policy: AddressPolicy,
  signal: AbortSignal,
): Promise<Socket> {
  const host = (await hostToAsk(target, policy)).replace(/^\[|\]$/g, '');
  const authority = `${host.includes(':') ? `[${host}]` : host}:${target.port}`;
  return askProxy(proxy, authority, signal);
}
