/** The recurring work beside the two stages of delivery. */

import type { ExpiringCertificate } from '../alerts/expiring-certificate.ts';
import { noteCertificates, surveyAlerts } from '../alerts/survey.ts';
import { tellTargets } from '../alerts/tell.ts';
import { monotonicMs } from '../clock.ts';
import { sendDeprovisions } from '../connection/deprovision.ts';
import { sendHeartbeats } from '../connection/heartbeat.ts';
import { finishDisconnects, leaveEmptyTenants } from '../connection/lifecycle.ts';
import { notProvisioned, watchPartners } from '../connection/partner-watch.ts';
import { watchPermissions } from '../connection/permission-watch.ts';
import { createReseal } from '../connection/reseal.ts';
import { keepSubscriptions } from '../connection/subscriptions/keep-subscriptions.ts';
import { sweepMs } from '../delivery/check-ins/check-ins.ts';
import { recoverCheckIns } from '../delivery/check-ins/recover.ts';
import { actOnDirectoryChanges } from '../delivery/directory/act-on-changes.ts';
import { createDeviceLearner } from '../delivery/directory/learn-devices.ts';
import { endGone } from '../delivery/gone/end-gone.ts';
import { type Backoff, backoffSeconds } from '../delivery/stage/backoff.ts';
import { surveySchedules } from '../delivery/stage/survey-schedules.ts';
import {
  countingEveryMs,
  importedReadPollMs,
  moveTurnMs,
  resealPauseMs,
  resealPollMs,
  resealRetryMs,
  watchEveryMs,
} from '../limits.ts';
import type { Send } from '../outbound/port.ts';
import { readImported } from '../routing/imports/read-imported.ts';
import { continueMoves, type MoveWork } from '../routing/moves/work.ts';
import type { Sealer } from '../secrets/seal.ts';
import { settleApprovals } from '../store/approvals.ts';
import type { Sql } from '../store/database.ts';
import { trimDeliveryCounts } from '../store/delivery-counts.ts';
import { trimHistory } from '../store/history.ts';
import { forgetIdempotencyKeys } from '../store/idempotency-keys.ts';
import { tidyOperators } from '../store/operators.ts';
import { createCountKeeping } from '../store/reports/keep-counts.ts';
import { endEmptyHolds } from '../store/reports/mass-changes.ts';
import { trimRouteHistory } from '../store/routes/trim-history.ts';
import { tidySignIns } from '../store/sign-ins.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { Tenant } from '../store/tenants/tenant.ts';
import { clearTimelines } from '../store/timeline-age.ts';
import { recordWatch } from '../store/watch.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import type { ConnectionServices } from './connection-services.ts';
import type { Gateway } from './gateway.ts';
import type { BackgroundWork } from './works.ts';

const heartbeatPollMs = 2_000;
const watchPollMs = 10_000;
const signInPollMs = 60_000;
const directoryPollMs = 1_000;
const movePollMs = 1_000;
const shadowPollMs = 2_000;
const shadowWriteMs = 1_000;
/** Retention is counted in days, so a process that lives shorter than this need not trim anything. */
const trimPollMs = 5 * 60_000;
const surveyPollMs = 10_000;
const alertPollMs = 5_000;

export interface BackgroundParts {
  readonly config: Config;
  readonly sql: Sql;
  readonly send: Send;
  readonly sealer: Sealer;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly gateway: Gateway;
  readonly connection: ConnectionServices;
  readonly moves: MoveWork;
  /** The certificates that this process has. */
  readonly certificateExpiry: () => readonly ExpiringCertificate[];
  readonly backoff: Backoff;
  readonly scope?: TenantScope | undefined;
}

/** Seals anew what an older key sealed: soon after the start, batch after batch, then now and then. */
function resealing(sql: Sql, sealer: Sealer, log: Log): () => Promise<void> {
  const reseal = createReseal({ sql, sealer, log });
  let nextAtMs = 0;
  return async () => {
    if (performance.now() < nextAtMs) return;
    // Set first: a database that is away is not asked every second.
    nextAtMs = performance.now() + resealRetryMs;
    nextAtMs = (await reseal()) ? 0 : performance.now() + resealPollMs;
  };
}

const work =
  (of: BackgroundWork['of']) =>
  (everyMs: number, name: string, run: () => Promise<void>): BackgroundWork => ({ name, everyMs, of, run });
const ofTenants = work('tenants');
const ofAll = work('all');
const ofProcess = work('process');

function workOfConnection(parts: BackgroundParts): BackgroundWork[] {
  const { config, connection, gateway, log, metrics, scope, send, sql } = parts;
  const heartbeats = {
    ...{ sql, scope, send, log, metrics },
    access: gateway.access,
    tenants: gateway.tenants,
    apiVersions: config.partnerApiVersions,
    periodSeconds: config.heartbeatSeconds,
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    notProvisioned: (tenantId: string) => notProvisioned(tenantId, connection.partners),
  };
  // A tenth of a short period, so that tests and demos with one are exact too.
  const heartbeatMs = Math.min(heartbeatPollMs, config.heartbeatSeconds * 100);
  return [
    ofTenants(heartbeatMs, 'heartbeat', () => sendHeartbeats(heartbeats)),
    ofTenants(heartbeatPollMs, 'lifecycle', async () => {
      await finishDisconnects(connection.lifecycle);
      await leaveEmptyTenants(connection.lifecycle);
      await sendDeprovisions(connection.lifecycle);
    }),
    ofTenants(heartbeatPollMs, 'subscriptions', () => keepSubscriptions(connection.subscriptions)),
    ofTenants(watchPollMs, 'watch', async () => {
      await watchPartners(connection.partners);
      await watchPermissions(connection.permissions);
    }),
  ];
}

function workOfDirectory(parts: BackgroundParts): BackgroundWork[] {
  const { backoff, config, gateway, log, scope, send, sql } = parts;
  const directory = {
    ...{ sql, scope, send, log },
    clouds: config.clouds,
    graphToken: (tenant: Tenant) => gateway.access.token(tenant, 'graph'),
    timeoutMs: config.microsoftTimeoutSeconds * 1_000,
    retrySeconds: (attempts: number) => backoffSeconds(attempts, backoff),
  };
  return [
    ofTenants(directoryPollMs, 'directory', () => actOnDirectoryChanges(directory)),
    ofTenants(watchPollMs, 'devices', createDeviceLearner({ ...directory, now: monotonicMs })),
  ];
}

const workOfRouting = ({ config, gateway, log, moves, sql }: BackgroundParts): BackgroundWork[] => [
  ofTenants(movePollMs, 'moves', () => continueMoves(moves, moveTurnMs)),
  ofProcess(shadowPollMs, 'shadow', gateway.shadow.refresh),
  ofProcess(shadowWriteMs, 'shadow-findings', gateway.shadow.flush),
  ofAll(importedReadPollMs, 'routes.read', () => readImported(sql)),
  ofAll(trimPollMs, 'routes.trim', () => trimRouteHistory(sql, config.routeHistoryDays, log)),
];

const workOfAdmin = ({ config, log, sealer, sql }: BackgroundParts): BackgroundWork[] => [
  ofAll(watchEveryMs, 'watching', () => recordWatch(sql)),
  ofAll(sweepMs(config.checkInSeconds), 'check-ins.recovery', () => recoverCheckIns(sql, log)),
  ofAll(surveyPollMs, 'schedules.survey', () => surveySchedules(sql, log, monotonicMs)),
  ofAll(watchPollMs, 'approvals', () => settleApprovals(sql)),
  ofAll(watchPollMs, 'holds', () => endEmptyHolds(sql)),
  ofAll(watchPollMs, 'idempotency-keys', () => forgetIdempotencyKeys(sql)),
  ofAll(signInPollMs, 'sign-ins', () => tidySignIns(sql, config.operatorTenants)),
  ofAll(watchPollMs, 'operators', () => tidyOperators(sql, config.operatorTenants)),
  ofAll(countingEveryMs, 'reports.count', createCountKeeping({ sql, log })),
  ofAll(trimPollMs, 'delivery-counts.trim', () => trimDeliveryCounts(sql)),
  ofAll(trimPollMs, 'gone.end', () =>
    endGone({ sql, log, goneDays: config.goneDays, now: () => new Date() }),
  ),
  ofAll(trimPollMs, 'timelines.trim', () => clearTimelines({ sql, log, keepDays: config.timelineDays })),
  ofAll(trimPollMs, 'history.trim', () => trimHistory(sql, config.historyDays, log)),
  ofAll(resealPauseMs, 'secrets.reseal', resealing(sql, sealer, log)),
];

function workOfAlerts(parts: BackgroundParts): BackgroundWork[] {
  const { backoff, certificateExpiry, config, log, metrics, sealer, send, sql } = parts;
  const periodMs = config.alertSeconds * 1_000;
  const everyMs = Math.min(alertPollMs, periodMs / 2);
  const survey = { sql, certificateExpiry, periodMs, acme: config.acme };
  const telling = {
    ...{ sql, send, sealer, log, backoff },
    adminUrl: config.adminUrl,
    restSeconds: everyMs / 1_000,
    onPosted: metrics.alertMessage,
  };
  return [
    ofAll(everyMs, 'alerts.survey', () => surveyAlerts(survey)),
    ofAll(periodMs, 'alerts.certificates', () => noteCertificates(survey)),
    ofAll(everyMs, 'alerts.tell', () => tellTargets(telling)),
  ];
}

/** What some of it has found out lives as long as the list. */
export const backgroundWorks = (parts: BackgroundParts): readonly BackgroundWork[] => [
  ...workOfConnection(parts),
  ...workOfDirectory(parts),
  ...workOfRouting(parts),
  ...workOfAdmin(parts),
  ...workOfAlerts(parts),
];
