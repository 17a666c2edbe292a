/**
 * Reads the caller's address out of `Forwarded` (RFC 7239) and `X-Forwarded-For`, which a trusted proxy sent. Both are
 * read from the right, where our own balancer wrote: the caller is the rightmost address that is not a trusted proxy.
 * The rest to the left of it is a stranger's text and is never looked at. What cannot be read ends the way at the last
 * hop that could be.
 */

import { normalAddress, type TrustedProxies } from './trusted-proxies.ts';

/** Proxies of our own in a row; a chain of more is a loop or a forgery. */
const maxHops = 16;
/** Characters of one element; the longest that a balancer writes have a host and a protocol beside the address. */
const maxElement = 512;

/** The hops from the right; undefined: this one cannot be read. */
type Hops = Generator<string | undefined, void>;

const port = String.raw`(?::\d{1,5})?`;
const withPort = new RegExp(String.raw`^(?:\[([0-9a-f:.]+)\]|([\d.]+))${port}$`, 'i');

/** `192.0.2.1`, `192.0.2.1:4711`, `[2001:db8::1]`, `[2001:db8::1]:4711`; `unknown` and `_hidden` are no addresses. */
function addressOf(node: string): string | undefined {
  const match = withPort.exec(node);
  const found = match?.[1] ?? match?.[2];
  if (found === undefined || (match?.[1] !== undefined && !found.includes(':'))) return undefined;
  return normalAddress(found);
}

function* forwardedForHops(value: string): Hops {
  for (let end = value.length; end >= 0; ) {
    const comma = value.lastIndexOf(',', end - 1);
    const start = end === 0 ? -1 : comma;
    const text = value.slice(start + 1, end);
    if (text.length > maxElement) {
      yield undefined;
      return;
    }
    const node = text.trim();
    // Without brackets an IPv6 address has no port.
    yield addressOf(node) ?? (node.includes('[') ? undefined : normalAddress(node));
    end = start;
  }
}

const token = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const quoted = String.raw`"(?:[\t \x21\x23-\x5b\x5d-\x7e\x80-\xff]|\\[\t \x21-\x7e\x80-\xff])*"`;
const pair = `${token}=(?:${token}|${quoted})`;
const element = new RegExp(String.raw`^[ \t]*(${pair}(?:;${pair})*)[ \t]*$`);
const pairs = new RegExp(`(${token})=(?:(${token})|(${quoted}))`, 'g');

/** The node of `for`, which an element has once. */
function forOf(text: string): string | undefined {
  let found: string | undefined;
  for (const [, name = '', plain, inQuotes] of text.matchAll(pairs)) {
    if (name.toLowerCase() !== 'for') continue;
    if (found !== undefined) return undefined;
    found = plain ?? inQuotes?.slice(1, -1).replace(/\\(.)/g, '$1');
  }
  return found;
}

/**
 * From the right, because a quote that a stranger left open would swallow what our balancer added. An element is the
 * shortest text before a comma that is one: a part of a quoted string that begins after a comma ends in a quote that it
 * does not open, so it never is.
 */
function* forwardedHops(value: string): Hops {
  for (let end = value.length; end >= 0; ) {
    let start = end;
    let found: string | undefined;
    do {
      start = start === 0 ? -1 : value.lastIndexOf(',', start - 1);
      if (end - start > maxElement) break;
      found = element.exec(value.slice(start + 1, end))?.[1];
    } while (found === undefined && start >= 0);
    const node = found === undefined ? undefined : forOf(found);
    yield node === undefined ? undefined : addressOf(node);
    if (found === undefined) return;
    end = start;
  }
}

function rightmostStranger(hops: Hops, peer: string, trusted: TrustedProxies): string {
  let last = peer;
  let count = 0;
  for (const hop of hops) {
    count += 1;
    if (hop === undefined || count > maxHops) return last;
    last = hop;
    if (!trusted.has(hop)) return hop;
  }
  return last;
}

/** Values of the two headers, their lines joined by commas in their order; undefined: there is none. */
export interface ForwardedHeaders {
  readonly forwarded: string | undefined;
  readonly forwardedFor: string | undefined;
}

/**
 * The address of the caller behind `peer`, a trusted proxy. Where both headers came, at most one of them is the balancer's
 * and the other may be a stranger's: they count only if they name the same caller.
 */
export function callerBehind(
  peer: string,
  { forwarded, forwardedFor }: ForwardedHeaders,
  trusted: TrustedProxies,
): string {
  const byForwarded =
    forwarded === undefined ? undefined : rightmostStranger(forwardedHops(forwarded), peer, trusted);
  const byFor =
    forwardedFor === undefined ? undefined : rightmostStranger(forwardedForHops(forwardedFor), peer, trusted);
  if (byForwarded === undefined || byFor === undefined) return byForwarded ?? byFor ?? peer;
  return byForwarded === byFor ? byFor : peer;
}
