/**
 * Faults of a request that Node's parser lets through, found in its head before any work is done for it. Each is a request
 * that a proxy before or behind could read as another one: for another host, at another path, or with another end
 * (RFC 9112, sections 3.2, 6.1 and 11.2). The fast lane needs none of this, because it takes no request that has a part of these.
 */

import type { IncomingMessage } from 'node:http';

/** Names, IPv4 addresses in their one spelling, IPv6 addresses in brackets; a name that a URL would read as a number is none. */
const hostForm =
  /^(?:(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)(?:\.(?!:|$)|(?=:|$))){4}|\[[\da-f:]{2,39}(?:[\d.]{7,15})?\]|(?:[\w-]+\.)*(?!0x)[\w-]*[a-z_-][\w-]*\.?)(?::(\d{1,5}))?$/i;
const highestPort = 65_535;
/** 253 characters of a name, a colon, and a port. */
const hostCharacters = 259;

function hostFault(
  { headers, httpVersion, rawHeaders }: IncomingMessage,
  forProbes: boolean,
): string | undefined {
  const { host } = headers;
  // HTTP/1.0 does not ask for one, and balancers' probes are that by default.
  if (host === undefined && forProbes && httpVersion === '1.0') return undefined;
  if (host === undefined) return 'The request has no Host header.';
  let hosts = 0;
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const name = rawHeaders[at];
    if (name?.length === 4 && name.toLowerCase() === 'host') hosts += 1;
  }
  if (hosts !== 1) return 'The request has more than one Host header.';
  const form = host.length > hostCharacters ? null : hostForm.exec(host);
  return form === null || Number(form[1] ?? 0) > highestPort ? 'The Host header is no host.' : undefined;
}

/** Targets that are good at a glance: no part of the path begins with a dot, and nothing in it is encoded. */
const plainTarget = /^\/(?![/.])(?:[\w\-~!$&'()*+,;=:@{}]|\/(?!\.)|\.)*(?:\?[^#]*)?$/;
const pathText = /^\/(?!\/)(?:[\x21\x22\x24\x26-\x5b\x5d-\x7e]|%[\da-f]{2})*$/i;
/** Control characters, slash and backslash: what a second reader may take for the end of something. */
const encodedDelimiters = /%(?:[01][\da-f]|7f|2f|5c)/i;
const dotSegments = /(?:^|\/)(?:\.|%2e){1,2}(?:\/|$)/i;

function isText(encoded: string): boolean {
  try {
    decodeURIComponent(encoded);
    return true;
  } catch {
    return false;
  }
}

function targetFault(target: string): string | undefined {
  if (plainTarget.test(target)) return undefined;
  if (target.includes('#')) return 'The request target has a fragment.';
  const mark = target.indexOf('?');
  const path = mark < 0 ? target : target.slice(0, mark);
  if (!pathText.test(path) || encodedDelimiters.test(path) || !isText(path))
    return 'The path of the request target holds what no path may hold.';
  return dotSegments.test(path) ? 'The path of the request target holds dot segments.' : undefined;
}

const absoluteStart = /^https?:\/\/([^/?#]*)/i;

/** The absolute form says its authority a second time; both have to agree (RFC 9112, 3.2.2). */
function formFault(target: string, host: string | undefined): string | undefined {
  const absolute = absoluteStart.exec(target);
  if (absolute === null) return targetFault(target);
  const [start, authority = ''] = absolute;
  if (authority.toLowerCase() !== host?.toLowerCase())
    return 'The request target names another host than the Host header.';
  const rest = target.slice(start.length);
  return targetFault(rest.startsWith('/') ? rest : `/${rest}`);
}

function bodyFault({ headers, httpVersion, method }: IncomingMessage): string | undefined {
  const { 'content-length': length, 'transfer-encoding': coding } = headers;
  if (coding !== undefined) {
    if (httpVersion !== '1.1') return 'Transfer-Encoding needs HTTP/1.1.';
    if (coding.toLowerCase() !== 'chunked') return 'The only Transfer-Encoding is chunked.';
  }
  if (method !== 'GET' && method !== 'HEAD') return undefined;
  // Some clients say that there is nothing.
  return coding !== undefined || Number(length ?? 0) > 0 ? 'A GET or HEAD request has no body.' : undefined;
}

/**
 * Says to the sender what is wrong with the head of this request, and repeats nothing of it; undefined: nothing is wrong.
 * `forProbes`: on the listener for them, where nothing depends on the host.
 */
export function requestFault(incoming: IncomingMessage, forProbes = false): string | undefined {
  const { headers, httpVersion, url = '' } = incoming;
  if (httpVersion !== '1.1' && httpVersion !== '1.0') return 'Only HTTP/1.1 and HTTP/1.0 are offered.';
  return hostFault(incoming, forProbes) ?? formFault(url, headers.host) ?? bodyFault(incoming);
}
