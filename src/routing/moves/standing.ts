import type { Claim } from '../../store/claims/claim.ts';
import type { SkipReason } from '../../store/moves/move.ts';
import type { Route } from '../../store/routes/routes.ts';
import type { Placement } from '../resolve.ts';

/** Decides on one device of a move when its turn has come: by the state at that time, not by the plan. */

export interface MoveDevice {
  readonly deviceId: string;
  readonly fromJamfComputerId: number;
  readonly toJamfComputerId: number | null;
  /** Time at which an operator had put the former route there; null: a claim had won it. */
  readonly placedAt: Date | null;
}

export type Turn =
  | { readonly kind: 'place'; readonly to: NonNullable<Placement['to']> }
  | { readonly kind: 'skip'; readonly reason: SkipReason };

const skip = (reason: SkipReason): Turn => ({ kind: 'skip', reason });

/** Identifiers by which a Mac is recognised again. */
export type MacNames = Pick<Claim, 'serialNumber' | 'udid'>;

interface Places {
  readonly fromInstanceId: string;
  readonly toInstanceId: string;
}

/**
 * `target`: the claim of the target that its rules choose. `known`: what the target has under the computer that the plan
 * found by the Mac's UDID or serial number, where the move takes unclaimed devices.
 */
export function turnOver(
  device: MoveDevice,
  route: Route | undefined,
  { fromInstanceId, toInstanceId }: Places,
  target: Claim | undefined,
  known: MacNames | undefined,
  placedAt: Date,
): Turn {
  if (route?.instanceId !== fromInstanceId) return skip('left');
  if (route.pinned) return skip('pinned');
  const jamfComputerId = target?.jamfComputerId ?? (known ? device.toJamfComputerId : null);
  if (jamfComputerId === null) return skip('not-claimed');
  const { serialNumber = null, udid = null } = target ?? known ?? {};
  const to = { instanceId: toInstanceId, jamfComputerId, serialNumber, udid, pinned: false };
  return { kind: 'place', to: { ...to, rule: 'moved', placedAt } };
}

/** Rules of routes that a move or its rollback has written: a pin, an enrolment or another placement came later. */
const ofMoves: readonly string[] = ['moved', 'rolled-back'];

/** `former`: the claim of the computer that had the device before. */
export function turnBack(
  device: MoveDevice,
  route: Route | undefined,
  { fromInstanceId, toInstanceId }: Places,
  former: Claim | undefined,
  placedAt: Date,
): Turn {
  const isThere =
    route?.instanceId === toInstanceId &&
    route.jamfComputerId === device.toJamfComputerId &&
    ofMoves.includes(route.rule);
  if (!isThere) return skip('left');
  if (route.pinned) return skip('pinned');
  // A computer that has let go of the registration must not get it back; one that never had it got it from a person.
  if (!former && device.placedAt === null) return skip('not-claimed');
  const { serialNumber = null, udid = null } = former ?? {};
  const jamfComputerId = device.fromJamfComputerId;
  const to = { instanceId: fromInstanceId, jamfComputerId, serialNumber, udid, pinned: false };
  return { kind: 'place', to: { ...to, rule: 'rolled-back', placedAt } };
}
