import type { Context } from 'hono';
import { Hono } from 'hono';
import { monotonicMs } from '../clock.ts';
import { createAccess } from '../connection/access.ts';
import type { ConsentOptions } from '../connection/consent.ts';
import { accessByType, createOwnBroker, tenantCredentials } from '../connection/tenant-credentials.ts';
import { createIntake, type IntakeOptions } from '../delivery/intake.ts';
import { createMissedEvents, type MarkKeeper } from '../delivery/missed-events.ts';
import type { IssuedTokens } from '../entra/issued-tokens.ts';
import { createKeySource, type KeySource } from '../entra/keys.ts';
import type { SignatureCheck } from '../entra/signature.ts';
import { createTokenBroker } from '../entra/tokens.ts';
import { createVerifiedTokens } from '../entra/verified-tokens.ts';
import { createForward, type ForwardAnswer } from '../forwarding/forward.ts';
import { createLandingDirectory } from '../forwarding/landing-directory.ts';
import { createShadow } from '../forwarding/shadow/shadow.ts';
import { createTargets } from '../forwarding/targets.ts';
import { createAttempts } from '../gateway/attempts.ts';
import { addConsentRoute } from '../gateway/consent.ts';
import { createDeviceCalls } from '../gateway/device-call.ts';
import { addJamfRoutes } from '../gateway/jamf.ts';
import { addLandingRoutes } from '../gateway/landing.ts';
import { beginListener, finishListener, type ListenerEnv, type RequestFacts } from '../gateway/listener.ts';
import { addMicrosoftRoutes } from '../gateway/microsoft.ts';
import { addNotificationRoute } from '../gateway/notifications.ts';
import { createRateLimit } from '../gateway/rate.ts';
import type { Send } from '../outbound/port.ts';
import type { Upstream } from '../outbound/upstream.ts';
import { createRouteLookup, type RouteLookup } from '../routing/lookup.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import { createKeyedSemaphore } from '../semaphore.ts';
import type { Sql } from '../store/database.ts';
import { createInstanceKeys } from '../store/instance-keys.ts';
import { createInstanceDirectory } from '../store/instances/instance.ts';
import type { CachePolicy } from '../store/row-cache.ts';
import { createTenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { createTurns, turnsApart } from '../untrusted/turns.ts';
import type { Config } from './config.ts';
import { createInstanceClients, type InstanceClients } from './instance-clients.ts';

/** What both runtimes are made of; the rest is each runtime's own. */

/** Committed at the same time. */
const notificationsOfTenant = 2;

export interface GatewayParts {
  readonly config: Config;
  readonly sql: Sql;
  /** With the second try of `issued`, where that is given. */
  readonly send: Send;
  /** Told of the tokens for Microsoft's services. */
  readonly issued?: IssuedTokens;
  /** The way of forwarded calls, with its circuits. */
  readonly upstream: Upstream;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly signature: SignatureCheck;
  readonly facts: RequestFacts;
  readonly respond: (c: Context, answer: ForwardAnswer) => Response | Promise<Response>;
  readonly intake: Omit<IntakeOptions, 'sql'>;
  /** Given by a runtime whose processes live on while the database is away and have a place to keep marks in. */
  readonly markKeeper?: MarkKeeper;
  readonly readReference: (reference: string) => Promise<string>;
  /** The runtime's own; WebCrypto's unless given. */
  readonly sha256?: Sha256;
  /** Given by a runtime whose SHA-256 answers at once: verified tokens are kept by it. */
  readonly tokenHash?: (token: string) => string;
  /** For a runtime that has its own; Workers must not share a fetch between requests. */
  readonly keys?: KeySource;
  readonly authorizationOf?: InstanceClients['authorizationOf'];
  /** Given by a runtime that hears of changes; without it everything is looked at again after a second. */
  readonly changes?: { readonly policy: CachePolicy; readonly routes: RouteLookup };
}

export function composeGateway(parts: GatewayParts) {
  const { config, facts, log, metrics, respond, send, sql } = parts;
  const now = monotonicMs;
  const microsoftTimeoutMs = config.microsoftTimeoutSeconds * 1_000;
  const tenants = createTenantDirectory(sql, parts.changes?.policy);
  const instances = createInstanceDirectory(sql, now, parts.changes?.policy);
  const routes =
    parts.changes?.routes ??
    createRouteLookup({ sql, entries: config.routeCacheEntries, onLookup: metrics.routeLookup });
  const turns = (parts.intake.together ?? true) ? createTurns() : turnsApart;
  const clients = createInstanceClients({
    send,
    turns,
    sealer: parts.sealer,
    readReference: parts.readReference,
    concurrency: config.jamfConcurrency,
    timeoutMs: config.forwardTimeoutSeconds * 1_000,
  });
  const tokens = {
    send,
    now,
    timeoutMs: microsoftTimeoutMs,
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
    send,
    clouds: config.clouds,
    hasDiagnostic: (cloud: string) => config.diagnostic(cloud) !== undefined,
    timeoutMs: microsoftTimeoutMs,
    holdRecheckSeconds: config.holdRecheckSeconds,
    log,
    now,
  };
  const access = accessByType(
    createAccess({ ...paths, broker }),
    createAccess({ ...paths, broker: ownBroker }),
    tenants,
  );
  const consent: ConsentOptions = {
    sql,
    log,
    tenants,
    clouds: config.clouds,
    access,
    publicUrl: config.publicUrl,
    clientId: (application, cloud) =>
      application === 'connector' ? config.connector(cloud)?.clientId : config.userAppClientId(cloud),
  };

  const forwarding = {
    upstream: parts.upstream,
    targetOf: createTargets(),
    authorizationOf: parts.authorizationOf ?? clients.authorizationOf,
  };

  const forward = createForward(forwarding);
  const shadow = createShadow({ sql, log, instances, forward });

  const intake = createIntake({ sql, ...parts.intake });
  const missed = parts.markKeeper && createMissedEvents({ sql, intake, keeper: parts.markKeeper, log });
  const instanceKeys = createInstanceKeys(sql, {
    hash: parts.sha256,
    together: parts.intake.together ?? true,
  });

  const keys =
    parts.keys ??
    createKeySource({
      send,
      now,
      cooldownSeconds: config.jwksCooldownSeconds,
      timeoutMs: microsoftTimeoutMs,
    });
  const deviceCalls = createDeviceCalls({
    clouds: config.clouds,
    audiences: config.audiences,
    keys,
    signature: parts.signature,
    tenants,
    instances,
    routes,
    rate: createRateLimit(config.ratePerTenant),
    onRouteHit: () => metrics.routeLookup('hit'),
    authorizationOf: forwarding.authorizationOf,
    ...(parts.tokenHash ? { verified: { tokens: createVerifiedTokens(keys), hash: parts.tokenHash } } : {}),
    // A token's times are dates.
    now: Date.now,
  });

  const createDataApp = (): Hono<ListenerEnv> => {
    const app = new Hono<ListenerEnv>();
    beginListener(app, { name: 'data', log, metrics });
    addJamfRoutes(app, {
      intake,
      ...(missed ? { missed } : {}),
      keys: instanceKeys,
      attempts: createAttempts(),
      facts,
      rate: createRateLimit(config.ratePerInstance),
      log,
      metrics,
      turns,
    });
    addMicrosoftRoutes(app, {
      calls: deviceCalls,
      forward,
      onAnswered: shadow.onAnswered,
      passThrough: config.passThrough,
      facts,
      metrics,
      respond,
    });
    addLandingRoutes(app, {
      directory: createLandingDirectory({
        sql,
        routes,
        known: { tenants, instances },
        maxAgeMs: config.snapshotMaxAgeSeconds * 1_000,
      }),
      paths: config.landingPaths,
      deviceParams: config.landingDeviceParams,
      rate: createRateLimit(config.ratePerTenant),
      log,
    });
    addNotificationRoute(app, {
      sql,
      tenants,
      facts,
      rate: createRateLimit(config.ratePerTenant),
      log,
      metrics,
      sha256: parts.sha256,
      ...(parts.intake.together === false ? {} : { turns: createKeyedSemaphore(notificationsOfTenant) }),
    });
    addConsentRoute(app, consent);
    finishListener(app);
    return app;
  };

  return {
    access,
    clients,
    consent,
    createDataApp,
    deviceCalls,
    forwarding,
    instanceKeys,
    instances,
    keys,
    missed,
    routes,
    shadow,
    tenants,
  };
}

export type Gateway = ReturnType<typeof composeGateway>;
