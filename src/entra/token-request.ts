import {
  ConfidentialClientApplication,
  type INetworkModule,
  type NetworkRequestOptions,
} from '@azure/msal-node';
import type { OutboundRequest, OutboundResult, Send } from '../outbound/port.ts';
import { retryAfterSeconds } from '../outbound/retry-after.ts';
import { sendInSpan } from '../telemetry/http-spans.ts';
import { parseBoundedJson } from '../untrusted/bounded-json.ts';
import { decodeBase64url } from './base64url.ts';
import { type Cloud, graphScopeFor, issuerFor, jwksUrlFor, tokenEndpointFor } from './clouds.ts';
import { type Credential, signAssertion } from './credentials.ts';
import { unavailableKind } from './error-kinds.ts';
import { classifyTokenError, type TokenFailure } from './errors.ts';

/** A token answer is a few KB; groups overage keeps even big ones below this. */
export const tokenAnswerBytes = 256 * 1024;

export interface TokenRequest {
  readonly send: Send;
  readonly cloud: Cloud;
  readonly tenantId: string;
  readonly scope: string;
  readonly credential: Credential;
  readonly correlationId: string;
  readonly nowMs: number;
  readonly timeoutMs: number;
}

export interface AcquiredToken {
  readonly accessToken: string;
  /** Seconds from the request on. */
  readonly lifeSeconds: number;
  /** Time at which Entra would like a renewal, in seconds from the request on. */
  readonly refreshInSeconds: number | undefined;
  readonly roles: readonly string[];
}

export type TokenRequestResult =
  | { readonly ok: true; readonly token: AcquiredToken }
  | { readonly ok: false; readonly failure: TokenFailure };

/** The HTTP answer, kept beside MSAL: its exceptions drop the status, the headers and bodies that are no JSON. */
interface Seen {
  status?: number;
  text?: string;
  retryAfterSeconds?: number | undefined;
  transport?: string;
}

const unanswered = (cause: string, remedy: string, correlationId: string): TokenFailure => ({
  ...unavailableKind,
  cause,
  remedy,
  correlationId,
});

async function readAnswer(result: OutboundResult, seen: Seen, nowMs: number): Promise<void> {
  if (!result.ok) {
    seen.transport = result.failure;
    return;
  }
  try {
    seen.text = await result.text(tokenAnswerBytes);
    seen.status = result.status;
    seen.retryAfterSeconds = retryAfterSeconds(result.headers, nowMs);
  } catch {
    // BodyTooLarge or BodyInterrupted: there is no answer to go by.
    seen.transport = 'reset';
  }
}

/** MSAL's network on our outgoing connector. It throws to MSAL for what MSAL cannot read; `seen` has the truth. */
function networkClient(request: TokenRequest, seen: Seen): INetworkModule {
  const call = async (method: string, url: string, options: NetworkRequestOptions = {}) => {
    const asked: OutboundRequest = {
      method,
      url,
      ...(options.headers === undefined ? {} : { headers: options.headers }),
      ...(options.body === undefined ? {} : { body: options.body }),
      timeoutMs: request.timeoutMs,
      addresses: 'configured',
    };
    const result = await sendInSpan(request.send, 'entra', asked, request.correlationId);
    await readAnswer(result, seen, request.nowMs);
    const body: unknown = parseBoundedJson(seen.text ?? '');
    if (typeof body !== 'object' || body === null) throw new Error('the answer is no JSON object');
    return { status: seen.status ?? 0, headers: {}, body };
  };
  return {
    // The interface lets the caller name the body's type; MSAL itself looks at its members before use.
    sendGetRequestAsync: async <T>(url: string, options?: NetworkRequestOptions) => {
      const answer = await call('GET', url, options);
      return { ...answer, body: answer.body as T };
    },
    sendPostRequestAsync: async <T>(url: string, options?: NetworkRequestOptions) => {
      const answer = await call('POST', url, options);
      return { ...answer, body: answer.body as T };
    },
  };
}

/**
 * A client of its own for every request: MSAL keeps tokens without bound, throws when two match, and after one
 * 503 refuses a tenant for 60 s by itself (domain/microsoft.md 1.10). Endpoints are given, so it asks nobody.
 */
function createClient(request: TokenRequest, seen: Seen): ConfidentialClientApplication {
  const { cloud, tenantId, credential } = request;
  const endpoint = tokenEndpointFor(cloud, tenantId);
  const host = new URL(cloud.authority).host;
  return new ConfidentialClientApplication({
    auth: {
      clientId: credential.clientId,
      authority: `${cloud.authority}/${tenantId}`,
      knownAuthorities: [host],
      cloudDiscoveryMetadata: JSON.stringify({
        tenant_discovery_endpoint: `${cloud.authority}/${tenantId}/v2.0/.well-known/openid-configuration`,
        metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
      }),
      authorityMetadata: JSON.stringify({
        authorization_endpoint: `${cloud.authority}/${tenantId}/oauth2/v2.0/authorize`,
        token_endpoint: endpoint,
        issuer: issuerFor(cloud, tenantId),
        jwks_uri: jwksUrlFor(cloud, tenantId),
      }),
      ...(credential.kind === 'secret'
        ? { clientSecret: credential.secret }
        : { clientAssertion: () => signAssertion(credential, endpoint, request.nowMs) }),
    },
    system: { networkClient: networkClient(request, seen) },
  });
}

/** `roles` of an access token, for diagnosis only: Microsoft's tokens are opaque to us (domain/microsoft.md 1.3). */
export function rolesOf(accessToken: string): readonly string[] {
  const bytes = decodeBase64url(accessToken.split('.')[1] ?? '');
  if (bytes === undefined) return [];
  try {
    const claims: unknown = JSON.parse(new TextDecoder().decode(bytes));
    const roles = typeof claims === 'object' && claims !== null && 'roles' in claims ? claims.roles : [];
    return Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [];
  } catch {
    // Opaque or encrypted: then nothing is known of it.
    return [];
  }
}

const positiveSeconds = (value: unknown): number | undefined => {
  const seconds = typeof value === 'string' && value !== '' ? Number(value) : value;
  return typeof seconds === 'number' && Number.isFinite(seconds) && seconds > 0 ? seconds : undefined;
};

/** The lifetimes, from the wire: MSAL's dates go by its own clock. */
function lifetimes(
  text: string | undefined,
): Pick<AcquiredToken, 'lifeSeconds' | 'refreshInSeconds'> | undefined {
  const body: unknown = parseBoundedJson(text ?? 'null');
  if (typeof body !== 'object' || body === null) return undefined;
  const lifeSeconds = 'expires_in' in body ? positiveSeconds(body.expires_in) : undefined;
  if (lifeSeconds === undefined) return undefined;
  return {
    lifeSeconds,
    refreshInSeconds: 'refresh_in' in body ? positiveSeconds(body.refresh_in) : undefined,
  };
}

function failureOf(seen: Seen, { cloud, correlationId, scope }: TokenRequest): TokenFailure {
  if (seen.transport === 'refused-address') {
    return {
      ...unanswered('authority-refused', 'The address of the authority is not allowed.', correlationId),
      scope: 'registration',
      action: 'alarm-operator',
      owner: 'configuration',
    };
  }
  if (seen.transport === 'timeout' || seen.transport === 'aborted') {
    return unanswered('entra-timeout', 'Entra did not answer in time; nothing is to be done.', correlationId);
  }
  if (seen.transport !== undefined) {
    const remedy = 'Entra could not be reached: check network, proxy and name resolution if it lasts.';
    return unanswered('entra-unreachable', remedy, correlationId);
  }
  if (seen.status === undefined) {
    return {
      ...unanswered(
        'token-request-failed',
        'The request could not be made: check the credential.',
        correlationId,
      ),
      scope: 'registration',
      action: 'other-credential',
      owner: 'configuration',
    };
  }
  const failure = classifyTokenError(seen.status, seen.text ?? '', {
    scope,
    isGraph: scope === graphScopeFor(cloud),
  });
  return {
    ...failure,
    correlationId: failure.correlationId ?? correlationId,
    ...(seen.retryAfterSeconds === undefined ? {} : { retryAfterSeconds: seen.retryAfterSeconds }),
  };
}

/** Takes one token with one credential (domain/microsoft.md 1.2). One request on the wire, no retry, no cache. */
export async function requestToken(request: TokenRequest): Promise<TokenRequestResult> {
  const seen: Seen = {};
  try {
    const result = await createClient(request, seen).acquireTokenByClientCredential({
      scopes: [request.scope],
      skipCache: true,
      correlationId: request.correlationId,
    });
    const life = lifetimes(seen.text);
    if (result === null || result.accessToken === '' || seen.status !== 200 || life === undefined) {
      return { ok: false, failure: failureOf(seen, request) };
    }
    const { accessToken } = result;
    return { ok: true, token: { accessToken, ...life, roles: rolesOf(accessToken) } };
  } catch {
    // The wire has said it better than MSAL's error, whose texts may hold parts of the request.
    return { ok: false, failure: failureOf(seen, request) };
  }
}
