import { feedRoutes } from '../store/change-source.ts';
import { type ComputerId, sameComputer } from '../store/claims/claim.ts';
import { type Claims, storedClaims } from '../store/claims/claims.ts';
import { booleans, type Transaction } from '../store/database.ts';
import { decideRoute, type Standing } from './rules.ts';

/** Writing the routing table: claims in, routes and their history out, in one transaction of the caller's. */

export interface Route extends Standing {
  readonly deviceId: string;
  readonly rule: string;
  readonly version: number;
}

export interface RouteOutcome {
  readonly deviceId: string;
  /** The route after this; undefined when nobody claims the device any more. */
  readonly route: Route | undefined;
  readonly before: Route | undefined;
  readonly changed: boolean;
  /** Why the route ended, where it just did. */
  readonly ended: string | undefined;
}

/** Who changed a route, for the history. */
export interface Authorship {
  readonly author: string;
  readonly reason: string;
}

/** Where changes of several authors go together. */
export type AuthorshipOf = (deviceId: string) => Authorship;

/** Its first argument makes it a lock of its own beside those of devices. */
const tenantLock = (tx: Transaction, tenantId: string) => tx`hashtextextended(${`${tenantId}/routes`}, 0)`;

/**
 * Keeps everybody else from deciding any route of the tenant until the transaction ends: for changes of many devices
 * at once, whose single locks would not fit into PostgreSQL's table of locks.
 */
export async function lockTenantRoutes(tx: Transaction, tenantId: string): Promise<void> {
  await tx`select pg_advisory_xact_lock(${tenantLock(tx, tenantId)})`;
}

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
  await tx`select pg_advisory_xact_lock_shared(${tenantLock(tx, tenantId)})`;
  await tx`
    select pg_advisory_xact_lock(hashtextextended(${tenantId} || device, 0))
    from unnest(${sorted}::text[]) with ordinality as wanted(device, position) order by position`;
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
  /** Why it ended, where it did; `no-claim` if unsaid. */
  readonly ended?: string;
}

/** Writes changes of routes and their lines in the history, as one version of the tenant's table, and feeds it. */
async function writeVersion(
  tx: Transaction,
  tenantId: string,
  writes: readonly RouteWrite[],
  version: number,
  by: AuthorshipOf,
): Promise<void> {
  await writeRoutes(tx, tenantId, writes, version, by);
  await feedRoutes(tx, tenantId, version, writes.length);
}

/** Writes changes of routes and their lines in the history; the caller feeds their version (`feedRoutes`). */
export async function writeRoutes(
  tx: Transaction,
  tenantId: string,
  writes: readonly RouteWrite[],
  version: number,
  by: AuthorshipOf,
): Promise<void> {
  const set = writes.flatMap(({ deviceId, to }) => (to ? [{ deviceId, ...to }] : []));
  const ended = writes.flatMap(({ deviceId, to }) => (to ? [] : [deviceId]));
  // One time for the route and its line in the history: an answer about the past is the answer that was given.
  await tx`
    with moment as materialized (select clock_timestamp() as at), placed as (
      insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, udid, pinned, rule, placed_at, since, version)
      select ${tenantId}, route.*, moment.at, ${version} from moment, unnest(
        ${set.map((to) => to.deviceId)}::uuid[], ${set.map((to) => to.instanceId)}::uuid[],
        ${set.map((to) => to.jamfComputerId)}::int[], ${set.map((to) => to.serialNumber)}::text[],
        ${set.map((to) => to.udid)}::text[], ${booleans(set.map((to) => to.pinned))}::text[]::bool[], ${set.map((to) => to.rule)}::text[],
        ${set.map((to) => to.placedAt?.toISOString() ?? null)}::timestamptz[])
        as route(device_id, instance_id, jamf_computer_id, serial_number, udid, pinned, rule, placed_at)
      on conflict (tenant_id, device_id) do update set
        instance_id = excluded.instance_id, jamf_computer_id = excluded.jamf_computer_id,
        serial_number = excluded.serial_number, udid = excluded.udid, pinned = excluded.pinned,
        rule = excluded.rule, placed_at = excluded.placed_at, since = excluded.since, version = excluded.version
    ), gone as (
      delete from routes where tenant_id = ${tenantId} and device_id = any(${ended}::uuid[])
    )
    insert into route_changes (tenant_id, version, device_id, from_instance_id, from_jamf_computer_id,
      to_instance_id, to_jamf_computer_id, pinned, rule, placed_at, author, reason, changed_at)
    select ${tenantId}, ${version}, change.*, moment.at from moment, unnest(
      ${writes.map(({ deviceId }) => deviceId)}::uuid[], ${writes.map(({ before }) => before?.instanceId ?? null)}::uuid[],
      ${writes.map(({ before }) => before?.jamfComputerId ?? null)}::int[],
      ${writes.map(({ to }) => to?.instanceId ?? null)}::uuid[], ${writes.map(({ to }) => to?.jamfComputerId ?? null)}::int[],
      ${booleans(writes.map(({ to }) => to?.pinned ?? false))}::text[]::bool[],
      ${writes.map(({ ended: why, to }) => to?.rule ?? why ?? 'no-claim')}::text[],
      ${writes.map(({ to }) => to?.placedAt?.toISOString() ?? null)}::timestamptz[],
      ${writes.map(({ deviceId }) => by(deviceId).author)}::text[], ${writes.map(({ deviceId }) => by(deviceId).reason)}::text[])
      as change(device_id, from_instance_id, from_jamf_computer_id, to_instance_id, to_jamf_computer_id, pinned, rule,
        placed_at, author, reason)`;
}

export interface Resolving {
  /** All claims on the devices, as the transaction has them now. */
  readonly claims: Claims;
  readonly by: AuthorshipOf;
  /** Computers that have just stopped claiming the device. */
  readonly withdrawn: ReadonlyMap<string, readonly ComputerId[]>;
}

/** Decides the routes of these devices anew. The caller holds their locks (`lockDevices`). */
export async function resolveKnown(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
  { by, claims, withdrawn }: Resolving,
): Promise<RouteOutcome[]> {
  if (deviceIds.length === 0) return [];
  const current = await currentRoutes(tx, tenantId, deviceIds);
  const decided = [...new Set(deviceIds)].map((deviceId): RouteWrite & { changed: boolean } => {
    const before = current.get(deviceId);
    const left =
      before !== undefined && (withdrawn.get(deviceId) ?? []).some((one) => sameComputer(before, one));
    const decision = decideRoute(before, claims.get(deviceId) ?? [], left);
    if (decision.kind === 'keep') return { deviceId, before, changed: false, to: undefined };
    if (decision.kind === 'end') {
      return { deviceId, before, changed: true, to: undefined, ended: decision.rule };
    }
    const { instanceId, jamfComputerId, serialNumber, udid } = decision.claim;
    const { rule } = decision;
    const to = { instanceId, jamfComputerId, serialNumber, udid, pinned: false, placedAt: null, rule };
    return { deviceId, before, changed: true, to };
  });
  return apply(tx, tenantId, decided, by);
}

/** The same where the claims are not read yet. */
export async function resolveRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
  by: Authorship | AuthorshipOf,
  withdrawn: ReadonlyMap<string, readonly ComputerId[]> = new Map(),
): Promise<RouteOutcome[]> {
  if (deviceIds.length === 0) return [];
  const claims = await storedClaims(tx, tenantId, deviceIds);
  return resolveKnown(tx, tenantId, deviceIds, {
    claims,
    by: typeof by === 'function' ? by : () => by,
    withdrawn,
  });
}

/** Where an operator wants a device's route; undefined ends it. */
export interface Placement {
  readonly deviceId: string;
  readonly to: RouteWrite['to'];
  readonly ended?: string;
  /** What the route is to say of the Mac where its place stays: that is a version too, or `If-Match` would miss it. */
  readonly description?: { readonly serialNumber: string | null; readonly udid: string | null } | undefined;
}

/**
 * Puts routes where an operator wants them, as one version. What is there already is left alone. The caller holds the
 * devices' locks or the tenant's.
 */
export async function placeRoutes(
  tx: Transaction,
  tenantId: string,
  placements: readonly Placement[],
  by: AuthorshipOf,
): Promise<RouteOutcome[]> {
  if (placements.length === 0) return [];
  const current = await currentRoutes(
    tx,
    tenantId,
    placements.map(({ deviceId }) => deviceId),
  );
  const writes = placements.map((placement) => {
    const before = current.get(placement.deviceId);
    const stays = sameRoute(before, placement.to);
    const { description, to } = placement;
    if (!stays || to === undefined || description === undefined)
      return { ...placement, before, changed: !stays };
    return { ...placement, before, changed: true, to: { ...to, ...description } };
  });
  return apply(tx, tenantId, writes, by);
}

function sameRoute(before: Route | undefined, to: RouteWrite['to']): boolean {
  if (!before || !to) return before === to;
  return (
    sameComputer(before, to) &&
    before.pinned === to.pinned &&
    before.rule === to.rule &&
    before.placedAt?.getTime() === to.placedAt?.getTime()
  );
}

async function apply(
  tx: Transaction,
  tenantId: string,
  decided: readonly (RouteWrite & { readonly changed: boolean })[],
  by: AuthorshipOf,
): Promise<RouteOutcome[]> {
  const writes = decided.filter(({ changed }) => changed);
  const version = writes.length === 0 ? 0 : await nextVersion(tx, tenantId);
  if (writes.length > 0) await writeVersion(tx, tenantId, writes, version, by);
  return decided.map(({ before, changed, deviceId, ended, to }) => ({
    deviceId,
    before,
    changed,
    ended,
    route: changed ? to && { ...to, deviceId, version } : before,
  }));
}

async function currentRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Map<string, Route>> {
  const routes = await readRoutes(tx, tenantId, deviceIds);
  return new Map(routes.map((route) => [route.deviceId, route]));
}

export async function readRoutes(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[],
): Promise<Route[]> {
  return tx<Route[]>`
    select device_id as "deviceId", instance_id as "instanceId", jamf_computer_id as "jamfComputerId", pinned,
      placed_at as "placedAt", rule, version
    from routes where tenant_id = ${tenantId} and device_id = any(${deviceIds}::uuid[])`;
}
