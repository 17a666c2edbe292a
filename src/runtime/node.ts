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
import { createIssuedTokens } from '../entra/issued-tokens.ts';
import { createOpsApp } from '../gateway/ops.ts';
import { drainMs, moveAnswerMs } from '../limits.ts';
import { createAddressPolicy } from '../outbound/addresses.ts';
import { createNodeSend, mayConnect } from '../outbound/node.ts';
import { createNodeUpstream } from '../outbound/node-upstream.ts';
import { withCircuit } from '../outbound/upstream-circuit.ts';
import { type MoveWork, workFor } from '../routing/moves/work.ts';
import type { Sealer } from '../secrets/seal.ts';
import { askEveryInstance } from '../store/computers/reading.ts';
import { connectionBudget } from '../store/connection-budget.ts';
import { openBreaker, openDatabase } from '../store/database.ts';
import type { Lane } from '../store/due-rows.ts';
import { createEpisodeLog } from '../store/episodes.ts';
import { createDueNotifications } from '../store/notifications.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { createCounters } from '../telemetry/counters.ts';
import { createLog, type Log } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { version } from '../version.ts';
import type { Config } from './config.ts';
import { type ConnectionServices, createConnectionServices } from './connection-services.ts';
import { composeGateway, type Gateway } from './gateway.ts';
import { observeGauges } from './gauges.ts';
import { createLaneServices } from './lane/services.ts';
import { chooseSocketAccess, runSelfTest, type SocketChoice, verdictIn } from './lane/socket-choice.ts';
import { createMoveWork } from './moves.ts';
import {
  checkCertificate,
  checkClientCa,
  developmentCertificate,
  type ServerCertificate,
  watchCertificate,
} from './node-certificate.ts';
import { createNodeChanges } from './node-changes.ts';
import { type Delivery, startDelivery } from './node-delivery.ts';
import { nodeRequestFacts, respondOnNode } from './node-http.ts';
import { type GatewayListeners, openListeners } from './node-listeners.ts';
import { newestMigration } from './node-migrate.ts';
import { createMarkKeeper } from './node-missed-events.ts';
import { createReadiness, databaseReadiness, type ReadinessState } from './node-readiness.ts';
import { createReferenceReader } from './node-secret-references.ts';
import { nodeDigest, nodeSha256, openSealer } from './node-secrets.ts';
import { createNodeSignatureCheck } from './node-signature.ts';
import { openStore, prepareDatabase } from './node-store.ts';
import { type NodeTelemetry, startTelemetry } from './node-telemetry.ts';
import { adminUrlOf, entraOperators } from './operators.ts';
import { settings } from './settings.ts';
import { describeFileError, StartFault } from './start-fault.ts';

/** Espalier on Node.js: the listeners, delivery, and an orderly end. */

export interface RunningGateway {
  /** Base URLs; absent for a process that only delivers. */
  readonly urls: { readonly data: string; readonly admin: string; readonly ops: string } | undefined;
  /** Drains and stops everything. */
  stop(): Promise<void>;
}

/** A page of an import is a second's work; a machine that is busy may take long for it. */
const bulkTimeoutMs = 5 * 60_000;

export function createNodeLog(config: Pick<Config, 'logFormat' | 'logLevel'>): Log {
  const format = config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json');
  return createLog({ level: config.logLevel, format, write: (line) => process.stdout.write(`${line}\n`) });
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
  if (config.clientCa !== undefined) checkClientCa(config.clientCa);
  if (config.tls === 'off') return undefined;
  const { tlsCertFile, tlsKeyFile } = config;
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined) {
    checkCertificate(tlsCertFile, tlsKeyFile);
    return watchCertificate(tlsCertFile, tlsKeyFile, log);
  }
  try {
    const made = await developmentCertificate(config.dataDir, config.publicUrl);
    return watchCertificate(made.certFile, made.keyFile, log);
  } catch (error) {
    throw dataDirFault(config, error);
  }
}

const dataDirFault = ({ dataDir }: Pick<Config, 'dataDir'>, error: unknown): StartFault =>
  new StartFault(settings.dataDir.name, `${dataDir}: ${describeFileError(error)}`, { cause: error });

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
      readReference: parts.readReference,
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

export interface StartOptions {
  /** False: it only delivers (`espalier worker`). */
  readonly listeners: boolean;
  /** Breaks the start off: what was started is undone, and the start rejects with its reason. */
  readonly signal: AbortSignal;
}

/** The parts of a gateway that start before its database is there. */
interface Shell {
  readonly config: Config;
  readonly log: Log;
  readonly telemetry: NodeTelemetry;
  readonly metrics: Metrics;
  readonly readiness: ReadinessState;
  readonly listeners: GatewayListeners | undefined;
}

/** Everything that can be wrong on this machine is found here, before the database is waited for. */
async function openShell(
  config: Config,
  log: Log,
  options: StartOptions,
  stack: AsyncDisposableStack,
): Promise<Shell> {
  try {
    mkdirSync(config.dataDir, { recursive: true, mode: 0o711 });
  } catch (error) {
    throw dataDirFault(config, error);
  }
  const counters = createCounters();
  const telemetry = await startTelemetry(process.env, counters);
  stack.defer(() => telemetry.shutdown());
  const metrics = createMetrics(counters);
  const readiness = createReadiness();
  if (!options.listeners) return { config, log, telemetry, metrics, readiness, listeners: undefined };
  const certificate = await openCertificate(config, log);
  stack.defer(() => certificate?.close());
  const listeners = await openListeners(config, certificate, log, stack);
  const ops = createOpsApp(
    { readiness: readiness.read, metrics: telemetry.scrape },
    { name: 'ops', log, metrics },
  );
  listeners.ops.serve(ops.fetch);
  return { config, log, telemetry, metrics, readiness, listeners };
}

/** The database that this process works with, ready to be used. */
async function openReadyStore(
  { config, log, readiness }: Shell,
  sealer: Sealer,
  options: StartOptions,
  stack: AsyncDisposableStack,
) {
  const { signal } = options;
  const store = await openStore(config);
  stack.defer(() => store.close());
  signal.throwIfAborted();
  let waited = false;
  const onWaiting = (reason: string): void => {
    waited = true;
    readiness.notReady(reason);
  };
  await prepareDatabase(store.url, config, { log, sealer, signal, onWaiting });
  readiness.notReady('starting');
  return { url: store.url, waited };
}

/** Makes the parts, begins to hear, to answer and to deliver. */
async function run(shell: Shell, options: StartOptions, stack: AsyncDisposableStack): Promise<Delivery> {
  const { config, listeners, metrics, readiness, telemetry } = shell;
  // Beside the database, which takes longer.
  const choosing = options.listeners
    ? chooseSocketAccess(config.fastLane, {
        version: process.versions.node,
        kept: verdictIn(config.dataDir),
        run: runSelfTest,
      })
    : undefined;
  const sealer = await openSealer(config);
  const store = await openReadyStore(shell, sealer, options, stack);
  const breaker = openBreaker(store.url);
  stack.defer(() => breaker.close());
  const log = createEpisodeLog(shell.log, breaker);
  stack.defer(() => log.close());
  const budget = connectionBudget(config.databaseConnections);
  const sql = openDatabase(store.url, {
    connections: budget.durable,
    applicationName: 'espalier',
    breaker,
  });
  const relaxed = openDatabase(store.url, {
    connections: budget.relaxed,
    applicationName: 'espalier-relaxed',
    durable: false,
    breaker,
  });
  const outbound = createNodeSend(createAddressPolicy(config.upstreamAllow));
  stack.defer(() => outbound.close());
  const issued = createIssuedTokens();
  const send = issued.withSecondTry(outbound.send);
  const lane = await choosing;
  if (lane) tellOfLane(lane, log, metrics);
  const upstream = createNodeUpstream({
    policy: createAddressPolicy(config.upstreamAllow),
    timeoutMs: config.forwardTimeoutSeconds * 1_000,
    ...(lane === undefined ? {} : { sockets: lane.sockets }),
  });
  stack.defer(() => upstream.close());
  stack.defer(async () => {
    await Promise.all([sql.end({ timeout: 5 }), relaxed.end({ timeout: 5 })]);
  });
  const notifications = createDueNotifications(sql, log);
  const changes = createNodeChanges({
    url: store.url,
    sql,
    breaker,
    log,
    config,
    onLookup: metrics.routeLookup,
    serves: options.listeners,
  });
  stack.defer(() => changes.stop());
  const parts = {
    config,
    sql,
    send,
    issued,
    upstream: withCircuit(upstream.upstream, () => performance.now()),
    sealer,
    log,
    metrics,
    signature: createNodeSignatureCheck(),
    facts: nodeRequestFacts,
    respond: respondOnNode,
    readReference: createReferenceReader(config.secretsDir),
    sha256: nodeSha256,
    tokenHash: nodeSha256,
    intake: { onDue: (lane: Lane) => notifications.due('computers', lane) },
    markKeeper: createMarkKeeper(config.dataDir),
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
  if (listeners) {
    const { admin, data } = listeners;
    const laneServices =
      lane === undefined || lane.way === 'off'
        ? undefined
        : createLaneServices({
            calls: gateway.deviceCalls,
            ...gateway.forwarding,
            log,
            metrics,
            shadow: gateway.shadow,
            sockets: lane.sockets,
            traceShare: telemetry.traceShare,
          });
    data.serve(gateway.createDataApp().fetch, laneServices);
    const { fetch } = createAdmin(config, parts, gateway, connection, moves, {
      adminUrl: () => adminUrlOf(config, admin.origin),
      routesChanged: changes.routesChanged,
      openBulk: () =>
        openDatabase(store.url, {
          connections: 1,
          applicationName: 'espalier-bulk',
          statementTimeoutMs: bulkTimeoutMs,
          lasting: true,
          breaker,
        }),
    });
    admin.serve(fetch);
  }
  stack.defer(() => gateway.missed?.stop());
  await gateway.missed?.start();
  if (store.waited && listeners) log.info('start.asks-instances', { instances: await askEveryInstance(sql) });
  const newest = await newestMigration();
  const delivery = await startDelivery({
    config,
    sql,
    relaxed,
    send,
    sealer: parts.sealer,
    log,
    metrics,
    gateway,
    connection,
    moves,
    notifications,
    routesChanged: changes.routesChanged,
    signal: options.signal,
  });
  readiness.started(() => databaseReadiness(sql, newest, changes.degradedSeconds));
  return delivery;
}

/**
 * Starts the gateway. When anything fails, what was started is undone; a `StartFault` names the variable that a person has
 * to look at.
 */
export async function startGateway(config: Config, log: Log, options: StartOptions): Promise<RunningGateway> {
  await using stack = new AsyncDisposableStack();
  const shell = await openShell(config, log, options, stack);
  const delivery = await run(shell, options, stack);
  const { listeners, readiness } = shell;
  const started = stack.move();
  const open = listeners && [listeners.data, listeners.admin, listeners.ops];
  return {
    urls: listeners && {
      data: listeners.data.origin,
      admin: listeners.admin.origin,
      ops: listeners.ops.origin,
    },
    stop: async () => {
      readiness.notReady('stopping');
      // Rows in work that do not end in time are taken up again by whoever runs next.
      const patience = new Promise<void>((resolve) => setTimeout(resolve, drainMs).unref());
      await Promise.race([
        Promise.all([...(open ?? []).map((listener) => listener.drain(drainMs)), delivery.stop()]),
        patience,
      ]);
      await started.disposeAsync();
    },
  };
}
