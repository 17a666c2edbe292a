/** Composes what both runtimes are made of; the rest is each runtime's own. */

import type { Context } from 'hono';
import { Hono } from 'hono';
import { monotonicMs } from '../clock.ts';
import { type ConnectionAccess, createAccess } from '../connection/access.ts';
import type { ConsentOptions } from '../connection/consent.ts';
import { accessByType, createOwnBroker, tenantCredentials } from '../connection/tenant-credentials.ts';
import { createDeferring } from '../delivery/check-ins/defer.ts';
import { createFolding } from '../delivery/check-ins/fold.ts';
import { createIntake, type Intake, type IntakeOptions } from '../delivery/intake.ts';
import { createMissedEvents, type MarkKeeper } from '../delivery/missed-events.ts';
import type { IssuedTokens } from '../entra/issued-tokens.ts';
import { createKeySource, type KeySource, type LastKnownKeys } from '../entra/keys.ts';
import type { SignatureCheck } from '../entra/signature.ts';
import { createTokenBroker } from '../entra/tokens.ts';
import { createVerifiedTokens } from '../entra/verified-tokens.ts';
import { createForward, type ForwardAnswer } from '../forwarding/forward.ts';
import { createLandingDirectory } from '../forwarding/landing-directory.ts';
import { createRelays } from '../forwarding/relay.ts';
import type { ServedReads } from '../forwarding/served-reads.ts';
import { createShadow } from '../forwarding/shadow/shadow.ts';
import { createTargets } from '../forwarding/targets.ts';
import { type Attempts, createAttempts } from '../gateway/attempts.ts';
import { addConsentRoute } from '../gateway/consent.ts';
import { createDeviceCalls, type DeviceCallOptions, type DeviceCalls } from '../gateway/device-call.ts';
import { errorPages, showErrorsAsPages } from '../gateway/error-pages.ts';
import { createFairShare, type FairShare, type FairShareOptions } from '../gateway/fair-share.ts';
import { addJamfRoutes } from '../gateway/jamf.ts';
import { addLandingRoutes } from '../gateway/landing.ts';
import { createLapsingShare } from '../gateway/lapsing-share.ts';
import {
  beginListener,
  finishListener,
  type ListenerEnv,
  type RequestFacts,
  refuseDoubtful,
} from '../gateway/listener.ts';
import { addMicrosoftRoutes } from '../gateway/microsoft.ts';
import { addNotificationRoute } from '../gateway/notifications.ts';
import { Pressure, shedFrom } from '../gateway/pressure.ts';
import { createRateLimits, type RateLimits, type SharedRate } from '../gateway/rate.ts';
import { createPassOn } from '../gateway/relay.ts';
import { shedUnderPressure } from '../gateway/shedding.ts';
import { newId } from '../ids.ts';
import type { After, Sharing } from '../joining.ts';
import {
  bodiesHeldBytes,
  bodyBytes,
  consentVisitsPerSecond,
  longestHeldMs,
  notificationsHeldBytes,
  webhookBodyBytes,
} from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import type { Upstream } from '../outbound/upstream.ts';
import { createRouteLookup, type RouteLookup } from '../routing/lookup.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import { createKeyedSemaphore } from '../semaphore.ts';
import type { Confirmations } from '../store/confirmations.ts';
import type { Sql } from '../store/database.ts';
import { createInstanceKeys } from '../store/instance-keys.ts';
import { createInstanceDirectory } from '../store/instances/instance.ts';
import type { CachePolicy } from '../store/row-cache.ts';
import { createTenantDirectory, type TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createTurns, turnsApart } from '../untrusted/turns.ts';
import type { Config } from './config.ts';
import { createInstanceClients } from './instance-clients.ts';
import { partOfMachine } from './process-shares.ts';

/** Committed at the same time. */
const notificationsOfTenant = 2;

export interface GatewayParts {
  readonly config: Config;
  /** `request` where a request must wait for nothing that another one began (Workers). */
  readonly sharing: Sharing;
  /** Takes the work that no caller waits for; default: it goes on by itself. */
  readonly after?: After;
  /** Given where nothing runs between requests: whether this one asks the database anyway. */
  readonly asksDatabase?: () => boolean;
  readonly sql: Sql;
  /** Send with the second try of `issued`, where that is given. */
  readonly send: Send;
  /** Is informed of the tokens for Microsoft's services. */
  readonly issued?: IssuedTokens;
  /** The way of forwarded calls, with its circuits. */
  readonly upstream: Upstream;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signature: SignatureCheck;
  readonly facts: RequestFacts;
  readonly respond: (c: Context, answer: ForwardAnswer) => Response | Promise<Response>;
  readonly intake: Omit<IntakeOptions, 'sql' | 'sharing'>;
  /** Told of a tenant whose change notification was committed; default: delivery looks by itself. */
  readonly onNotification?: (tenantId: string) => void;
  /** Given by a runtime whose processes live on while the database is away and have a place to keep marks in. */
  readonly markKeeper?: MarkKeeper;
  readonly readReference: (reference: string) => Promise<string>;
  /** The runtime's own; default: WebCrypto's. */
  readonly sha256?: Sha256;
  /** Given by a runtime whose SHA-256 answers at once: so many verified tokens are kept by it; default: a server's number. */
  readonly verifiedTokens?: { readonly hash: (token: string) => string; readonly max?: number };
  /** Given by a runtime that measures it; without it nothing is refused for the load. */
  readonly pressure?: Pressure;
  /** Of the machine, which have its limits together; default: this one is alone. */
  readonly processes?: number;
  /** Given to one of several processes that have them together; default: this process's own. */
  readonly rateLimits?: RateLimits | undefined;
  /** Given by a runtime whose isolates have limits in common, beside their own. */
  readonly sharedRates?: { readonly ofTenant?: SharedRate; readonly ofInstance?: SharedRate };
  /** Given by a runtime that is notified of changes; without it everything is read again after a second. */
  readonly changes?: { readonly policy: CachePolicy; readonly routes: RouteLookup };
  /** Given by a runtime that has what it serves from elsewhere, too; default: the database's. */
  readonly reads?: ServedReads;
  /** Given by a runtime that keeps Entra's keys elsewhere, too. */
  readonly lastKnownKeys?: LastKnownKeys;
  /** Given by a runtime that asks whether what it remembers still holds. */
  readonly confirmations?: Confirmations;
}

/** A share of what requests hold. On Workers it lapses with a request that is cut off. */
const shareOf = ({ sharing }: GatewayParts, of: FairShareOptions): FairShare =>
  sharing === 'process' ? createFairShare(of) : createLapsingShare({ ...of, longestMs: longestHeldMs });

const sharingOf = ({ after, sharing }: GatewayParts) => ({ sharing, ...(after ? { after } : {}) });

/** The ways to Microsoft's services: by the applications that tenants share, and by a tenant's own. */
function composeAccess(parts: GatewayParts, tenants: TenantDirectory): ConnectionAccess {
  const { config, log, metrics, send } = parts;
  const now = monotonicMs;
  const timeoutMs = config.microsoftTimeoutSeconds * 1_000;
  const tokens = {
    ...sharingOf(parts),
    send,
    now,
    timeoutMs,
    ...(parts.issued === undefined ? {} : { issued: parts.issued }),
    onRequest: ({ outcome, resource }: { resource: string; outcome: string }) =>
      metrics.tokenRequest(resource, outcome),
  };
  const broker = createTokenBroker({
    ...tokens,
    credentials: (cloud, application) =>
      (application === 'connector' ? config.connector(cloud.name) : config.diagnostic(cloud.name))
        ?.credentials ?? [],
  });
  const ownBroker = createOwnBroker({
    ...tokens,
    tenants,
    credentials: (cloud, application, tenantId) =>
      application === 'connector'
        ? tenantCredentials(parts, tenantId)
        : (config.diagnostic(cloud.name)?.credentials ?? []),
  });
  const paths = {
    sharing: parts.sharing,
    send,
    clouds: config.clouds,
    hasDiagnostic: (cloud: string) => config.diagnostic(cloud) !== undefined,
    timeoutMs,
    holdRecheckSeconds: config.holdRecheckSeconds,
    log,
    now,
  };
  return accessByType(
    createAccess({ ...paths, broker }),
    createAccess({ ...paths, broker: ownBroker }),
    tenants,
  );
}

function composeConsent(
  { config, log, sql }: GatewayParts,
  tenants: TenantDirectory,
  access: ConnectionAccess,
): ConsentOptions {
  return {
    ...{ sql, log, tenants, access },
    clouds: config.clouds,
    publicUrl: config.publicUrl,
    clientId: (application, cloud) =>
      application === 'connector' ? config.connector(cloud)?.clientId : config.userAppClientId(cloud),
  };
}

function composeDeviceCalls(
  parts: GatewayParts,
  known: Pick<DeviceCallOptions, 'tenants' | 'instances' | 'routes' | 'authorizationOf'>,
  keys: KeySource,
  strangers: Attempts,
  limits: RateLimits,
): DeviceCalls {
  const { config, metrics, verifiedTokens } = parts;
  return createDeviceCalls({
    ...known,
    keys,
    clouds: config.clouds,
    audiences: config.audiences,
    signature: parts.signature,
    rate: limits('calls', config.ratePerTenant),
    sharedRate: parts.sharedRates?.ofTenant,
    underWay: shareOf(parts, { inAll: config.connections, what: 'calls', part: 'application' }),
    strangers,
    onRouteHit: () => metrics.routeLookup('hit'),
    ...(verifiedTokens
      ? {
          verified: {
            tokens: createVerifiedTokens(keys, verifiedTokens.max),
            hash: verifiedTokens.hash,
          },
        }
      : {}),
    // A token's times are dates.
    now: Date.now,
  });
}

/** Check-ins that say nothing new; each runtime keeps them where it can. */
function composeCheckIns(parts: GatewayParts, intake: Intake) {
  const { checkInSeconds: periodSeconds } = parts.config;
  if (periodSeconds === 0) return {};
  const { log, sql } = parts;
  if (parts.sharing === 'request') {
    return { checkIns: createDeferring({ sql, intake, periodSeconds, onDue: parts.intake.onDue }) };
  }
  const folding = createFolding({ sql, intake, log, periodSeconds, newId, now: monotonicMs });
  return { checkIns: folding, folding };
}

function composeServices(parts: GatewayParts) {
  const { config, confirmations, log, metrics, send, sql } = parts;
  const now = confirmations?.now ?? monotonicMs;
  const together = parts.sharing === 'process';
  const policy = parts.changes?.policy;
  const { reads } = parts;
  const tenants = createTenantDirectory(sql, policy, now, reads?.tenant, confirmations);
  const instances = createInstanceDirectory(sql, now, policy, reads?.instance, confirmations);
  const routes =
    parts.changes?.routes ??
    createRouteLookup({
      ...{ confirmations, sql, read: reads?.route, entries: config.routeCacheEntries },
      onLookup: metrics.routeLookup,
    });
  const turns = together ? createTurns() : turnsApart;
  const clients = createInstanceClients({
    ...{ send, turns },
    sharing: parts.sharing,
    sealer: parts.sealer,
    readReference: parts.readReference,
    concurrency: config.jamfConcurrency,
    timeoutMs: config.forwardTimeoutSeconds * 1_000,
  });
  const access = composeAccess(parts, tenants);
  const { authorizationOf } = clients;
  const forwarding = { upstream: parts.upstream, targetOf: createTargets(), authorizationOf };
  const forward = createForward(forwarding);
  const relays = createRelays({ upstream: parts.upstream, now: Date.now });
  const intake = createIntake({ sql, sharing: parts.sharing, ...parts.intake });
  const keys = createKeySource({
    ...sharingOf(parts),
    ...{ send, now },
    lastKnown: parts.lastKnownKeys,
    cooldownSeconds: config.jwksCooldownSeconds,
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
  });
  const { rateLimits = createRateLimits() } = parts;
  const attempts = createAttempts('data', rateLimits);
  return {
    ...{ access, attempts, clients, forward, forwarding, instances, intake, keys, routes, tenants, turns },
    ...{ rateLimits, relays },
    ...composeCheckIns(parts, intake),
    consent: composeConsent(parts, tenants, access),
    deviceCalls: composeDeviceCalls(
      parts,
      { tenants, instances, routes, authorizationOf },
      keys,
      attempts,
      rateLimits,
    ),
    instanceKeys: createInstanceKeys(sql, {
      ...{ confirmations, hash: parts.sha256, log },
      ...sharingOf(parts),
    }),
    missed:
      parts.markKeeper &&
      createMissedEvents({
        ...{ sql, intake, log },
        keeper: parts.markKeeper,
        mayAct: () => (parts.pressure?.level ?? 0) < shedFrom.webhook,
      }),
    shadow: createShadow({
      ...{ sql, log, instances, forward },
      ...(parts.after ? { after: parts.after } : {}),
      ...(parts.asksDatabase ? { asksDatabase: parts.asksDatabase } : {}),
    }),
  };
}

function createDataApp(parts: GatewayParts, services: ReturnType<typeof composeServices>): Hono<ListenerEnv> {
  const { config, facts, log, metrics, processes = 1, respond, sha256, sql } = parts;
  const {
    attempts,
    checkIns,
    deviceCalls,
    forward,
    instanceKeys,
    instances,
    intake,
    missed,
    rateLimits,
    relays,
    routes,
    shadow,
    tenants,
    turns,
  } = services;
  const app = new Hono<ListenerEnv>();
  beginListener(app, { name: 'data', log, metrics });
  app.use('*', showErrorsAsPages(errorPages.data));
  app.use('*', refuseDoubtful(facts));
  const pressure = parts.pressure ?? new Pressure();
  shedUnderPressure(app, pressure);
  const passOn = createPassOn({ facts, log, relays, respond });
  addJamfRoutes(app, {
    ...{ passOn, tenants },
    ...{ intake, facts, log, metrics, pressure, turns },
    ...(missed ? { missed } : {}),
    ...(checkIns ? { checkIns } : {}),
    keys: instanceKeys,
    attempts,
    requests: shareOf(parts, { inAll: config.connections, what: 'requests', part: 'instance' }),
    bodies: shareOf(parts, {
      ...{ what: 'large bodies', part: 'instance', least: webhookBodyBytes },
      inAll: partOfMachine(bodiesHeldBytes, processes),
    }),
    rate: rateLimits('instances', config.ratePerInstance),
    sharedRate: parts.sharedRates?.ofInstance,
  });
  addMicrosoftRoutes(app, {
    ...{ forward, facts, metrics, passOn, respond },
    calls: deviceCalls,
    onAnswered: shadow.onAnswered,
    passThrough: config.passThrough,
  });
  addLandingRoutes(app, {
    ...{ facts, log, passOn, tenants },
    directory: createLandingDirectory({
      ...{ sql, routes },
      known: { tenants, instances },
      reads: parts.reads,
      maxAgeMs: config.snapshotMaxAgeSeconds * 1_000,
    }),
    paths: config.landingPaths,
    deviceParams: config.landingDeviceParams,
    rate: rateLimits('landing', config.ratePerTenant),
  });
  addNotificationRoute(app, {
    ...{ sql, tenants, facts, log, metrics, passOn, sha256, onNoted: parts.onNotification },
    rate: rateLimits('notifications', config.ratePerTenant),
    bodies: shareOf(parts, {
      ...{ what: 'notifications', part: 'address', least: bodyBytes },
      inAll: partOfMachine(notificationsHeldBytes, processes),
    }),
    ...(parts.sharing === 'process' ? { turns: createKeyedSemaphore(notificationsOfTenant) } : {}),
  });
  addConsentRoute(app, services.consent, { facts, rate: rateLimits('consents', consentVisitsPerSecond) });
  finishListener(app);
  return app;
}

export function composeGateway(parts: GatewayParts) {
  const services = composeServices(parts);
  return { ...services, createDataApp: () => createDataApp(parts, services) };
}

export type Gateway = ReturnType<typeof composeGateway>;
