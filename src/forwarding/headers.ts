/**
 * These lists decide which headers cross. Both directions to instances are allow lists: a header that nobody thought of
 * stays on its side. The caller's token, cookies and hop-by-hop headers never cross, and what `Connection` names is hop-by-hop
 * (contract section 6; RFC 9110, 7.6.1). No cookie of an instance is kept or passed on: that of a cluster's balancer
 * would pin all callers to one node (domain/jamf.md 1.4).
 */

import type { UpstreamHead } from '../outbound/upstream.ts';
import { userAgent } from '../version.ts';

/** A caller's header by its name in lower case. */
export type HeaderOf = (name: string) => string | null | undefined;

const forDeviceCalls = ['accept', 'accept-language', 'traceparent', 'tracestate'] as const;
/** Codings are passed on unread, so what the caller takes is what the instance may send. */
const forPassThrough = [
  ...forDeviceCalls,
  'accept-encoding',
  'content-type',
  'content-encoding',
  'if-match',
  'if-none-match',
] as const;

/** Also the caller's credentials: the request goes to another deployment of the same operators (relay.ts). */
const forRelay = [...forPassThrough, 'authorization', 'x-api-key', 'user-agent'] as const;

/** Set on a request that was passed on to another deployment, so that it is passed on once only. */
export const relayedHeader = 'espalier-relayed';

const towardsCaller = new Set([
  'content-type',
  'content-language',
  'content-encoding',
  'etag',
  'last-modified',
  'retry-after',
]);

/** Visible ASCII, spaces, and the bytes above: nothing that ends a line, and nothing that latin1 would turn into it. */
const lineValue = /^[\t\x20-\x7e\x80-\xff]*$/;

/** One header as it goes out; nothing for a value that may not stand in one. */
const headerLine = (name: string, value: string): string =>
  lineValue.test(value) ? `${name}: ${value}\r\n` : '';

/** Headers that a `Connection` header makes hop-by-hop beside the usual ones; undefined: none. */
function namedBy(connection: string | null | undefined): ReadonlySet<string> | undefined {
  if (!connection || /^(?:keep-alive|close)$/i.test(connection)) return undefined;
  return new Set(connection.split(',').map((token) => token.trim().toLowerCase()));
}

function linesOf(names: readonly string[], headerOf: HeaderOf): string {
  const named = namedBy(headerOf('connection'));
  let lines = '';
  for (const name of names) {
    const value = headerOf(name);
    if (value === null || value === undefined || named?.has(name)) continue;
    lines += headerLine(name, value);
  }
  return lines;
}

export interface OwnHeaders {
  /** The instance's own API token, visible ASCII. */
  readonly token: string;
  /** A plain token, as listeners make sure. */
  readonly requestId: string;
}

const own = ({ requestId, token }: OwnHeaders): string =>
  `authorization: Bearer ${token}\r\nx-request-id: ${requestId}\r\nuser-agent: ${userAgent}\r\n`;

/** Lines for `UpstreamCall` of a device call. Answers are asked for as they are: nobody here unpacks them. */
export const deviceCallLines = (headerOf: HeaderOf, { requestId, token }: OwnHeaders): string =>
  `${linesBeforeRequestId(headerOf, token)}${requestId}${linesAfterRequestId}`;

/** The part of the lines that is the same for each call of a caller that sends the same: up to the request's id. */
export function linesBeforeRequestId(headerOf: HeaderOf, token: string): string {
  const accept = headerOf('accept') ? '' : 'accept: application/json\r\n';
  const callers = `${accept}${linesOf(forDeviceCalls, headerOf)}accept-encoding: identity\r\n`;
  return `${callers}authorization: Bearer ${token}\r\nx-request-id: `;
}
/** These lines follow the request's id. */
export const linesAfterRequestId = `\r\nuser-agent: ${userAgent}\r\n`;

/** Lines for `UpstreamCall` of a passed-through call. */
export function passThroughLines(headerOf: HeaderOf, known: OwnHeaders): string {
  const accept = headerOf('accept') ? '' : 'accept: application/json\r\n';
  const encoding = headerOf('accept-encoding') ? '' : 'accept-encoding: identity\r\n';
  return `${accept}${encoding}${linesOf(forPassThrough, headerOf)}${own(known)}`;
}

/** Lines for `UpstreamCall` of a request that another deployment is to answer. */
export function relayLines(
  headerOf: HeaderOf,
  { requestId, source }: { readonly requestId: string; readonly source: string | undefined },
): string {
  const encoding = headerOf('accept-encoding') ? '' : 'accept-encoding: identity\r\n';
  const caller = source === undefined ? '' : headerLine('x-forwarded-for', source);
  return `${linesOf(forRelay, headerOf)}${encoding}${caller}x-request-id: ${requestId}\r\n${relayedHeader}: 1\r\n`;
}

/**
 * These do not come back from another deployment: what is hop-by-hop, what the listener says itself, and what would bind a
 * browser to this host by the word of that one.
 */
const notRelayed = new Set([
  'connection',
  'keep-alive',
  'proxy-authenticate',
  'proxy-connection',
  'te',
  'trailer',
  'transfer-encoding',
  'upgrade',
  'content-length',
  'date',
  'set-cookie',
  'strict-transport-security',
  'alt-svc',
]);

/** All other headers of another deployment's answer. */
export function relayedHeaders(head: UpstreamHead, requestId: string): Headers {
  const named = namedBy(head.header('connection'));
  const headers = new Headers();
  head.eachHeader((name, value) => {
    if (!notRelayed.has(name) && !named?.has(name)) headers.append(name, value);
  });
  if (head.contentLength !== undefined) headers.set('content-length', String(head.contentLength));
  headers.set('x-request-id', requestId);
  return headers;
}

/** The headers of an instance's answer that cross, in lower case. */
export function eachCrossing(head: UpstreamHead, visit: (name: string, value: string) => void): void {
  const named = namedBy(head.header('connection'));
  head.eachHeader((name, value) => {
    if (towardsCaller.has(name) && !named?.has(name)) visit(name, value);
  });
}

/** The same as text, `name: value\r\n` each. */
export function crossingLines(head: UpstreamHead): string {
  let lines = '';
  eachCrossing(head, (name, value) => {
    lines += `${name}: ${value}\r\n`;
  });
  return lines;
}

/** Headers of the answer to the caller beside those of every answer (gateway/answer-headers.ts). `content-length` is there when the instance stated it. */
export function answerHeaders(head: UpstreamHead, requestId: string): Headers {
  const headers = new Headers();
  eachCrossing(head, (name, value) => headers.append(name, value));
  if (head.contentLength !== undefined) headers.set('content-length', String(head.contentLength));
  headers.set('x-request-id', requestId);
  return headers;
}
