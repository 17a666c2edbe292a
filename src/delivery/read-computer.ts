import type { JamfClient } from '../jamf/client.ts';
import { type ComplianceRecord, verdictFor } from '../jamf/compliance.ts';
import { type JamfComputer, parseComputer } from '../jamf/inventory.ts';
import { leaseMs } from '../limits.ts';
import { markComputerDue, recordClaims } from '../routing/claims.ts';
import type { RouteOutcome } from '../routing/resolve.ts';
import type { Sql, Transaction } from '../store/database.ts';
import type { Instance, InstanceDirectory } from '../store/instances.ts';
import { dueChannel } from '../store/notifications.ts';
import type { TenantDirectory } from '../store/tenants.ts';
import type { Log } from '../telemetry/log.ts';
import { currentTraceparent, inSpan } from '../telemetry/tracing.ts';
import { type Backoff, backoffSeconds } from './backoff.ts';
import { type ReportContent, setReport, type Verdict, verdictFromGroups } from './report.ts';
import type { Stage } from './stage.ts';
import { addTimeline, type TimelineEvent } from './timeline.ts';

/** Stage one: a computer that is due is read from its instance; its registrations become routes, its state reports. */

interface DueComputer {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly wantedRevision: number;
  readonly pushedRecord: string | null;
  readonly reportAt: Date | null;
  readonly attempts: number;
  readonly traceparent: string | null;
}

export interface ReadComputerOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly instances: InstanceDirectory;
  readonly clientOf: (instance: Instance) => JamfClient;
  readonly backoff: Backoff;
  readonly holdRecheckSeconds: number;
}

/**
 * A 404 means deletion only after these many tries: a cluster node may not know a computer yet that another node
 * has just created (domain/jamf.md 1.4: up to a minute).
 */
const notFoundTries = 4;
const notFoundWaitSeconds = [2, 15, 30, 60] as const;

export const claimDueComputers = (sql: Sql, owner: string, limit: number): Promise<DueComputer[]> => sql<
  DueComputer[]
>`
  with due as materialized (
    select tenant_id, instance_id, jamf_computer_id from computers
    where wanted_revision > done_revision and next_try_at <= now() and (lease_until is null or lease_until < now())
    order by next_try_at limit ${limit} for update skip locked
  )
  update computers c set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${owner}
  from due
  where c.tenant_id = due.tenant_id and c.instance_id = due.instance_id and c.jamf_computer_id = due.jamf_computer_id
  returning c.tenant_id as "tenantId", c.instance_id as "instanceId", c.jamf_computer_id as "jamfComputerId",
    c.wanted_revision as "wantedRevision", c.pushed_record as "pushedRecord", c.report_at as "reportAt", c.attempts,
    c.traceparent`;

const renewComputers = (sql: Sql, owner: string, rows: readonly DueComputer[]) => sql`
  update computers c set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
              ${rows.map((row) => row.jamfComputerId)}::int[]) as held(tenant_id, instance_id, jamf_computer_id)
  where c.tenant_id = held.tenant_id and c.instance_id = held.instance_id
    and c.jamf_computer_id = held.jamf_computer_id and c.lease_owner = ${owner}`;

/** The lease ends and the row waits: the wanted revision stays above the done one. */
async function postpone(
  sql: Sql,
  row: DueComputer,
  owner: string,
  seconds: number,
  error: string | null,
): Promise<void> {
  await sql`
    update computers set lease_until = null, lease_owner = null, last_error = ${error}, updated_at = now(),
      attempts = attempts + ${error === null ? 0 : 1}, next_try_at = now() + ${seconds} * interval '1 second'
    where tenant_id = ${row.tenantId} and instance_id = ${row.instanceId} and jamf_computer_id = ${row.jamfComputerId}
      and lease_owner = ${owner}`;
}

interface Settled {
  readonly reportAt: Date | null;
  readonly udid: string | null;
  readonly serialNumber: string | null;
  /** Look again then although this revision is done: the verdict was not there yet. */
  readonly againInSeconds?: number;
}

async function settle(tx: Transaction, row: DueComputer, owner: string, settled: Settled): Promise<boolean> {
  const again = settled.againInSeconds;
  const done = again === undefined ? row.wantedRevision : row.wantedRevision - 1;
  const rows = await tx`
    update computers set lease_until = null, lease_owner = null, last_error = null, attempts = 0, updated_at = now(),
      done_revision = ${done}, next_try_at = now() + ${again ?? 0} * interval '1 second',
      report_at = greatest(report_at, ${settled.reportAt}::timestamptz),
      udid = coalesce(${settled.udid}, udid), serial_number = coalesce(${settled.serialNumber}, serial_number),
      pushed_record = case when wanted_revision = ${row.wantedRevision} then null else pushed_record end,
      pushed_report_at = case when wanted_revision = ${row.wantedRevision} then null else pushed_report_at end
    where tenant_id = ${row.tenantId} and instance_id = ${row.instanceId} and jamf_computer_id = ${row.jamfComputerId}
      and lease_owner = ${owner}
    returning 1`;
  return rows.length > 0;
}

type Fetched =
  | {
      readonly ok: true;
      readonly computer: JamfComputer;
      readonly compliance: readonly ComplianceRecord[] | undefined;
    }
  | { readonly ok: false; readonly gone: true }
  | { readonly ok: false; readonly gone: false; readonly error: string; readonly waitSeconds?: number };

/**
 * The pushed record, where it says all that is needed: one that came without its accounts says nothing about
 * registrations, and would otherwise end routes.
 */
function pushedComputer(row: DueComputer, instance: Instance): JamfComputer | undefined {
  if (row.pushedRecord === null) return undefined;
  const parsed = parseComputer(JSON.parse(row.pushedRecord) as unknown);
  if (!parsed.ok || !parsed.computer.registrationsReported) return undefined;
  const needsGroups = instance.compliance.source === 'smart-group';
  return needsGroups && parsed.computer.groups === undefined ? undefined : parsed.computer;
}

async function fetchComputer(row: DueComputer, instance: Instance, client: JamfClient): Promise<Fetched> {
  const id = String(row.jamfComputerId);
  let computer: JamfComputer;
  const pushed = pushedComputer(row, instance);
  if (pushed) {
    computer = pushed;
  } else {
    const read = await client.computer(id);
    if (!read.ok) {
      if (read.failure === 'not-found') return { ok: false, gone: true };
      return {
        ok: false,
        gone: false,
        error: `${read.failure}: ${read.detail}`,
        waitSeconds: read.retryAfterSeconds,
      };
    }
    computer = read.computer;
  }
  if (instance.compliance.source === 'smart-group' || computer.registrations.length === 0) {
    return { ok: true, computer, compliance: undefined };
  }
  const read = await client.complianceInformation(id);
  if (read.ok) return { ok: true, computer, compliance: read.records };
  if (read.failure === 'not-found') return { ok: true, computer, compliance: [] };
  return {
    ok: false,
    gone: false,
    error: `${read.failure}: ${read.detail}`,
    waitSeconds: read.retryAfterSeconds,
  };
}

const inventoryStates = { ACTIVATED: 0, DEACTIVATED: 1, UNRESPONSIVE: 2, UNKNOWN: 0 } as const;

function contentFor(
  computer: JamfComputer,
  registration: JamfComputer['registrations'][number],
  verdict: Verdict,
): ReportContent {
  return {
    userId: registration.userId ?? null,
    deviceName: computer.name ?? '',
    osVersion: computer.osVersion ?? '',
    lastCheckInAt: (computer.lastCheckInAt ?? computer.reportedAt)?.toISOString() ?? null,
    reportedAt: computer.reportedAt?.toISOString() ?? null,
    managed: computer.managed ?? true,
    inventoryState: inventoryStates[registration.state ?? 'ACTIVATED'],
    verdict,
  };
}

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

/** Writes what a read found: claims, routes, reports and the way they went. */
async function takeIn(
  tx: Transaction,
  row: DueComputer,
  instance: Instance,
  found: { computer: JamfComputer; compliance: readonly ComplianceRecord[] | undefined } | undefined,
): Promise<{ verdictMissing: boolean }> {
  const { instanceId, jamfComputerId, tenantId } = row;
  const computer = found?.computer;
  const registrations = computer?.registrations ?? [];
  const outcomes = await recordClaims(
    tx,
    tenantId,
    {
      instanceId,
      jamfComputerId,
      registrations: registrations.map(({ deviceId, userId }) => ({ deviceId, userId: userId ?? null })),
      serialNumber: computer?.serialNumber ?? null,
      udid: computer?.udid ?? null,
      lastEnrolledAt: computer?.lastEnrolledAt ?? null,
      lastCheckInAt: computer?.lastCheckInAt ?? null,
      reportAt: computer?.reportedAt ?? null,
    },
    {
      author: `instance ${instance.name}`,
      reason: computer ? 'claimed by inventory' : 'the computer is gone',
    },
  );
  const events: TimelineEvent[] = [];
  let verdictMissing = false;
  for (const outcome of outcomes) {
    const registration = registrations.find((entry) => entry.deviceId === outcome.deviceId);
    const mine = outcome.route?.instanceId === instanceId && outcome.route.jamfComputerId === jamfComputerId;
    if (registration)
      events.push({
        deviceId: outcome.deviceId,
        stage: 'fetched',
        instanceId,
        detail: `computer ${jamfComputerId}`,
      });
    if (outcome.changed) events.push(routeEvent(outcome));
    if (registration && computer && mine) {
      const verdict =
        found.compliance === undefined
          ? verdictFromGroups(instance.compliance, computer.groups)
          : verdictFor(found.compliance, outcome.deviceId).verdict;
      verdictMissing ||= verdict === 'unknown';
      await setReport(tx, tenantId, {
        deviceId: outcome.deviceId,
        instanceId,
        content: contentFor(computer, registration, verdict),
        traceparent: currentTraceparent(),
      });
    } else if (!outcome.route && outcome.before) {
      await retract(tx, tenantId, outcome.deviceId);
    } else if (outcome.changed && !mine) {
      // That computer's state is now the device's.
      if (outcome.route) await markComputerDue(tx, tenantId, outcome.route);
    }
  }
  await addTimeline(tx, tenantId, events);
  return { verdictMissing };
}

export function computerStage(options: ReadComputerOptions): Stage<DueComputer> {
  const { sql, log, tenants, instances, clientOf, backoff, holdRecheckSeconds } = options;

  const finish = async (
    row: DueComputer,
    owner: string,
    instance: Instance,
    found: Extract<Fetched, { ok: true }> | undefined,
  ) => {
    const reportedAt = found?.computer.reportedAt ?? null;
    await sql.begin(async (tx) => {
      const stale = reportedAt !== null && row.reportAt !== null && reportedAt < row.reportAt;
      const { verdictMissing } = stale ? { verdictMissing: false } : await takeIn(tx, row, instance, found);
      const kept = await settle(tx, row, owner, {
        reportAt: reportedAt,
        udid: found?.computer.udid ?? null,
        serialNumber: found?.computer.serialNumber ?? null,
        ...(verdictMissing ? { againInSeconds: holdRecheckSeconds } : {}),
      });
      // Another process took the row over when the lease ran out: its findings count, not these.
      if (!kept) throw new LeaseLost();
      await tx`select pg_notify(${dueChannel}, 'reports')`;
    });
  };

  const work = async (row: DueComputer, owner: string): Promise<void> => {
    const [tenant, instance] = await Promise.all([
      tenants.tenant(row.tenantId),
      instances.instance(row.tenantId, row.instanceId),
    ]);
    if (!tenant || !instance) return;
    if (!instance.enabled || instance.paused) return postpone(sql, row, owner, holdRecheckSeconds, null);
    const fetched = await fetchComputer(row, instance, clientOf(instance));
    if (fetched.ok) {
      await instances.noteExchange(row.tenantId, row.instanceId, null);
      return finish(row, owner, instance, fetched);
    }
    if (fetched.gone) {
      await instances.noteExchange(row.tenantId, row.instanceId, null);
      if (row.attempts + 1 >= notFoundTries) return finish(row, owner, instance, undefined);
      const wait = notFoundWaitSeconds[row.attempts] ?? 60;
      return postpone(
        sql,
        row,
        owner,
        wait,
        'not-found: the instance does not know the computer (yet, or any more)',
      );
    }
    log.warn('computer.read-failed', { ...idsOf(row), error: fetched.error, attempts: row.attempts + 1 });
    await instances.noteExchange(row.tenantId, row.instanceId, fetched.error);
    const wait = fetched.waitSeconds ?? backoffSeconds(row.attempts + 1, backoff);
    return postpone(sql, row, owner, wait, fetched.error);
  };

  return {
    name: 'computers',
    claim: claimDueComputers,
    renew: renewComputers,
    work: (row, owner) =>
      inSpan(
        'computer.read',
        { 'espalier.tenant': row.tenantId, 'espalier.instance': row.instanceId },
        row.traceparent,
        () => work(row, owner),
      ),
  };
}

class LeaseLost extends Error {
  override readonly name = 'LeaseLost';
}

const idsOf = ({ tenantId, instanceId, jamfComputerId }: DueComputer) => ({
  tenantId,
  instanceId,
  jamfComputerId,
});
