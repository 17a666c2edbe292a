/**
 * Reads the one shape of request that the fast lane takes, and nothing else. It is stricter than RFC 9112 and than
 * Node's parser on purpose: every byte is either proved to be what it seems or the request is left to Node. So it
 * cannot read a request in another way than Node does, which is what request smuggling lives on.
 */

import type { DeviceCall } from '../../forwarding/calls.ts';
import { bearerToken, type DeviceRole, type TokenFault } from '../../gateway/device-call.ts';
import { guidCharacters } from '../../routing/guid-words.ts';

/** Content of a request's bytes. */
export interface ReadRequest {
  readonly method: 'GET' | 'POST';
  /** Role that the token must have for this method (contract section 6). */
  readonly role: DeviceRole;
  readonly call: DeviceCall;
  /** Lower case, from the path. */
  readonly tenantId: string;
  readonly deviceId: string;
  /** Empty where the request shows no token: `tokenFault`. */
  readonly token: string;
  readonly tokenFault: TokenFault | undefined;
  readonly host: string;
  readonly accept: string | undefined;
  readonly acceptLanguage: string | undefined;
  readonly requestId: string | undefined;
  readonly traceparent: string | undefined;
  readonly tracestate: string | undefined;
  /** What balancers write of their callers; it counts only where a trusted one sent it. */
  readonly forwarded: string | undefined;
  readonly forwardedFor: string | undefined;
}

/** Node's own bound on a head is as large (`--max-http-header-size`). */
const headBytes = 16_384;
const scheme = 'Bearer ';
const plainToken = /^[A-Za-z0-9_.-]+$/;

/** The end of each request line that the lane takes. */
const lineEnds: readonly (readonly [DeviceCall, string])[] = [
  ['compliance', '/compliance HTTP/1.1\r\n'],
  ['inventory', '/inventory HTTP/1.1\r\n'],
  ['recalculate', '/recalculate HTTP/1.1\r\n'],
];

/** Lower-case hexadecimal digits in groups of 8, 4, 4, 4 and 12. By hand: it is done twice for every call. */
function isGuidAt(text: string, from: number): boolean {
  for (let position = 0; position < guidCharacters; position += 1) {
    const code = text.charCodeAt(from + position);
    const isHyphen = position === 8 || position === 13 || position === 18 || position === 23;
    const isDigit = (code >= 0x30 && code <= 0x39) || (code >= 0x61 && code <= 0x66);
    if (isHyphen ? code !== 0x2d : !isDigit) return false;
  }
  return true;
}

interface RequestLine {
  readonly method: 'GET' | 'POST';
  readonly tenantId: string;
  readonly deviceId: string;
  readonly call: DeviceCall;
  /** Index at which the headers begin. */
  readonly end: number;
}

const tenantStart = (method: ReadRequest['method']): number => method.length + ' /t/'.length;
/** Index of the device in the bytes of a request. */
export const deviceStart = (method: ReadRequest['method']): number =>
  tenantStart(method) + guidCharacters + '/devices/'.length;

/** `GET /t/{guid}/devices/{guid}/{call} HTTP/1.1`, letter for letter. */
function readRequestLine(text: string): RequestLine | undefined {
  const method = text.startsWith('GET /t/') ? 'GET' : text.startsWith('POST /t/') ? 'POST' : undefined;
  if (method === undefined) return undefined;
  const tenantAt = tenantStart(method);
  const deviceAt = deviceStart(method);
  if (!text.startsWith('/devices/', tenantAt + guidCharacters)) return undefined;
  if (!isGuidAt(text, tenantAt) || !isGuidAt(text, deviceAt)) return undefined;
  const endAt = deviceAt + guidCharacters;
  for (const [call, end] of lineEnds) {
    if (!text.startsWith(end, endAt)) continue;
    const tenantId = text.slice(tenantAt, tenantAt + guidCharacters);
    const deviceId = text.slice(deviceAt, endAt);
    return { method, tenantId, deviceId, call, end: endAt + end.length };
  }
  return undefined;
}

/** Printable ASCII without a space at either end: no tab, no line break of any kind, nothing that is trimmed. */
const plainValue = /^[\x21-\x7e](?:[\x20-\x7e]*[\x21-\x7e])?$/;
/** Four numbers, or names that a URL leaves as they are; what a URL would change or refuse goes to Node. */
const plainHost =
  /^(?:(?:(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)\.){3}(?:25[0-5]|2[0-4]\d|1\d\d|[1-9]?\d)|[a-z][a-z0-9]*(?:-[a-z0-9]+)*(?:\.[a-z][a-z0-9]*(?:-[a-z0-9]+)*)*)(?::([1-9]\d{0,4}))?$/;
const highestPort = 65_535;

/** A bit for each header that may be there, each at most once; the ones without a use here change nothing. */
const names = [
  'host',
  'authorization',
  'accept',
  'accept-language',
  'connection',
  'content-length',
  'x-request-id',
  'traceparent',
  'tracestate',
  'accept-encoding',
  'user-agent',
  'cache-control',
  'pragma',
  'x-forwarded-for',
  'x-forwarded-host',
  'x-forwarded-port',
  'x-forwarded-proto',
  'x-real-ip',
  'forwarded',
  // A balancer's client certificate: device calls come with a token, and ask for none.
  'client-cert',
  'x-client-cert',
  'x-forwarded-client-cert',
  'request-id',
  'client-request-id',
  'return-client-request-id',
  'x-ms-client-request-id',
  'x-ms-correlation-request-id',
] as const;

export const laneHeaderNames: readonly string[] = names;
const bitOf = new Map<string, number>(names.map((name, index) => [name, 1 << index]));

const bit = (name: (typeof names)[number]): number => bitOf.get(name) ?? 0;
const hostBit = bit('host');
const authorizationBit = bit('authorization');
const acceptBit = bit('accept');
const acceptLanguageBit = bit('accept-language');
const connectionBit = bit('connection');
const contentLengthBit = bit('content-length');
const requestIdBit = bit('x-request-id');
const traceparentBit = bit('traceparent');
const tracestateBit = bit('tracestate');
const forwardedBit = bit('forwarded');
const forwardedForBit = bit('x-forwarded-for');

function isPlainHost(value: string): boolean {
  const match = plainHost.exec(value);
  return match !== null && (match[1] === undefined || Number(match[1]) <= highestPort);
}

interface ReadHeaders {
  seen: number;
  host: string;
  token: string;
  tokenFault: TokenFault | undefined;
  accept: string | undefined;
  acceptLanguage: string | undefined;
  requestId: string | undefined;
  traceparent: string | undefined;
  tracestate: string | undefined;
  forwarded: string | undefined;
  forwardedFor: string | undefined;
}

/**
 * `Bearer` and what follows it, or a value that is no bearer's by the rule of the ordinary way (`bearerToken`). False: it is
 * one by that rule alone.
 */
function takeAuthorization(into: ReadHeaders, value: string): boolean {
  into.tokenFault = undefined;
  if (value.startsWith(scheme)) {
    into.token = value.slice(scheme.length);
    return into.token !== '';
  }
  into.tokenFault = 'no-bearer';
  return plainValue.test(value) && bearerToken(value) === undefined;
}

/** False: this header is not one of the lane's, or not in this form. */
function takeHeader(into: ReadHeaders, name: string, value: string): boolean {
  const own = bitOf.get(name) ?? bitOf.get(name.toLowerCase());
  if (own === undefined || (into.seen & own) !== 0) return false;
  into.seen |= own;
  if (own === authorizationBit) return takeAuthorization(into, value);
  if (own === hostBit) {
    into.host = value;
    return isPlainHost(value);
  }
  if (own === connectionBit) return value === 'keep-alive' || value.toLowerCase() === 'keep-alive';
  if (own === contentLengthBit) return value === '0';
  if (!plainValue.test(value)) return false;
  if (own === acceptBit) into.accept = value;
  else if (own === acceptLanguageBit) into.acceptLanguage = value;
  else if (own === requestIdBit) into.requestId = value;
  else if (own === traceparentBit) into.traceparent = value;
  else if (own === tracestateBit) into.tracestate = value;
  else if (own === forwardedBit) into.forwarded = value;
  else if (own === forwardedForBit) into.forwardedFor = value;
  return true;
}

/** Takes every line up to the empty one, which has to be the text's end: no body, and nothing of a next request. */
function readHeaders(text: string, start: number): ReadHeaders | undefined {
  const headers: ReadHeaders = {
    seen: 0,
    host: '',
    token: '',
    tokenFault: 'none',
    accept: undefined,
    acceptLanguage: undefined,
    requestId: undefined,
    traceparent: undefined,
    tracestate: undefined,
    forwarded: undefined,
    forwardedFor: undefined,
  };
  for (let at = start; ; ) {
    const end = text.indexOf('\r\n', at);
    if (end === at) return end + 2 === text.length ? headers : undefined;
    const colon = text.indexOf(': ', at);
    if (end < 0 || colon < 0 || colon > end) return undefined;
    if (!takeHeader(headers, text.slice(at, colon), text.slice(colon + 2, end))) return undefined;
    at = end + 2;
  }
}

/**
 * True where the token is made of letters, digits and the three signs that a token has. To be asked before anything is
 * done with a token that is not known: of one that is the same to the letter as a verified one it is known.
 */
export const hasPlainToken = ({ token }: ReadRequest): boolean => plainToken.test(token);

/** The request that these bytes are, whole and alone; undefined: Node's parser has to look at them. */
export function readLaneRequest(bytes: Buffer): ReadRequest | undefined {
  const request = readUnprovedRequest(bytes);
  return request !== undefined && (request.tokenFault !== undefined || hasPlainToken(request))
    ? request
    : undefined;
}

/** The same, but nothing is asked of the token: `hasPlainToken`, or why there is none. */
export function readUnprovedRequest(bytes: Buffer): ReadRequest | undefined {
  if (!mayBeRequest(bytes)) return undefined;
  const text = bytes.toString('latin1');
  const line = readRequestLine(text);
  const headers = line && readHeaders(text, line.end);
  return line && headers && joinRequest(line, headers);
}

/** True for bytes that are not too large, with an empty line at their end. */
const mayBeRequest = (bytes: Buffer): boolean => {
  const { length } = bytes;
  return length <= headBytes && length >= 4 && bytes[length - 1] === 0x0a && bytes[length - 3] === 0x0a;
};

/** Undefined: the two do not make a request of the lane. */
function joinRequest(
  { call, deviceId, method, tenantId }: RequestLine,
  headers: ReadHeaders,
): ReadRequest | undefined {
  if ((headers.seen & hostBit) === 0) return undefined;
  const hasLength = (headers.seen & contentLengthBit) !== 0;
  if (method === 'POST' ? !hasLength || call !== 'recalculate' : hasLength || call === 'recalculate')
    return undefined;
  const { accept, acceptLanguage, forwarded, forwardedFor, host, requestId } = headers;
  const { token, tokenFault, traceparent, tracestate } = headers;
  return {
    method,
    role: method === 'POST' ? 'Device.Write' : 'Device.Read',
    call,
    tenantId,
    deviceId,
    token,
    tokenFault,
    host,
    accept,
    acceptLanguage,
    requestId,
    traceparent,
    tracestate,
    forwarded,
    forwardedFor,
  };
}
