/**
 * Decides which peers are balancers of ours (ESPALIER_TRUSTED_PROXIES). What such a peer says of its caller counts, and
 * nobody else's word does. Trust is a property of the socket's other end, never of anything that was sent.
 */

import ipaddr from 'ipaddr.js';

export type ProxyRange = readonly [ipaddr.IPv4 | ipaddr.IPv6, number];

export interface TrustedProxies {
  readonly isEmpty: boolean;
  /** `address` as a socket or `readAddress` gives it. */
  has(address: string | undefined): boolean;
}

/** Four decimal numbers, or IPv6: the shorter forms that C libraries take are read in different ways by others. */
const plainAddress = (text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined => {
  if (text.includes(':'))
    return !text.includes('%') && ipaddr.IPv6.isValid(text) ? ipaddr.process(text) : undefined;
  return ipaddr.IPv4.isValidFourPartDecimal(text) && !/(?:^|\.)0\d/.test(text)
    ? ipaddr.IPv4.parse(text)
    : undefined;
};

/** The address in one spelling, an IPv4 address in IPv6 clothes without them; undefined: it is none. */
export const normalAddress = (text: string): string | undefined => plainAddress(text)?.toString();

/** A CIDR or an address; undefined: it is neither. */
export function parseProxyRange(text: string): ProxyRange | undefined {
  const [, host = '', given] = /^([^/]+)(?:\/(\d{1,3}))?$/.exec(text.trim().toLowerCase()) ?? [];
  const address = plainAddress(host);
  if (address === undefined) return undefined;
  const isMapped = host.includes(':') && address.kind() === 'ipv4';
  const whole = address.kind() === 'ipv4' ? 32 : 128;
  const bits = given === undefined ? whole : Number(given) - (isMapped ? 96 : 0);
  return bits >= 0 && bits <= whole ? [address, bits] : undefined;
}

interface Span {
  readonly from: bigint;
  readonly to: bigint;
}

const numberOf = (bytes: readonly number[]): bigint =>
  bytes.reduce((number, byte) => (number << 8n) | BigInt(byte), 0n);

function spanOf([address, bits]: ProxyRange): Span {
  const bytes = address.toByteArray();
  const free = BigInt(bytes.length * 8 - bits);
  const from = (numberOf(bytes) >> free) << free;
  return { from, to: from + (1n << free) - 1n };
}

/** Every address that a stranger can come from: unicast of IPv4, and the global part of IPv6 (RFC 4291, 2.4). */
const everybody = {
  ipv4: { from: 0x01_00_00_00n, to: 0xdf_ff_ff_ffn },
  ipv6: spanOf([ipaddr.parse('2000::'), 3]),
};

/** True where the ranges, alone or together, leave no stranger of IPv4 or of IPv6 out. */
export function trustsEverybody(ranges: readonly ProxyRange[]): boolean {
  return (['ipv4', 'ipv6'] as const).some((kind) => {
    const spans = ranges
      .filter(([address]) => address.kind() === kind)
      .map(spanOf)
      .sort((one, other) => (one.from < other.from ? -1 : 1));
    let next = everybody[kind].from;
    for (const { from, to } of spans) if (from <= next && to >= next) next = to + 1n;
    return next > everybody[kind].to;
  });
}

export function createTrustedProxies(ranges: readonly ProxyRange[]): TrustedProxies {
  return {
    isEmpty: ranges.length === 0,
    has: (text) => {
      // A link-local peer has a zone, which only this machine knows.
      const address = text === undefined ? undefined : plainAddress(text.replace(/%.*$/, ''));
      if (address === undefined) return false;
      return ranges.some(
        ([network, bits]) => network.kind() === address.kind() && address.match(network, bits),
      );
    },
  };
}
