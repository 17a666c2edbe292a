/** Which instance a device belongs to. Pure; the order is contract section 8, 'Route rules'. */

export interface Claim {
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly lastEnrolledAt: Date | null;
  readonly lastCheckInAt: Date | null;
  readonly serialNumber: string | null;
  readonly udid: string | null;
}

export type Rule = 'pinned' | 'only-claim' | 'newest-enrolment' | 'newest-check-in' | 'lowest-id';

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

/** What would make the route another one, in words for `explain`. */
export function wouldChange(pinned: boolean, choice: Choice | undefined): string[] {
  if (pinned) return ['removing the pin lets the claims of the instances decide again'];
  if (!choice) return ['an instance that reports this Entra device on one of its computers'];
  const changes = [
    `a claim of another instance with a lastEnrolledDate after ${choice.claim.lastEnrolledAt?.toISOString() ?? 'any date'}`,
    'pinning the device to an instance',
    'the computer or its registration vanishing from the instance',
  ];
  const [next] = choice.others;
  return next ? [...changes, `without this claim, instance ${next.instanceId} gets the device`] : changes;
}
