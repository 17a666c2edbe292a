import { createBoundedCache } from '../../bounded-cache.ts';
import { leaseMs, longestSilenceMs } from '../../limits.ts';
import { sendFor } from '../../outbound/port.ts';
import { createKeyedSemaphore } from '../../semaphore.ts';
import type { DueReport, Settlement } from '../../store/reports/report-row.ts';
import type { Tenant } from '../../store/tenants/tenant.ts';
import { inStageSpan, noteOnSpan } from '../../telemetry/tracing.ts';
import type { Stage } from '../stage/run-stage.ts';
import { contentOf } from './message.ts';
import { tellable } from './report.ts';
import type { ReportStageOptions } from './report-options.ts';
import { isOpen, unitsOf } from './units.ts';
import { sendReports } from './upload.ts';
import { isClosed, settlementOfClosed } from './upload-outcome.ts';
import { pollUpload, verifyUpload } from './upload-status.ts';

/** Stage two: devices that are due to be told to Intune, then followed until Intune and Entra have it. */

/** The row's turn is a call to Intune; only such a call shows whether a tenant's hold is over. */
const reachesIntune = (row: DueReport, tenant: Tenant): boolean =>
  isOpen(row) || (!row.readAgain && tellable(contentOf(row), row.sentRevision !== null, tenant.mode).tell);

/** The process that leased the rest of a message may have crashed: its leases have to run out first. */
const partialPatienceMs = 2 * leaseMs;

/** Calls of one tenant under way at the same time: what a service that hangs can hold of connections and memory. */
const callsOfTenant = 48;

/** While a tenant is held, one message tries now and then whether the cause is gone; the others wait for it. */
function createProbes({ elapsedMs, holdRecheckSeconds }: ReportStageOptions): (tenantId: string) => boolean {
  const probedAt = createBoundedCache<string, number>(50_000);
  return (tenantId) => {
    if (elapsedMs() - (probedAt.get(tenantId) ?? 0) < holdRecheckSeconds * 1_000) return false;
    probedAt.set(tenantId, elapsedMs());
    return true;
  };
}

/** Remembers since when each message has been seen in part only. */
function createPartialMessages(elapsedMs: () => number) {
  const partialSince = createBoundedCache<string, number>(50_000);
  return {
    mayWait: (messageId: string): boolean => {
      const since = partialSince.get(messageId) ?? elapsedMs();
      partialSince.set(messageId, since);
      return elapsedMs() - since < partialPatienceMs;
    },
    whole: (messageId: string): void => {
      partialSince.delete(messageId);
    },
  };
}

const attemptsOf = (rows: readonly DueReport[]): number => Math.max(...rows.map((row) => row.attempts));

/** Reports of a tenant that is held wait with it; what was not sent is shown as held. */
const settlementOfHold =
  ({ cause, detail, remedy }: NonNullable<Tenant['hold']>, waitSeconds: number) =>
  ({ attempts, state }: DueReport): Settlement => ({
    ...(state === 'due' || state === 'sent' ? { state: 'held' as const } : {}),
    reason: cause,
    detail: `${detail} ${remedy}`.trim(),
    waitSeconds,
    attempts,
  });

/** The same store; what a turn came to stands on its span. */
const notingOutcomes = (store: ReportStageOptions['store']): ReportStageOptions['store'] => ({
  ...store,
  settle: (settled) => {
    const { found, row } = settled[0] ?? {};
    noteOnSpan({
      'espalier.state.after': found?.state ?? row?.state,
      'espalier.reason': found?.reason ?? undefined,
    });
    return store.settle(settled);
  },
});

export function reportStage(given: ReportStageOptions): Stage<DueReport> {
  const options = { ...given, store: notingOutcomes(given.store) };
  const { circuits, clouds, log, now, store, tenants } = options;
  const mayProbe = createProbes(options);
  const partial = createPartialMessages(options.elapsedMs);
  const ofTenant = createKeyedSemaphore(callsOfTenant);
  const bounded = (tenantId: string): ReportStageOptions => ({
    ...options,
    send: sendFor(tenantId, (request) => ofTenant(tenantId, () => options.send(request))),
  });

  const work = async (rows: readonly DueReport[], holder: string): Promise<void> => {
    const [first] = rows as readonly [DueReport];
    const { tenantId } = first;
    const settle = (found: (row: DueReport) => Settlement): Promise<void> =>
      store.settle(rows.map((row) => ({ row, holder, found: found(row) })));
    const known = await tenants.tenant(tenantId);
    // The cause of a hold may have ended this second, so nothing is held by a remembered tenant.
    const held = known && (known.hold !== null || isClosed(known));
    const tenant = held ? await tenants.fresh(tenantId) : known;
    if (!tenant) return store.release(rows, holder);
    const cloud = clouds.get(tenant.cloud);
    if (!cloud) {
      log.error('report.no-cloud', { tenantId, cloud: tenant.cloud });
      const detail = `the cloud ${tenant.cloud} is not in ESPALIER_CLOUDS_FILE`;
      return settle(({ attempts }) => ({
        reason: 'cloud-unknown',
        detail,
        waitSeconds: options.holdRecheckSeconds,
        attempts,
      }));
    }
    // Intune may have asked another process for silence, or this one since these rows were leased.
    const quietMs = (tenant.intuneQuietUntil?.getTime() ?? 0) - now();
    // A date further away was written by a clock that was set since: no service asks for so long.
    if (quietMs > 0 && quietMs <= longestSilenceMs) circuits.silence(tenantId, quietMs);
    const closedForMs = circuits.closedForMs(tenantId);
    if (closedForMs !== undefined) return settle(settlementOfClosed(closedForMs));
    const follows = !isOpen(first) && (first.state === 'accepted' || first.state === 'completed');
    const { hold } = tenant;
    // Accepted messages are followed even under a hold: this sends Intune nothing, and may be all that is left to do.
    if (hold && !follows && !(rows.some((row) => reachesIntune(row, tenant)) && mayProbe(tenantId))) {
      return settle(settlementOfHold(hold, options.holdRecheckSeconds));
    }
    if (attemptsOf(rows) > 0 && !circuits.mayRetry(tenantId)) {
      const waitSeconds = options.wait(1);
      return settle(({ attempts }) => ({ reason: 'retry-budget', detail: null, waitSeconds, attempts }));
    }
    if (follows && first.state === 'accepted') return pollUpload(rows, holder, tenant, bounded(tenantId));
    if (follows) return verifyUpload(first, holder, tenant, cloud, bounded(tenantId));
    return sendReports(rows, holder, tenant, { ...options, partial });
  };

  return {
    name: 'reports',
    look: store.look,
    settleSchedules: store.settleSchedules,
    lease: store.lease,
    renew: store.renew,
    scheduleOf: ({ background, tenantId }) => ({ tenantId, background }),
    mayTake: ({ tenantId }) => circuits.mayTake(tenantId),
    units: (rows) => unitsOf(rows, options.maxDevices),
    fail: (rows, holder, error) => {
      // Alike, and due at the same time: an open message is found together again.
      const attempts = attemptsOf(rows) + 1;
      const waitSeconds = options.wait(attempts);
      const found = { reason: 'espalier-error', detail: String(error), waitSeconds, attempts };
      return store.settle(rows.map((row) => ({ row, holder, found })));
    },
    work: (rows, holder) => {
      const [first] = rows as readonly [DueReport];
      return inStageSpan(
        `report.${first.state}`,
        {
          'espalier.tenant': first.tenantId,
          'espalier.state': first.state,
          'espalier.devices': rows.length,
          'messaging.message.id': first.messageId ?? undefined,
        },
        rows.map(({ traceparent }) => traceparent),
        () => work(rows, holder),
      );
    },
  };
}
