/** Delivery on either runtime: both stages, what feeds them, and the work of the background. */

import { monotonicMs } from '../clock.ts';
import { notProvisioned } from '../connection/partner-watch.ts';
import { abandonedBy } from '../deadline.ts';
import { createLearning } from '../delivery/computers/learn-named.ts';
import { createPolls } from '../delivery/computers/poll.ts';
import { computerStage } from '../delivery/computers/read-computer.ts';
import { createReconciliations } from '../delivery/computers/reconcile.ts';
import type { FeedRunner } from '../delivery/computers/turns.ts';
import { recoverFromGap } from '../delivery/recovery.ts';
import { reportStage } from '../delivery/reports/report-stage.ts';
import { createReportTenants } from '../delivery/reports/report-tenants.ts';
import { type Backoff, backoffSeconds } from '../delivery/stage/backoff.ts';
import { createCircuits } from '../delivery/stage/circuit.ts';
import { systemClock } from '../delivery/stage/clock.ts';
import { runStage, type StageRunner } from '../delivery/stage/run-stage.ts';
import type { ScheduleLimits } from '../delivery/stage/schedules.ts';
import { newId } from '../ids.ts';
import { leaseRenewMs } from '../limits.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import { createReaders, type Readers } from '../store/computers/readers.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import { createDeliveryCounter, type DeliveryCounts } from '../store/delivery-counts.ts';
import type { DueSchedule } from '../store/due-rows.ts';
import type { DueNotifications } from '../store/notifications.ts';
import { createReportStore } from '../store/reports/report-store.ts';
import { suspectPermissions } from '../store/tenants/watches.ts';
import { createTimelineWriter, type TimelineWriter } from '../store/timeline.ts';
import type { Log } from '../telemetry/log.ts';
import { type BackgroundParts, every, startBackground } from './background.ts';

/** Rows in memory: a pushed record is some KB, rarely some hundred. */
const computersInWork = 1_024;
/** Computers in work of one instance that has to be asked, five at a time, and may answer slowly. */
const computersInReading = 96;
/** Computers in work of one instance whose pushes say all. */
const computersPushed = 512;
/** Reports of one tenant in work: enough to keep 64 connections (outbound/node.ts) busy while others are written. */
const minReportsOfTenant = 256;
const maxReportsOfTenant = 1_024;
const messagesOfTenant = 64;

/** Bounded in rows, so that large messages do not mean large memory; four hanging tenants leave room for others. */
function reportsInWork(maxDevices: number): ScheduleLimits {
  const wanted = messagesOfTenant * maxDevices;
  const scheduleRows = Math.min(Math.max(wanted, minReportsOfTenant), maxReportsOfTenant);
  return { rows: scheduleRows * 4, scheduleRows };
}

const feedPollMs = 1_000;

export interface Delivery {
  stop(): Promise<void>;
}

export interface DeliveryParts extends Omit<BackgroundParts, 'backoff'> {
  /** Client for leases and timelines: its commits need not be durable. */
  readonly relaxed: Sql;
  readonly sha256: Sha256;
  readonly notifications: DueNotifications;
  readonly routesChanged: () => void;
  /** Breaks the start off. */
  readonly signal: AbortSignal;
}

/** Parts that the stages and their feeds share. */
interface StageParts extends DeliveryParts {
  readonly backoff: Backoff;
  readonly counts: DeliveryCounts;
  readonly timeline: TimelineWriter;
  readonly readers: Readers;
}

const storeRetryMs = 1_000;

/** A database that goes away just now must not end a process that answers its callers already. */
export async function whenStoreAnswers<T>(log: Log, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  for (;;) {
    signal.throwIfAborted();
    try {
      return await abandonedBy(signal, work());
    } catch (error) {
      if (!isStoreUnavailable(error)) throw error;
      log.warn('delivery.waits-for-the-database', { error });
      await new Promise((resolve) => setTimeout(resolve, storeRetryMs));
    }
  }
}

/** Polls, reconciliations and look-ups in lists of the instances whose turn it is. */
function startFeeds(
  { backoff, config, gateway, log, readers, sql }: StageParts,
  holder: string,
): { stop: () => Promise<void> } {
  const { pollSeconds, reconcileSeconds } = config;
  const feed = {
    ...{ sql, log, backoff, readers, holder },
    instances: gateway.instances,
    clientOf: gateway.clients.clientOf,
  };
  const runners: readonly FeedRunner[] = [
    createPolls({ ...feed, pollSeconds }),
    createReconciliations({ ...feed, reconcileSeconds }),
    createLearning(feed),
  ];
  const stopPolling = every(log, feedPollMs, 'feeds', async () => {
    for (const runner of runners) await runner.runDue();
  });
  return {
    stop: async () => {
      await stopPolling();
      await Promise.all(runners.map((runner) => runner.stop()));
    },
  };
}

function startComputers(parts: StageParts): StageRunner {
  const { backoff, config, counts, gateway, log, metrics, notifications, readers, relaxed, sql, timeline } =
    parts;
  const stage = computerStage({
    ...{ sql, relaxed, timeline, counts, log, metrics, backoff },
    tenants: gateway.tenants,
    instances: gateway.instances,
    clientOf: gateway.clients.clientOf,
    circuits: createCircuits({ backoff, now: monotonicMs }),
    mayRead: readers.hold,
    vocabulary: config.intuneVocabulary,
    sha256: parts.sha256,
    holdRecheckSeconds: config.holdRecheckSeconds,
    onDue: ({ dueInMs, schedule }) => runner.announce(schedule, dueInMs),
    onRoutes: parts.routesChanged,
    onReports: (tenantId) => notifications.due('reports', { tenantId, background: false }),
  });
  const runner = runStage(stage, {
    ...{ log, clock: systemClock },
    rows: computersInWork,
    scheduleRows: computersInReading,
    scheduleRowsOf: ({ kind }) => (kind === 'pushed' ? computersPushed : computersInReading),
  });
  return runner;
}

function startReports(parts: StageParts): StageRunner {
  const { backoff, config, connection, counts, gateway, log, metrics, relaxed, send, sql, timeline } = parts;
  const permissionRefused = (tenantId: string) => suspectPermissions(sql, tenantId);
  const onDue = ({ dueInMs, schedule }: DueSchedule): void => runner.announce(schedule, dueInMs);
  const maxDevices = config.uploadMaxDevices;
  const stage = reportStage({
    ...{ log, metrics, send, permissionRefused, maxDevices, newId },
    store: createReportStore({ sql, relaxed, timeline, counts, onDue }),
    tenants: createReportTenants({
      ...{ sql, permissionRefused },
      tenants: gateway.tenants,
      notProvisioned: (tenantId) => notProvisioned(tenantId, connection.partners),
    }),
    clouds: config.clouds,
    microsoft: gateway.access,
    circuits: createCircuits({ backoff, now: monotonicMs }),
    apiVersions: config.partnerApiVersions,
    vocabulary: config.intuneVocabulary,
    ...(config.intuneContent === 'auto' ? {} : { contentForm: config.intuneContent }),
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    uploadStatusSeconds: config.uploadStatusSeconds,
    verifySample: config.verifySample,
    holdRecheckSeconds: config.holdRecheckSeconds,
    wait: (attempts) => backoffSeconds(attempts, backoff),
    now: Date.now,
    elapsedMs: monotonicMs,
  });
  const runner = runStage(stage, { ...{ log, clock: systemClock }, ...reportsInWork(maxDevices) });
  return runner;
}

export async function startDelivery(parts: DeliveryParts): Promise<Delivery> {
  const { config, log, notifications, relaxed, signal, sql } = parts;
  await whenStoreAnswers(log, signal, () => recoverFromGap(sql, log));
  const holder = newId();
  const backoff = { baseSeconds: config.retryBaseSeconds, maxSeconds: config.retryMaxSeconds };
  const timeline = createTimelineWriter(relaxed, log);
  const counts = createDeliveryCounter(relaxed, log);
  const readers = createReaders(sql, holder, () => performance.now());
  const shared = { ...parts, backoff, counts, timeline, readers };
  const computers = startComputers(shared);
  const reports = startReports(shared);
  notifications.listen('computers', computers.wake);
  notifications.listen('reports', reports.wake);
  await whenStoreAnswers(log, signal, notifications.start);
  const feeds = startFeeds(shared, holder);
  const stopRenewing = every(log, leaseRenewMs, 'readers', () => readers.renew());
  const stopBackground = startBackground(shared);
  return {
    stop: async () => {
      await Promise.all([computers.stop(), reports.stop(), feeds.stop(), stopBackground()]);
      await stopRenewing();
      await readers.release().catch((error: unknown) => log.warn('readers.release-failed', { error }));
      await notifications.stop();
      await Promise.all([timeline.idle(), counts.stop()]);
    },
  };
}
