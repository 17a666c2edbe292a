import type { Fragment, Queries, Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { trustedAt } from '../trusted-dates.ts';

/**
 * Ends the rows of computers that their instance has long deleted, and keeps of each a tombstone: its id and its newest
 * date. A computer counts as gone because its instance answered 404 for it long enough (`gone_at`), never because a list
 * is without it.
 */

/**
 * The newest date of a computer whose row ended, null where none did; `of` is the alias of what has the computer's key. A
 * subquery for each row, since the planner would rather read all tombstones than look some up.
 */
export const tombstoneDate = (sql: Queries, of: Fragment): Fragment => sql`(
  select tombstone.report_at from computer_tombstones tombstone
  where tombstone.tenant_id = ${of}.tenant_id and tombstone.instance_id = ${of}.instance_id
    and tombstone.jamf_computer_id = ${of}.jamf_computer_id)`;

/** How many computers of an instance there are, and how many ended since a time. */
export async function countEndedComputers(
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  since: Date,
): Promise<{ readonly computers: number; readonly ended: number }> {
  const [counts] = await sql<{ computers: number; ended: number }[]>`
    select (select count(*) from computers where tenant_id = ${tenantId} and instance_id = ${instanceId}) as computers,
      (select count(*) from computer_tombstones
       where tenant_id = ${tenantId} and instance_id = ${instanceId} and ended_at > ${since}) as ended`;
  return counts ?? { computers: 0, ended: 0 };
}

/** Gone since before this time, nothing left to do, and nobody claims a device on it. */
const hasEnded = (sql: Sql, goneBefore: Date): Fragment => sql`
  c.gone_at < ${goneBefore} and c.wanted_revision <= c.done_revision and c.next_try_at is null
  and (c.lease_until is null or c.lease_until < now())
  and (select true from claims where claims.tenant_id = c.tenant_id and claims.instance_id = c.instance_id
       and claims.jamf_computer_id = c.jamf_computer_id limit 1) is null`;

export interface EndingComputers {
  readonly goneBefore: Date;
  readonly afterId: number;
  readonly pageSize: number;
  /** At most so many of the page end. */
  readonly limit: number;
  readonly now: Date;
}

/** `lastId` is where the next page begins; null: this was the last one. */
export interface EndedComputers {
  readonly ended: number;
  /** Computers of the page that have ended by every rule, with those that did now. */
  readonly due: number;
  readonly lastId: number | null;
}

/**
 * Ends what is due of the next page of an instance's computers. A message that comes meanwhile waits for the row, finds that
 * it is away and makes a new one, which is read against the tombstone.
 */
export async function endComputers(
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  { afterId, goneBefore, limit, now, pageSize }: EndingComputers,
): Promise<EndedComputers> {
  const [page] = await sql<EndedComputers[]>`
    with page as materialized (
      select c.jamf_computer_id as id, ${hasEnded(sql, goneBefore)} as due from computers c
      where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.jamf_computer_id > ${afterId}
      order by c.jamf_computer_id limit ${pageSize}
    ), picked as materialized (
      select c.jamf_computer_id as id from page join computers c on c.tenant_id = ${tenantId}
        and c.instance_id = ${instanceId} and c.jamf_computer_id = page.id
      where page.due order by c.jamf_computer_id limit ${limit} for update of c skip locked
    ), gone as (
      delete from computers c using picked
      where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.jamf_computer_id = picked.id
        and ${hasEnded(sql, goneBefore)}
      returning c.jamf_computer_id, c.report_at, c.gone_at
    ), kept as (
      insert into computer_tombstones as t (tenant_id, instance_id, jamf_computer_id, report_at, gone_at, ended_at)
      select ${tenantId}, ${instanceId}, jamf_computer_id, ${trustedAt(sql, sql`report_at`)}, gone_at, ${now} from gone
      on conflict (tenant_id, instance_id, jamf_computer_id) do update set
        report_at = greatest(t.report_at, excluded.report_at), gone_at = excluded.gone_at, ended_at = excluded.ended_at
      returning 1
    )
    select (select count(*) from kept) as ended, (select count(*) from page where due) as due,
      case when (select count(*) from page) = ${pageSize} then (select max(id) from page) end as "lastId"`;
  return page ?? { ended: 0, due: 0, lastId: null };
}

/** What identified a computer whose row was erased. */
export interface ErasedComputer {
  readonly udid: string | null;
  readonly serialNumber: string | null;
}

/**
 * Erases the rows of computers that carried these devices and that their instances have deleted; their tombstones stay. The
 * history of the claims tells which they were, so that has to be erased afterwards.
 */
export function eraseComputers(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): PromiseLike<ErasedComputer[]> {
  return tx<ErasedComputer[]>`
    with carried as materialized (
      select distinct instance_id, jamf_computer_id from claim_history
      where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])
    ), erased as (
      delete from computers c using carried
      where c.tenant_id = ${tenantId} and c.instance_id = carried.instance_id
        and c.jamf_computer_id = carried.jamf_computer_id and c.gone_at is not null
        and (select true from claims where claims.tenant_id = c.tenant_id and claims.instance_id = c.instance_id
             and claims.jamf_computer_id = c.jamf_computer_id limit 1) is null
      returning c.instance_id, c.jamf_computer_id, c.report_at, c.gone_at, c.udid, c.serial_number
    ), kept as (
      insert into computer_tombstones as t (tenant_id, instance_id, jamf_computer_id, report_at, gone_at, ended_at)
      select ${tenantId}, instance_id, jamf_computer_id, ${trustedAt(tx, tx`report_at`)}, gone_at, now() from erased
      on conflict (tenant_id, instance_id, jamf_computer_id) do update set
        report_at = greatest(t.report_at, excluded.report_at), gone_at = excluded.gone_at, ended_at = excluded.ended_at
    )
    select udid, serial_number as "serialNumber" from erased`;
}
