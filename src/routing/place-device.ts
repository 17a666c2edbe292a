import { type ComputerId, sameComputer } from '../store/claims/claim.ts';
import { removeClaims } from '../store/claims/claim-history.ts';
import { type StoredClaim, storedClaims } from '../store/claims/claims.ts';
import { columns, pick, type Row } from '../store/columns.ts';
import { readWinners } from '../store/computers/due.ts';
import type { Sql, Transaction } from '../store/database.ts';
import { inTransaction, withoutTrace } from '../store/retry.ts';
import { type Authorship, type Route, type RouteWrite, readRoutes } from '../store/routes/routes.ts';
import { routes } from '../store/schema.ts';
import { lockDevices, placeRoutes } from './resolve.ts';
import { chooseClaim, counts, placementHolds } from './rules.ts';

/** An operator's word on one device: put it on a computer, pin it there, or take it away. */

export interface WantedPlace extends ComputerId {
  readonly serialNumber?: string | undefined;
  readonly udid?: string | undefined;
  readonly pinned: boolean;
}

/** Throws to refuse, for what it is told of the route as it is under the lock. */
export type Expectation = (before: Route | undefined) => void;

/**
 * An operator's placement is dated so that neither what was known at the decision undoes it, nor an enrolment ahead of
 * our clock.
 */
export const placedNow = (claims: readonly StoredClaim[]): Date =>
  new Date(Math.max(Date.now(), ...claims.map(({ lastEnrolledAt }) => lastEnrolledAt?.getTime() ?? 0)));

type Target = NonNullable<RouteWrite['to']>;

/**
 * Computes the new place of a route. A pin that is taken off lets the claims decide again; where there are none the
 * device stays, placed. The same place again changes nothing.
 */
export function targetOf(
  before: Route | undefined,
  wanted: WantedPlace,
  claims: readonly StoredClaim[],
): Target | undefined {
  const own = claims.find((claim) => sameComputer(claim, wanted));
  const there = {
    instanceId: wanted.instanceId,
    jamfComputerId: wanted.jamfComputerId,
    serialNumber: wanted.serialNumber ?? own?.serialNumber ?? null,
    udid: wanted.udid ?? own?.udid ?? null,
  };
  if (wanted.pinned) return { ...there, pinned: true, rule: 'pinned', placedAt: null };
  const stays = before !== undefined && sameComputer(before, wanted);
  if (stays && before.pinned) {
    const choice = chooseClaim(claims.filter(counts));
    if (choice) {
      const { instanceId, jamfComputerId, serialNumber, udid } = choice.claim;
      return {
        instanceId,
        jamfComputerId,
        serialNumber,
        udid,
        pinned: false,
        rule: choice.rule,
        placedAt: null,
      };
    }
  }
  if (stays && !before.pinned && placementHolds(before, claims)) {
    return { ...there, pinned: false, rule: before.rule, placedAt: before.placedAt };
  }
  return { ...there, pinned: false, rule: 'placed', placedAt: placedNow(claims) };
}

const description = pick(routes, 'serialNumber', 'udid');
type Description = Row<typeof description>;

async function readDescription(
  tx: Transaction,
  tenantId: string,
  deviceId: string,
): Promise<Description | undefined> {
  const [row] = await tx<Description[]>`
    select ${columns(tx, description)} from routes
    where tenant_id = ${tenantId} and device_id = ${deviceId}`;
  return row;
}

export interface PlacedDevice {
  readonly before: Route | undefined;
  readonly route: Route;
}

/** The last that the transaction does: what it has done is noted with it. */
export type Noting<T> = (tx: Transaction, done: T) => Promise<void>;

/** Puts a device on a computer of the tenant's; the caller has checked that the instance is. */
export function placeDevice(
  sql: Sql,
  tenantId: string,
  deviceId: string,
  wanted: WantedPlace,
  by: Authorship,
  expect: Expectation,
  note?: Noting<PlacedDevice>,
): Promise<PlacedDevice> {
  return inTransaction(sql, async (tx) => {
    await lockDevices(tx, tenantId, [deviceId]);
    const [before] = await readRoutes(tx, tenantId, [deviceId]);
    expect(before);
    const claims = (await storedClaims(tx, tenantId, [deviceId])).get(deviceId) ?? [];
    const described = before && (await readDescription(tx, tenantId, deviceId));
    const serialNumber = wanted.serialNumber ?? described?.serialNumber ?? null;
    const udid = wanted.udid ?? described?.udid ?? null;
    const isNew = described?.serialNumber !== serialNumber || described?.udid !== udid;
    const placement = {
      deviceId,
      to: targetOf(before, wanted, claims),
      description: isNew ? { serialNumber, udid } : undefined,
    };
    const [outcome] = await placeRoutes(tx, tenantId, [placement], () => by);
    const route = outcome?.route;
    if (!route) throw new Error('a placed route is not there');
    if (outcome.changed) await readWinners(tx, tenantId, [route]);
    await note?.(tx, { before, route });
    return { before, route };
  });
}

export interface RemovedDevice {
  readonly before: Route;
  /** Claims that went with the route. */
  readonly claims: number;
}

/**
 * Ends a route and takes the claims with it, or they would bring it back at once; it comes back when an instance
 * claims the device again. A dry run does so and rolls it back. Undefined: there is none.
 */
export function removeDevice(
  sql: Sql,
  tenantId: string,
  deviceId: string,
  by: Authorship,
  options: {
    readonly expect: Expectation;
    readonly retract: (tx: Transaction, tenantId: string, deviceIds: readonly string[]) => Promise<unknown>;
    readonly note?: Noting<Route>;
    readonly dryRun?: boolean;
  },
): Promise<RemovedDevice | undefined> {
  const run = options.dryRun === true ? withoutTrace : inTransaction;
  return run<RemovedDevice | undefined>(sql, async (tx) => {
    await lockDevices(tx, tenantId, [deviceId]);
    const [before] = await readRoutes(tx, tenantId, [deviceId]);
    if (!before) return undefined;
    options.expect(before);
    const claims = (await storedClaims(tx, tenantId, [deviceId])).get(deviceId)?.length ?? 0;
    await removeClaims(tx, tenantId, tx`device_id = ${deviceId}`);
    await placeRoutes(tx, tenantId, [{ deviceId, to: undefined, ended: 'deleted' }], () => by);
    await options.retract(tx, tenantId, [deviceId]);
    await options.note?.(tx, before);
    return { before, claims };
  });
}
