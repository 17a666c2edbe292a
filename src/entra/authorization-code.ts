/**
 * Signing a person in: the authorization code flow of OpenID Connect with PKCE (RFC 6749 4.1, RFC 7636), as the v2
 * endpoints of Entra have it. The ID token that it ends with is verified by `verifyForCache`.
 */

import { stateCharacters } from '../limits.ts';
import {
  BodyInterrupted,
  BodyTooLarge,
  type OutboundRequest,
  type OutboundResult,
  type Send,
} from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import { sendInSpan } from '../telemetry/http-spans.ts';
import { oneLine } from '../telemetry/one-line.ts';
import { parseBoundedJson } from '../untrusted/bounded-json.ts';
import { encodeBase64url } from './base64url.ts';
import { type Cloud, tokenEndpointFor } from './clouds.ts';
import { type Credential, signAssertion } from './credentials.ts';
import { unavailableKind } from './error-kinds.ts';
import { classifyTokenError, type TokenFailure } from './errors.ts';
import { tokenAnswerBytes } from './token-request.ts';

/** Entra's codes are some 1,500 characters. */
const longestCodeCharacters = 8_192;
const longestDescriptionCharacters = 500;

/** These scopes ask for no consent of an administrator and give an ID token with the person's names. */
const signInScope = 'openid profile';

/** The path segment for the accounts of any organisation. */
export const anyOrganisation = 'organizations';

/** 256 bits in base64url: 43 characters, which is also the shortest verifier (RFC 7636 4.1). */
export const randomToken = (): string => encodeBase64url(crypto.getRandomValues(new Uint8Array(32)));

/** `S256` of a code verifier (RFC 7636 4.2). */
export async function codeChallengeOf(verifier: string): Promise<string> {
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(verifier));
  return encodeBase64url(new Uint8Array(digest));
}

export interface AuthorizationRequest {
  readonly cloud: Cloud;
  /** A tenant's id, or `anyOrganisation`. */
  readonly tenant: string;
  readonly clientId: string;
  /** Exactly one of those registered. */
  readonly redirectUri: string;
  readonly state: string;
  readonly nonce: string;
  readonly codeChallenge: string;
  /** The account picker is shown even to whoever is signed in at Microsoft already. */
  readonly chooseAccount: boolean;
}

/**
 * Builds the address that the browser is sent to. The answer comes in the query: a form post would come without our Lax
 * cookies.
 */
export function authorizationUrl(request: AuthorizationRequest): string {
  const url = new URL(`${request.cloud.authority}/${request.tenant}/oauth2/v2.0/authorize`);
  url.search = new URLSearchParams({
    client_id: request.clientId,
    response_type: 'code',
    response_mode: 'query',
    redirect_uri: request.redirectUri,
    scope: signInScope,
    state: request.state,
    nonce: request.nonce,
    code_challenge: request.codeChallenge,
    code_challenge_method: 'S256',
    ...(request.chooseAccount ? { prompt: 'select_account' } : {}),
  }).toString();
  return url.toString();
}

/** The parameters that the browser brought back. None of them proves anything. */
export type AuthorizationRedirect =
  | { readonly outcome: 'code'; readonly code: string; readonly state: string }
  | { readonly outcome: 'refused'; readonly failure: TokenFailure; readonly state: string | undefined }
  | { readonly outcome: 'malformed'; readonly field: string; readonly state: string | undefined };

const meaningful = ['code', 'state', 'error', 'error_description'];

/** Reads the query of the redirect; unknown parameters are ignored. */
export function parseAuthorizationRedirect(query: URLSearchParams): AuthorizationRedirect {
  const one = (name: string): string | undefined => query.get(name) ?? undefined;
  const state = one('state');
  const malformed = (field: string): AuthorizationRedirect => ({ outcome: 'malformed', field, state });
  const twice = meaningful.find((name) => query.getAll(name).length > 1);
  if (twice !== undefined) return malformed(twice);
  if (state === undefined || state === '' || state.length > stateCharacters)
    return { outcome: 'malformed', field: 'state', state: undefined };
  const error = one('error');
  if (error !== undefined) {
    const description = oneLine(one('error_description') ?? '', longestDescriptionCharacters);
    const body = { error: oneLine(error, 100), error_description: description };
    return { outcome: 'refused', failure: classifyTokenError(400, JSON.stringify(body)), state };
  }
  const code = one('code');
  if (code === undefined || code === '' || code.length > longestCodeCharacters) return malformed('code');
  return { outcome: 'code', code, state };
}

export interface CodeRedemption {
  readonly send: Send;
  readonly cloud: Cloud;
  /** Tenant of the authorization request. */
  readonly tenant: string;
  readonly credential: Credential;
  readonly code: string;
  readonly codeVerifier: string;
  readonly redirectUri: string;
  readonly correlationId: string;
  readonly nowMs: number;
  readonly timeoutMs: number;
}

export type RedemptionResult =
  | { readonly ok: true; readonly idToken: string }
  | { readonly ok: false; readonly failure: TokenFailure };

async function formOf(redemption: CodeRedemption, endpoint: string): Promise<string> {
  const { code, codeVerifier, credential, nowMs, redirectUri } = redemption;
  const proof: Record<string, string> =
    credential.kind === 'secret'
      ? { client_secret: credential.secret }
      : {
          client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
          client_assertion: await signAssertion(credential, endpoint, nowMs),
        };
  return new URLSearchParams({
    grant_type: 'authorization_code',
    client_id: credential.clientId,
    ...proof,
    code,
    code_verifier: codeVerifier,
    redirect_uri: redirectUri,
    scope: signInScope,
  }).toString();
}

const unreachable = (failure: string, correlationId: string): TokenFailure => ({
  ...unavailableKind,
  cause: failure === 'timeout' ? 'entra-timeout' : 'entra-unreachable',
  remedy: 'Entra could not be reached: check network, proxy and name resolution if it lasts.',
  owner: failure === 'refused-address' ? 'configuration' : 'microsoft',
  correlationId,
});

function idTokenIn(text: string): string | undefined {
  try {
    const body: unknown = parseBoundedJson(text);
    const token = typeof body === 'object' && body !== null && 'id_token' in body ? body.id_token : undefined;
    return typeof token === 'string' && token !== '' ? token : undefined;
  } catch {
    // No JSON: what stands between us and Entra answers with pages.
    return undefined;
  }
}

async function readAnswer(answer: OutboundResult, request: CodeRedemption): Promise<RedemptionResult> {
  const { correlationId, nowMs } = request;
  if (!answer.ok) return { ok: false, failure: unreachable(answer.failure, correlationId) };
  let text: string;
  try {
    text = await answer.text(tokenAnswerBytes);
  } catch (error) {
    if (!(error instanceof BodyTooLarge || error instanceof BodyInterrupted)) throw error;
    return { ok: false, failure: unreachable('reset', correlationId) };
  }
  const idToken = answer.status === 200 ? idTokenIn(text) : undefined;
  if (idToken !== undefined) return { ok: true, idToken };
  const failure = classifyTokenError(answer.status, text);
  const retryAfter = retryAfterSeconds(answer.headers, nowMs);
  return {
    ok: false,
    failure: {
      ...failure,
      correlationId: failure.correlationId ?? correlationId,
      ...(retryAfter === undefined ? {} : { retryAfterSeconds: retryAfter }),
    },
  };
}

/**
 * Exchanges the code for the ID token. One request and no retry: a code is redeemed once, and after an unclear outcome
 * the person signs in again.
 */
export async function redeemCode(redemption: CodeRedemption): Promise<RedemptionResult> {
  const endpoint = tokenEndpointFor(redemption.cloud, redemption.tenant);
  const request: OutboundRequest = {
    method: 'POST',
    url: endpoint,
    headers: {
      accept: 'application/json',
      'content-type': 'application/x-www-form-urlencoded',
      'client-request-id': redemption.correlationId,
    },
    body: await formOf(redemption, endpoint),
    timeoutMs: redemption.timeoutMs,
    addresses: 'configured',
  };
  const answer = await sendInSpan(redemption.send, 'entra', request, redemption.correlationId);
  return readAnswer(answer, redemption);
}
