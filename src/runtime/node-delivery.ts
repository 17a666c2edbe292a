import { monotonicMs } from '../clock.ts';
import { sendDeprovisions } from '../connection/deprovision.ts';
import { sendHeartbeats } from '../connection/heartbeat.ts';
import { finishDisconnects, leaveEmptyTenants } from '../connection/lifecycle.ts';
import { notProvisioned, watchPartners } from '../connection/partner-watch.ts';
import { suspectPermissions, watchPermissions } from '../connection/permission-watch.ts';
import { createReseal } from '../connection/reseal.ts';
import { keepSubscriptions } from '../connection/subscriptions/keep-subscriptions.ts';
import { createLearning } from '../delivery/computers/learn-named.ts';
import { createPolls } from '../delivery/computers/poll.ts';
import { computerStage } from '../delivery/computers/read-computer.ts';
import { createReconciliations } from '../delivery/computers/reconcile.ts';
import type { FeedRunner } from '../delivery/computers/turns.ts';
import { actOnDirectoryChanges } from '../delivery/directory/act-on-changes.ts';
import { createDeviceLearner } from '../delivery/directory/learn-devices.ts';
import { recoverFromGap } from '../delivery/recovery.ts';
import { reportStage } from '../delivery/reports/report-stage.ts';
import { createReportTenants } from '../delivery/reports/report-tenants.ts';
import { type Backoff, backoffSeconds } from '../delivery/stage/backoff.ts';
import { createCircuits } from '../delivery/stage/circuit.ts';
import { systemClock } from '../delivery/stage/clock.ts';
import type { LaneLimits } from '../delivery/stage/lanes.ts';
import { runStage } from '../delivery/stage/run-stage.ts';
import { newId } from '../ids.ts';
import {
  importedReadLookMs,
  leaseRenewMs,
  moveTurnMs,
  resealLookMs,
  resealPauseMs,
  watchEveryMs,
} from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import { readImported } from '../routing/imports/read-imported.ts';
import { continueMoves, type MoveWork } from '../routing/moves/work.ts';
import type { Sealer } from '../secrets/seal.ts';
import { settleApprovals } from '../store/approvals.ts';
import { createReaders, type Readers } from '../store/computers/readers.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import type { DueLane } from '../store/due-rows.ts';
import { trimHistory } from '../store/history.ts';
import { forgetIdempotencyKeys } from '../store/idempotency-keys.ts';
import type { DueNotifications } from '../store/notifications.ts';
import { createReportStore } from '../store/reports/report-store.ts';
import { trimRouteHistory } from '../store/routes/trim-history.ts';
import { tidySignIns } from '../store/sign-ins.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { createTimelineWriter } from '../store/timeline.ts';
import { noteWatch } from '../store/watch.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { ConnectionServices } from './connection-services.ts';
import type { Gateway } from './gateway.ts';
import { nodeSha256 } from './node-secrets.ts';
import { abandonedBy } from './node-store.ts';

/** Delivery's work in this process: both stages and the heartbeats. */

/** Rows in memory: a pushed record is some KB, rarely some hundred. */
const computersInWork = 1_024;
/** Computers in work of one instance that has to be asked, five at a time, and may answer slowly. */
const computersInReading = 96;
/** Computers in work of one instance whose pushes say all. */
const computersPushed = 512;
/** Reports of one tenant in work: enough to keep 64 connections (outbound/node.ts) busy while others are written. */
const reportsOfTenantLeast = 256;
const reportsOfTenantMost = 1_024;
const messagesOfTenant = 64;

/** Bounded in rows, so that large messages do not mean large memory; four hanging tenants leave room for others. */
function reportsInWork(maxDevices: number): LaneLimits {
  const wanted = messagesOfTenant * maxDevices;
  const laneRows = Math.min(Math.max(wanted, reportsOfTenantLeast), reportsOfTenantMost);
  return { rows: laneRows * 4, laneRows };
}

const heartbeatLookMs = 2_000;
const watchLookMs = 10_000;
const signInLookMs = 60_000;
const feedLookMs = 1_000;
const directoryLookMs = 1_000;
const moveLookMs = 1_000;
const shadowLookMs = 2_000;
const shadowWriteMs = 1_000;
/** Retention is counted in days, so a process that lives shorter than this need not trim anything. */
const trimLookMs = 5 * 60_000;

export interface Delivery {
  stop(): Promise<void>;
}

/** Runs `work` again and again with a pause between; an error is logged and the next turn comes. */
function every(ms: number, name: string, log: Log, work: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  const timer = setInterval(() => {
    // One turn at a time: a slow one is not followed by a queue of others.
    running ??= work()
      .catch((error: unknown) => log.warn(`${name}.failed`, { error }))
      .finally(() => {
        running = undefined;
      });
  }, ms);
  return async () => {
    clearInterval(timer);
    await running;
  };
}

const storeLookMs = 1_000;

/** A database that goes away just now must not end a process that answers its callers already. */
async function whenStoreAnswers(log: Log, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await abandonedBy(signal, work());
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      log.warn('delivery.waits-for-the-database', { error });
      await new Promise((resolve) => setTimeout(resolve, storeLookMs));
    }
  }
}

/** Seals anew what an older key sealed: soon after the start, batch after batch, then now and then. */
function resealing(sql: Sql, sealer: Sealer, log: Log): () => Promise<void> {
  const reseal = createReseal({ sql, sealer, log });
  let nextAtMs = 0;
  return async () => {
    if (performance.now() < nextAtMs) return;
    // Set first: a database that is away is not asked every second.
    nextAtMs = performance.now() + resealLookMs;
    if (await reseal()) nextAtMs = 0;
  };
}

/** Polls, reconciliations and look-ups in lists of the instances whose turn it is. */
function startFeeds(options: {
  config: Config;
  sql: Sql;
  log: Log;
  gateway: Gateway;
  backoff: Backoff;
  readers: Readers;
  owner: string;
}): { stop: () => Promise<void> } {
  const { config, gateway, log, ...rest } = options;
  const { pollSeconds, reconcileSeconds } = config;
  const feed = { ...rest, log, instances: gateway.instances, clientOf: gateway.clients.clientOf };
  const runners: readonly FeedRunner[] = [
    createPolls({ ...feed, pollSeconds }),
    createReconciliations({ ...feed, reconcileSeconds }),
    createLearning(feed),
  ];
  const stopLooking = every(feedLookMs, 'feeds', log, async () => {
    for (const runner of runners) await runner.look();
  });
  return {
    stop: async () => {
      await stopLooking();
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

export async function startDelivery(parts: {
  config: Config;
  sql: Sql;
  /** For leases and timelines: its commits need not be durable. */
  relaxed: Sql;
  send: Send;
  sealer: Sealer;
  log: Log;
  metrics: Metrics;
  gateway: Gateway;
  connection: ConnectionServices;
  moves: MoveWork;
  notifications: DueNotifications;
  routesChanged: () => void;
  /** Breaks the start off. */
  signal: AbortSignal;
}): Promise<Delivery> {
  const { config, connection, gateway, notifications, log, metrics, moves, relaxed, send, sql } = parts;
  const backoff = { baseSeconds: config.retryBaseSeconds, maxSeconds: config.retryMaxSeconds };
  const microsoftTimeoutMs = config.microsoftTimeoutSeconds * 1_000;
  const timeline = createTimelineWriter(relaxed, log);
  const bounds = { log, clock: systemClock };
  const permissionRefused = (tenantId: string) => suspectPermissions(sql, tenantId);
  const partnerGone = (tenantId: string) => notProvisioned(tenantId, connection.partners);
  const maxDevices = config.uploadMaxDevices;
  let noteComputers: (due: DueLane) => void = () => undefined;
  let noteReports: (due: DueLane) => void = () => undefined;
  await whenStoreAnswers(log, parts.signal, () => recoverFromGap(sql, log));
  const owner = newId();
  const readers = createReaders(sql, owner, () => performance.now());
  const computers = runStage(
    computerStage({
      sql,
      relaxed,
      timeline,
      log,
      metrics,
      tenants: gateway.tenants,
      instances: gateway.instances,
      clientOf: gateway.clients.clientOf,
      circuits: createCircuits({ backoff, now: monotonicMs }),
      mayRead: readers.hold,
      backoff,
      vocabulary: config.intuneVocabulary,
      sha256: nodeSha256,
      holdRecheckSeconds: config.holdRecheckSeconds,
      onDue: (due) => noteComputers(due),
      onRoutes: parts.routesChanged,
      onReports: (tenantId) => notifications.due('reports', { tenantId, background: false }),
    }),
    {
      ...bounds,
      rows: computersInWork,
      laneRows: computersInReading,
      laneRowsOf: ({ kind }) => (kind === 'pushed' ? computersPushed : computersInReading),
    },
  );
  noteComputers = ({ dueInMs, lane }) => computers.note(lane, dueInMs);
  const reports = runStage(
    reportStage({
      store: createReportStore({ sql, relaxed, timeline, onDue: (due) => noteReports(due) }),
      log,
      metrics,
      send,
      tenants: createReportTenants({
        sql,
        tenants: gateway.tenants,
        notProvisioned: partnerGone,
        permissionRefused,
      }),
      clouds: config.clouds,
      microsoft: gateway.access,
      circuits: createCircuits({ backoff, now: monotonicMs }),
      apiVersions: config.partnerApiVersions,
      vocabulary: config.intuneVocabulary,
      ...(config.intuneContent === 'auto' ? {} : { contentForm: config.intuneContent }),
      timeoutMs: microsoftTimeoutMs,
      maxDevices,
      uploadStatusSeconds: config.uploadStatusSeconds,
      verifySample: config.verifySample,
      holdRecheckSeconds: config.holdRecheckSeconds,
      permissionRefused,
      wait: (attempts) => backoffSeconds(attempts, backoff),
      now: Date.now,
      elapsedMs: monotonicMs,
      newId,
    }),
    { ...bounds, ...reportsInWork(maxDevices) },
  );
  noteReports = ({ dueInMs, lane }) => reports.note(lane, dueInMs);
  notifications.listen('computers', computers.wake);
  notifications.listen('reports', reports.wake);
  await whenStoreAnswers(log, parts.signal, notifications.start);
  // A tenth of a short period, so that tests and demos with one are exact too.
  const lookMs = Math.min(heartbeatLookMs, config.heartbeatSeconds * 100);
  const feeds = startFeeds({ config, sql, log, gateway, backoff, readers, owner });
  const stopRenewing = every(leaseRenewMs, 'readers', log, () => readers.renew());
  const directory = {
    sql,
    send,
    log,
    clouds: config.clouds,
    graphToken: (tenant: Tenant) => gateway.access.token(tenant, 'graph'),
    timeoutMs: microsoftTimeoutMs,
    retrySeconds: (attempts: number) => backoffSeconds(attempts, backoff),
  };
  const stops = [
    every(watchEveryMs, 'watching', log, () => noteWatch(sql)),
    every(lookMs, 'heartbeat', log, () =>
      sendHeartbeats({
        sql,
        send,
        log,
        metrics,
        access: gateway.access,
        tenants: gateway.tenants,
        apiVersions: config.partnerApiVersions,
        periodSeconds: config.heartbeatSeconds,
        timeoutMs: microsoftTimeoutMs,
        notProvisioned: partnerGone,
      }),
    ),
    every(heartbeatLookMs, 'lifecycle', log, async () => {
      await finishDisconnects(connection.lifecycle);
      await leaveEmptyTenants(connection.lifecycle);
      await sendDeprovisions(connection.lifecycle);
    }),
    every(heartbeatLookMs, 'subscriptions', log, () => keepSubscriptions(connection.subscriptions)),
    every(directoryLookMs, 'directory', log, () => actOnDirectoryChanges(directory)),
    every(watchLookMs, 'devices', log, createDeviceLearner({ ...directory, now: monotonicMs })),
    every(moveLookMs, 'moves', log, () => continueMoves(moves, moveTurnMs)),
    every(shadowLookMs, 'shadow', log, gateway.shadow.refresh),
    every(shadowWriteMs, 'shadow-findings', log, gateway.shadow.flush),
    every(watchLookMs, 'approvals', log, () => settleApprovals(sql)),
    every(watchLookMs, 'idempotency-keys', log, () => forgetIdempotencyKeys(sql)),
    every(signInLookMs, 'sign-ins', log, () => tidySignIns(sql, config.operatorTenants)),
    every(importedReadLookMs, 'routes.read', log, () => readImported(sql)),
    every(trimLookMs, 'routes.trim', log, () => trimRouteHistory(sql, config.routeHistoryDays, log)),
    every(trimLookMs, 'history.trim', log, () => trimHistory(sql, config.historyDays, log)),
    every(resealPauseMs, 'secrets.reseal', log, resealing(sql, parts.sealer, log)),
    every(watchLookMs, 'watch', log, async () => {
      await watchPartners(connection.partners);
      await watchPermissions(connection.permissions);
    }),
  ];
  return {
    stop: async () => {
      await Promise.all([computers.stop(), reports.stop(), feeds.stop(), ...stops.map((stop) => stop())]);
      await stopRenewing();
      await readers.release().catch((error: unknown) => log.warn('readers.release-failed', { error }));
      await notifications.stop();
      await timeline.idle();
    },
  };
}
