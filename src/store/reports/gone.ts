import { columns, pick, type Row } from '../columns.ts';
import type { Fragment, Queries, Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { reports } from '../schema.ts';

/**
 * Ends the reports of devices that have long had no route, once Intune has confirmed that they are not managed. Of each a
 * tombstone stays: its id and the last `LastUpdateTime`, which goes on rising should the device come back.
 */

/** The last `LastUpdateTime` of a device whose report ended, null where none did. */
export const tombstoneUpdate = (sql: Queries, tenantId: string, deviceId: Fragment): Fragment => sql`(
  select tombstone.last_update_at from device_tombstones tombstone
  where tombstone.tenant_id = ${tenantId} and tombstone.device_id = ${deviceId})`;

/** True for the one process that is to look for what is gone now; the next look is due in so many milliseconds. */
export async function takeGoneSurvey(sql: Sql, now: Date, nextInMs: number): Promise<boolean> {
  const { count } = await sql`
    update gone_survey set next_at = ${new Date(now.getTime() + nextInMs)} where next_at <= ${now}`;
  return count > 0;
}

/**
 * The rules have ended the device's route, no claim on it counts, and Intune has confirmed that it is not managed. A stale
 * claim stays with its computer's record: without it that record would look like a new claim.
 */
const isConfirmedGone = (sql: Queries): Fragment => sql`
  r.state in ('completed', 'verified') and r.due_since is null and r.next_try_at is null and not r.message_open
  and (r.lease_until is null or r.lease_until < now()) and (r.content::jsonb ->> 'managed') = 'false'
  and (select true from routes where routes.tenant_id = r.tenant_id and routes.device_id = r.device_id) is null
  and (select true from claims where claims.tenant_id = r.tenant_id and claims.device_id = r.device_id
       and not claims.stale limit 1) is null`;

/** When the route ended; where the history does not reach back so far, when Intune last confirmed the report. */
const goneAt = (sql: Queries): Fragment => sql`
  coalesce((
    select change.changed_at from route_changes change
    where change.tenant_id = r.tenant_id and change.device_id = r.device_id order by change.version desc limit 1),
    r.completed_at, r.updated_at)`;

const goneColumns = pick(reports, 'deviceId', 'instanceId');

export interface GoneDevice extends Row<typeof goneColumns> {
  readonly goneAt: Date;
}

export interface GoneDevices {
  readonly gone: readonly GoneDevice[];
  /** Where the next page begins; undefined: this was the last one. */
  readonly last: string | undefined;
}

/** Finds devices of the next page of a tenant's reports that are gone since before a time. */
export async function findGoneDevices(
  sql: Sql,
  tenantId: string,
  {
    after,
    goneBefore,
    pageSize,
  }: { readonly after: string; readonly goneBefore: Date; readonly pageSize: number },
): Promise<GoneDevices> {
  const [end] = await sql<{ last: string }[]>`
    select device_id as last from reports where tenant_id = ${tenantId} and device_id > ${after}
    order by device_id offset ${pageSize - 1} limit 1`;
  const gone = await sql<GoneDevice[]>`
    select ${columns(sql, goneColumns, 'r')}, ${goneAt(sql)} as "goneAt" from reports r
    where r.tenant_id = ${tenantId} and r.device_id > ${after}
      and ${end === undefined ? sql`true` : sql`r.device_id <= ${end.last}`}
      and ${isConfirmedGone(sql)} and ${goneAt(sql)} < ${goneBefore}
    order by r.device_id`;
  return { gone, last: end?.last };
}

/** How many reports that an instance told of ended since a time. */
export async function countEndedReports(
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  since: Date,
): Promise<number> {
  const [row] = await sql<{ ended: number }[]>`
    select count(*) as ended from device_tombstones
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and ended_at > ${since}`;
  return row?.ended ?? 0;
}

/** Ends these reports where they are gone still; the caller holds the devices' locks. Says which ended. */
export async function endReports(
  tx: Transaction,
  tenantId: string,
  gone: readonly GoneDevice[],
  now: Date,
): Promise<string[]> {
  const rows = await tx<{ deviceId: string }[]>`
    with picked as (
      select * from unnest(${gone.map(({ deviceId }) => deviceId)}::uuid[],
        ${gone.map((one) => one.goneAt.toISOString())}::timestamptz[]) as picked(device_id, gone_at)
    ), held as materialized (
      select r.device_id, picked.gone_at from picked
      join reports r on r.tenant_id = ${tenantId} and r.device_id = picked.device_id
      where ${isConfirmedGone(tx)} order by r.device_id for update of r
    ), ended as (
      delete from reports r using held where r.tenant_id = ${tenantId} and r.device_id = held.device_id
      returning r.device_id, r.instance_id, r.last_update_at, held.gone_at
    )
    insert into device_tombstones as t (tenant_id, device_id, instance_id, last_update_at, gone_at, ended_at)
    select ${tenantId}, device_id, instance_id, last_update_at, gone_at, ${now} from ended
    on conflict (tenant_id, device_id) do update set instance_id = excluded.instance_id,
      last_update_at = greatest(t.last_update_at, excluded.last_update_at), gone_at = excluded.gone_at,
      ended_at = excluded.ended_at
    returning t.device_id as "deviceId"`;
  return rows.map(({ deviceId }) => deviceId);
}

const openColumns = pick(reports, 'deviceId', 'content');

/** A report of a person's device, and whether Intune has confirmed that the device is not managed. */
export interface ReportOfPerson extends Row<typeof openColumns> {
  readonly confirmed: boolean;
}

/** Locks the reports of these devices, in the order of their keys. */
export const lockReports = (tx: Transaction, tenantId: string, deviceIds: readonly string[]) => tx<
  ReportOfPerson[]
>`
  select ${columns(tx, openColumns, 'r')}, (${isConfirmedGone(tx)}) as confirmed from reports r
  where r.tenant_id = ${tenantId} and r.device_id = any(${deviceIds as string[]}::uuid[])
  order by r.device_id for update of r`;

/** Erases the reports of a person's devices, whatever became of them; tombstones stay. Says how many. */
export async function eraseReports(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const rows = await tx`
    with erased as (
      delete from reports r where r.tenant_id = ${tenantId} and r.device_id = any(${deviceIds as string[]}::uuid[])
      returning r.device_id, r.instance_id, r.last_update_at
    )
    insert into device_tombstones as t (tenant_id, device_id, instance_id, last_update_at, gone_at, ended_at)
    select ${tenantId}, device_id, instance_id, last_update_at, now(), now() from erased
    on conflict (tenant_id, device_id) do update set instance_id = excluded.instance_id,
      last_update_at = greatest(t.last_update_at, excluded.last_update_at), gone_at = excluded.gone_at,
      ended_at = excluded.ended_at
    returning 1`;
  return rows.length;
}
