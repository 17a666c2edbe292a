import { feedRoutes } from '../store/change-source.ts';
import { type ComputerId, sameComputer } from '../store/claims/claim.ts';
import { type Claims, storedClaims } from '../store/claims/claims.ts';
import type { Transaction } from '../store/database.ts';
import {
  type Authorship,
  type AuthorshipOf,
  changesOf,
  nextVersion,
  type Route,
  type RouteWrite,
  readRoutes,
  writeRoutes,
} from '../store/routes/routes.ts';
import { decideRoute } from './rules.ts';

/** Writing the routing table: claims in, routes and their history out, in one transaction of the caller's. */

export interface RouteOutcome {
  readonly deviceId: string;
  /** The route after this; undefined when nobody claims the device any more. */
  readonly route: Route | undefined;
  readonly before: Route | undefined;
  readonly changed: boolean;
  /** Reason of the end, where the route ended just now. */
  readonly ended: string | undefined;
}

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

/** Place that an operator wants for a device's route; undefined ends it. */
export interface Placement {
  readonly deviceId: string;
  readonly to: RouteWrite['to'];
  readonly ended?: string;
  /** New description of the Mac where its place stays: that is a version too, or `If-Match` would miss it. */
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
  if (writes.length > 0) {
    await writeRoutes(tx, tenantId, version, changesOf(tx, writes, by));
    await feedRoutes(tx, tenantId, version, writes.length);
  }
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
