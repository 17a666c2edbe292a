/** Espalier on Node.js: the listeners, delivery, and an orderly end. */

import { mkdirSync } from 'node:fs';
import { isLoopback, type OneTimeLink } from '../admin/sign-in/one-time-link.ts';
import { createIssuedTokens } from '../entra/issued-tokens.ts';
import { createOpsApp } from '../gateway/ops.ts';
import { Pressure } from '../gateway/pressure.ts';
import { createRateLimits } from '../gateway/rate.ts';
import { afterInProcess } from '../joining.ts';
import { upstreamConnections, upstreamConnectionsInAll, upstreamWaiting } from '../limits.ts';
import { createAddressPolicy } from '../outbound/addresses.ts';
import { createNodeSend } from '../outbound/node.ts';
import type { SocketAccess } from '../outbound/node-sockets.ts';
import { createNodeUpstream } from '../outbound/node-upstream.ts';
import { createOutgoingProxies } from '../outbound/proxies.ts';
import { withCircuit } from '../outbound/upstream-circuit.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Breaker } from '../store/breaker.ts';
import { askEveryInstance } from '../store/computers/reading.ts';
import { connectionBudget, defaultDatabaseConnections } from '../store/connection-budget.ts';
import { openBreaker, openDatabase, type Sql } from '../store/database.ts';
import type { Schedule } from '../store/due-rows.ts';
import { createEpisodeLog } from '../store/episodes.ts';
import { createDueNotifications } from '../store/notifications.ts';
import { createCounters } from '../telemetry/counters.ts';
import { createLog, type Log, type LogFields } from '../telemetry/log.ts';
import { createMetrics, type Metrics } from '../telemetry/metrics.ts';
import { createTrustedProxies } from './balancer/trusted-proxies.ts';
import type { Config } from './config.ts';
import { createConnectionServices } from './connection-services.ts';
import {
  createDeliveryMemory,
  type Delivery,
  processLimits,
  startDelivery,
  whenStoreAnswers,
} from './delivery.ts';
import { composeGateway, type Gateway } from './gateway.ts';
import { observeGauges } from './gauges.ts';
import { createLaneServices, type LaneServices } from './lane/services.ts';
import { chooseSocketAccess, runSelfTest, type SocketChoice, verdictIn } from './lane/socket-choice.ts';
import { createMoveWork } from './moves.ts';
import { type AcmeParts, createNodeAcme, type NodeAcme } from './node-acme.ts';
import { createNodeAdmin } from './node-admin.ts';
import { nodeFactsOf } from './node-balancer.ts';
import { createCallerOf } from './node-caller.ts';
import { checkClientCa, developmentCertificate } from './node-certificate.ts';
import { createCertificateExpiry, readCertificateExpiry } from './node-certificate-expiry.ts';
import { certificateOfFiles, certificatesOfDirectory } from './node-certificate-files.ts';
import {
  type CertificateProvider,
  type CertificateSource,
  createCertificateSource,
  createMemoryCertificates,
  type MemoryCertificates,
  PairFault,
} from './node-certificate-source.ts';
import { createNodeChanges } from './node-changes.ts';
import { compressingPages } from './node-compression.ts';
import { nodeSha256 } from './node-digest.ts';
import { DirectoryInUse, shareDirectory } from './node-directory-lock.ts';
import { respondOnNode } from './node-http.ts';
import {
  type GatewayListener,
  type GatewayListeners,
  openListeners,
  openOpsListener,
} from './node-listeners.ts';
import { newestMigration } from './node-migrate.ts';
import { createMarkKeeper } from './node-missed-events.ts';
import { readProcess, type WaitedFor, watchPressure } from './node-pressure.ts';
import type { Member } from './node-processes/member.ts';
import { deliverInTurn } from './node-processes/turn.ts';
import { createReadiness, databaseReadiness, type ReadinessState } from './node-readiness.ts';
import { refusalTurns } from './node-refusal-turns.ts';
import { createReferenceReader } from './node-secret-references.ts';
import { openSealer } from './node-secrets.ts';
import { createServingSnapshot } from './node-serving-snapshot.ts';
import { createNodeSignatureCheck } from './node-signature.ts';
import { createStop, type Stop } from './node-stop.ts';
import { looksWhileServing, openStore, prepareOnce, waitForDatabase } from './node-store.ts';
import { type NodeTelemetry, startTelemetry } from './node-telemetry.ts';
import {
  createTicketSecret,
  newTicketSecret,
  rotateTicketSecret,
  type TicketSecret,
} from './node-ticket-keys.ts';
import { adminUrlOf } from './operators.ts';
import { partOfMachine } from './process-shares.ts';
import { settings } from './settings.ts';
import { describeFileError, StartFault } from './start-fault.ts';
import { every } from './works.ts';

export interface RunningGateway {
  /** Base URLs; a process that only delivers has one for probes. */
  /** Without `ops`: its supervisor answers probes. */
  readonly urls: { readonly data?: string; readonly admin?: string; readonly ops?: string };
  /** It answers from the snapshot, which is so old; undefined: it has the database. */
  readonly degradedSeconds: number | undefined;
  /** Resolves when it delivers; rejects, with a `StartFault`, when the database that came back is not one to work with. */
  readonly delivering: Promise<unknown>;
  /** Serves on for the delay, then drains and stops everything. A second call ends the delay. */
  readonly stop: Stop;
}

/** A page of an import is a second's work; a machine that is busy may take long for it. */
const bulkTimeoutMs = 5 * 60_000;

/** `always`: what is in each line, as where several processes write to one place. */
export function createNodeLog(config: Pick<Config, 'logFormat' | 'logLevel'>, always: LogFields = {}): Log {
  const format = config.logFormat ?? (process.stdout.isTTY ? 'pretty' : 'json');
  const write = (line: string): void => void process.stdout.write(`${line}\n`);
  return createLog({ level: config.logLevel, always, format, write });
}

/** Throws a `StartFault`, or an `AggregateError` of several, for what a person has to mend. */
async function openCertificates(
  config: Config,
  acme: MemoryCertificates,
  log: Log,
): Promise<CertificateSource | undefined> {
  if (config.clientCa !== undefined) checkClientCa(config.clientCa);
  if (config.tls === 'off') return undefined;
  const { tlsCertDir, tlsCertFile, tlsKeyFile } = config;
  const providers: CertificateProvider[] = [];
  if (tlsCertFile !== undefined && tlsKeyFile !== undefined)
    providers.push(await ownPair({ certFile: tlsCertFile, keyFile: tlsKeyFile }, log));
  if (tlsCertDir !== undefined) providers.push(await certificatesOfDirectory(tlsCertDir, log));
  if (providers.every((provider) => provider.current().length === 0)) {
    const made = await developmentCertificate(config.dataDir, config.publicUrl).catch((error: unknown) => {
      throw dataDirFault(config, error);
    });
    providers.push(await certificateOfFiles('self-signed', made, log));
  }
  return createCertificateSource([...providers, acme], log);
}

async function ownPair(
  files: { readonly certFile: string; readonly keyFile: string },
  log: Log,
): Promise<CertificateProvider> {
  try {
    return await certificateOfFiles('files', files, log);
  } catch (error) {
    if (!(error instanceof PairFault)) throw error;
    const { name } = error.part === 'cert' ? settings.tlsCertFile : settings.tlsKeyFile;
    throw new StartFault(name, error.message, { cause: error });
  }
}

const dataDirFault = ({ dataDir }: Pick<Config, 'dataDir'>, error: unknown): StartFault =>
  new StartFault(settings.dataDir.name, `${dataDir}: ${describeFileError(error)}`, { cause: error });

function reportLane({ detail, mode, reason }: SocketChoice, log: Log, metrics: Metrics): void {
  const isLess = reason === 'trial-failed' || reason === 'untested-version';
  log[isLess ? 'warn' : 'info']('lane.way', { way: mode, reason, detail });
  metrics.laneMode(mode, reason);
}

export interface StartOptions {
  /** False: it only delivers (`espalier worker`). */
  readonly listeners: boolean;
  /** Absent everywhere but in the demo (cli/demo-gateway.ts): no setting makes one. */
  readonly oneTimeLink?: OneTimeLink;
  /** Given to one of several processes of a machine; absent: it is the only one. */
  readonly member?: Member;
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
  /** Undefined: the supervisor answers probes. */
  readonly ops: GatewayListener | undefined;
  readonly certificates: CertificateSource | undefined;
  readonly listeners: GatewayListeners | undefined;
  /** Certificates that came by ACME, as the listeners present them. */
  readonly acmeCertificates: MemoryCertificates | undefined;
}

function ownTicketSecret(stack: AsyncDisposableStack): TicketSecret {
  const secret = createTicketSecret(newTicketSecret());
  stack.defer(rotateTicketSecret(secret));
  return secret;
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
    // Processes of their own may share it, as one that takes another's place does; those of a supervisor have it alone, and so
    // has one with the embedded database, which locks it by itself.
    if (options.listeners && options.member === undefined && config.databaseUrl !== undefined)
      stack.defer(shareDirectory(config.dataDir));
  } catch (error) {
    if (error instanceof DirectoryInUse)
      throw new StartFault(settings.dataDir.name, error.message, { cause: error });
    throw dataDirFault(config, error);
  }
  const counters = createCounters();
  const telemetry = await startTelemetry(process.env, counters);
  stack.defer(() => telemetry.shutdown());
  const metrics = createMetrics(counters);
  const readiness = createReadiness();
  const acmeCertificates = options.listeners ? createMemoryCertificates('acme') : undefined;
  const certificates = acmeCertificates && (await openCertificates(config, acmeCertificates, log));
  stack.defer(() => certificates?.close());
  const { member } = options;
  member?.observe({ readiness: readiness.read, counters });
  const ticketSecret = member?.ticketSecret ?? ownTicketSecret(stack);
  const isLate = member?.besides === true;
  const parts = { log, metrics, ticketSecret, isLate, processes: member?.processes ?? 1 };
  const ops = member === undefined ? await openOpsListener(config, parts, stack) : undefined;
  const listeners = options.listeners ? await openListeners(config, certificates, parts, stack) : undefined;
  const app = createOpsApp(
    { readiness: readiness.read, metrics: telemetry.scrape },
    { name: 'ops', log, metrics },
  );
  await ops?.serve(app.fetch);
  const opened = { ops, listeners, certificates, acmeCertificates };
  return { config, log, telemetry, metrics, readiness, ...opened };
}

/** The database that this process is to work with, as one look found it. */
async function findDatabase(
  config: Config,
  sealer: Sealer,
  signal: AbortSignal,
  stack: AsyncDisposableStack,
) {
  const { close, url } = await openStore(config);
  stack.defer(close);
  const preparing = { url, config, sealer, signal };
  return { preparing, found: await prepareOnce(preparing) };
}

const chooseSockets = (config: Config): Promise<SocketChoice> =>
  chooseSocketAccess(config.fastLane, {
    version: process.versions.node,
    kept: verdictIn(config.dataDir),
    run: runSelfTest,
  });

/** The ways out of this process: calls whose answer is awaited, and calls that are forwarded. */
function openOutbound(
  config: Config,
  processes: number,
  sockets: SocketAccess | undefined,
  stack: AsyncDisposableStack,
) {
  const policy = createAddressPolicy(config.upstreamAllow);
  const proxies = createOutgoingProxies(config);
  const outbound = createNodeSend(policy, proxies);
  stack.defer(() => outbound.close());
  const issued = createIssuedTokens({ sharing: 'process' });
  const upstream = createNodeUpstream({
    policy,
    proxies,
    timeoutMs: config.forwardTimeoutSeconds * 1_000,
    connections: partOfMachine(upstreamConnections, processes),
    connectionsInAll: partOfMachine(upstreamConnectionsInAll, processes),
    waiting: partOfMachine(upstreamWaiting, processes),
    ...(sockets === undefined ? {} : { sockets }),
  });
  stack.defer(() => upstream.close());
  return {
    issued,
    send: issued.withSecondTry(outbound.send),
    upstream: withCircuit(upstream.upstream, () => performance.now()),
  };
}

const budgetOf = ({ databaseConnections }: Config) =>
  connectionBudget(databaseConnections ?? defaultDatabaseConnections);

/** The commits of `relaxed` need not be durable. */
function openClients(config: Config, url: string, breaker: Breaker, stack: AsyncDisposableStack) {
  const budget = budgetOf(config);
  const sql = openDatabase(url, { connections: budget.durable, applicationName: 'espalier', breaker });
  const relaxed = openDatabase(url, {
    connections: budget.relaxed,
    applicationName: 'espalier-relaxed',
    durable: false,
    breaker,
  });
  const operators = openDatabase(url, {
    connections: budget.operators,
    applicationName: 'espalier-operators',
    breaker,
  });
  stack.defer(async () => {
    await Promise.all([sql, relaxed, operators].map((client) => client.end({ timeout: 5 })));
  });
  return { sql, relaxed, operators };
}

function openPressure({ log, metrics }: Pick<Shell, 'log' | 'metrics'>): Pressure {
  return new Pressure({
    onShed: metrics.shed,
    onChange: ({ cause, level }, before, { heapShare, loopDelayMs, poolWaitMs }) =>
      log[level > before ? 'warn' : 'info']('pressure.changed', {
        ...{ level, before, cause },
        loopDelayMs: Math.round(loopDelayMs),
        heapPercent: Math.round(heapShare * 100),
        poolWaitMs: Math.round(poolWaitMs),
      }),
  });
}

/** A process without listeners has nothing to refuse, and its pressure stays none. */
function observePressure(
  { listeners, metrics }: Shell,
  pressure: Pressure,
  waitedFor: WaitedFor,
  stack: AsyncDisposableStack,
): void {
  if (listeners === undefined) return;
  const watch = watchPressure(pressure, waitedFor);
  stack.defer(watch.stop);
  metrics.onProcess(() => readProcess(pressure, watch));
}

const openBulk = (url: string, breaker: Breaker): Sql =>
  openDatabase(url, {
    connections: 1,
    applicationName: 'espalier-bulk',
    statementTimeoutMs: bulkTimeoutMs,
    lasting: true,
    breaker,
  });

/** Parts of the gateway wherever it runs on Node. */
const nodeParts = (config: Config, shell: Pick<Shell, 'log' | 'metrics'>) => ({
  signature: createNodeSignatureCheck(),
  facts: nodeFactsOf(config, shell),
  respond: respondOnNode,
  readReference: createReferenceReader(config.secretsDir),
  sha256: nodeSha256,
  verifiedTokens: { hash: nodeSha256 },
  markKeeper: createMarkKeeper(config.dataDir),
});

const laneServicesOf = (
  lane: SocketChoice | undefined,
  gateway: Gateway,
  pressure: Pressure,
  { config, log, metrics, telemetry }: Shell,
): LaneServices | undefined =>
  lane === undefined || lane.mode === 'off'
    ? undefined
    : createLaneServices({
        ...gateway.forwarding,
        ...{ log, metrics, pressure },
        calls: gateway.deviceCalls,
        callerOf: createCallerOf(createTrustedProxies(config.trustedProxies)),
        refusals: refusalTurns,
        shadow: gateway.shadow,
        sockets: lane.sockets,
        traceShare: telemetry.traceShare,
      });

interface RunOptions extends StartOptions {
  /** Aborted when the process begins to end. */
  readonly ending: AbortSignal;
}

/** Certificates by ACME, where they are set. */
const createAcme = (
  { acmeCertificates, config, listeners }: Shell,
  parts: Omit<AcmeParts, 'acme' | 'retryBaseSeconds'>,
): NodeAcme | undefined =>
  config.acme &&
  createNodeAcme(
    { ...parts, acme: config.acme, retryBaseSeconds: config.retryBaseSeconds },
    acmeCertificates && { certificates: acmeCertificates, listener: listeners?.acme },
  );

/** Makes the parts, which neither ask the database nor answer anybody yet. */
async function compose(started: Shell, options: RunOptions, stack: AsyncDisposableStack) {
  const { config, metrics } = started;
  // Beside the database, which takes longer.
  const choosing = options.listeners ? chooseSockets(config) : undefined;
  const sealer = await openSealer(config);
  const signal = AbortSignal.any([options.signal, options.ending]);
  const { found, preparing } = await findDatabase(config, sealer, signal, stack);
  const { url } = preparing;
  const breaker = openBreaker(url, found.ready ? {} : { awaySince: new Error(found.cause) });
  stack.defer(() => breaker.close());
  const log = createEpisodeLog(started.log, breaker);
  stack.defer(() => log.close());
  const lane = await choosing;
  if (lane) reportLane(lane, log, metrics);
  const processes = options.member?.processes ?? 1;
  const outbound = openOutbound(config, processes, lane?.sockets, stack);
  const { operators, relaxed, sql } = openClients(config, url, breaker, stack);
  const pressure = openPressure({ log, metrics });
  const notifications = createDueNotifications(sql, log);
  const onLookup = metrics.routeLookup;
  const changes = createNodeChanges({ url, sql, breaker, log, config, onLookup, serves: options.listeners });
  stack.defer(() => changes.stop());
  const { routesChanged } = changes;
  const parts = {
    ...{ config, sql, sealer, log, metrics, changes, pressure },
    ...outbound,
    ...nodeParts(config, { log, metrics }),
    sharing: 'process' as const,
    processes,
    rateLimits: options.member && createRateLimits(options.member),
    intake: { onDue: (due: Schedule) => notifications.due('computers', due) },
  };
  const gateway = composeGateway(parts);
  observePressure(started, pressure, { sql, intake: gateway.intake }, stack);
  const connection = createConnectionServices(config, parts, gateway);
  const moves = createMoveWork({ sql, relaxed, log, routesChanged, after: afterInProcess });
  const acme = createAcme(started, { log, sealer, sql, send: outbound.send, signal: options.ending });
  stack.defer(() => acme?.stop());
  const snapshot = await createServingSnapshot({
    ...{ config, log, changes, gateway },
    certificates: acme,
    serves: options.listeners,
  });
  const certificateExpiry = createCertificateExpiry({
    applications: readCertificateExpiry(process.env, [...config.clouds.keys()]),
    presented: () => started.certificates?.presented() ?? [],
    clientCa: config.clientCa,
  });
  const { acme: acmeConfig } = config;
  const { feed } = changes;
  observeGauges({
    ...{ metrics, sql, log, sealer, feed, acme: acmeConfig },
    credentialExpiry: certificateExpiry,
    named: config.metricsNames === 'on',
  });
  snapshot.observe(metrics);
  return {
    ...{
      started,
      options,
      found,
      preparing,
      breaker,
      log,
      lane,
      pressure,
      outbound,
      operators,
      relaxed,
      sql,
    },
    ...{
      notifications,
      changes,
      parts,
      gateway,
      connection,
      moves,
      snapshot,
      certificateExpiry,
      sealer,
      acme,
    },
  };
}

type Composed = Awaited<ReturnType<typeof compose>>;

/** Begins to hear of changes and to answer. */
async function serve({ changes, gateway, lane, log, ...composed }: Composed): Promise<void> {
  const {
    breaker,
    certificateExpiry,
    connection,
    moves,
    operators,
    options,
    parts,
    preparing,
    pressure,
    started,
  } = composed;
  changes.start({
    ...gateway,
    onMove: () => {
      gateway.shadow.refresh().catch((error: unknown) => log.debug('shadow.not-refreshed', { error }));
    },
  });
  const { config, listeners } = started;
  if (!listeners) return;
  const { admin, data } = listeners;
  await data.serve(
    gateway.createDataApp().fetch,
    laneServicesOf(lane, gateway, pressure, { ...started, log }),
  );
  const adminApp = createNodeAdmin({
    ...{ ...parts, gateway, connection, moves },
    sql: operators,
    adminUrl: () => adminUrlOf(config, admin.origin),
    oneTimeLink: isLoopback(config.adminListen.host) ? options.oneTimeLink : undefined,
    routesChanged: changes.routesChanged,
    certificateExpiry,
    ending: options.ending,
    bulkAtOnce: budgetOf(config),
    onChanges: changes.feed.subscribe,
    openBulk: () => openBulk(preparing.url, breaker),
  });
  await admin.serve(compressingPages(adminApp.fetch));
}

type Delivering = Pick<Delivery, 'stop'>;

/** Delivers, and keeps the snapshot: everything that only goes with the database. */
async function deliver(composed: Composed, awayMs: number): Promise<Delivering> {
  const { acme, changes, connection, found, gateway, log, moves, notifications, outbound } = composed;
  const { certificateExpiry, preparing, relaxed, sealer, snapshot, sql, started } = composed;
  const { signal } = preparing;
  const { config, listeners, metrics } = started;
  if (!found.ready && listeners) {
    const instances = await whenStoreAnswers(log, signal, () => askEveryInstance(sql, awayMs));
    log.info('start.asks-instances', { instances });
  }
  await acme?.start();
  const { send } = outbound;
  const { member } = composed.options;
  const parts = {
    ...{ config, sql, send, sealer, log, metrics, gateway, connection, moves },
    certificateExpiry,
  };
  const memory = createDeliveryMemory(parts);
  const begin = async (): Promise<Delivering> => {
    const delivery = await startDelivery({
      ...parts,
      ...{ relaxed, notifications, signal, memory },
      ...(member === undefined ? {} : { holder: member.holder }),
      limits: processLimits(config.uploadMaxDevices),
      sha256: nodeSha256,
      routesChanged: changes.routesChanged,
    });
    const keeping = snapshot.keep();
    return {
      stop: async () => {
        await Promise.all([delivery.stop(), keeping?.stop()]);
      },
    };
  };
  return member === undefined ? begin() : deliverInTurn(member, { log, memory, notifications, begin });
}

/** A gateway that answers; what it delivers may have to wait for the database. */
interface Answering {
  /** Rejects with a `StartFault` when the database that comes back is not one to work with. */
  readonly delivering: Promise<Delivering>;
  /** Age of what it answers from; undefined: it has the database. */
  readonly degradedSeconds: number | undefined;
  /** Lets operators see that it drains. */
  readonly onDraining: () => void;
}

/** Has check-ins read whose period has ended, until the end. */
function foldCheckIns({ folding }: Gateway, log: Log, stack: AsyncDisposableStack): void {
  if (!folding) return;
  stack.defer(folding.stop);
  stack.defer(every(log, folding.tickMs, 'check-ins', folding.tick));
  stack.defer(every(log, folding.tickMs, 'check-ins.lease', folding.renew));
}

/**
 * Begins to take notifications, to answer and to deliver; without the database it answers from the snapshot, where there is
 * a good one, and does the rest when the database is there.
 */
async function run(started: Shell, options: RunOptions, stack: AsyncDisposableStack): Promise<Answering> {
  const composed = await compose(started, options, stack);
  const { breaker, changes, found, gateway, preparing, snapshot } = composed;
  const { readiness } = started;
  const beganMs = performance.now();
  const onDraining = changes.tellDraining;
  const waiting = { ...preparing, log: started.log };
  const isRestored = !found.ready && found.unreachable && (await snapshot.restore(found.cause));
  await composed.acme?.restored();
  if (!isRestored) {
    await waitForDatabase(found, { ...waiting, onWaiting: readiness.notReady });
    breaker.admit();
    readiness.notReady('starting');
  }
  await serve(composed);
  foldCheckIns(gateway, started.log, stack);
  stack.defer(() => gateway.missed?.stop());
  await gateway.missed?.start();
  const newest = await newestMigration();
  const ready = (): void =>
    readiness.started(() => databaseReadiness(changes.client(), newest, changes.degradedSeconds));
  if (!isRestored) {
    const delivery = await deliver(composed, performance.now() - beganMs);
    ready();
    return { delivering: Promise.resolve(delivery), degradedSeconds: undefined, onDraining };
  }
  ready();
  const delivering = waitForDatabase(found, { ...waiting, ...looksWhileServing }).then(() => {
    const awayMs = changes.feed.silentMs();
    breaker.admit();
    return deliver(composed, awayMs);
  });
  return { delivering, degradedSeconds: changes.degradedSeconds(), onDraining };
}

/**
 * Starts the gateway. When anything fails, what was started is undone; a `StartFault` names the variable that a person has
 * to look at.
 */
export async function startGateway(config: Config, log: Log, options: StartOptions): Promise<RunningGateway> {
  await using stack = new AsyncDisposableStack();
  const shell = await openShell(config, log, options, stack);
  const ending = new AbortController();
  const { degradedSeconds, delivering, onDraining } = await run(
    shell,
    { ...options, ending: ending.signal },
    stack,
  );
  const { listeners, ops, readiness } = shell;
  const started = stack.move();
  const stop = createStop({
    ...{ onDraining, ops, readiness },
    serving: listeners ? [listeners.data, listeners.admin] : [],
    delivery: {
      // Where it never began, the database did not come back, or is none to work with.
      stop: () =>
        delivering.then(
          (delivery) => delivery.stop(),
          () => undefined,
        ),
    },
    onEnding: () => ending.abort(),
    dispose: () => started.disposeAsync(),
  });
  const served = listeners && { data: listeners.data.origin, admin: listeners.admin.origin };
  const probed = ops && { ops: ops.origin };
  return { urls: { ...served, ...probed }, degradedSeconds, delivering, stop };
}
