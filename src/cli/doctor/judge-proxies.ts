/** Judges what stands between this gateway and the others: balancers before it, and the proxy on its way out. */

import type { ProxyRange } from '../../runtime/balancer/trusted-proxies.ts';
import { about, type Line } from './line.ts';

export interface BalancerFacts {
  readonly trusted: readonly ProxyRange[];
  readonly isProxyProtocol: boolean;
  readonly certificateHeader: string | undefined;
  /** False: something before this process ends TLS. */
  readonly isTls: boolean;
}

/** A range with more addresses than this is a network that others are in, too. */
const freeBits = 16;

const textOf = ([address, bits]: ProxyRange): string => `${address.toString()}/${bits}`;
const isWide = ([address, bits]: ProxyRange): boolean =>
  (address.kind() === 'ipv4' ? 32 - bits : 64 - bits) > freeBits;

export function judgeBalancer(facts: BalancerFacts): Line {
  const { certificateHeader, isProxyProtocol, isTls, trusted } = facts;
  const say = about('balancer', 'ESPALIER_TRUSTED_PROXIES');
  if (trusted.length === 0)
    return isTls
      ? say.ok('no balancer is named: the other end of a connection is the caller')
      : say.warn(
          'something before this gateway ends TLS (ESPALIER_TLS=off), and no balancer is named: all callers share one address in limits and history',
          'Name its addresses: docs/network.md.',
          'configuration',
        );
  const found = [
    `callers are named by ${trusted.map(textOf).join(', ')}`,
    isProxyProtocol ? 'in PROXY headers, which are required' : 'in Forwarded or X-Forwarded-For',
    ...(certificateHeader === undefined ? [] : [`client certificates come in ${certificateHeader}`]),
  ].join('; ');
  const wide = trusted.filter(isWide);
  return wide.length === 0
    ? say.ok(found)
    : say.warn(
        `${found}; ${wide.map(textOf).join(', ')} has more addresses than balancers need`,
        'Name the balancers alone: whoever else has an address of these can claim to be anybody.',
        'configuration',
      );
}

export interface OutgoingFacts {
  /** Without user and password; undefined: none. */
  readonly proxy: string | undefined;
  /** Entries of NO_PROXY that cannot be read. */
  readonly unread: readonly string[];
  /** Variables of other programs that are set. */
  readonly others: readonly string[];
}

export function judgeOutgoing({ others, proxy, unread }: OutgoingFacts): Line {
  const say = about('outgoing-proxy', proxy ?? 'HTTPS_PROXY');
  if (proxy === undefined)
    return others.length === 0
      ? say.ok('none: everything goes out directly')
      : say.warn(
          `everything goes out directly: ${others.join(' and ')} has no effect here`,
          'Set HTTPS_PROXY where Microsoft and instances are reached through a proxy.',
          'configuration',
        );
  return unread.length === 0
    ? say.ok('everything goes out through it, but to what NO_PROXY names')
    : say.warn(
        `NO_PROXY has ${unread.join(', ')}, which cannot be read and exempts nothing`,
        'Names, addresses, CIDRs, or * are read: docs/network.md.',
        'configuration',
      );
}
