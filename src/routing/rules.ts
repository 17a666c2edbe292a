/** These rules decide which instance a device belongs to. Pure; the order is contract section 8, 'Route rules'. */

import { type Claim, type ComputerId, type KnownClaim, sameComputer } from '../store/claims/claim.ts';

/** Rule by which a claim won. */
export type Rule = 'only-claim' | 'newest-enrolment' | 'newest-check-in' | 'lowest-id';
/** Action by which an operator put a route in its place. */
export type PlacementRule = 'pinned' | 'placed' | 'moved' | 'rolled-back';

/** Reason by which a route ended. */
export type EndRule = 'no-claim' | 'retired';

/** Place of a device's route. */
export interface Standing extends ComputerId {
  readonly pinned: boolean;
  /** Time at which an operator put it there; null: a claim won it. */
  readonly placedAt: Date | null;
}

export interface Choice {
  readonly claim: Claim;
  readonly rule: Rule;
  /** The losers, kept and shown as a conflict. */
  readonly others: readonly Claim[];
}

const time = (date: Date | null): number => date?.getTime() ?? Number.NEGATIVE_INFINITY;

/**
 * Chooses among the claims of enabled instances. `undefined` when nobody claims the device. Two claims that are
 * equal in every date go to the lower id, so that every process chooses the same.
 */
export function chooseClaim(claims: readonly Claim[]): Choice | undefined {
  const ordered = [...claims].sort(
    (a, b) =>
      time(b.lastEnrolledAt) - time(a.lastEnrolledAt) ||
      time(b.lastCheckInAt) - time(a.lastCheckInAt) ||
      (a.instanceId < b.instanceId ? -1 : a.instanceId > b.instanceId ? 1 : 0) ||
      a.jamfComputerId - b.jamfComputerId,
  );
  const [claim, second] = ordered;
  if (!claim) return undefined;
  const others = ordered.slice(1);
  if (!second) return { claim, rule: 'only-claim', others };
  if (time(claim.lastEnrolledAt) !== time(second.lastEnrolledAt))
    return { claim, rule: 'newest-enrolment', others };
  if (time(claim.lastCheckInAt) !== time(second.lastCheckInAt))
    return { claim, rule: 'newest-check-in', others };
  return { claim, rule: 'lowest-id', others };
}

export type Decision =
  | { readonly kind: 'keep' }
  | { readonly kind: 'end'; readonly rule: EndRule }
  | { readonly kind: 'route'; readonly claim: Claim; readonly rule: Rule };

/** True where a claim has a say: a disabled instance's claims rest, a retired registration's too. */
export const counts = ({ enabled, stale }: Pick<KnownClaim, 'enabled' | 'stale'>): boolean =>
  enabled && !stale;

/**
 * True while an operator's placement holds: until the computer says that it does not carry the registration any more,
 * its instance is disabled, or the Mac enrols somewhere after the placement. What was known when the operator decided
 * does not undo it.
 */
export function placementHolds(
  before: Standing,
  known: readonly KnownClaim[],
  withdrawn = false,
): before is Standing & { readonly placedAt: Date } {
  if (before.placedAt === null || withdrawn) return false;
  const placedAt = before.placedAt.getTime();
  const own = known.find((claim) => sameComputer(before, claim));
  if (own && !counts(own)) return false;
  return !known.some(
    (claim) => counts(claim) && !sameComputer(before, claim) && time(claim.lastEnrolledAt) > placedAt,
  );
}

/**
 * Decides on a route, given the claims on its device. `withdrawn`: the computer that has the route has just stopped
 * claiming the device.
 */
export function decideRoute(
  before: Standing | undefined,
  known: readonly KnownClaim[],
  withdrawn = false,
): Decision {
  if (before?.pinned) return { kind: 'keep' };
  if (before && placementHolds(before, known, withdrawn)) return { kind: 'keep' };
  const choice = chooseClaim(known.filter(counts));
  if (!choice) {
    // Nobody else claims the device of a disabled instance: it stays there, and calls hear that it is paused.
    const rests = before && known.some((claim) => !claim.stale && sameComputer(before, claim));
    if (before === undefined || rests) return { kind: 'keep' };
    return { kind: 'end', rule: endRule(known) };
  }
  if (before && sameComputer(before, choice.claim)) return { kind: 'keep' };
  return { kind: 'route', claim: choice.claim, rule: choice.rule };
}

/**
 * Reason why a device has no route: its Mac registered anew and only old records still name it, or nobody claims it.
 */
export const endRule = (known: readonly Pick<KnownClaim, 'stale'>[]): EndRule =>
  known.some(({ stale }) => stale) ? 'retired' : 'no-claim';
