import { X509Certificate } from 'node:crypto';
import { mkdirSync, readFileSync } from 'node:fs';
import { createAdminApp } from '../admin/app.ts';
import type { AdminServices } from '../admin/context.ts';
import { confirmTenant, testInstance } from '../connection/confirm.ts';
import { startConnect } from '../connection/consent.ts';
import { disableTenant, disconnectTenant, noteInstances } from '../connection/lifecycle.ts';
import { dryRunMigration, migrateTenant } from '../connection/migrate.ts';
import { checkTenantPermissions, permissionsOf } from '../connection/permission-watch.ts';
import { askResync } from '../connection/resync.ts';
import { keepSubscriptions } from '../connection/subscriptions/keep-subscriptions.ts';
import { startOwnConnect } from '../connection/tenant-credentials.ts';
import { replayReports } from '../delivery/replay.ts';
import { createHints } from '../delivery/stage/hints.ts';
import type { Lane } from '../delivery/stage/lanes.ts';
import { createOpsApp, type Readiness } from '../gateway/ops.ts';
import { drainMs, moveAnswerMs } from '../limits.ts';
import { createAddressPolicy } from '../outbound/addresses.ts';
import { createNodeSend, mayConnect } from '../outbound/node.ts';
import { createNodeUpstream } from '../outbound/node-upstream.ts';
import { withCircuit } from '../outbound/upstream-circuit.ts';
import { type MoveWork, workFor } from '../routing/moves/work.ts';
import { openBreaker, openDatabase, type Sql } from '../store/database.ts';
import { createEpisodeLog } from '../store/episodes.ts';
import type { Tenant } from '../store/tenants.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { createTallies } from '../telemetry/tallies.ts';
import type { Config } from './config.ts';
import { type ConnectionServices, createConnectionServices } from './connection-services.ts';
import { composeGateway, type Gateway } from './gateway.ts';
import { observeGauges } from './gauges.ts';
import { createMoveWork } from './moves.ts';
import { developmentCertificate, type ServerCertificate, watchCertificate } from './node-certificate.ts';
import { createNodeChanges } from './node-changes.ts';
import { startDelivery } from './node-delivery.ts';
import { startEmbeddedPostgres } from './node-embedded-postgres.ts';
import { type Listener, listen, nodeRequestFacts, respondOnNode } from './node-http.ts';
import { createLaneServices } from './node-lane-services.ts';
import { migrateDatabase, newestMigration } from './node-migrate.ts';
import { nodeDigest, nodeSha256, openSealer, readSecretReference } from './node-secrets.ts';
import { createNodeSignatureCheck } from './node-signature.ts';
import { chooseSocketAccess, type SocketChoice } from './node-socket-access.ts';
import { startTelemetry } from './node-telemetry.ts';
import { adminUrlOf, entraOperators } from './operators.ts';
import { version } from './version.ts';

/** Espalier on Node.js: the listeners, delivery, and an orderly end. */

export interface RunningGateway {
  /** Base URLs; absent for a process that only delivers. */
  readonly urls: { readonly data: string; readonly admin: string; readonly ops: string } | undefined;
  /** Drains and stops everything. */
  stop(): Promise<void>;
}

const databaseConnections = 20;
/** For what delivery writes without waiting for the disk. */
const relaxedConnections = 4;
/** A page of an import is a second's work; a machine that is busy may take long for it. */
const bulkTimeoutMs = 5 * 60_000;

export function createNodeLog(config: Pick<Config, 'logFormat' | 'logLevel'>): Log {
  const format = config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json');
  return createLog({ level: config.logLevel, format, write: (line) => process.stdout.write(`${line}\n`) });
}

/** Opens the configured or the embedded database and brings its schema up to date. */
export async function openStore(config: Config): Promise<{ url: string; close: () => Promise<void> }> {
  if (config.databaseUrl !== undefined) {
    if (config.migrate === 'auto') await migrateDatabase(config.databaseUrl);
    return { url: config.databaseUrl, close: async () => undefined };
  }
  const embedded = await startEmbeddedPostgres(config.dataDir);
  try {
    if (config.migrate === 'auto') await migrateDatabase(embedded.url);
  } catch (error) {
    await embedded.stop();
    throw error;
  }
  return { url: embedded.url, close: embedded.stop };
}

/** A probe gives up sooner than whoever asks it. */
const readyWithinMs = 1_800;

function within<T>(ms: number, work: Promise<T>): Promise<T> {
  const late = new Promise<never>((_, reject) => {
    setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms).unref();
  });
  return Promise.race([work, late]);
}

/**
 * Ready when the database answers and its schema is this build's; degraded when it does not answer and device calls are
 * answered from memory.
 */
async function readiness(
  sql: Sql,
  newest: number,
  degradedSeconds: () => number | undefined,
): Promise<Readiness> {
  try {
    const [row] = await within(
      readyWithinMs,
      sql<
        { applied: number | null }[]
      >`select max(created_at)::int8 as applied from drizzle.__drizzle_migrations`,
    );
    return (row?.applied ?? 0) >= newest
      ? { ready: true }
      : { ready: false, reason: 'the schema has pending migrations: espalier migrate' };
  } catch (error) {
    const seconds = degradedSeconds();
    return seconds === undefined
      ? { ready: false, reason: `the database does not answer: ${(error as Error).message}` }
      : { ready: true, degraded: ['database'], age: Math.round(seconds) };
  }
}

/** Seconds until the certificates of our applications expire, by name and cloud. */
function credentialExpiry(config: Config): ReadonlyMap<string, number> {
  const expiry = new Map<string, number>();
  const files = [
    ['connector', process.env.ESPALIER_ENTRA_CERT_FILE],
    ...[...config.clouds.keys()].map((cloud) => [
      `connector ${cloud}`,
      process.env[`ESPALIER_ENTRA_CERT_FILE_${cloud.toUpperCase().replaceAll('-', '_')}`],
    ]),
  ];
  for (const [name, file] of files) {
    if (name === undefined || file === undefined) continue;
    const { validTo } = new X509Certificate(readFileSync(file));
    expiry.set(name, (Date.parse(validTo) - Date.now()) / 1_000);
  }
  return expiry;
}

async function openCertificate(config: Config, log: Log): Promise<ServerCertificate | undefined> {
  if (config.tls === 'off') return undefined;
  const { tlsCertFile, tlsKeyFile } = config;
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined)
    return watchCertificate(tlsCertFile, tlsKeyFile, log);
  const made = await developmentCertificate(config.dataDir, config.publicUrl);
  return watchCertificate(made.certFile, made.keyFile, log);
}

function createAdmin(
  config: Config,
  parts: Parameters<typeof composeGateway>[0],
  gateway: Gateway,
  connection: ConnectionServices,
  moves: MoveWork,
  {
    adminUrl,
    ...more
  }: Pick<AdminServices, 'openBulk' | 'routesChanged'> & {
    readonly adminUrl: () => string;
  },
) {
  const { log, metrics, sealer, sql } = parts;
  /** Graph's subscriptions go while the consent is still there; what fails ends by itself. */
  const leaving = async <T>({ tenantId }: Tenant, leave: () => Promise<T>): Promise<T> => {
    const result = await leave();
    await keepSubscriptions(connection.subscriptions, tenantId).catch((error: unknown) =>
      log.warn('subscriptions.not-removed', { tenantId, error }),
    );
    return result;
  };
  return createAdminApp(
    {
      ...more,
      sql,
      log,
      clouds: config.clouds,
      version,
      facts: parts.facts,
      respond: parts.respond,
      digest: nodeDigest,
      tenants: gateway.tenants,
      instances: gateway.instances,
      instanceKeys: gateway.instanceKeys,
      sealer,
      mayConnect: (hostname) => mayConnect(createAddressPolicy(config.upstreamAllow), hostname),
      bootstrapKey: config.bootstrapKey,
      approvals: config.approvals === 'on',
      operators: entraOperators(parts, gateway, adminUrl),
      polls: config.pollSeconds > 0,
      reconciles: config.reconcileSeconds > 0,
      publicUrl: config.publicUrl,
      hasDiagnostic: (cloud) => config.diagnostic(cloud) !== undefined,
      notifies: config.notificationResources.length > 0,
      missingApplication: (cloud) =>
        config.connector(cloud) === undefined
          ? `No connector application is configured for the cloud ${cloud}: set ESPALIER_ENTRA_CLIENT_ID and its credential.`
          : undefined,
      connect: (tenant, by) =>
        tenant.connectionType === 'manual'
          ? startOwnConnect(sql, gateway.tenants, tenant.tenantId, by)
          : startConnect(gateway.consent, tenant, by),
      confirm: (tenant, by) => confirmTenant(tenant, connection.confirm, by),
      enable: (tenant, by) => confirmTenant(tenant, connection.confirm, by, { enabling: true }),
      disable: (tenant, by) => leaving(tenant, () => disableTenant(connection.lifecycle, tenant, by)),
      disconnect: (tenant, retract, by) =>
        leaving(tenant, () => disconnectTenant(connection.lifecycle, tenant, retract, by)),
      planMigration: (tenant, to) => dryRunMigration(connection, tenant, to),
      migrate: (tenant, to, by) => migrateTenant(connection, tenant, to, by),
      resync: (tenantId, by) => askResync(sql, tenantId, by),
      replay: (request) => replayReports({ sql, log }, request),
      continueMove: (key) => workFor(moves, key, moveAnswerMs),
      noteInstances: (tenantId) => noteInstances(connection.lifecycle, tenantId),
      checkPermissions: async (tenant) =>
        checkTenantPermissions(tenant, await permissionsOf(sql, tenant, connection.permissions)),
      testInstance: (instance) => testInstance(instance, { sql, clientOf: gateway.clients.clientOf }),
    },
    { name: 'admin', log, metrics },
  );
}

function tellOfLane({ detail, reason, way }: SocketChoice, log: Log, metrics: Metrics): void {
  const isLess = reason === 'trial-failed' || reason === 'untested-version';
  log[isLess ? 'warn' : 'info']('lane.way', { way, reason, detail });
  metrics.laneWay(way, reason);
}

/** Starts the gateway; with `listeners: false` it only delivers (`espalier worker`). */
export async function startGateway(
  config: Config,
  processLog: Log,
  options: { listeners: boolean },
): Promise<RunningGateway> {
  mkdirSync(config.dataDir, { recursive: true, mode: 0o711 });
  const tallies = createTallies();
  const telemetry = await startTelemetry(process.env, tallies);
  const metrics = createMetrics(tallies);
  // Beside the database, which takes longer.
  const choosing = options.listeners ? chooseSocketAccess(config.fastLane) : undefined;
  const store = await openStore(config);
  const breaker = openBreaker(store.url);
  const log = createEpisodeLog(processLog, breaker);
  const sql = openDatabase(store.url, {
    connections: databaseConnections,
    applicationName: 'espalier',
    breaker,
  });
  const relaxed = openDatabase(store.url, {
    connections: relaxedConnections,
    applicationName: 'espalier-relaxed',
    durable: false,
    breaker,
  });
  const outbound = createNodeSend(createAddressPolicy(config.upstreamAllow));
  const lane = await choosing;
  if (lane) tellOfLane(lane, log, metrics);
  const upstream = createNodeUpstream({
    policy: createAddressPolicy(config.upstreamAllow),
    timeoutMs: config.forwardTimeoutSeconds * 1_000,
    ...(lane === undefined ? {} : { sockets: lane.sockets }),
  });
  const hints = createHints(sql, log);
  const changes = createNodeChanges({
    url: store.url,
    sql,
    breaker,
    log,
    config,
    onLookup: metrics.routeLookup,
    serves: options.listeners,
  });
  const parts = {
    config,
    sql,
    send: outbound.send,
    upstream: withCircuit(upstream.upstream, () => performance.now()),
    sealer: await openSealer(config),
    log,
    metrics,
    signature: createNodeSignatureCheck(),
    facts: nodeRequestFacts,
    respond: respondOnNode,
    readReference: readSecretReference,
    sha256: nodeSha256,
    tokenHash: nodeSha256,
    intake: { onDue: (lane: Lane) => hints.due('computers', lane) },
    changes,
  };
  const gateway = composeGateway(parts);
  const connection = createConnectionServices(config, parts, gateway);
  changes.start({
    ...gateway,
    onMove: () => {
      gateway.shadow.refresh().catch((error: unknown) => log.debug('shadow.not-refreshed', { error }));
    },
  });
  const moves = createMoveWork({ sql, relaxed, log, routesChanged: changes.routesChanged });
  observeGauges({
    metrics,
    sql,
    log,
    sealer: parts.sealer,
    credentialExpiry: () => credentialExpiry(config),
  });

  const certificate = options.listeners ? await openCertificate(config, log) : undefined;
  const listeners: Listener[] = [];
  if (options.listeners) {
    const secure = certificate === undefined ? {} : { certificate };
    const clientCa = config.clientCa === undefined ? {} : { clientCa: config.clientCa };
    const newest = await newestMigration();
    // Asked for by requests to that listener: it has its port then.
    const adminUrl = (): string => adminUrlOf(config, listeners[1]?.origin ?? '');
    const ops = createOpsApp(
      { readiness: () => readiness(sql, newest, changes.degradedSeconds), metrics: telemetry.scrape },
      { name: 'ops', log, metrics },
    );
    listeners.push(
      await listen({
        address: config.dataListen,
        fetch: gateway.createDataApp().fetch,
        ...secure,
        ...clientCa,
        ...(lane === undefined || lane.way === 'off'
          ? {}
          : {
              lane: createLaneServices({
                calls: gateway.deviceCalls,
                ...gateway.forwarding,
                log,
                metrics,
                shadow: gateway.shadow,
                sockets: lane.sockets,
                traceShare: telemetry.traceShare,
              }),
            }),
      }),
      await listen({
        address: config.adminListen,
        fetch: createAdmin(config, parts, gateway, connection, moves, {
          adminUrl,
          routesChanged: changes.routesChanged,
          openBulk: () =>
            openDatabase(store.url, {
              connections: 1,
              applicationName: 'espalier-bulk',
              statementTimeoutMs: bulkTimeoutMs,
              lasting: true,
              breaker,
            }),
        }).fetch,
        ...secure,
      }),
      await listen({ address: config.opsListen, fetch: ops.fetch }),
    );
  }
  const delivery = await startDelivery({
    config,
    sql,
    relaxed,
    send: outbound.send,
    sealer: parts.sealer,
    log,
    metrics,
    gateway,
    connection,
    moves,
    hints,
    routesChanged: changes.routesChanged,
  });
  const [data, admin, ops] = listeners;
  return {
    urls: data && admin && ops ? { data: data.origin, admin: admin.origin, ops: ops.origin } : undefined,
    stop: async () => {
      // Rows in work that do not end in time are taken up again by whoever runs next.
      const patience = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
      await Promise.race([
        Promise.all([...listeners.map((listener) => listener.drain(drainMs)), delivery.stop()]),
        patience,
      ]);
      certificate?.close();
      await changes.stop();
      await Promise.all([sql.end({ timeout: 5 }), relaxed.end({ timeout: 5 })]);
      breaker.close();
      log.close();
      upstream.close();
      await outbound.close();
      await telemetry.shutdown();
      await store.close();
    },
  };
}
