/**
 * Decides who calls, for which device, and where the call goes (contract section 6): the decisions of a device call, the same for
 * the route of the data listener and for Node's fast lane.
 */

import type { Cloud } from '../entra/clouds.ts';
import type { KeySource } from '../entra/keys.ts';
import type { SignatureCheck } from '../entra/signature.ts';
import type { VerifiedTokens } from '../entra/verified-tokens.ts';
import { claimedTenantId, type TokenClaims, type VerifyRefusal, verifyForCache } from '../entra/verify.ts';
import type { DeviceCall } from '../forwarding/calls.ts';
import type { InstanceAuthorization } from '../forwarding/forward.ts';
import { problemOfInstance, problemOfPause } from '../forwarding/problem-of-instance.ts';
import { parseGuid } from '../ids.ts';
import { type Problem, problem } from '../problems.ts';
import type { RouteLookup, RouteTarget } from '../routing/lookup.ts';
import type { Instance, InstanceDirectory } from '../store/instances/instance.ts';
import type { Relay } from '../store/placements.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import type { Attempts } from './attempts.ts';
import type { FairShare, PartUse } from './fair-share.ts';
import type { RateLimit, SharedRate } from './rate.ts';

export type DeviceRole = 'Device.Read' | 'Device.Write';

export interface CallerRequest {
  readonly role: DeviceRole;
  /** Token as `bearerToken` reads it. */
  readonly token: string;
  /** Ids as they stand in the path. */
  readonly tenantId: string | undefined;
  readonly deviceId: string | undefined;
}

export interface DeviceCallRequest extends CallerRequest {
  readonly call: DeviceCall;
  /** The token's digest (`hashToken`), where the caller has it already. */
  readonly tokenHash?: string | undefined;
  /** The two ids in words, where whoever asks has them so already. */
  readonly repeats?: { readonly key: Int32Array } | undefined;
}

export interface RefusedCall {
  readonly kind: 'refuse';
  readonly problem: Problem;
  /** It was routed, and the instance cannot be called. */
  readonly routed: boolean;
  /** Nobody who may call showed that it is he. */
  readonly isStranger?: boolean;
}

/** A call that holds a place among those under way, until `DeviceCalls.done`. */
export interface PlacedCall {
  readonly use: PartUse;
}

export interface RoutedCall extends PlacedCall {
  readonly kind: 'route';
  readonly deviceId: string;
  readonly instance: Instance;
  readonly target: RouteTarget;
}

/** The tenant lives in another deployment, which decides of the rest. */
export interface RelayedCall extends PlacedCall {
  readonly kind: 'relay';
  readonly tenantId: string;
  readonly relay: Relay;
}

/** The same for a caller that passes nothing on itself; no place is held. */
export interface ElsewhereCall {
  readonly kind: 'elsewhere';
}

/** Routed, and with all that the exchange with the instance needs. */
export interface ReadyCall extends PlacedCall {
  readonly kind: 'ready';
  readonly instance: Instance;
  readonly target: RouteTarget;
  /** Espalier's own token of the instance. */
  readonly instanceToken: string;
  readonly inventoryVersion: number;
}

/** `cold`: something is not at hand; nothing was decided, counted or taken. */
export type WarmDecision = ReadyCall | RefusedCall | ElsewhereCall | { readonly kind: 'cold' };

export interface DeviceCalls {
  /**
   * May ask the database and Entra; throws what they throw. Takes from the tenant's rate, and a place that `done` gives
   * back. `source`: the caller's address.
   */
  decide(request: CallerRequest, source: string | undefined): Promise<RoutedCall | RelayedCall | RefusedCall>;
  /** The same by what is in memory, at once. A refusal is the one `decide` would give. */
  warm(request: DeviceCallRequest): WarmDecision;
  /** `decide`, and then the instance's token. */
  prepare(
    request: DeviceCallRequest,
    source: string | undefined,
  ): Promise<ReadyCall | ElsewhereCall | RefusedCall>;
  /** The call is over. To be called once for each that was routed or ready. */
  done(call: PlacedCall): void;
  /** Under which a verified token is kept; undefined: none is. */
  readonly hashToken: ((token: string) => string) | undefined;
}

export interface DeviceCallOptions {
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly audiences: (cloud: string) => readonly string[];
  readonly keys: KeySource;
  readonly signature: SignatureCheck;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly routes: RouteLookup;
  readonly rate: RateLimit;
  /** Asked after `rate` by `decide`, where the runtime has one. */
  readonly sharedRate?: SharedRate | undefined;
  /** Calls under way, by tenant and calling application. */
  readonly underWay: FairShare;
  readonly strangers: Pick<Attempts, 'lookAt' | 'wrong'>;
  /** Counts a look-up that `RouteLookup.peek` answered. */
  readonly onRouteHit: () => void;
  readonly authorizationOf: (instance: Instance) => InstanceAuthorization;
  /** Absent: every token is verified anew. `hash` is SHA-256 and answers at once. */
  readonly verified?: { readonly tokens: VerifiedTokens; readonly hash: (token: string) => string };
  /** Milliseconds since 1970. */
  readonly now: () => number;
}

const challenge = { 'www-authenticate': 'Bearer realm="espalier"' };
export const unauthenticated = (detail: string): Problem =>
  problem('unauthenticated', detail, { headers: challenge });

/** Why a request shows no token: it has no `Authorization` header, or one that is not a bearer's. */
export type TokenFault = 'none' | 'no-bearer';
/** The answers to either, which cost nobody a look at anything. */
export const tokenFaults: Readonly<Record<TokenFault, Problem>> = {
  none: unauthenticated('Send exactly one Authorization header with an Entra token.'),
  'no-bearer': unauthenticated('Authorization must be Bearer with an Entra token.'),
};

/** The token of an `Authorization` header, if it is a bearer's. */
export const bearerToken = (authorization: string | undefined): string | undefined =>
  /^Bearer ([^\s,]+)$/i.exec(authorization ?? '')?.[1];

const words: Partial<Record<VerifyRefusal, string>> = {
  expired: 'The token has expired.',
  'not-yet-valid': 'The token is not valid yet: check the clocks.',
  audience: "The token's audience is not Espalier's (ESPALIER_AUDIENCE).",
};

function problemOfToken(reason: VerifyRefusal): Problem {
  switch (reason) {
    case 'tenant-mismatch':
      return problem('tenant-mismatch', 'The token was issued in another tenant than the one of the path.');
    case 'keys-unavailable':
      return problem('overloaded', "Entra's keys cannot be read now.", {
        owner: 'microsoft',
        retryAfterSeconds: 10,
      });
    default:
      return unauthenticated(words[reason] ?? 'The token is not one that Entra signed for Espalier.');
  }
}

const cold = { kind: 'cold' } as const;
const elsewhere: ElsewhereCall = { kind: 'elsewhere' };
const refuse = (found: Problem, routed = false): RefusedCall => ({ kind: 'refuse', problem: found, routed });

const lacksRole = (claims: TokenClaims, role: DeviceRole): Problem | undefined =>
  claims.roles.includes(role)
    ? undefined
    : problem('forbidden', `The token lacks the application role ${role}.`);

const tooManyCalls = (waitSeconds: number | undefined): Problem | undefined =>
  waitSeconds === undefined
    ? undefined
    : problem('rate-limited', 'Too many calls for this tenant.', { retryAfterSeconds: waitSeconds });

type CallerResult =
  | { readonly ok: true; readonly claims: TokenClaims }
  | { readonly ok: false; readonly problem: Problem };

function createCallerVerifier(options: DeviceCallOptions) {
  const { audiences, clouds, keys, now, signature, strangers, tenants, verified } = options;

  const peekTokenClaims = (tokenHash: string, tenant: Tenant): TokenClaims | undefined => {
    const cloud = clouds.get(tenant.cloud);
    if (cloud === undefined || verified === undefined) return undefined;
    const { tenantId } = tenant;
    return verified.tokens.peek({ tokenHash, tenantId, cloud, audiences: audiences(cloud.name), now: now() });
  };

  /**
   * The token is verified with the cloud of the tenant that it names, if that tenant is stored: a stranger's token
   * costs no request to Microsoft, and is refused like a forged one of a tenant that is served here.
   */
  const verify = async (
    token: string,
    tenantId: string,
    source: string | undefined,
  ): Promise<CallerResult> => {
    const tokenHash = verified?.hash(token);
    // Where the tenant has to be looked for, a token that was verified before is no reason to doubt its source.
    const served =
      tenants.peek(tenantId) ??
      (tokenHash !== undefined && verified?.tokens.wasVerified(tokenHash, tenantId, now())
        ? await tenants.tenant(tenantId)
        : undefined);
    const known =
      tokenHash !== undefined && served !== undefined ? peekTokenClaims(tokenHash, served) : undefined;
    if (known !== undefined) return { ok: true, claims: known };
    const tooMany = strangers.lookAt(source);
    if (tooMany !== undefined) return { ok: false, problem: tooMany };
    const refused = (reason: VerifyRefusal): CallerResult => {
      // Nothing is wrong with a credential that cannot be checked.
      const limited = reason === 'keys-unavailable' ? undefined : strangers.wrong(source);
      return { ok: false, problem: limited ?? problemOfToken(reason) };
    };
    const claimed = claimedTenantId(token);
    const issuer = claimed === undefined ? undefined : await tenants.tenant(claimed);
    const cloud = issuer && clouds.get(issuer.cloud);
    if (issuer === undefined || cloud === undefined) return refused('unknown-tenant');
    const result = await verifyForCache({
      token,
      tenantId,
      storedTenantId: issuer.tenantId,
      cloud,
      audiences: audiences(cloud.name),
      now: now(),
      keys,
      signature,
    });
    if (!result.ok) return refused(result.reason);
    // Everybody in a tenant can have tokens without a role, and as many as there is room for.
    if (result.claims.roles.length > 0 && tokenHash !== undefined)
      verified?.tokens.keep(tokenHash, cloud, result);
    return result;
  };
  return { peekTokenClaims, verify };
}

export function createDeviceCalls(options: DeviceCallOptions): DeviceCalls {
  const { authorizationOf, instances, rate, routes, sharedRate, tenants, underWay, verified } = options;
  const { peekTokenClaims, verify } = createCallerVerifier(options);
  const uses = new WeakMap<TokenClaims, PartUse>();

  /** The calling application of a tenant; a token is asked about at every call, and its claims are one object. */
  const useOf = (claims: TokenClaims): PartUse => {
    let use = uses.get(claims);
    if (use === undefined) {
      use = underWay.partOf(claims.tenantId, claims.applicationId ?? '');
      uses.set(claims, use);
    }
    return use;
  };

  const overRate = (tenantId: string, { applicationId }: TokenClaims): Problem | undefined =>
    tooManyCalls(rate.take(tenantId, applicationId));
  const overSharedRate = async (tenantId: string): Promise<Problem | undefined> =>
    sharedRate && tooManyCalls(await sharedRate.take(tenantId));

  const done: DeviceCalls['done'] = ({ use }) => underWay.give(use);

  const decide: DeviceCalls['decide'] = async (request, source) => {
    const tenantId = parseGuid(request.tenantId);
    if (tenantId === undefined)
      return refuse(unauthenticated('The token does not fit the tenant of the path.'));
    const result = await verify(request.token, tenantId, source);
    if (!result.ok) return { ...refuse(result.problem), isStranger: true };
    const { claims } = result;
    const refusal =
      lacksRole(claims, request.role) ?? overRate(tenantId, claims) ?? (await overSharedRate(tenantId));
    if (refusal !== undefined) return refuse(refusal);
    const use = useOf(claims);
    const busy = underWay.take(use);
    if (busy !== undefined) return refuse(busy);
    let routed: RoutedCall | RelayedCall | undefined;
    try {
      const relay = (await tenants.tenant(tenantId))?.relay;
      if (relay) {
        routed = { kind: 'relay', tenantId, relay, use };
        return routed;
      }
      const deviceId = parseGuid(request.deviceId);
      const target = deviceId && (await routes.route(tenantId, deviceId));
      const instance = target && (await instances.instance(tenantId, target.instanceId));
      if (deviceId && target && instance) routed = { kind: 'route', deviceId, instance, target, use };
    } finally {
      if (routed === undefined) underWay.give(use);
    }
    return routed ?? refuse(problem('device-unknown', 'No instance manages this device in this tenant.'));
  };

  const warm: DeviceCalls['warm'] = (request) => {
    const { call, deviceId, repeats, role, tenantId: asked } = request;
    if (asked === undefined || deviceId === undefined || verified === undefined) return cold;
    const tenant = tenants.peek(asked);
    if (tenant === undefined) return cold;
    if (tenant.relay) return elsewhere;
    // The row's own text: its hash is known to the engine, that of the request's would be made at every look-up.
    const { tenantId } = tenant;
    const tokenHash = request.tokenHash ?? verified.hash(request.token);
    const claims = peekTokenClaims(tokenHash, tenant);
    if (claims === undefined) return cold;
    const refusal = lacksRole(claims, role);
    if (refusal !== undefined) return refuse(refusal);
    const target =
      repeats !== undefined && routes.peekKey !== undefined
        ? routes.peekKey(repeats.key)
        : routes.peek(tenantId, deviceId);
    if (target === undefined) return cold;
    const instance = instances.peek(tenantId, target.instanceId);
    if (instance === undefined) return cold;
    const authorization = authorizationOf(instance);
    const instanceToken = authorization.peek();
    const inventoryVersion = call === 'inventory' ? authorization.peekInventoryVersion() : 1;
    if (instanceToken === undefined || inventoryVersion === undefined) return cold;
    const tooMany = overRate(tenantId, claims);
    if (tooMany !== undefined) return refuse(tooMany);
    options.onRouteHit();
    const pause = problemOfPause(instance);
    if (pause !== undefined) return refuse(pause, true);
    const use = useOf(claims);
    const busy = underWay.take(use);
    if (busy !== undefined) return refuse(busy);
    return { kind: 'ready', instance, target, instanceToken, inventoryVersion, use };
  };

  /** Adds what the exchange with the instance needs. */
  const ready = async (
    { call }: DeviceCallRequest,
    { instance, target, use }: RoutedCall,
  ): Promise<ReadyCall | RefusedCall> => {
    const pause = problemOfPause(instance);
    if (pause !== undefined) return refuse(pause, true);
    const authorization = authorizationOf(instance);
    const token = await authorization.token(undefined);
    if (!token.ok) return refuse(problemOfInstance(token), true);
    const version =
      call === 'inventory'
        ? await authorization.inventoryVersion()
        : ({ ok: true, inventoryVersion: 1 } as const);
    if (!version.ok) return refuse(problemOfInstance(version), true);
    const { inventoryVersion } = version;
    return { kind: 'ready', instance, target, instanceToken: token.token, inventoryVersion, use };
  };
  const prepare: DeviceCalls['prepare'] = async (request, source) => {
    const decision = await decide(request, source);
    if (decision.kind === 'refuse') return decision;
    if (decision.kind === 'relay') {
      done(decision);
      return elsewhere;
    }
    let prepared: ReadyCall | RefusedCall | undefined;
    try {
      prepared = await ready(request, decision);
      return prepared;
    } finally {
      if (prepared?.kind !== 'ready') done(decision);
    }
  };

  return { decide, warm, prepare, done, hashToken: verified?.hash };
}
