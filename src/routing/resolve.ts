import { booleans, type Transaction } from '../store/database.ts';
import { type Claim, chooseClaim } from './rules.ts';

/** Writing the routing table: claims in, routes and their history out, in one transaction of the caller's. */

export interface Route {
  readonly deviceId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly pinned: boolean;
  readonly rule: string;
  readonly version: number;
}

export interface RouteOutcome {
  readonly deviceId: string;
  /** The route after this; undefined when nobody claims the device any more. */
  readonly route: Route | undefined;
  readonly before: Route | undefined;
  readonly changed: boolean;
}

/** Who changed a route, for the history. */
export interface Authorship {
  readonly author: string;
  readonly reason: string;
}

/** Where changes of several authors go together. */
export type AuthorshipOf = (deviceId: string) => Authorship;

/**
 * Takes the locks under which claims of these devices may be written and their routes decided. Without them two
 * instances that claim one device at the same moment would each decide without seeing the other's claim. Sorted,
 * so that two transactions cannot wait for each other.
 */
export async function lockDevices(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<void> {
  const sorted = [...new Set(deviceIds)].sort();
  await tx`
    select pg_advisory_xact_lock(hashtextextended(${tenantId} || device, 0))
    from unnest(${sorted}::text[]) with ordinality as wanted(device, position) order by position`;
}

interface KnownClaim extends Claim {
  /** A disabled instance's claims rest. */
  readonly enabled: boolean;
}

async function claimsOf(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Map<string, KnownClaim[]>> {
  const rows = await tx<(KnownClaim & { deviceId: string })[]>`
    select c.device_id as "deviceId", c.instance_id as "instanceId", c.jamf_computer_id as "jamfComputerId",
           c.last_enrolled_at as "lastEnrolledAt", c.last_check_in_at as "lastCheckInAt",
           c.serial_number as "serialNumber", c.udid, i.enabled
    from unnest(${deviceIds}::uuid[]) as wanted(device_id)
    cross join lateral (
      select * from claims where tenant_id = ${tenantId} and device_id = wanted.device_id offset 0) c
    join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id`;
  const byDevice = new Map<string, KnownClaim[]>();
  for (const row of rows) {
    const known = byDevice.get(row.deviceId);
    if (known) known.push(row);
    else byDevice.set(row.deviceId, [row]);
  }
  return byDevice;
}

/** The next version of the tenant's table; the row's lock makes versions of one tenant strictly ordered. */
export async function nextVersion(tx: Transaction, tenantId: string): Promise<number> {
  const [row] = await tx<{ version: number }[]>`
    insert into route_versions (tenant_id, version) values (${tenantId}, 1)
    on conflict (tenant_id) do update set version = route_versions.version + 1
    returning version`;
  return row?.version ?? 1;
}

export interface RouteWrite {
  readonly deviceId: string;
  readonly before: Route | undefined;
  /** Undefined ends the route. */
  readonly to:
    | (Omit<Route, 'version' | 'deviceId'> & { serialNumber: string | null; udid: string | null })
    | undefined;
}

/** Writes changes of routes and their lines in the history, as one version of the tenant's table. */
export async function writeRoutes(
  tx: Transaction,
  tenantId: string,
  writes: readonly RouteWrite[],
  version: number,
  by: AuthorshipOf,
): Promise<void> {
  const set = writes.flatMap(({ deviceId, to }) => (to ? [{ deviceId, ...to }] : []));
  const ended = writes.flatMap(({ deviceId, to }) => (to ? [] : [deviceId]));
  if (set.length > 0) {
    await tx`
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, pinned, rule, since, version)
      select ${tenantId}, route.*, now(), ${version} from unnest(
        ${set.map((to) => to.deviceId)}::uuid[], ${set.map((to) => to.instanceId)}::uuid[],
        ${set.map((to) => to.jamfComputerId)}::int[], ${set.map((to) => to.serialNumber)}::text[],
        ${set.map((to) => to.udid)}::text[], ${booleans(set.map((to) => to.pinned))}::text[]::bool[], ${set.map((to) => to.rule)}::text[])
        as route(device_id, instance_id, jamf_computer_id, serial_number, udid, pinned, rule)
      on conflict (tenant_id, device_id) do update set
        instance_id = excluded.instance_id, jamf_computer_id = excluded.jamf_computer_id,
        serial_number = excluded.serial_number, udid = excluded.udid, pinned = excluded.pinned,
        rule = excluded.rule, since = excluded.since, version = excluded.version`;
  }
  if (ended.length > 0) {
    await tx`delete from routes where tenant_id = ${tenantId} and device_id = any(${ended}::uuid[])`;
  }
  await tx`
    insert into route_changes (tenant_id, version, device_id, from_instance_id, from_jamf_computer_id,
      to_instance_id, to_jamf_computer_id, pinned, rule, author, reason)
    select ${tenantId}, ${version}, change.* from unnest(
      ${writes.map(({ deviceId }) => deviceId)}::uuid[], ${writes.map(({ before }) => before?.instanceId ?? null)}::uuid[],
      ${writes.map(({ before }) => before?.jamfComputerId ?? null)}::int[],
      ${writes.map(({ to }) => to?.instanceId ?? null)}::uuid[], ${writes.map(({ to }) => to?.jamfComputerId ?? null)}::int[],
      ${booleans(writes.map(({ to }) => to?.pinned ?? false))}::text[]::bool[], ${writes.map(({ to }) => to?.rule ?? 'no-claim')}::text[],
      ${writes.map(({ deviceId }) => by(deviceId).author)}::text[], ${writes.map(({ deviceId }) => by(deviceId).reason)}::text[])
      as change(device_id, from_instance_id, from_jamf_computer_id, to_instance_id, to_jamf_computer_id, pinned, rule,
        author, reason)`;
}

const sameAs = (route: Route | undefined, claim: Claim): boolean =>
  route?.instanceId === claim.instanceId && route.jamfComputerId === claim.jamfComputerId;

/** Decides the routes of these devices anew. The caller holds their locks (`lockDevices`). */
export async function resolveRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
  by: Authorship | AuthorshipOf,
): Promise<RouteOutcome[]> {
  if (deviceIds.length === 0) return [];
  const claims = await claimsOf(tx, tenantId, deviceIds);
  const current = new Map(
    (await readRoutes(tx, tenantId, deviceIds)).map((route) => [route.deviceId, route]),
  );
  const decided = [...new Set(deviceIds)].map((deviceId) => ({
    deviceId,
    before: current.get(deviceId),
    ...decide(current.get(deviceId), claims.get(deviceId) ?? []),
  }));
  const writes = decided.filter(({ changed }) => changed);
  if (writes.length === 0) return decided.map(({ to: _, ...same }) => ({ ...same, route: same.before }));
  const version = await nextVersion(tx, tenantId);
  await writeRoutes(tx, tenantId, writes, version, typeof by === 'function' ? by : () => by);
  return decided.map(({ before, changed, deviceId, to }) => ({
    deviceId,
    before,
    changed,
    route: changed ? to && { ...to, deviceId, version } : before,
  }));
}

/** Whether the claims change a device's route, and to which. */
function decide(
  before: Route | undefined,
  known: readonly KnownClaim[],
): { readonly changed: boolean; readonly to: RouteWrite['to'] } {
  const choice = chooseClaim(known.filter((claim) => claim.enabled));
  // Nobody else claims the device of a disabled instance: it stays there, and calls hear that it is paused.
  const rests = before !== undefined && !choice && known.some((claim) => sameAs(before, claim));
  const same = choice ? sameAs(before, choice.claim) : before === undefined;
  if (before?.pinned || rests || same) return { changed: false, to: undefined };
  if (!choice) return { changed: true, to: undefined };
  const { instanceId, jamfComputerId, serialNumber, udid } = choice.claim;
  const to = { instanceId, jamfComputerId, serialNumber, udid, pinned: false, rule: choice.rule };
  return { changed: true, to };
}

export async function readRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Route[]> {
  return tx<Route[]>`
    select device_id as "deviceId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId", pinned, rule, version
    from routes where tenant_id = ${tenantId} and device_id = any(${deviceIds}::uuid[])`;
}
