/** Leases on reports in PostgreSQL. Each statement locks rows in the order of their keys. */

import { leaseMs } from '../../limits.ts';
import { columns } from '../columns.ts';
import { booleans, type Sql } from '../database.ts';
import type { Held } from '../due-rows.ts';
import { isFenced } from '../placements.ts';
import { type DueReport, dueReport } from './report-row.ts';

/**
 * Leases due rows of these schedules, of each at most its limit, the longest due first. A second step brings the other
 * rows of open messages: stored together they are due together, and only whole can a message be sent again.
 */
export async function leaseReports(
  sql: Sql,
  holder: string,
  schedules: readonly { readonly tenantId: string; readonly background: boolean; readonly limit: number }[],
): Promise<DueReport[]> {
  const leased = await sql<DueReport[]>`
    with schedules as (
      select * from unnest(${schedules.map((schedule) => schedule.tenantId)}::uuid[], ${booleans(schedules.map((schedule) => schedule.background))}::text[]::bool[],
                           ${schedules.map((schedule) => schedule.limit)}::int[]) as schedules(tenant_id, background, quota)
      where not ${isFenced(sql, sql`schedules.tenant_id`)}
    ), due as materialized (
      select picked.* from schedules cross join lateral (
        select r.tenant_id, r.device_id from reports r
        where r.tenant_id = schedules.tenant_id and r.background = schedules.background and r.next_try_at <= now()
          and (r.lease_until is null or r.lease_until < now())
        order by r.next_try_at limit schedules.quota for update skip locked) picked
    )
    update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${holder}
    from due where r.tenant_id = due.tenant_id and r.device_id = due.device_id
    returning ${columns(sql, dueReport, 'r')}`;
  const missing = new Map<string, { readonly one: DueReport; rows: number }>();
  for (const one of leased) {
    if (!one.messageOpen || one.messageId === null) continue;
    const known = missing.get(one.messageId) ?? { one, rows: one.messageDevices ?? 1 };
    known.rows -= 1;
    missing.set(one.messageId, known);
  }
  const incomplete = [...missing.values()].flatMap(({ one, rows }) => (rows > 0 ? [one] : []));
  if (incomplete.length === 0) return leased;
  const others = await sql<DueReport[]>`
    with others as materialized (
      select r.tenant_id, r.device_id from unnest(${incomplete.map((one) => one.tenantId)}::uuid[],
        ${incomplete.map((one) => one.deviceId)}::uuid[]) as known(tenant_id, device_id)
      join reports one on one.tenant_id = known.tenant_id and one.device_id = known.device_id
      join reports r on r.tenant_id = one.tenant_id and r.background = any(array[false, true])
        and r.next_try_at = one.next_try_at and r.message_id = one.message_id
      where r.message_open and (r.lease_until is null or r.lease_until < now())
      order by r.tenant_id, r.device_id for update of r skip locked
    )
    update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${holder}
    from others where r.tenant_id = others.tenant_id and r.device_id = others.device_id
    returning ${columns(sql, dueReport, 'r')}`;
  return [...leased, ...others];
}

/** A row that another writer has is left to the next turn. */
export const renewReports = (sql: Sql, held: readonly Held<DueReport>[]) => sql`
  with held as materialized (
    select r.tenant_id, r.device_id from reports r
    join unnest(${held.map(({ row }) => row.tenantId)}::uuid[], ${held.map(({ row }) => row.deviceId)}::uuid[],
                ${held.map(({ holder }) => holder)}::uuid[]) as mine(tenant_id, device_id, holder)
      on r.tenant_id = mine.tenant_id and r.device_id = mine.device_id and r.lease_owner = mine.holder
    order by r.tenant_id, r.device_id for update of r skip locked
  )
  update reports r set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from held where r.tenant_id = held.tenant_id and r.device_id = held.device_id`;

/** Gives the leases back at once. */
export const releaseLeases = (sql: Sql, rows: readonly DueReport[], holder: string) => sql`
  with mine as materialized (
    select r.tenant_id, r.device_id from reports r
    join unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.deviceId)}::uuid[])
      as mine(tenant_id, device_id) on r.tenant_id = mine.tenant_id and r.device_id = mine.device_id
    where r.lease_owner = ${holder} order by r.tenant_id, r.device_id for update of r
  )
  update reports r set lease_until = null, lease_owner = null
  from mine where r.tenant_id = mine.tenant_id and r.device_id = mine.device_id`;

/**
 * Makes all reports of an open message due at the same time and gives back those of `holder`; answers their schedules. It
 * looks at every waiting row of the tenant, for a message seldom loses its order.
 */
export const regroupReports = (sql: Sql, one: DueReport, holder: string, waitSeconds: number) => sql<
  { background: boolean }[]
>`
  with message as materialized (
    select r.tenant_id, r.device_id from reports r
    where r.tenant_id = ${one.tenantId} and r.background = any(array[false, true]) and r.next_try_at is not null
      and r.message_id = ${one.messageId} and r.message_open
    order by r.tenant_id, r.device_id for update
  )
  update reports r set next_try_at = now() + ${waitSeconds} * interval '1 second',
    lease_until = case when r.lease_owner = ${holder} then null else r.lease_until end,
    lease_owner = case when r.lease_owner = ${holder} then null else r.lease_owner end
  from message where r.tenant_id = message.tenant_id and r.device_id = message.device_id
  returning r.background`;
