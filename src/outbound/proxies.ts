/**
 * The outgoing proxy (HTTPS_PROXY) and the hosts that are reached without it (NO_PROXY, read as curl does). Everything
 * that leaves is HTTPS, so no other variable has an effect.
 */

import ipaddr from 'ipaddr.js';
import type { AllowEntry } from './addresses.ts';

export interface OutgoingProxy {
  /** True: TLS to the proxy itself, too. */
  readonly isTls: boolean;
  /** Without brackets. */
  readonly host: string;
  readonly port: number;
  /** Value of `Proxy-Authorization`. A secret. */
  readonly authorization: string | undefined;
  /** For people: without user and password. */
  readonly shown: string;
}

export interface OutgoingProxies {
  readonly proxy: OutgoingProxy;
  /** The proxy on the way to this host; undefined: it is reached directly. */
  of(hostname: string, port: number): OutgoingProxy | undefined;
  /** True where the operator vouches for the host's name (ESPALIER_UPSTREAM_ALLOW), so that the proxy may resolve it. */
  isNamed(hostname: string): boolean;
}

/** `http://user:password@host:port`; without a scheme it is `http`. Undefined: it is no proxy that can be used. */
export function parseProxyUrl(text: string): OutgoingProxy | undefined {
  const full = /^[a-z][a-z0-9+.-]*:\/\//i.test(text) ? text : `http://${text}`;
  if (!URL.canParse(full)) return undefined;
  const { hash, hostname, password, pathname, port, protocol, search, username } = new URL(full);
  const isTls = protocol === 'https:';
  if (!isTls && protocol !== 'http:') return undefined;
  if (
    !/^(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])$/.test(hostname) ||
    hash !== '' ||
    search !== '' ||
    !/^\/?$/.test(pathname)
  )
    return undefined;
  const host = hostname.replace(/^\[|\]$/g, '');
  const number = Number(port || (isTls ? 443 : 80));
  const shown = `${protocol}//${hostname}:${number}`;
  try {
    const pair = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
    const authorization = pair === ':' ? undefined : `Basic ${Buffer.from(pair).toString('base64')}`;
    return { isTls, host, port: number, authorization, shown };
  } catch {
    return undefined;
  }
}

type Exception = (host: string, port: number) => boolean;

const bare = (host: string): string =>
  host
    .toLowerCase()
    .replace(/^\[|\]$/g, '')
    .replace(/\.$/, '');
const addressOf = (host: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined =>
  /^[\d.]+$|:/.test(host) && ipaddr.isValid(host) ? ipaddr.process(host) : undefined;

/** Undefined: an entry that cannot be read exempts nothing, as with curl. */
function readException(entry: string): Exception | undefined {
  if (entry === '*') return () => true;
  if (entry.includes('/')) {
    if (!ipaddr.isValidCIDR(entry)) return undefined;
    const [network, bits] = ipaddr.parseCIDR(entry);
    return (host) => {
      const address = addressOf(host);
      return address !== undefined && address.kind() === network.kind() && address.match(network, bits);
    };
  }
  const [, given = '', port] = /^(\[[^\]]+\]|[^:]+|[^:]*:[^:]*:.*?)(?::(\d{1,5}))?$/.exec(entry) ?? [];
  const isV6 = given.includes(':') && !given.startsWith('[');
  const name = bare(isV6 ? entry : given.replace(/^\*?\./, ''));
  if (name === '') return undefined;
  const address = addressOf(name);
  if (address === undefined && !/^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/.test(name)) return undefined;
  const fits = (other: number): boolean => isV6 || port === undefined || Number(port) === other;
  return address === undefined
    ? (host, other) => fits(other) && (host === name || host.endsWith(`.${name}`))
    : (host, other) => fits(other) && addressOf(host)?.toString() === address.toString();
}

export interface ProxyExceptions {
  /** Entries that cannot be read. */
  readonly unread: readonly string[];
  has(hostname: string, port: number): boolean;
}

export function parseNoProxy(text: string): ProxyExceptions {
  const entries = text.split(/[\s,]+/).filter((entry) => entry !== '');
  const read = entries.map((entry) => readException(entry.toLowerCase()));
  return {
    unread: entries.filter((_, at) => read[at] === undefined),
    has: (hostname, port) => read.some((exception) => exception?.(bare(hostname), port) === true),
  };
}

export interface OutgoingProxySettings {
  readonly httpsProxy: OutgoingProxy | undefined;
  readonly noProxy: ProxyExceptions;
  readonly upstreamAllow: readonly AllowEntry[];
}

/** Undefined: there is no proxy. */
export function createOutgoingProxies({
  httpsProxy,
  noProxy,
  upstreamAllow,
}: OutgoingProxySettings): OutgoingProxies | undefined {
  if (httpsProxy === undefined) return undefined;
  const named = new Set(upstreamAllow.flatMap((entry) => (entry.kind === 'host' ? [entry.host] : [])));
  return {
    proxy: httpsProxy,
    of: (hostname, port) => (noProxy.has(hostname, port) ? undefined : httpsProxy),
    isNamed: (hostname) => named.has(bare(hostname)),
  };
}
