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
import { type Circuits, createCircuits } from '../delivery/stage/circuit.ts';
import { systemClock } from '../delivery/stage/clock.ts';
import { runStage, type StageRunner } from '../delivery/stage/run-stage.ts';
import type { ScheduleLimits } from '../delivery/stage/schedules.ts';
import { newId } from '../ids.ts';
import { leaseRenewMs } from '../limits.ts';
import type { Sha256 } from '../secrets/sha256.ts';
import { createReaders, type Readers } from '../store/computers/readers.ts';
import { dueReadings, type ReadingKind } from '../store/computers/reading.ts';
import { isStoreUnavailable, type Sql } from '../store/database.ts';
import { createDeliveryCounter, type DeliveryCounts } from '../store/delivery-counts.ts';
import type { DueSchedule, StageName } from '../store/due-rows.ts';
import type { Reach } from '../store/instances/reach.ts';
import type { DueNotifications } from '../store/notifications.ts';
import { createBrake } from '../store/reports/brake.ts';
import { createReportStore } from '../store/reports/report-store.ts';
import { suspectPermissions } from '../store/tenants/watches.ts';
import { createTimelineWriter, type TimelineWriter } from '../store/timeline.ts';
import type { Log } from '../telemetry/log.ts';
import { createJobs } from '../untrusted/turns.ts';
import { type BackgroundParts, backgroundWorks } from './background.ts';
import { type BackgroundWork, every, runWorks, type WorkTimes, worksOf } from './works.ts';

/** Rows in memory: a pushed record is some KB, rarely some hundred. */
const computersInWork = 1_024;
/** Computers in work of one instance that has to be asked, five at a time, and may answer slowly. */
const computersInReading = 96;
/** Computers in work of one instance whose pushes say all. */
const computersPushed = 512;
/** Computers of one lease: their records come in one answer, and each may be a megabyte. */
const computersLeased = 128;
/** Reports of one tenant in work: enough to keep 64 connections (outbound/node.ts) busy while others are written. */
const minReportsOfTenant = 256;
const maxReportsOfTenant = 1_024;
const messagesOfTenant = 64;

/** Bounds on the rows in work at the same time. */
export type DeliveryLimits = Readonly<Record<StageName, ScheduleLimits>>;

/** Bounded in rows, so that large messages do not mean large memory; four hanging tenants leave room for others. */
function reportsInWork(maxDevices: number): ScheduleLimits {
  const wanted = messagesOfTenant * maxDevices;
  const scheduleRows = Math.min(Math.max(wanted, minReportsOfTenant), maxReportsOfTenant);
  return { rows: scheduleRows * 4, scheduleRows };
}

/** Those of a process that delivers for all tenants. */
export const processLimits = (maxDevices: number): DeliveryLimits => ({
  computers: {
    rows: computersInWork,
    leaseRows: computersLeased,
    scheduleRows: computersInReading,
    scheduleRowsOf: ({ kind }) => (kind === 'pushed' ? computersPushed : computersInReading),
  },
  reports: reportsInWork(maxDevices),
});

const feedPollMs = 1_000;
/** An instance that comes to be out of reach is asked in vain for so long at most. */
const reachLookMs = 30_000;

export interface Delivery {
  /** Looks at once for what is due. */
  wake(): void;
  /** For how long nothing has been in work, though it was looked for, in milliseconds. */
  idleMs(): number;
  /** For how long no row's work has come to an end, in milliseconds. */
  sinceEndMs(): number;
  /** Milliseconds until the next row that is known to be due later. */
  nextInMs(): number;
  stop(): Promise<void>;
}

/**
 * What delivery has found out, which outlives a stop where it is started again and again: with new circuits and failures
 * each start would ask at once who fails, and with new times every work would begin anew. What belongs to one start is not
 * here: the holder and its readers end with the stop, so that another process may take the instances over, and timeline and
 * counts are written out by it.
 */
export interface DeliveryMemory {
  readonly backoff: Backoff;
  readonly circuits: Readonly<Record<StageName, Circuits>>;
  readonly failures: Map<string, number>;
  readonly background: readonly BackgroundWork[];
  readonly times: WorkTimes;
}

export interface DeliveryParts extends Omit<BackgroundParts, 'backoff'> {
  readonly memory: DeliveryMemory;
  readonly limits: DeliveryLimits;
  /** Client for leases and timelines: its commits need not be durable. */
  readonly relaxed: Sql;
  readonly sha256: Sha256;
  readonly notifications: DueNotifications;
  readonly routesChanged: () => void;
  /** Given where some instances and tenants can be served by another process alone. */
  readonly reach?: Reach;
  /** Under which leases of instances are held; default: a new one. Only one delivery at a time has it. */
  readonly holder?: string;
  /** Breaks the start off. */
  readonly signal: AbortSignal;
  /** The start waits for the recovery of a gap. */
  readonly onRecovering?: () => void;
}

/** Parts that the stages and their feeds share. */
interface StageParts extends DeliveryParts {
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
function createFeeds(
  { config, gateway, log, memory, reach, readers, scope, sql }: StageParts,
  holder: string,
) {
  const { pollSeconds, reconcileSeconds } = config;
  const { backoff, failures } = memory;
  const feed = {
    ...{ sql, scope, log, backoff, failures, reach, readers, holder },
    instances: gateway.instances,
    clientOf: gateway.clients.clientOf,
  };
  const runners: Readonly<Record<ReadingKind, FeedRunner>> = {
    poll: createPolls({ ...feed, pollSeconds }),
    reconcile: createReconciliations({ ...feed, reconcileSeconds }),
    learn: createLearning(feed),
  };
  const all = Object.values(runners);
  const look: BackgroundWork = {
    name: 'feeds',
    everyMs: feedPollMs,
    of: 'tenants',
    run: async () => {
      const due = await dueReadings(sql);
      if (due.poll) await runners.poll.runDue();
      if (due.reconcile) await runners.reconcile.runDue();
      if (due.learn) await runners.learn.runDue();
    },
  };
  return {
    look,
    idleMs: () => Math.min(...all.map((runner) => runner.idleMs())),
    stop: async () => {
      await Promise.all(all.map((runner) => runner.stop()));
    },
  };
}

function startComputers(parts: StageParts): StageRunner {
  const { config, counts, gateway, log, memory, metrics, notifications, readers, relaxed, scope } = parts;
  const { sql, timeline } = parts;
  const { backoff } = memory;
  const stage = computerStage({
    ...{ sql, relaxed, scope, timeline, counts, log, metrics, backoff },
    tenants: gateway.tenants,
    instances: gateway.instances,
    clientOf: gateway.clients.clientOf,
    turns: gateway.turns,
    circuits: memory.circuits.computers,
    mayRead: readers.hold,
    vocabulary: config.intuneVocabulary,
    sha256: parts.sha256,
    holdRecheckSeconds: config.holdRecheckSeconds,
    onDue: ({ dueInMs, schedule }) => runner.announce(schedule, dueInMs),
    onRoutes: parts.routesChanged,
    onReports: (tenantId) => notifications.due('reports', { tenantId, background: false }),
  });
  const inTurn = createJobs(gateway.turns);
  const runner = runStage(stage, { ...{ log, inTurn, clock: systemClock }, ...parts.limits.computers });
  return runner;
}

function startReports(parts: StageParts): StageRunner {
  const { config, connection, counts, gateway, log, memory, metrics, relaxed, scope, send, sql } = parts;
  const { timeline } = parts;
  const permissionRefused = (tenantId: string) => suspectPermissions(sql, tenantId);
  const onDue = ({ dueInMs, schedule }: DueSchedule): void => runner.announce(schedule, dueInMs);
  const maxDevices = config.uploadMaxDevices;
  const inTurn = createJobs(gateway.turns);
  const stage = reportStage({
    ...{ inTurn, log, metrics, send, permissionRefused, maxDevices, newId },
    store: createReportStore({ sql, relaxed, scope, timeline, counts, onDue }),
    brake: createBrake({
      ...{ sql, log, newId },
      mode: config.massChange,
      percent: config.massChangePercent,
      elapsedMs: monotonicMs,
      onWorse: metrics.changeForWorse,
    }),
    tenants: createReportTenants({
      ...{ sql, permissionRefused },
      tenants: gateway.tenants,
      notProvisioned: (tenantId) => notProvisioned(tenantId, connection.partners),
    }),
    clouds: config.clouds,
    microsoft: gateway.access,
    circuits: memory.circuits.reports,
    apiVersions: config.partnerApiVersions,
    vocabulary: config.intuneVocabulary,
    ...(config.intuneContent === 'auto' ? {} : { contentForm: config.intuneContent }),
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    uploadStatusSeconds: config.uploadStatusSeconds,
    verifySample: config.verifySample,
    holdRecheckSeconds: config.holdRecheckSeconds,
    wait: (attempts) => backoffSeconds(attempts, memory.backoff),
    now: Date.now,
    elapsedMs: monotonicMs,
  });
  const runner = runStage(stage, { ...{ log, inTurn, clock: systemClock }, ...parts.limits.reports });
  return runner;
}

export function createDeliveryMemory(
  parts: Omit<BackgroundParts, 'backoff'>,
  times: WorkTimes = { dueAtMs: new Map(), firstAtOnce: false },
): DeliveryMemory {
  const { retryBaseSeconds: baseSeconds, retryMaxSeconds: maxSeconds } = parts.config;
  const backoff = { baseSeconds, maxSeconds };
  const circuits = () => createCircuits({ backoff, now: monotonicMs });
  return {
    ...{ backoff, times },
    circuits: { computers: circuits(), reports: circuits() },
    failures: new Map(),
    background: worksOf(backgroundWorks({ ...parts, backoff }), parts.scope),
  };
}

export async function startDelivery(parts: DeliveryParts): Promise<Delivery> {
  const { log, memory, notifications, reach, relaxed, signal, sql } = parts;
  await whenStoreAnswers(log, signal, () => recoverFromGap(sql, log, parts));
  const { holder = newId() } = parts;
  const timeline = createTimelineWriter(relaxed, log);
  const counts = createDeliveryCounter(relaxed, log);
  if (reach) await whenStoreAnswers(log, signal, reach.look);
  const readers = createReaders(sql, holder, () => performance.now(), reach);
  const shared = { ...parts, counts, timeline, readers };
  const computers = startComputers(shared);
  const reports = startReports(shared);
  notifications.listen('computers', computers.wake);
  notifications.listen('reports', reports.wake);
  await whenStoreAnswers(log, signal, notifications.start);
  const feeds = createFeeds(shared, holder);
  const stopRenewing = every(log, leaseRenewMs, 'readers', () => readers.renew());
  const stopLooking = reach && every(log, reachLookMs, 'reach', reach.look);
  const works = runWorks(log, [feeds.look, ...memory.background], memory.times);
  return {
    wake: () => {
      computers.wake();
      reports.wake();
    },
    idleMs: () => (works.resting() ? Math.min(computers.idleMs(), reports.idleMs(), feeds.idleMs()) : 0),
    sinceEndMs: () => Math.min(computers.sinceEndMs(), reports.sinceEndMs()),
    nextInMs: () => Math.min(computers.nextInMs(), reports.nextInMs()),
    stop: async () => {
      await Promise.all([computers.stop(), reports.stop(), feeds.stop(), works.stop()]);
      await stopRenewing();
      await stopLooking?.();
      await readers.release().catch((error: unknown) => log.warn('readers.release-failed', { error }));
      await notifications.stop();
      await Promise.all([timeline.idle(), counts.stop()]);
    },
  };
}
