/** Writes the routing table of a tenant and its history: every change is a line in it and part of one version. */

import { columns, pick, type Row } from '../columns.ts';
import { booleans, type Fragment, type Transaction } from '../database.ts';
import { routes } from '../schema.ts';

const shape = pick(
  routes,
  'deviceId',
  'instanceId',
  'jamfComputerId',
  'pinned',
  'placedAt',
  'rule',
  'version',
);

export type Route = Row<typeof shape>;

export async function readRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Route[]> {
  return tx<Route[]>`
    select ${columns(tx, shape)} from routes where tenant_id = ${tenantId} and device_id = any(${deviceIds}::uuid[])`;
}

/** The author of a route's change, as the history names it. */
export interface Authorship {
  readonly author: string;
  readonly reason: string;
}

/** Gives the author of each device's change where changes of several authors go together. */
export type AuthorshipOf = (deviceId: string) => Authorship;

export interface RouteWrite {
  readonly deviceId: string;
  readonly before: Route | undefined;
  /** Undefined ends the route. */
  readonly to:
    | (Omit<Route, 'version' | 'deviceId'> & {
        readonly serialNumber: string | null;
        readonly udid: string | null;
      })
    | undefined;
  /** Reason of a route's end; default: `no-claim`. */
  readonly ended?: string;
}

/** The next version of the tenant's table; the row's lock makes versions of one tenant strictly ordered. */
export async function nextVersion(tx: Transaction, tenantId: string): Promise<number> {
  const [row] = await tx<{ version: number }[]>`
    insert into route_versions (tenant_id, version) values (${tenantId}, 1)
    on conflict (tenant_id) do update set version = route_versions.version + 1
    returning version`;
  return row?.version ?? 1;
}

/**
 * Writes changes of routes and their lines in the history as part of a version, which the caller feeds (`feedRoutes`).
 * `changes` selects a row for each device with the columns that `writes` names; without `to_instance_id` the route ends.
 * It may use `moment.at`, the time of the write.
 */
export async function writeRoutes(
  tx: Transaction,
  tenantId: string,
  version: number,
  changes: Fragment,
): Promise<void> {
  // One time for the route and its line in the history: an answer about the past is the answer that was given.
  await tx`
    with moment as materialized (select clock_timestamp() as at), change as materialized (${changes}), placed as (
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, pinned, rule, placed_at, since, version)
      select ${tenantId}, device_id, to_instance_id, to_jamf_computer_id, serial_number, udid, pinned, rule, placed_at,
        moment.at, ${version}
      from moment, change where to_instance_id is not null
      on conflict (tenant_id, device_id) do update set
        instance_id = excluded.instance_id, jamf_computer_id = excluded.jamf_computer_id,
        serial_number = excluded.serial_number, udid = excluded.udid, pinned = excluded.pinned,
        rule = excluded.rule, placed_at = excluded.placed_at, since = excluded.since, version = excluded.version
    ), ended as (
      delete from routes r using change
      where change.to_instance_id is null and r.tenant_id = ${tenantId} and r.device_id = change.device_id
        -- Where no route ends the planner's idea of the table must not have all of it looked at.
        and exists (select from change where to_instance_id is null)
    )
    insert into route_changes (tenant_id, version, device_id, from_instance_id, from_jamf_computer_id, to_instance_id,
      to_jamf_computer_id, pinned, rule, placed_at, author, reason, changed_at)
    select ${tenantId}, ${version}, device_id, from_instance_id, from_jamf_computer_id, to_instance_id, to_jamf_computer_id,
      pinned, rule, placed_at, author, reason, moment.at
    from moment, change`;
}

/** Changes for `writeRoutes`. */
export const changesOf = (tx: Transaction, writes: readonly RouteWrite[], by: AuthorshipOf): Fragment => tx`
  select * from unnest(
    ${writes.map(({ deviceId }) => deviceId)}::uuid[], ${writes.map(({ before }) => before?.instanceId ?? null)}::uuid[],
    ${writes.map(({ before }) => before?.jamfComputerId ?? null)}::int[],
    ${writes.map(({ to }) => to?.instanceId ?? null)}::uuid[], ${writes.map(({ to }) => to?.jamfComputerId ?? null)}::int[],
    ${writes.map(({ to }) => to?.serialNumber ?? null)}::text[], ${writes.map(({ to }) => to?.udid ?? null)}::text[],
    ${booleans(writes.map(({ to }) => to?.pinned ?? false))}::text[]::bool[],
    ${writes.map(({ ended, to }) => to?.rule ?? ended ?? 'no-claim')}::text[],
    ${writes.map(({ to }) => to?.placedAt?.toISOString() ?? null)}::timestamptz[],
    ${writes.map(({ deviceId }) => by(deviceId).author)}::text[], ${writes.map(({ deviceId }) => by(deviceId).reason)}::text[])
    as change(device_id, from_instance_id, from_jamf_computer_id, to_instance_id, to_jamf_computer_id, serial_number, udid,
      pinned, rule, placed_at, author, reason)`;

/**
 * Says of Macs which serial number and UDID they have, where that is known: no version, for no other process has to hear
 * of it. `described` selects `device_id`, `serial_number`, `udid`.
 */
export async function describeRoutes(tx: Transaction, tenantId: string, described: Fragment): Promise<void> {
  await tx`
    update routes r set serial_number = coalesce(d.serial_number, r.serial_number), udid = coalesce(d.udid, r.udid)
    from (${described}) d where r.tenant_id = ${tenantId} and r.device_id = d.device_id`;
}

/** Neither a pin nor a placement outlives its instance: the claims decide of these devices. */
export async function releaseRoutes(
  tx: Transaction,
  tenantId: string,
  instanceId: string,
  deviceIds: readonly string[],
): Promise<void> {
  await tx`
    update routes set pinned = false, placed_at = null
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and device_id = any(${deviceIds}::uuid[])`;
}

/** Goes before the tenant does: an instance with routes cannot be removed. */
export const deleteRoutes = (tx: Transaction, tenantId: string) =>
  tx`delete from routes where tenant_id = ${tenantId}`;
