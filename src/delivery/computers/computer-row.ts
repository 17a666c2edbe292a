import { leaseMs } from '../../limits.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import type { Held } from '../stage/stage.ts';

/** A row of stage one and the ways in which it is settled. */

export interface DueComputer {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly wantedRevision: number;
  readonly pushedRecord: string | null;
  readonly pushedReportAt: Date | null;
  /** The revision that the pushed record made due; a later one asks for the instance's own word. */
  readonly pushedRevision: number | null;
  readonly reportAt: Date | null;
  /** Since when the instance says that it does not know the computer. */
  readonly notFoundSince: Date | null;
  /** When the oldest webhook or push came that was not acted on yet. */
  readonly receivedAt: Date | null;
  readonly attempts: number;
  readonly traceparent: string | null;
}

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
    c.wanted_revision as "wantedRevision", c.pushed_record as "pushedRecord", c.pushed_report_at as "pushedReportAt",
    c.pushed_revision as "pushedRevision", c.report_at as "reportAt", c.not_found_since as "notFoundSince",
    c.received_at as "receivedAt", c.attempts,
    c.traceparent`;

/** Rows are locked in the order of their keys, and one that another writer has is left to the next turn. */
export const renewComputers = (sql: Sql, held: readonly Held<DueComputer>[]) => sql`
  with held as materialized (
    select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
    join unnest(${held.map(({ row }) => row.tenantId)}::uuid[], ${held.map(({ row }) => row.instanceId)}::uuid[],
                ${held.map(({ row }) => row.jamfComputerId)}::int[], ${held.map(({ owner }) => owner)}::uuid[])
      as mine(tenant_id, instance_id, jamf_computer_id, owner)
      on c.tenant_id = mine.tenant_id and c.instance_id = mine.instance_id
        and c.jamf_computer_id = mine.jamf_computer_id and c.lease_owner = mine.owner
    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c skip locked
  )
  update computers c set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from held
  where c.tenant_id = held.tenant_id and c.instance_id = held.instance_id and c.jamf_computer_id = held.jamf_computer_id`;

export interface Postponement {
  readonly seconds: number;
  /** null: nobody's failure, the try does not count. */
  readonly error: string | null;
  /** The instance said that it does not know the computer. */
  readonly notFound?: boolean;
}

/** The lease ends and the row waits: the wanted revision stays above the done one. */
export async function postponeComputer(
  sql: Sql,
  row: DueComputer,
  owner: string,
  wait: Postponement,
): Promise<void> {
  await sql`
    update computers set lease_until = null, lease_owner = null, last_error = ${wait.error?.slice(0, 2_000) ?? null},
      attempts = attempts + ${wait.error === null ? 0 : 1}, updated_at = now(),
      not_found_since = case when ${wait.notFound ?? false} then coalesce(not_found_since, now()) end,
      next_try_at = now() + ${wait.seconds} * interval '1 second'
    where tenant_id = ${row.tenantId} and instance_id = ${row.instanceId} and jamf_computer_id = ${row.jamfComputerId}
      and lease_owner = ${owner}`;
}

export interface SettledComputer {
  readonly reportAt: Date | null;
  readonly udid: string | null;
  readonly serialNumber: string | null;
  /** Look again then although this revision is done: the verdict was not there yet. */
  readonly againInSeconds?: number;
}

/** False when the lease was lost: another process's findings count. */
export async function settleComputer(
  tx: Transaction,
  row: DueComputer,
  owner: string,
  settled: SettledComputer,
): Promise<boolean> {
  const again = settled.againInSeconds;
  const done = again === undefined ? row.wantedRevision : row.wantedRevision - 1;
  const rows = await tx`
    update computers set lease_until = null, lease_owner = null, last_error = null, not_found_since = null,
      updated_at = now(), attempts = case when ${again === undefined} then 0 else attempts + 1 end, done_revision = ${done},
      next_try_at = case when wanted_revision = ${row.wantedRevision}
                         then now() + ${again ?? 0} * interval '1 second' else now() end,
      -- A date in the future must not make every later record look old.
      report_at = least(greatest(report_at, ${settled.reportAt}::timestamptz), now() + interval '1 day'),
      udid = coalesce(${settled.udid}, udid), serial_number = coalesce(${settled.serialNumber}, serial_number),
      pushed_record = case when wanted_revision = ${row.wantedRevision} then null else pushed_record end,
      pushed_report_at = case when wanted_revision = ${row.wantedRevision} then null else pushed_report_at end,
      pushed_revision = case when wanted_revision = ${row.wantedRevision} then null else pushed_revision end,
      received_at = case when wanted_revision = ${row.wantedRevision} then null else received_at end
    where tenant_id = ${row.tenantId} and instance_id = ${row.instanceId} and jamf_computer_id = ${row.jamfComputerId}
      and lease_owner = ${owner}
    returning 1`;
  return rows.length > 0;
}
