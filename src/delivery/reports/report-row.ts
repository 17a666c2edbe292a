import { leaseMs } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';
import type { Held } from '../stage/stage.ts';
import type { TimelineEvent } from '../timeline.ts';
import { addTimeline, trimTimeline } from '../timeline.ts';

/** A row of stage two and the one way in which it is settled. */

export type ReportState = 'due' | 'held' | 'sent' | 'accepted' | 'completed' | 'verified' | 'failed';

export interface DueReport {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly instanceId: string;
  readonly content: string;
  readonly revision: number;
  readonly confirmedRevision: number;
  readonly state: ReportState;
  readonly messageId: string | null;
  readonly sentRevision: number | null;
  readonly sentContent: string | null;
  readonly lastUpdateAt: Date | null;
  readonly completedAt: Date | null;
  readonly acceptedAt: Date | null;
  readonly verification: string | null;
  readonly attempts: number;
  readonly traceparent: string | null;
}

export const claimDueReports = (sql: Sql, owner: string, limit: number): Promise<DueReport[]> => sql<
  DueReport[]
>`
  with due as materialized (
    select tenant_id, device_id from reports
    where (state in ('due', 'held', 'sent', 'accepted') or verification = 'pending')
      and next_try_at <= now() and (lease_until is null or lease_until < now())
    order by next_try_at limit ${limit} for update skip locked
  )
  update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${owner}
  from due
  where r.tenant_id = due.tenant_id and r.device_id = due.device_id
  returning r.tenant_id as "tenantId", r.device_id as "deviceId", r.instance_id as "instanceId", r.content, r.revision,
    r.confirmed_revision as "confirmedRevision", r.state, r.message_id as "messageId", r.sent_revision as "sentRevision",
    r.sent_content as "sentContent", r.last_update_at as "lastUpdateAt", r.completed_at as "completedAt",
    r.accepted_at as "acceptedAt", r.verification, r.attempts, r.traceparent`;

/** Rows are locked in the order of their keys, and one that another writer has is left to the next turn. */
export const renewReports = (sql: Sql, held: readonly Held<DueReport>[]) => sql`
  with held as materialized (
    select r.tenant_id, r.device_id from reports r
    join unnest(${held.map(({ row }) => row.tenantId)}::uuid[], ${held.map(({ row }) => row.deviceId)}::uuid[],
                ${held.map(({ owner }) => owner)}::uuid[]) as mine(tenant_id, device_id, owner)
      on r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = mine.owner
    order by r.tenant_id, r.device_id for update of r skip locked
  )
  update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from held where r.tenant_id = held.tenant_id and r.device_id = held.device_id`;

export interface Settlement {
  readonly state?: ReportState;
  readonly reason?: string | null;
  readonly detail?: string | null;
  /** Seconds until the row is looked at again. */
  readonly waitSeconds: number;
  readonly attempts: number;
  readonly confirmedRevision?: number;
  readonly acceptedAt?: Date;
  readonly completedAt?: Date;
  readonly verifiedAt?: Date;
  readonly verification?: string | null;
  readonly event?: Omit<TimelineEvent, 'deviceId' | 'instanceId'>;
}

/**
 * Ends the lease with what was found. A newer revision that came meanwhile stays due: the finding is then history
 * only. A lease that was lost to another process changes nothing.
 */
export async function settleReport(
  sql: Sql,
  row: DueReport,
  owner: string,
  found: Settlement,
): Promise<void> {
  await inTransaction(sql, async (tx) => {
    const rows = await tx`
      update reports set lease_until = null, lease_owner = null, updated_at = now(),
        confirmed_revision = greatest(confirmed_revision, ${found.confirmedRevision ?? 0}),
        accepted_at = coalesce(${found.acceptedAt ?? null}, accepted_at),
        completed_at = coalesce(${found.completedAt ?? null}, completed_at),
        verified_at = coalesce(${found.verifiedAt ?? null}, verified_at),
        state = case when revision = ${row.revision} then coalesce(${found.state ?? null}, state) else state end,
        reason = case when revision = ${row.revision} then ${found.reason ?? null} else reason end,
        detail = case when revision = ${row.revision} then ${found.detail?.slice(0, 2_000) ?? null} else detail end,
        verification = case when revision = ${row.revision} then coalesce(${found.verification ?? null}, verification) else verification end,
        attempts = case when revision = ${row.revision} then ${found.attempts} else attempts end,
        next_try_at = case when revision = ${row.revision} then now() + ${found.waitSeconds} * interval '1 second' else next_try_at end
      where tenant_id = ${row.tenantId} and device_id = ${row.deviceId} and lease_owner = ${owner}
      returning 1`;
    if (rows.length > 0 && found.event) {
      if (found.event.stage === 'completed') await trimTimeline(tx, row.tenantId, row.deviceId);
      await addTimeline(tx, row.tenantId, [
        { deviceId: row.deviceId, instanceId: row.instanceId, ...found.event },
      ]);
    }
  });
}

/** What is stored before a message is sent; undefined when the lease was lost or the report was replaced. */
export async function storeMessage(
  sql: Sql,
  row: DueReport,
  owner: string,
  message: { messageId: string; content: string; lastUpdateAt: Date },
): Promise<boolean> {
  const rows = await sql`
    update reports set message_id = ${message.messageId}, sent_revision = ${row.revision}, sent_content = ${message.content},
      last_update_at = ${message.lastUpdateAt}, check_in_told_at = last_check_in_at, sent_at = now(), state = 'sent', reason = null, detail = null, updated_at = now()
    where tenant_id = ${row.tenantId} and device_id = ${row.deviceId} and lease_owner = ${owner} and revision = ${row.revision}
    returning 1`;
  return rows.length > 0;
}

/** Whether the lease still stands and nothing replaced the report: only then is its message sent again. */
export async function stillHeld(sql: Sql, row: DueReport, owner: string): Promise<boolean> {
  const rows = await sql`
    update reports set sent_at = now(), state = 'sent', updated_at = now()
    where tenant_id = ${row.tenantId} and device_id = ${row.deviceId} and lease_owner = ${owner} and revision = ${row.revision}
    returning 1`;
  return rows.length > 0;
}

/** Gives the lease back at once: the report was replaced while it was prepared. */
export async function releaseReport(sql: Sql, row: DueReport, owner: string): Promise<void> {
  await sql`update reports set lease_until = null, lease_owner = null
    where tenant_id = ${row.tenantId} and device_id = ${row.deviceId} and lease_owner = ${owner}`;
}
