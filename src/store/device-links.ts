import type { Sql, Transaction } from './database.ts';

/** The links between registrations of one Mac. This file alone writes them. */

export type LinkedBy = 'computer' | 'udid' | 'serial-number';

/** The same Mac under an older and a newer registration. */
export interface DeviceLink {
  readonly deviceId: string;
  readonly previousDeviceId: string;
}

export interface NewLink extends DeviceLink {
  /** The attribute that both registrations share. */
  readonly linkedBy: LinkedBy;
}

/** Two registrations that point at each other would each be the other's past: the first word stays. */
export async function writeLinks(
  tx: Transaction,
  tenantId: string,
  links: readonly NewLink[],
): Promise<void> {
  if (links.length === 0) return;
  await tx`
    insert into device_links (tenant_id, device_id, previous_device_id, linked_by)
    select ${tenantId}, link.* from unnest(
      ${links.map(({ deviceId }) => deviceId)}::uuid[], ${links.map(({ previousDeviceId }) => previousDeviceId)}::uuid[],
      ${links.map(({ linkedBy }) => linkedBy)}::text[]) as link(device_id, previous_device_id, linked_by)
    on conflict do nothing`;
}

/** Two registrations that one computer carries at the same time belong to two of its users. */
export async function removeLinks(
  tx: Transaction,
  tenantId: string,
  links: readonly DeviceLink[],
): Promise<void> {
  if (links.length === 0) return;
  await tx`
    delete from device_links l using unnest(${links.map(({ deviceId }) => deviceId)}::uuid[],
      ${links.map(({ previousDeviceId }) => previousDeviceId)}::uuid[]) as gone(device_id, previous_device_id)
    where l.tenant_id = ${tenantId} and l.device_id = gone.device_id and l.previous_device_id = gone.previous_device_id`;
}

/** Notes since when these older registrations have no route, or that they have one again. */
export async function recordRetired(
  tx: Transaction,
  tenantId: string,
  previousDeviceIds: readonly string[],
): Promise<void> {
  if (previousDeviceIds.length === 0) return;
  await tx`
    update device_links l set retired_at = case when exists (
        select 1 from routes r where r.tenant_id = l.tenant_id and r.device_id = l.previous_device_id)
      then null else coalesce(l.retired_at, now()) end
    where l.tenant_id = ${tenantId} and l.previous_device_id = any(${previousDeviceIds}::uuid[])`;
}

/**
 * Ends links to older registrations that have no route since before a time and that no record names any more: a link decides
 * whether a claim is stale, so it stays while there is a claim. Says how many ended of the next page of a tenant's links, and
 * where the next one begins.
 */
export async function endLinks(
  sql: Sql,
  tenantId: string,
  {
    after,
    goneBefore,
    pageSize,
  }: { readonly after: DeviceLink; readonly goneBefore: Date; readonly pageSize: number },
): Promise<{ readonly ended: number; readonly last: DeviceLink | null }> {
  const [page] = await sql<{ ended: number; last: DeviceLink | null }[]>`
    with page as materialized (
      select device_id, previous_device_id, retired_at from device_links
      where tenant_id = ${tenantId}
        and (device_id, previous_device_id) > (${after.deviceId}::uuid, ${after.previousDeviceId}::uuid)
      order by device_id, previous_device_id limit ${pageSize}
    ), gone as (
      delete from device_links l using page
      where l.tenant_id = ${tenantId} and l.device_id = page.device_id and l.previous_device_id = page.previous_device_id
        and page.retired_at < ${goneBefore} and l.retired_at is not null
        and (select true from claims where claims.tenant_id = l.tenant_id
             and claims.device_id = l.previous_device_id limit 1) is null
        and (select true from routes where routes.tenant_id = l.tenant_id
             and routes.device_id = l.previous_device_id) is null
      returning 1
    )
    select (select count(*) from gone) as ended,
      case when (select count(*) from page) = ${pageSize} then (
        select jsonb_build_object('deviceId', device_id, 'previousDeviceId', previous_device_id) from page
        order by device_id desc, previous_device_id desc limit 1) end as last`;
  return page ?? { ended: 0, last: null };
}

/** Forgets the links from and to these devices, when a person's data is erased. */
export async function eraseLinks(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<number> {
  const { count } = await tx`
    delete from device_links where tenant_id = ${tenantId}
      and (device_id = any(${deviceIds as string[]}::uuid[]) or previous_device_id = any(${deviceIds as string[]}::uuid[]))`;
  return count;
}
