import type { AcceptedToken } from './bearer.ts';
import type { CloudContext } from './context.ts';
import type { GraphAnswer } from './graph-answer.ts';

/** A token older than this is not refused as unknown any more. */
const newTokenMs = 60_000;
const rememberedTokens = 10_000;

/** The incident of domain/microsoft.md 3 (last row): Graph does not know some tokens yet. Off unless switched on. */
export function createFreshTokenRefusal(
  cloud: CloudContext,
): (token: AcceptedToken) => GraphAnswer | undefined {
  /** Refusals still to come, by token. */
  const remaining = new Map<string, number>();
  return (token) => {
    const setting = cloud.settings.tenant(token.tenant.tenantId).graph.freshToken401;
    if (!setting || cloud.world.clock.now() - token.issuedAtMs > newTokenMs) return undefined;
    const known = remaining.get(token.tokenId);
    const left = known ?? (cloud.world.random.next() < setting.share ? setting.times : 0);
    if (known === undefined && remaining.size >= rememberedTokens) remaining.clear();
    remaining.set(token.tokenId, Math.max(0, left - 1));
    if (left <= 0) return undefined;
    return {
      kind: 'failure',
      status: 401,
      code: 'Authentication_MissingOrMalformed',
      message: 'Access Token missing or malformed.',
    };
  };
}

/** Limit of domain/microsoft.md 9 that a request counts against. */
export type QuotaKind = 'identity' | 'partner';

interface Limit {
  readonly key: string;
  readonly scope: string;
  readonly cost: number;
  readonly limit: number;
  readonly windowMs: number;
}

export interface MeteredRequest {
  readonly headers: Readonly<Record<string, string>>;
  readonly refusal?: GraphAnswer;
}

/** Units per 10 s by the number of users: small, medium, large tenants (section 9). */
const documentedUnits = (users: number): number => (users < 50 ? 3500 : users <= 500 ? 5000 : 8000);

/** domain/microsoft.md 9, row "cost". */
function resourceUnits(path: string, query: URLSearchParams): number {
  const base = /(?:^|\/)(?:appRoleAssignments|oauth2PermissionGrants|users)$/i.test(path) ? 2 : 1;
  const top = Number(query.get('$top') ?? Number.NaN);
  return Math.max(
    1,
    base + (query.has('$expand') ? 1 : 0) - (query.has('$select') ? 1 : 0) - (top < 20 ? 1 : 0),
  );
}

function limitsOf(
  cloud: CloudContext,
  kind: QuotaKind,
  token: AcceptedToken,
  request: { method: string; path: string; query: URLSearchParams },
): Limit[] {
  const { tenantId, users } = token.tenant;
  const { quotas } = cloud.settings.tenant(tenantId).graph;
  if (quotas === 'off') return [];
  const own = quotas === 'documented' ? undefined : quotas;
  const both = `${kind} ${tenantId} ${token.appId}`;
  if (kind === 'identity') {
    const limit = own?.identityUnits ?? documentedUnits(users.size);
    const cost = resourceUnits(request.path, request.query);
    return [{ key: both, scope: 'Tenant_Application/ReadWrite', cost, limit, windowMs: 10_000 }];
  }
  const partner = (scope: string, key: string, limit: number): Limit => ({
    key: `${key} ${scope}`,
    scope,
    cost: 1,
    limit,
    windowMs: 20_000,
  });
  const any = [
    partner('Tenant_Application/ReadWrite', both, own?.partnerRequests ?? 1000),
    ...(own ? [] : [partner('Tenant/ReadWrite', `${kind} ${tenantId}`, 2000)]),
  ];
  if (request.method === 'GET') return any;
  return [
    ...any,
    partner('Tenant_Application/Write', both, own?.partnerWrites ?? 100),
    ...(own ? [] : [partner('Tenant/Write', `${kind} ${tenantId}`, 200)]),
  ];
}

function tooMany(limit: Limit, retryAfterSeconds: number, send: boolean): GraphAnswer {
  return {
    kind: 'failure',
    status: 429,
    code: 'TooManyRequests',
    message: 'Too many requests. Please try again later.',
    headers: {
      ...(send && { 'retry-after': String(retryAfterSeconds) }),
      'x-ms-throttle-scope': limit.scope,
      'x-ms-throttle-information': 'ResourceUnitLimitExceeded',
    },
  };
}

/** Counts requests against the quotas of domain/microsoft.md 9 by the world's clock; those refused count too. */
export function createGraphQuotas(
  cloud: CloudContext,
): (
  kind: QuotaKind,
  token: AcceptedToken,
  method: string,
  path: string,
  query: URLSearchParams,
) => MeteredRequest {
  const windows = new Map<string, { startedAt: number; used: number }>();
  const spend = (limit: Limit, nowMs: number): { share: number; endsAt: number } => {
    const known = windows.get(limit.key);
    const window = known && nowMs < known.startedAt + limit.windowMs ? known : { startedAt: nowMs, used: 0 };
    window.used += limit.cost;
    windows.set(limit.key, window);
    return { share: window.used / limit.limit, endsAt: window.startedAt + limit.windowMs };
  };
  return (kind, token, method, path, query) => {
    const nowMs = cloud.world.clock.now();
    const spent = limitsOf(cloud, kind, token, { method, path, query }).map((limit) => ({
      limit,
      ...spend(limit, nowMs),
    }));
    const [first] = spent;
    if (!first) return { headers: {} };
    const share = Math.max(...spent.map((one) => one.share));
    const headers = {
      ...(kind === 'identity' && { 'x-ms-resource-unit': String(first.limit.cost) }),
      ...(kind === 'identity' && share >= 0.8 && { 'x-ms-throttle-limit-percentage': share.toFixed(2) }),
    };
    const over = spent.find((one) => one.share > 1);
    if (!over) return { headers };
    const { retryAfter } = cloud.settings.tenant(token.tenant.tenantId).graph;
    const seconds = Math.max(1, Math.ceil((over.endsAt - nowMs) / 1000));
    return { headers, refusal: tooMany(over.limit, seconds, retryAfter === 'send') };
  };
}
