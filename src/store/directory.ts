import { columns, pick, type Row } from './columns.ts';
import type { Queries, Sql, Transaction } from './database.ts';
import { directoryChanges, directoryDevices } from './schema.ts';

/**
 * Writes what Graph said of a tenant's directory: changes that nobody has acted on yet, and which device an object id
 * stands for. This is the only writer of `directory_changes` and `directory_devices`.
 */

const leasedShape = pick(directoryChanges, 'kind', 'objectId', 'change', 'revision', 'attempts');
/** A change that is being acted on. */
export type LeasedChange = Row<typeof leasedShape>;
export type DirectoryChange = Pick<LeasedChange, 'kind' | 'objectId' | 'change'>;

/** Anything may have changed. */
export const anything = (tenantId: string): DirectoryChange => ({
  kind: 'tenant',
  objectId: tenantId,
  change: 'missed',
});

/** The last of several about one object counts; in the order of their keys, so that two writers cannot block each other. */
function newest(changes: readonly DirectoryChange[]): DirectoryChange[] {
  const byKey = new Map(changes.map((one) => [`${one.kind}/${one.objectId}`, one]));
  return [...byKey].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, one]) => one);
}

/** Notes changes of one tenant; a newer one of the same object takes the place of one that was not acted on yet. */
export async function recordDirectoryChanges(
  sql: Queries,
  tenantId: string,
  changes: readonly DirectoryChange[],
): Promise<void> {
  const rows = newest(changes);
  if (rows.length === 0) return;
  await sql`
    insert into directory_changes (tenant_id, kind, object_id, change)
    select ${tenantId}, * from unnest(${rows.map((row) => row.kind)}::text[], ${rows.map((row) => row.objectId)}::uuid[],
      ${rows.map((row) => row.change)}::text[])
    on conflict (tenant_id, kind, object_id) do update set
      change = excluded.change, revision = directory_changes.revision + 1, noted_at = now(), next_try_at = now(),
      attempts = 0`;
}

/** Longer than acting takes, or a second process would act too; acting twice does no harm. */
const leaseSeconds = 120;

/** Takes the changes of a tenant that are due, the longest due first. */
export const leaseDirectoryChanges = (sql: Sql, tenantId: string, limit: number) => sql<LeasedChange[]>`
  update directory_changes set next_try_at = now() + ${leaseSeconds} * interval '1 second', attempts = attempts + 1
  where tenant_id = ${tenantId} and (kind, object_id) in (
    select kind, object_id from directory_changes where tenant_id = ${tenantId} and next_try_at <= now()
    order by next_try_at limit ${limit} for update skip locked)
  returning ${columns(sql, leasedShape)}`;

/** Removes changes that were acted on; those that were told of anew meanwhile stay. */
export async function settleDirectoryChanges(
  tx: Transaction,
  tenantId: string,
  rows: readonly LeasedChange[],
): Promise<void> {
  await tx`
    delete from directory_changes c
    using unnest(${rows.map((row) => row.kind)}::text[], ${rows.map((row) => row.objectId)}::uuid[],
                 ${rows.map((row) => row.revision)}::int8[]) as done(kind, object_id, revision)
    where c.tenant_id = ${tenantId} and c.kind = done.kind and c.object_id = done.object_id and c.revision = done.revision`;
}

export async function putOffDirectoryChanges(
  tx: Transaction,
  tenantId: string,
  rows: readonly LeasedChange[],
  waitSeconds: number,
): Promise<void> {
  await tx`
    update directory_changes set next_try_at = now() + ${waitSeconds} * interval '1 second'
    where tenant_id = ${tenantId} and (kind, object_id, revision) in (
      select * from unnest(${rows.map((row) => row.kind)}::text[], ${rows.map((row) => row.objectId)}::uuid[],
        ${rows.map((row) => row.revision)}::int8[]))`;
}

const deviceShape = pick(directoryDevices, 'objectId', 'deviceId', 'enabled');
/** A device as Entra last showed it: a later notification is compared with it. */
export type DirectoryDevice = Row<typeof deviceShape>;

export const readDirectoryDevices = (sql: Sql, tenantId: string, objectIds: readonly string[]) => sql<
  DirectoryDevice[]
>`
  select ${columns(sql, deviceShape)} from directory_devices
  where tenant_id = ${tenantId} and object_id = any(${objectIds as string[]}::uuid[])`;

/** Notes devices as Entra shows them now. */
export async function recordDirectoryDevices(
  tx: Transaction,
  tenantId: string,
  devices: readonly DirectoryDevice[],
): Promise<void> {
  if (devices.length === 0) return;
  const ordered = [...devices].sort((a, b) => (a.objectId < b.objectId ? -1 : 1));
  await tx`
    insert into directory_devices (tenant_id, object_id, device_id, enabled)
    select ${tenantId}, * from unnest(${ordered.map((one) => one.objectId)}::uuid[],
      ${ordered.map((one) => one.deviceId)}::uuid[], ${ordered.map((one) => String(one.enabled))}::text[]::bool[])
    on conflict (tenant_id, object_id) do update set
      device_id = excluded.device_id, enabled = excluded.enabled, seen_at = now()`;
}

/** Notes a device only where none is known: a notification may have been acted on meanwhile, and is newer. */
export const learnDirectoryDevice = (
  sql: Sql,
  tenantId: string,
  { deviceId, enabled, objectId }: DirectoryDevice,
) => sql`
  insert into directory_devices (tenant_id, object_id, device_id, enabled)
  values (${tenantId}, ${objectId}, ${deviceId}, ${enabled})
  on conflict do nothing`;

export async function forgetDirectoryDevices(
  tx: Transaction,
  tenantId: string,
  objectIds: readonly string[],
): Promise<void> {
  if (objectIds.length === 0) return;
  await tx`delete from directory_devices where tenant_id = ${tenantId} and object_id = any(${objectIds as string[]}::uuid[])`;
}

/**
 * Forgets devices that nobody claims, that have neither route nor report any more and that Graph told nothing of since a
 * time. Says how many of the next page of a tenant's, and where the next one begins.
 */
export async function endDirectoryDevices(
  sql: Sql,
  tenantId: string,
  {
    after,
    goneBefore,
    pageSize,
  }: { readonly after: string; readonly goneBefore: Date; readonly pageSize: number },
): Promise<{ readonly ended: number; readonly last: string | null }> {
  const [page] = await sql<{ ended: number; last: string | null }[]>`
    with page as materialized (
      select object_id, device_id, seen_at from directory_devices
      where tenant_id = ${tenantId} and object_id > ${after} order by object_id limit ${pageSize}
    ), gone as (
      delete from directory_devices d using page
      where d.tenant_id = ${tenantId} and d.object_id = page.object_id and d.seen_at < ${goneBefore}
        and (select true from routes where routes.tenant_id = d.tenant_id and routes.device_id = page.device_id) is null
        and (select true from reports where reports.tenant_id = d.tenant_id and reports.device_id = page.device_id) is null
        and (select true from claims where claims.tenant_id = d.tenant_id and claims.device_id = page.device_id
             and not claims.stale limit 1) is null
      returning 1
    )
    select (select count(*) from gone) as ended, case when (select count(*) from page) = ${pageSize} then (
      select object_id from page order by object_id desc limit 1) end as last`;
  return page ?? { ended: 0, last: null };
}

/** Forgets what Graph said of these devices and of these objects, when a person's data is erased. */
export async function eraseFromDirectory(
  tx: Transaction,
  tenantId: string,
  { deviceIds, objectIds }: { readonly deviceIds: readonly string[]; readonly objectIds: readonly string[] },
): Promise<number> {
  const [erased] = await tx<{ count: number }[]>`
    with devices as (
      delete from directory_devices where tenant_id = ${tenantId} and device_id = any(${deviceIds as string[]}::uuid[])
      returning object_id
    ), changes as (
      delete from directory_changes where tenant_id = ${tenantId}
        and (object_id = any(${objectIds as string[]}::uuid[]) or object_id in (select object_id from devices))
      returning 1
    )
    select (select count(*) from devices) + (select count(*) from changes) as count`;
  return erased?.count ?? 0;
}
