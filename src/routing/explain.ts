import { type Claim, type ComputerId, type KnownClaim, sameComputer } from '../store/claims/claim.ts';
import { type Choice, chooseClaim, counts, endRule, placementHolds, type Standing } from './rules.ts';

/** Explains a device's route by the rules that put it there. Pure: the same for now and for any time before. */

/** Last place of the route, or its end, with the version that made it so. */
export interface LastChange {
  readonly version: number;
  readonly since: Date;
  /** Rule that put it there, or ended it. */
  readonly rule: string;
}

export interface RouteFacts {
  readonly standing: Standing | undefined;
  readonly last: LastChange | undefined;
  readonly claims: readonly KnownClaim[];
}

export interface Explained {
  readonly rule: string;
  /** Those that count, best first, then those that rest. */
  readonly claims: readonly KnownClaim[];
  /** Two computers or more pull at the device. */
  readonly conflict: boolean;
  readonly wouldChange: readonly string[];
}

const byId = (a: ComputerId, b: ComputerId): number =>
  (a.instanceId < b.instanceId ? -1 : a.instanceId > b.instanceId ? 1 : 0) ||
  a.jamfComputerId - b.jamfComputerId;

const vanishing = 'the computer or its registration vanishing from the instance';

function changesOfChoice({ claim, others }: Choice): string[] {
  const changes = [
    `an enrolment of the Mac at another instance after ${claim.lastEnrolledAt?.toISOString() ?? 'any date'}`,
    'pinning the device to an instance',
    vanishing,
  ];
  const [next] = others;
  return next ? [...changes, `without this claim, instance ${next.instanceId} gets the device`] : changes;
}

function changesOf(facts: RouteFacts, choice: Choice | undefined): string[] {
  const { claims, standing } = facts;
  if (standing?.pinned) return ['removing the pin lets the claims of the instances decide again'];
  if (standing && placementHolds(standing, claims)) {
    return [
      `an enrolment of the Mac at another instance after ${standing.placedAt.toISOString()}, when it was placed here`,
      'pinning the device to an instance',
      vanishing,
      'disabling the instance',
    ];
  }
  if (choice) return changesOfChoice(choice);
  if (standing) return ['enabling the instance', 'a claim of another instance'];
  if (claims.some(({ stale }) => stale)) {
    return ['the Mac checking in again with the record that still names this registration'];
  }
  return ['an instance that reports this Entra device on one of its computers'];
}

/** The rule that holds the route where it is, for what the rules know. */
function ruleOf({ claims, last, standing }: RouteFacts, choice: Choice | undefined): string {
  if (!standing) return last?.rule ?? endRule(claims);
  if (standing.pinned) return 'pinned';
  const put = last?.rule ?? 'placed';
  if (placementHolds(standing, claims)) return put;
  return choice && sameComputer(standing, choice.claim) ? choice.rule : put;
}

export function explainDecision(facts: RouteFacts): Explained {
  const having = facts.claims.filter(counts);
  const choice = chooseClaim(having);
  const ordered: readonly Claim[] = choice ? [choice.claim, ...choice.others] : [];
  const resting = facts.claims.filter((claim) => !counts(claim)).sort(byId);
  return {
    rule: ruleOf(facts, choice),
    claims: [...ordered.flatMap((claim) => having.filter((one) => sameComputer(one, claim))), ...resting],
    conflict: having.length > 1,
    wouldChange: changesOf(facts, choice),
  };
}
