import { mebibyte } from '../limits.ts';
import type { OutboundRequest, Send } from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import { sendInSpan } from '../telemetry/http-spans.ts';
import { asObject, type JsonObject, parseJson } from '../untrusted/bounded-json.ts';

/** One page of Graph is far below this. */
const pageBytes = 4 * mebibyte;
const defaultTimeoutMs = 30_000;
/** Endpoints and grants of one application fit in a page or two; more is a loop. */
const largestPages = 50;
/** Error texts go to logs and status pages. */
const longestDetailCharacters = 500;

export interface GraphCall {
  readonly send: Send;
  /** The cloud's Graph: its origin, no trailing slash. */
  readonly cloud: { readonly graph: string };
  readonly accessToken: string;
  /** Sent and logged: Microsoft's support asks for it (domain/microsoft.md 3). */
  readonly clientRequestId: string;
  readonly timeoutMs?: number;
  /** domain/microsoft.md 9: `Low` for checks that may wait, so that they are throttled first. */
  readonly priority?: 'Low' | 'Normal' | 'High';
  readonly signal?: AbortSignal;
}

/** Reason why Graph gave no answer. `code` and `detail` are Graph's own words. */
export interface GraphFailure {
  readonly ok: false;
  readonly failure: 'unauthenticated' | 'forbidden' | 'throttled' | 'unreachable' | 'not-found' | 'error';
  readonly httpStatus?: number;
  readonly code?: string;
  readonly detail: string;
  readonly retryAfterSeconds?: number;
}

/** A page that would have taken the token to a host that is not Graph's. */
export interface RefusedHost {
  readonly ok: false;
  readonly failure: 'refused-host';
  readonly host: string;
  readonly detail: string;
}

/** Graph itself says that the object is not there: a proxy's or a wrong host's 404 has no code and proves nothing. */
export const isMissing = (failure: GraphFailure): boolean =>
  failure.failure === 'not-found' && failure.code !== undefined;

export const asString = (value: unknown): string | undefined =>
  typeof value === 'string' ? value : undefined;

const failureNames: ReadonlyMap<number, GraphFailure['failure']> = new Map([
  [401, 'unauthenticated'],
  [403, 'forbidden'],
  [404, 'not-found'],
  [429, 'throttled'],
  [503, 'unreachable'],
  [502, 'unreachable'],
  [504, 'unreachable'],
]);

/** Graph's error body: domain/microsoft.md 5.3. */
function failureOf(httpStatus: number, headers: Headers, text: string): GraphFailure {
  const error = asObject(asObject(parseJson(text))?.error);
  const code = asString(error?.code);
  const message = asString(error?.message) ?? `Graph answered ${httpStatus}`;
  const waitSeconds = retryAfterSeconds(headers, Date.now());
  return {
    ok: false,
    failure: failureNames.get(httpStatus) ?? 'error',
    httpStatus,
    detail: message.slice(0, longestDetailCharacters),
    ...(code === undefined ? {} : { code }),
    ...(waitSeconds === undefined ? {} : { retryAfterSeconds: waitSeconds }),
  };
}

const unreadable = (httpStatus: number, detail: string): GraphFailure => ({
  ok: false,
  failure: 'error',
  httpStatus,
  detail,
});

type Method = 'GET' | 'POST' | 'PATCH' | 'DELETE';

async function sendUrl(
  call: GraphCall,
  method: Method,
  url: string,
  body?: JsonObject,
): Promise<{ readonly ok: true; readonly body: JsonObject } | GraphFailure> {
  const request: OutboundRequest = {
    method,
    url,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${call.accessToken}`,
      'client-request-id': call.clientRequestId,
      ...(call.priority === undefined ? {} : { 'x-ms-throttle-priority': call.priority }),
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    timeoutMs: call.timeoutMs ?? defaultTimeoutMs,
    addresses: 'configured',
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
  const response = await sendInSpan(call.send, 'graph', request, call.clientRequestId);
  if (!response.ok)
    return { ok: false, failure: 'unreachable', detail: `${response.failure}: ${response.detail}` };
  const { headers, status } = response;
  try {
    const text = await response.text(pageBytes);
    if (status === 204 && method !== 'GET') return { ok: true, body: {} };
    if (status !== 200 && (status !== 201 || method !== 'POST')) return failureOf(status, headers, text);
    const answer = asObject(parseJson(text));
    return answer === undefined
      ? unreadable(status, 'the answer is no JSON object')
      : { ok: true, body: answer };
  } catch {
    // BodyTooLarge or BodyInterrupted.
    return unreadable(status, 'the answer broke off or was too large');
  }
}

const getUrl = (call: GraphCall, url: string): ReturnType<typeof sendUrl> => sendUrl(call, 'GET', url);

/** Writes, or asks with a body; an answer without content is an empty object. `path` begins after `/v1.0/`. */
export const sendObject = (
  call: GraphCall,
  method: Exclude<Method, 'GET'>,
  path: string,
  body?: JsonObject,
): ReturnType<typeof sendUrl> => sendUrl(call, method, `${call.cloud.graph}/v1.0/${path}`, body);

/** Reads one object; `path` begins after `/v1.0/`. */
export const getObject = (call: GraphCall, path: string): ReturnType<typeof getUrl> =>
  getUrl(call, `${call.cloud.graph}/v1.0/${path}`);

/**
 * Reads a collection with all its pages. A next link is followed on Graph's own origin only: the bearer token
 * goes where it says.
 */
export async function getCollection(
  call: GraphCall,
  path: string,
): Promise<{ readonly ok: true; readonly items: readonly JsonObject[] } | GraphFailure | RefusedHost> {
  const { origin } = new URL(call.cloud.graph);
  const items: JsonObject[] = [];
  let url = `${call.cloud.graph}/v1.0/${path}`;
  for (let page = 0; page < largestPages; page += 1) {
    const answer = await getUrl(call, url);
    if (!answer.ok) return answer;
    const { value } = answer.body;
    if (!Array.isArray(value)) return unreadable(200, 'the answer is no collection');
    items.push(...value.map(asObject).filter((item) => item !== undefined));
    const next = asString(answer.body['@odata.nextLink']);
    if (next === undefined || next === '') return { ok: true, items };
    const nextUrl = URL.canParse(next) ? new URL(next) : undefined;
    if (nextUrl?.origin !== origin || nextUrl.username !== '' || nextUrl.password !== '') {
      const host = nextUrl?.host ?? 'no host';
      return { ok: false, failure: 'refused-host', host, detail: 'the next page is not on Graph' };
    }
    url = nextUrl.toString();
  }
  return unreadable(200, `more than ${largestPages} pages`);
}
