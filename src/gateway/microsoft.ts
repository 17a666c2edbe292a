import type { Context, Hono } from 'hono';
import type { Cloud } from '../entra/clouds.ts';
import type { KeySource } from '../entra/keys.ts';
import type { SignatureCheck } from '../entra/signature.ts';
import { type VerifyResult, verifyCallerToken } from '../entra/verify.ts';
import type { DeviceCall } from '../forwarding/calls.ts';
import type { Forward, ForwardAnswer } from '../forwarding/forward.ts';
import type { Shadow } from '../forwarding/shadow/shadow.ts';
import { parseGuid } from '../ids.ts';
import { type Problem, ProblemError, problem } from '../problems.ts';
import type { RouteLookup } from '../routing/lookup.ts';
import type { InstanceDirectory } from '../store/instances.ts';
import type { Tenant, TenantDirectory } from '../store/tenants.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { currentTraceparent, inSpan } from '../telemetry/tracing.ts';
import type { ListenerEnv, RequestFacts } from './listener.ts';
import type { RateLimit } from './rate.ts';

/** The data listener's device calls: who calls, for which device, where it goes (contract section 6). */
export interface MicrosoftSideOptions {
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly audiences: (cloud: string) => readonly string[];
  readonly keys: KeySource;
  readonly signature: SignatureCheck;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly routes: RouteLookup;
  readonly forward: Forward;
  readonly facts: RequestFacts;
  readonly rate: RateLimit;
  readonly metrics: Metrics;
  readonly now: () => number;
  /** An answer on its way to the caller, who gets what this returns. */
  readonly onAnswered?: Shadow['onAnswered'];
  /** Writes an answer as it comes; each runtime has its own fastest way. */
  readonly respond: (c: Context, answer: ForwardAnswer) => Response | Promise<Response>;
}

const challenge = { 'www-authenticate': 'Bearer realm="espalier"' };
const refuse = (found: Problem): ProblemError => new ProblemError(found);
const unauthenticated = (detail: string): ProblemError =>
  refuse(problem('unauthenticated', detail, { headers: challenge }));

function bearerOf(c: Context<ListenerEnv>, facts: RequestFacts): string {
  if (facts.headerCount(c, 'authorization') !== 1 || facts.headerCount(c, 'host') > 1) {
    throw unauthenticated('Send exactly one Authorization header with an Entra token.');
  }
  const match = /^Bearer ([^\s,]+)$/i.exec(c.req.header('authorization') ?? '');
  if (!match?.[1]) throw unauthenticated('Authorization must be Bearer with an Entra token.');
  return match[1];
}

/** Issuer of a token that nobody has verified yet: only to choose by which cloud to verify it. */
function claimedIssuer(token: string): string | undefined {
  try {
    const payload = (token.split('.')[1] ?? '').replaceAll('-', '+').replaceAll('_', '/');
    const issuer = (JSON.parse(atob(payload)) as { iss?: unknown }).iss;
    return typeof issuer === 'string' ? issuer : undefined;
  } catch {
    return undefined;
  }
}

const originOf = (url: string): string | undefined => (URL.canParse(url) ? new URL(url).origin : undefined);

/**
 * The clouds whose issuer the token names. Not the tenant's: a stranger's genuine token gets the same answer whether
 * the tenant of the path is here or not, and in which cloud.
 */
function candidateClouds(token: string, clouds: MicrosoftSideOptions['clouds']): Cloud[] {
  const origin = originOf(claimedIssuer(token) ?? '');
  return [...clouds.values()].filter(
    (cloud) =>
      originOf(cloud.issuer) === origin ||
      (cloud.issuerV1 !== undefined && originOf(cloud.issuerV1) === origin),
  );
}

async function verify(
  options: MicrosoftSideOptions,
  token: string,
  tenantId: string,
  tenant: Tenant | undefined,
): Promise<VerifyResult> {
  let result: VerifyResult = { ok: false, reason: 'issuer' };
  for (const cloud of candidateClouds(token, options.clouds)) {
    result = await verifyCallerToken({
      token,
      tenantId,
      cloud,
      audiences: options.audiences(cloud.name),
      now: options.now(),
      keys: options.keys,
      signature: options.signature,
    });
    // Two clouds may share an authority (US Government): the tenant's own decides.
    if (result.ok && (tenant === undefined || tenant.cloud === cloud.name)) return result;
  }
  return result.ok ? { ok: false, reason: 'tenant-mismatch' } : result;
}

const words: Partial<Record<Extract<VerifyResult, { ok: false }>['reason'], string>> = {
  expired: 'The token has expired.',
  'not-yet-valid': 'The token is not valid yet: check the clocks.',
  audience: "The token's audience is not Espalier's (ESPALIER_AUDIENCE).",
};

async function authorize(
  c: Context<ListenerEnv>,
  options: MicrosoftSideOptions,
  role: string,
): Promise<Tenant> {
  const token = bearerOf(c, options.facts);
  const tenantId = parseGuid(c.req.param('tenantId'));
  if (tenantId === undefined) throw unauthenticated('The token does not fit the tenant of the path.');
  const tenant = await options.tenants.tenant(tenantId);
  const result = await verify(options, token, tenantId, tenant);
  if (!result.ok) {
    if (result.reason === 'tenant-mismatch') {
      throw refuse(
        problem('tenant-mismatch', 'The token was issued in another tenant than the one of the path.'),
      );
    }
    if (result.reason === 'keys-unavailable') {
      throw refuse(
        problem('overloaded', "Entra's keys cannot be read now.", {
          owner: 'microsoft',
          retryAfterSeconds: 10,
        }),
      );
    }
    throw unauthenticated(words[result.reason] ?? 'The token is not one that Entra signed for Espalier.');
  }
  if (!tenant) throw refuse(problem('tenant-unknown', 'Espalier does not serve this tenant.'));
  if (!result.claims.roles.includes(role)) {
    throw refuse(problem('forbidden', `The token lacks the application role ${role}.`));
  }
  const waitSeconds = options.rate.take(tenantId);
  if (waitSeconds !== undefined) {
    throw refuse(
      problem('rate-limited', 'Too many calls for this tenant.', { retryAfterSeconds: waitSeconds }),
    );
  }
  return tenant;
}

async function deviceCall(
  c: Context<ListenerEnv>,
  options: MicrosoftSideOptions,
  call: DeviceCall,
): Promise<Response> {
  const started = performance.now();
  const role = c.req.method === 'GET' || c.req.method === 'HEAD' ? 'Device.Read' : 'Device.Write';
  const { tenantId } = await authorize(c, options, role);
  const deviceId = parseGuid(c.req.param('deviceId'));
  const target = deviceId && (await options.routes.route(tenantId, deviceId));
  const instance = target && (await options.instances.instance(tenantId, target.instanceId));
  if (!deviceId || !target || !instance)
    throw refuse(problem('device-unknown', 'No instance manages this device in this tenant.'));
  return inSpan(
    'device.call',
    { 'espalier.tenant': tenantId, 'espalier.instance': instance.instanceId, 'espalier.call': call },
    c.req.header('traceparent'),
    async (span) => {
      const headers = new Headers(c.req.raw.headers);
      const traceparent = currentTraceparent();
      if (traceparent !== null) headers.set('traceparent', traceparent);
      const result = await options.forward({
        call,
        instance,
        jamfComputerId: target.jamfComputerId,
        headers,
        requestId: c.get('requestId'),
        signal: c.req.raw.signal,
      });
      const outcome = result.ok ? String(result.answer.status) : result.problem.slug;
      span.setAttribute('espalier.outcome', outcome);
      options.metrics.forward(outcome, (performance.now() - started) / 1_000);
      if (!result.ok) throw refuse(result.problem);
      const { instanceId } = instance;
      const answer = options.onAnswered?.({ tenantId, deviceId, instanceId, call }, result.answer);
      return options.respond(c, answer ?? result.answer);
    },
  );
}

export function addMicrosoftRoutes(app: Hono<ListenerEnv>, options: MicrosoftSideOptions): void {
  app.get('/t/:tenantId/devices/:deviceId/compliance', (c) => deviceCall(c, options, 'compliance'));
  app.get('/t/:tenantId/devices/:deviceId/inventory', (c) => deviceCall(c, options, 'inventory'));
  app.post('/t/:tenantId/devices/:deviceId/recalculate', (c) => deviceCall(c, options, 'recalculate'));
}
