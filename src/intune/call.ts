import { mebibyte } from '../limits.ts';
import { BodyInterrupted, type OutboundFailure, type OutboundRequest, type Send } from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import { sendInSpan } from '../telemetry/http-spans.ts';
import { asObject, type JsonObject, parseJson } from '../untrusted/bounded-json.ts';

/** Answers of the partner API are small; lists of policies too. */
const answerBytes = mebibyte;
const defaultTimeoutMs = 30_000;
/** Error details are stored and shown. */
const longestDetailCharacters = 2000;

export interface IntuneCall {
  readonly send: Send;
  /** Address of the service as discovery gave it, no trailing slash. */
  readonly service: string;
  readonly accessToken: string;
  readonly apiVersion: string;
  /** Sent and logged: Intune's support asks for it (domain/microsoft.md 3). */
  readonly clientRequestId: string;
  readonly timeoutMs?: number;
  readonly signal?: AbortSignal;
}

/**
 * Reason why a call did not do its work. `refused`: Intune has decided against it, also inside an HTTP 200; the same
 * again will be refused again. `unclear`: it may have been done, send the same again. `unavailable`: it was not done or
 * cannot matter, later. `not-found` asks for a new discovery (domain/microsoft.md 9).
 */
export type IntuneError =
  | {
      readonly outcome: 'refused';
      readonly code: string;
      readonly detail: string;
      readonly httpStatus: number;
    }
  | {
      readonly outcome: 'unclear';
      readonly detail: string;
      /** The connection failed after the request began: an old address may answer like that. */
      readonly transport?: OutboundFailure['failure'];
    }
  | { readonly outcome: 'throttled'; readonly retryAfterSeconds?: number; readonly detail: string }
  | { readonly outcome: 'unauthenticated'; readonly detail: string }
  | { readonly outcome: 'forbidden'; readonly detail: string }
  | { readonly outcome: 'not-found'; readonly detail: string }
  | {
      readonly outcome: 'unavailable';
      readonly detail: string;
      readonly httpStatus?: number;
      readonly retryAfterSeconds?: number;
      /** The address rule said no, or nothing listens there: the address may have moved. */
      readonly transport?: OutboundFailure['failure'];
    };

/** A 2xx answer; `body` is undefined when it was empty. */
export interface IntuneAnswer {
  readonly outcome: 'answered';
  readonly httpStatus: number;
  readonly body: JsonObject | undefined;
}

/** `ErrorDetail` comes as string or structured (domain/microsoft.md 4.4). */
export function detailText(value: unknown): string {
  if (value === undefined || value === null) return '';
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  // PostgreSQL stores no NUL.
  return text.replaceAll('\u0000', '').slice(0, longestDetailCharacters);
}

/** `Entity(guid'…')`, the key form of OData v3. */
export const guidKey = (entity: string, guid: string): string => `${entity}(guid'${guid}')`;

/** Code and text of an error answer: the API's own members, OData v3's or OData v4's. */
function errorOf(httpStatus: number, text: string): { readonly code: string; readonly detail: string } {
  const body = asObject(parseJson(text));
  const error = asObject(body?.['odata.error'] ?? body?.error);
  const message = asObject(error?.message)?.value ?? error?.message;
  const detail = detailText(body?.ErrorDetail ?? message ?? body?.Message);
  return {
    code: detailText(body?.ErrorCode ?? error?.code) || String(httpStatus),
    detail: detail === '' ? `Intune answered ${httpStatus}` : detail,
  };
}

/** Maps a status beyond 2xx to its meaning, the one of HTTP or the one inside a body (domain/microsoft.md 9). */
export function intuneError(
  httpStatus: number,
  error: { readonly code: string; readonly detail: string },
  waitSeconds?: number,
): IntuneError {
  const { detail } = error;
  const wait = waitSeconds === undefined ? {} : { retryAfterSeconds: waitSeconds };
  if (httpStatus === 401) return { outcome: 'unauthenticated', detail };
  if (httpStatus === 403) return { outcome: 'forbidden', detail };
  if (httpStatus === 404) return { outcome: 'not-found', detail };
  if (httpStatus === 429) return { outcome: 'throttled', detail, ...wait };
  // A redirect is not followed: the token is for this host only.
  if (httpStatus >= 500 || httpStatus === 408 || httpStatus < 400) {
    return { outcome: 'unavailable', detail, httpStatus, ...wait };
  }
  return { outcome: 'refused', ...error, httpStatus };
}

function transportError({ failure, detail }: OutboundFailure): IntuneError {
  switch (failure) {
    case 'timeout':
    case 'reset':
    case 'aborted':
      // The caller's own end says nothing of the address.
      return {
        outcome: 'unclear',
        detail: `${failure}: ${detail}`,
        ...(failure === 'aborted' ? {} : { transport: failure }),
      };
    case 'refused-address':
    case 'unreachable':
      return { outcome: 'unavailable', detail: `${failure}: ${detail}`, transport: failure };
  }
}

/** Sends one request to a partner service; never throws for what the other side does. */
export async function callIntune(
  call: IntuneCall,
  method: 'GET' | 'PUT' | 'POST',
  path: string,
  body?: unknown,
): Promise<IntuneAnswer | IntuneError> {
  const request: OutboundRequest = {
    method,
    url: `${call.service}/${path}?api-version=${encodeURIComponent(call.apiVersion)}`,
    headers: {
      accept: 'application/json',
      authorization: `Bearer ${call.accessToken}`,
      'client-request-id': call.clientRequestId,
      // Without it OData v3 services may answer a PUT with nothing, and the verdict is in the body.
      ...(method === 'GET' ? {} : { prefer: 'return-content', 'content-type': 'application/json' }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    timeoutMs: call.timeoutMs ?? defaultTimeoutMs,
    addresses: 'checked',
    sharedHost: true,
    ...(call.signal === undefined ? {} : { signal: call.signal }),
  };
  const response = await sendInSpan(call.send, 'intune', request, call.clientRequestId);
  if (!response.ok) return transportError(response);
  const { status, headers } = response;
  try {
    const text = await response.text(answerBytes);
    if (status < 200 || status > 299) {
      return intuneError(status, errorOf(status, text), retryAfterSeconds(headers, Date.now()));
    }
    if (text.trim() === '') return { outcome: 'answered', httpStatus: status, body: undefined };
    const json = asObject(parseJson(text));
    return json === undefined
      ? { outcome: 'unclear', detail: `the answer with status ${status} is no JSON object` }
      : { outcome: 'answered', httpStatus: status, body: json };
  } catch (error) {
    // BodyTooLarge or BodyInterrupted: the status alone does not say what was decided.
    return {
      outcome: 'unclear',
      detail: `the answer with status ${status} broke off or was too large`,
      ...(error instanceof BodyInterrupted ? { transport: 'reset' as const } : {}),
    };
  }
}

/**
 * Intune's words for a tenant whose partner we are not (any more) are not published; these are the ones that were seen
 * or are likely.
 */
const notProvisionedText = /not (been )?provisioned|deprovisioned|terminated|not (an )?active partner/i;

export const saysNotProvisioned = (detail: string): boolean => notProvisionedText.test(detail);
