import type { JamfClient } from '../../jamf/client.ts';
import type { JamfComputer } from '../../jamf/inventory.ts';
import { markComputersDue, recordClaims } from '../../routing/claims.ts';
import type { Route, RouteOutcome } from '../../routing/resolve.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import type { Instance, InstanceDirectory } from '../../store/instances.ts';
import { dueChannel } from '../../store/notifications.ts';
import { inTransaction } from '../../store/retry.ts';
import type { TenantDirectory } from '../../store/tenants.ts';
import type { Log } from '../../telemetry/log.ts';
import { currentTraceparent, inSpan } from '../../telemetry/tracing.ts';
import { defaultInventoryVocabulary, type InventoryVocabulary } from '../reports/attributes.ts';
import { type ReportContent, setReport } from '../reports/report.ts';
import { contentFor } from '../reports/report-content.ts';
import { type Backoff, backoffSeconds } from '../stage/backoff.ts';
import type { Stage } from '../stage/stage.ts';
import { addTimeline, type TimelineEvent } from '../timeline.ts';
import {
  claimDueComputers,
  type DueComputer,
  postponeComputer,
  renewComputers,
  settleComputer,
} from './computer-row.ts';
import { type Fetched, fetchComputer } from './fetch-computer.ts';

/** Stage one: a computer that is due is read from its instance; its registrations become routes, its state reports. */

export interface ReadComputerOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly backoff: Backoff;
  readonly holdRecheckSeconds: number;
  /** For tenants in mode `conditional-access`. */
  readonly vocabulary?: InventoryVocabulary;
}

/**
 * A 404 means deletion only when the instance has said so for this long: a node of its cluster may not know for up
 * to a minute what another one has just created (domain/jamf.md 1.4).
 */
const goneAfterMs = 90_000;
const notFoundRetrySeconds = 15;
/** A verdict that does not come is asked for less and less often, at least once an hour. */
const verdictRetryMaxSeconds = 3_600;

/** A device whose last claim went: Intune must not go on believing that the Mac is managed. */
async function retract(tx: Transaction, tenantId: string, deviceId: string): Promise<void> {
  const [report] = await tx<{ content: string; instanceId: string }[]>`
    select content, instance_id as "instanceId" from reports where tenant_id = ${tenantId} and device_id = ${deviceId}`;
  if (!report) return;
  const content = {
    ...(JSON.parse(report.content) as ReportContent),
    managed: false,
    verdict: 'not-compliant' as const,
  };
  await setReport(tx, tenantId, {
    deviceId,
    instanceId: report.instanceId,
    content,
    traceparent: currentTraceparent(),
  });
}

function routeEvent(outcome: RouteOutcome): TimelineEvent {
  const { before, deviceId, route } = outcome;
  const detail = route
    ? `computer ${route.jamfComputerId} by rule ${route.rule}${before ? `, before on computer ${before.jamfComputerId} of ${before.instanceId}` : ''}`
    : 'nobody claims the device any more';
  return { deviceId, stage: 'routed', instanceId: route?.instanceId ?? null, detail };
}

type Found = Extract<Fetched, { ok: true }>;

/** The report of a device that this computer has won; says whether it is a new state. */
async function reportDevice(
  tx: Transaction,
  row: DueComputer,
  deviceId: string,
  content: ReportContent | undefined,
): Promise<{ changed: boolean; verdictMissing: boolean }> {
  if (!content) return { changed: false, verdictMissing: true };
  const { changed } = await setReport(tx, row.tenantId, {
    deviceId,
    instanceId: row.instanceId,
    content,
    traceparent: currentTraceparent(),
  });
  return { changed, verdictMissing: content.verdict === 'unknown' };
}

const claimsOf = (row: DueComputer, computer: JamfComputer | undefined) => ({
  instanceId: row.instanceId,
  jamfComputerId: row.jamfComputerId,
  registrations: (computer?.registrations ?? []).map(({ deviceId, userId }) => ({
    deviceId,
    userId: userId ?? null,
  })),
  serialNumber: computer?.serialNumber ?? null,
  udid: computer?.udid ?? null,
  lastEnrolledAt: computer?.lastEnrolledAt ?? null,
  lastCheckInAt: computer?.lastCheckInAt ?? null,
  reportAt: computer?.reportedAt ?? null,
});

/** Writes what a read found, or that the computer is gone: claims, routes, reports and the way they went. */
async function takeIn(
  tx: Transaction,
  row: DueComputer,
  instance: Instance,
  found: Found | undefined,
  vocabulary: InventoryVocabulary,
): Promise<{ verdictMissing: boolean }> {
  const { instanceId, jamfComputerId, tenantId } = row;
  const reason = found ? 'claimed by inventory' : 'the computer is gone';
  const outcomes = await recordClaims(tx, tenantId, claimsOf(row, found?.computer), {
    author: `instance ${instance.name}`,
    reason,
  });
  const events: TimelineEvent[] = [];
  const winners: Route[] = [];
  let verdictMissing = false;
  for (const outcome of outcomes) {
    const { before, changed: moved, deviceId, route } = outcome;
    const mine = route?.instanceId === instanceId && route.jamfComputerId === jamfComputerId;
    if (moved) events.push(routeEvent(outcome));
    if (found && mine) {
      const content = contentFor(deviceId, found, instance.compliance, vocabulary);
      const reported = await reportDevice(tx, row, deviceId, content);
      verdictMissing ||= reported.verdictMissing;
      if (reported.changed || moved) {
        const { receivedAt } = row;
        const fetched = {
          deviceId,
          stage: 'fetched' as const,
          instanceId,
          detail: `computer ${jamfComputerId}`,
        };
        const received = { deviceId, stage: 'received' as const, instanceId };
        events.unshift(...(receivedAt === null ? [] : [{ ...received, at: receivedAt }]), fetched);
      }
    } else if ((!route && before) || (!found && mine)) {
      await retract(tx, tenantId, deviceId);
    } else if (moved && route) {
      // That computer's state is now the device's.
      winners.push(route);
    }
  }
  await markComputersDue(tx, tenantId, winners);
  await addTimeline(tx, tenantId, events);
  return { verdictMissing };
}

/** The tenant's disconnect began while the computer was read. */
class Disconnecting extends Error {
  override readonly name = 'Disconnecting';
}

/** The lease ran out and another process took the row over: its findings count, not these. */
class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

export function computerStage(options: ReadComputerOptions): Stage<DueComputer> {
  const { sql, log, tenants, instances, clientOf, backoff, holdRecheckSeconds } = options;
  const vocabulary = options.vocabulary ?? defaultInventoryVocabulary;

  const finish = (
    row: DueComputer,
    owner: string,
    instance: Instance,
    found: Found | undefined,
  ): Promise<void> =>
    inTransaction(sql, async (tx) => {
      // A disconnect that began while the instance was asked has retracted the devices: it must stay so.
      const [tenant] = await tx<{ state: string }[]>`
        select connection_state as state from tenants where tenant_id = ${row.tenantId} for key share`;
      if (tenant?.state === 'disconnecting') throw new Disconnecting('the tenant is being disconnected');
      const { verdictMissing } = await takeIn(tx, row, instance, found, vocabulary);
      const again = Math.min(holdRecheckSeconds * 2 ** Math.min(row.attempts, 10), verdictRetryMaxSeconds);
      const kept = await settleComputer(tx, row, owner, {
        reportAt: found?.computer.reportedAt ?? null,
        udid: found?.computer.udid ?? null,
        serialNumber: found?.computer.serialNumber ?? null,
        ...(verdictMissing ? { againInSeconds: again } : {}),
      });
      if (!kept) throw new LeaseLost('another process has the computer');
      await tx`select pg_notify(${dueChannel}, 'reports')`;
    });

  const fail = (row: DueComputer, owner: string, error: string, waitSeconds?: number): Promise<void> =>
    postponeComputer(sql, row, owner, {
      seconds: waitSeconds ?? backoffSeconds(row.attempts + 1, backoff),
      error,
    });

  const work = async (row: DueComputer, owner: string): Promise<void> => {
    const { instanceId, tenantId } = row;
    const instance = await instances.instance(tenantId, instanceId);
    // A change of the mode makes every computer due: none of them may be read by a remembered mode.
    const tenant = await tenants.fresh(tenantId);
    if (!instance || !tenant) return;
    // While devices are retracted nothing may call one managed again.
    if (!instance.enabled || instance.paused || tenant.connectionState === 'disconnecting') {
      return postponeComputer(sql, row, owner, { seconds: holdRecheckSeconds, error: null });
    }
    const fetched = await fetchComputer(row, instance, clientOf(instance), tenant.mode);
    await instances.noteExchange(tenantId, instanceId, fetched.ok || fetched.gone ? null : fetched.error);
    if (fetched.ok) return finish(row, owner, instance, fetched);
    if (fetched.gone) {
      const since = row.notFoundSince?.getTime() ?? Date.now();
      if (Date.now() - since >= goneAfterMs) return finish(row, owner, instance, undefined);
      const error = 'not-found: the instance does not know the computer (yet, or any more)';
      return postponeComputer(sql, row, owner, { seconds: notFoundRetrySeconds, error, notFound: true });
    }
    log.warn('computer.read-failed', { ...idsOf(row), error: fetched.error, attempts: row.attempts + 1 });
    return fail(row, owner, fetched.error, fetched.waitSeconds);
  };

  return {
    name: 'computers',
    claim: claimDueComputers,
    renew: renewComputers,
    fail: (row, owner, error) =>
      error instanceof Disconnecting
        ? postponeComputer(sql, row, owner, { seconds: holdRecheckSeconds, error: null })
        : error instanceof LeaseLost
          ? Promise.resolve()
          : fail(row, owner, String(error)),
    work: (row, owner) =>
      inSpan(
        'computer.read',
        { 'espalier.tenant': row.tenantId, 'espalier.instance': row.instanceId },
        row.traceparent,
        () => work(row, owner),
      ),
  };
}

const idsOf = ({ tenantId, instanceId, jamfComputerId }: DueComputer) => ({
  tenantId,
  instanceId,
  jamfComputerId,
});
