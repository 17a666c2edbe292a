import { createBoundedCache } from '../bounded-cache.ts';
import { parseGuid } from '../ids.ts';
import { type After, afterInProcess, createJoining, type Sharing } from '../joining.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import { SecretUnreadable } from '../secrets/reference.ts';
import { type Cloud, graphScopeFor } from './clouds.ts';
import type { Credential } from './credentials.ts';
import { refusedTokenKind, throttledKind } from './error-kinds.ts';
import type { TokenFailure } from './errors.ts';
import type { IssuedTokens } from './issued-tokens.ts';
import { type AcquiredToken, requestToken } from './token-request.ts';

/** domain/microsoft.md 1.2: renewed 5 minutes before the end. */
const renewBeforeEndMs = 300_000;
/** A token with less left may end on its way: then the caller waits for the renewal. */
const tooShortMs = 60_000;
/** Between two attempts to renew a token that is still good. */
const renewRetryMs = 30_000;
/** domain/microsoft.md 1.9: a 429 without a number means 60 s. */
const defaultRetryAfterSeconds = 60;
/** No service asks for more; a wrong header must not silence a tenant for a day. */
const longestRetryAfterSeconds = 3600;
/** After every credential was refused: Entra is not asked again with the same ones for this long. */
const refusedCredentialsMs = 10_000;
/** Two tokens for each of 10,000 tenants (design section 5), and then some. A token is about 2 KB. */
const defaultTokens = 25_000;
const defaultTimeoutMs = 30_000;

export type Application = 'connector' | 'diagnostic';
export type TokenResource = 'graph' | 'intune' | { readonly scope: string };

export interface TokenQuery {
  readonly cloud: Cloud;
  readonly tenantId: string;
  readonly resource: TokenResource;
  readonly application?: Application;
  /** Past the cache, for a token with the roles of now: after a consent or a 401 (domain/microsoft.md 1.5). */
  readonly fresh?: boolean;
}

export type TokenResult =
  | {
      readonly ok: true;
      readonly accessToken: string;
      /** Milliseconds by the broker's clock. */
      readonly expiresAt: number;
      /** Roles in the token; empty when it cannot be read. For diagnosis only. */
      readonly roles: readonly string[];
    }
  | { readonly ok: false; readonly failure: TokenFailure };

export interface TokenBroker {
  /** Returns a token or a failure, which holds no secret; it never throws. */
  token(query: TokenQuery): Promise<TokenResult>;
  /**
   * Forgets a tenant's tokens, after a disconnect or when a service refuses them; with `keepYoung` not those that were
   * issued a moment ago, which may be refused now and taken then.
   */
  forget(cloud: Cloud, tenantId: string, keepYoung?: 'keep-young'): void;
}

export interface TokenBrokerOptions {
  readonly send: Send;
  /** Milliseconds that only grow: a token's life is counted from its receipt (clock.ts). */
  readonly now: () => number;
  /** The application's credentials in a cloud, current first; the tenant matters for `manual` tenants' own ones. */
  readonly credentials: (
    cloud: Cloud,
    application: Application,
    tenantId: string,
  ) => readonly Credential[] | Promise<readonly Credential[]>;
  readonly timeoutMs?: number;
  readonly tokens?: number;
  /** Told of every token; says how long one that services refuse is to be left alone. */
  readonly issued?: IssuedTokens;
  /** After every request on the wire, for metrics. */
  readonly onRequest?: (event: { cloud: string; resource: string; outcome: string }) => void;
  readonly sharing: Sharing;
  /** Takes renewals that nobody waits for. */
  readonly after?: After;
}

interface CachedToken {
  readonly accessToken: string;
  readonly roles: readonly string[];
  readonly requestedAtMs: number;
  readonly expiresAtMs: number;
  readonly tooShortMs: number;
  renewAtMs: number;
}

interface Need {
  readonly key: string;
  readonly cloud: Cloud;
  readonly tenantId: string;
  readonly scope: string;
  readonly application: Application;
  readonly resource: string;
}

function cachedToken(token: AcquiredToken, requestedAtMs: number): CachedToken {
  const lifeMs = token.lifeSeconds * 1000;
  // 5 minutes before the end, or at two thirds of a life shorter than 15 minutes.
  const ownRenewalMs = Math.max(lifeMs - renewBeforeEndMs, (lifeMs * 2) / 3);
  const askedRenewalMs = (token.refreshInSeconds ?? Number.POSITIVE_INFINITY) * 1000;
  return {
    accessToken: token.accessToken,
    roles: token.roles,
    requestedAtMs,
    expiresAtMs: requestedAtMs + lifeMs,
    renewAtMs: requestedAtMs + Math.min(ownRenewalMs, askedRenewalMs),
    tooShortMs: Math.min(tooShortMs, lifeMs / 6),
  };
}

const resultOf = (cached: CachedToken): TokenResult => ({
  ok: true,
  accessToken: cached.accessToken,
  expiresAt: cached.expiresAtMs,
  roles: cached.roles,
});

const refusal = (failure: TokenFailure): TokenResult => ({ ok: false, failure });

const noCredential: TokenFailure = {
  scope: 'registration',
  cause: 'credential-not-configured',
  action: 'alarm-operator',
  owner: 'configuration',
  remedy: 'Set ESPALIER_ENTRA_CLIENT_ID and a certificate or secret for this cloud.',
};

/** A file that is gone or a secret that does not open; other messages may hold what must not be shown. */
const unreadableCredential: TokenFailure = {
  scope: 'registration',
  cause: 'credential-unreadable',
  action: 'alarm-operator',
  owner: 'configuration',
  remedy: 'The credential of the application could not be read: check its files or the secret reference.',
};

const noTenant: TokenFailure = {
  scope: 'tenant',
  cause: 'tenant-not-found',
  action: 'quarantine-tenant',
  owner: 'configuration',
  remedy: 'The tenant id is no GUID: check it.',
};

/** Ways of being refused that say wait: a 429, whatever its body, and the two codes for the same. */
function waitSeconds(failure: TokenFailure): number | undefined {
  const asksToWait = failure.httpStatus === 429 || failure.code === 90055 || failure.code === 50196;
  if (!asksToWait) return undefined;
  return Math.min(failure.retryAfterSeconds ?? defaultRetryAfterSeconds, longestRetryAfterSeconds);
}

/** Waits asked for by Entra, per (cloud, application, tenant, scope): one tenant's never slows another. */
function createThrottle(now: () => number, entries: number) {
  const untilMs = createBoundedCache<string, number>(entries);
  return {
    note(key: string, failure: TokenFailure): void {
      const seconds = waitSeconds(failure);
      if (seconds !== undefined) untilMs.set(key, now() + seconds * 1000);
    },
    refusal(key: string): TokenFailure | undefined {
      const leftMs = (untilMs.get(key) ?? 0) - now();
      return leftMs > 0 ? { ...throttledKind, retryAfterSeconds: Math.ceil(leftMs / 1000) } : undefined;
    },
  };
}

/** Tries the credentials, the one that worked last first: `_NEXT` may be live before or after the change. */
function createCredentialRotation(options: TokenBrokerOptions) {
  const { send, now, timeoutMs = defaultTimeoutMs } = options;
  const lastGood = createBoundedCache<string, number>(1000);
  const refused = createBoundedCache<string, { readonly untilMs: number; readonly failure: TokenFailure }>(
    1000,
  );

  const readCredentials = async (need: Need): Promise<readonly Credential[] | TokenFailure> => {
    try {
      return await options.credentials(need.cloud, need.application, need.tenantId);
    } catch (error) {
      if (!(error instanceof SecretUnreadable)) return unreadableCredential;
      return { ...unreadableCredential, remedy: `${unreadableCredential.remedy} (${error.message})` };
    }
  };

  const attempt = async (need: Need, credential: Credential) => {
    const correlationId = crypto.randomUUID();
    const { cloud, tenantId, scope, resource } = need;
    // The assertion's times are dates.
    const nowMs = Date.now();
    const result = await requestToken({
      send: sendFor(tenantId, send),
      cloud,
      tenantId,
      scope,
      credential,
      correlationId,
      nowMs,
      timeoutMs,
    });
    options.onRequest?.({ cloud: cloud.name, resource, outcome: result.ok ? 'ok' : result.failure.cause });
    return result;
  };

  return async (need: Need, fresh: boolean): Promise<Awaited<ReturnType<typeof requestToken>>> => {
    const credentials = await readCredentials(need);
    if ('cause' in credentials) return { ok: false, failure: credentials };
    const name = `${need.cloud.name} ${need.application} ${credentials.map(({ clientId }) => clientId).join(' ')}`;
    const earlier = refused.get(name);
    if (!fresh && earlier !== undefined && now() < earlier.untilMs)
      return { ok: false, failure: earlier.failure };

    const first = Math.min(lastGood.get(name) ?? 0, Math.max(0, credentials.length - 1));
    const order = [first, ...[...credentials.keys()].filter((index) => index !== first)];
    let failure = noCredential;
    for (const index of order) {
      const credential = credentials[index];
      if (credential === undefined) continue;
      const result = await attempt(need, credential);
      if (result.ok || result.failure.action !== 'other-credential') {
        // Any other refusal means that the credential itself was taken.
        if (result.ok || result.failure.scope === 'tenant') lastGood.set(name, index);
        refused.delete(name);
        return result;
      }
      failure = result.failure;
    }
    if (credentials.length > 0) refused.set(name, { untilMs: now() + refusedCredentialsMs, failure });
    return { ok: false, failure };
  };
}

function needOf(query: TokenQuery, tenantId: string): Need {
  const { cloud, resource, application = 'connector' } = query;
  const scope =
    resource === 'graph' ? graphScopeFor(cloud) : resource === 'intune' ? cloud.intuneScope : resource.scope;
  return {
    key: `${cloud.name} ${application} ${tenantId} ${scope}`,
    cloud,
    tenantId,
    scope,
    application,
    resource: typeof resource === 'string' ? resource : 'other',
  };
}

/**
 * The tokens with which Espalier calls Microsoft, one per (cloud, application, tenant, scope): bounded cache,
 * one request at a time per key, renewed early behind the callers' backs, `Retry-After` honoured, two
 * credentials (domain/microsoft.md 1.2, 1.8 to 1.10). Runs where @azure/msal-node runs.
 */
export function createTokenBroker(options: TokenBrokerOptions): TokenBroker {
  const { after = afterInProcess, now } = options;
  const cache = createBoundedCache<string, CachedToken>(options.tokens ?? defaultTokens);
  const flights = createJoining<TokenResult>(options.sharing);
  const throttle = createThrottle(now, options.tokens ?? defaultTokens);
  const rotate = createCredentialRotation(options);

  const acquire = async (need: Need, fresh: boolean): Promise<TokenResult> => {
    const throttled = throttle.refusal(need.key);
    if (throttled !== undefined) return refusal(throttled);
    const requestedAtMs = now();
    const result = await rotate(need, fresh);
    if (!result.ok) {
      throttle.note(need.key, result.failure);
      return refusal(result.failure);
    }
    const token = cachedToken(result.token, requestedAtMs);
    if ((cache.peek(need.key)?.requestedAtMs ?? 0) <= requestedAtMs) cache.set(need.key, token);
    const { accessToken } = token;
    options.issued?.issued(accessToken, { key: need.key, renew: () => replace(need, accessToken) });
    return resultOf(token);
  };

  /** The cached token where it is another one already, else a new one. */
  const replace = async (need: Need, refused: string): Promise<string | undefined> => {
    const cached = cache.peek(need.key);
    if (cached !== undefined && cached.accessToken !== refused) return cached.accessToken;
    cache.delete(need.key);
    const result = await acquireOnce(need, false);
    return result.ok ? result.accessToken : undefined;
  };

  const acquireOnce = (need: Need, fresh: boolean): Promise<TokenResult> => {
    // Apart, because a request already under way may have been answered before the consent was given.
    const flight = fresh ? `${need.key} fresh` : need.key;
    return flights.once(flight, () => acquire(need, fresh));
  };

  const renew = async (need: Need, cached: CachedToken): Promise<TokenResult> => {
    cached.renewAtMs = now() + renewRetryMs;
    const result = await acquireOnce(need, false);
    return result.ok ? result : resultOf(cached);
  };

  const token = async (query: TokenQuery): Promise<TokenResult> => {
    const tenantId = parseGuid(query.tenantId);
    if (tenantId === undefined) return refusal(noTenant);
    const need = needOf(query, tenantId);
    if (query.fresh === true) return acquireOnce(need, true);
    const restMs = options.issued?.restMs(need.key) ?? 0;
    if (restMs > 0) return refusal({ ...refusedTokenKind, retryAfterSeconds: Math.ceil(restMs / 1000) });
    const cached = cache.get(need.key);
    if (cached === undefined || now() >= cached.expiresAtMs) return acquireOnce(need, false);
    if (now() >= cached.expiresAtMs - cached.tooShortMs) return renew(need, cached);
    if (now() >= cached.renewAtMs) after(renew(need, cached));
    return resultOf(cached);
  };

  const forget: TokenBroker['forget'] = (cloud, tenantId, keepYoung) => {
    const wanted = parseGuid(tenantId);
    for (const [key, { accessToken }] of cache.entries()) {
      const [cloudName, , tenant] = key.split(' ');
      if (cloudName !== cloud.name || tenant !== wanted) continue;
      if (keepYoung === undefined || options.issued?.isYoung(accessToken) !== true) cache.delete(key);
    }
  };

  return { token, forget };
}
