import ipaddr from 'ipaddr.js';

/**
 * Decides which addresses may be connected to: globally reachable ones, and those that ESPALIER_UPSTREAM_ALLOW names.
 */
export interface AddressPolicy {
  /** `hostname` as in the URL, `address` what it resolved to (the same text when it is a literal). */
  permits(hostname: string, address: string): boolean;
}

type Range = [ipaddr.IPv4 | ipaddr.IPv6, number];

/** One entry of ESPALIER_UPSTREAM_ALLOW: a CIDR, an address, or a host name. */
export type AllowEntry =
  | { readonly kind: 'range'; readonly range: Range }
  | { readonly kind: 'host'; readonly host: string };

export function parseAllowEntry(text: string): AllowEntry | undefined {
  const entry = text.trim().toLowerCase();
  if (ipaddr.isValidCIDR(entry)) return { kind: 'range', range: ipaddr.parseCIDR(entry) };
  if (ipaddr.isValid(entry)) {
    const address = ipaddr.parse(entry);
    return { kind: 'range', range: [address, address.kind() === 'ipv4' ? 32 : 128] };
  }
  return /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/.test(entry)
    ? { kind: 'host', host: entry }
    : undefined;
}

/** A literal's brackets and an IPv4 address in IPv6 clothes are taken off: the attack is to hide one in the other. */
function parseAddress(text: string): ipaddr.IPv4 | ipaddr.IPv6 | undefined {
  const bare = text.replace(/^\[|\]$/g, '').replace(/%.*$/, '');
  // Every form of an address begins with a digit or has a colon; ipaddr.js says so by throwing, for each name anew.
  if (!/^\d|:/.test(bare)) return undefined;
  return ipaddr.isValid(bare) ? ipaddr.process(bare) : undefined;
}

export const isAddressLiteral = (hostname: string): boolean => parseAddress(hostname) !== undefined;

/** Names that are the machine itself for every resolver that keeps to RFC 6761 (6.3), whether this one knows them or not. */
export const isLocalhost = (hostname: string): boolean => /(?:^|\.)localhost\.?$/i.test(hostname);

/** Names that no public resolver knows: single labels, and those set apart for private networks (RFC 6762, RFC 8375, ICANN). */
export const isPrivateName = (hostname: string): boolean =>
  !isAddressLiteral(hostname) &&
  !isLocalhost(hostname) &&
  (!hostname.replace(/\.$/, '').includes('.') || /\.(local|internal|home\.arpa)\.?$/i.test(hostname));

/** The only part of IPv6 that is given out for global use (RFC 4291 2.4, IANA's IPv6 address space registry). */
const globalIpv6 = ipaddr.parseCIDR('2000::/3');

/** Everything in IANA's special-purpose registries is refused: ipaddr.js calls only the rest `unicast`. */
function isGloballyReachable(address: ipaddr.IPv4 | ipaddr.IPv6): boolean {
  if (address.range() !== 'unicast') return false;
  return address.kind() === 'ipv4' || address.match(globalIpv6[0], globalIpv6[1]);
}

export function createAddressPolicy(allow: readonly AllowEntry[]): AddressPolicy {
  const hosts = new Set(allow.flatMap((entry) => (entry.kind === 'host' ? [entry.host] : [])));
  const ranges = allow.flatMap((entry) => (entry.kind === 'range' ? [entry.range] : []));
  return {
    permits: (hostname, address) => {
      const parsed = parseAddress(address);
      if (!parsed) return false;
      if (isGloballyReachable(parsed)) return true;
      if (hosts.has(hostname.toLowerCase())) return true;
      return ranges.some(
        ([network, bits]) => network.kind() === parsed.kind() && parsed.match(network, bits),
      );
    },
  };
}

/** What a host says by itself: undefined for a name that has to be resolved. */
function permitsAsWritten(policy: AddressPolicy, hostname: string): boolean | undefined {
  if (isAddressLiteral(hostname)) return policy.permits(hostname, hostname);
  if (isLocalhost(hostname)) return ['127.0.0.1', '::1'].some((address) => policy.permits(hostname, address));
  return undefined;
}

/** Workers resolve by public DNS alone. A public name may still have a private address, which only resolving it tells. */
export const isReachedByWorkers = (policy: AddressPolicy, hostname: string): boolean =>
  !isPrivateName(hostname) && permitsAsWritten(policy, hostname) !== false;

/** Finds the addresses of a name; none where it has none now. */
export type ResolveName = (hostname: string) => Promise<readonly string[]>;

/** The address rule for a name as it resolves now; every connection checks again. */
export async function mayConnect(
  policy: AddressPolicy,
  hostname: string,
  resolve: ResolveName,
): Promise<boolean> {
  const asWritten = permitsAsWritten(policy, hostname);
  if (asWritten !== undefined) return asWritten;
  const addresses = await resolve(hostname);
  return addresses.length === 0 || addresses.some((address) => policy.permits(hostname, address));
}
