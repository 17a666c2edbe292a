import type { Compliance } from './compliance.ts';
import type { GroupChange, Groups } from './groups.ts';
import type { Computer, Computers, MacFacts } from './inventory.ts';
import { checkInEvent, computerEvent, groupEvent, policyEvent } from './webhook-events.ts';
import type { Webhooks } from './webhooks.ts';

/** Plays the traffic of Macs to an instance, with the events that follow. Unknown ids answer undefined or false. */
export interface MacTraffic {
  /** A new record, newer than `after`: ComputerAdded, then the first inventory. */
  enrol(facts: MacFacts, after?: number): Computer;
  /** The Mac enrols into its record again, newer than `after`: no ComputerAdded, only the inventory. */
  reEnrol(computerId: number, facts: MacFacts, after?: number): Computer | undefined;
  /** An inventory update; groups are evaluated with it. */
  report(computerId: number, facts: MacFacts): Computer | undefined;
  checkIn(computerId: number): Computer | undefined;
  finishPolicy(computerId: number, policyId: number, successful: boolean): Computer | undefined;
  /** No event tells of it (domain/jamf.md 3.2), but the groups notice. */
  unmanage(computerId: number): Computer | undefined;
  /** No event tells of it. */
  remove(computerId: number): boolean;
}

export interface MacTrafficOptions {
  readonly computers: Computers;
  readonly groups: Groups;
  readonly compliance: Compliance;
  readonly webhooks: Webhooks;
}

/** Tells webhooks of changed groups. */
export function announceGroups(webhooks: Webhooks, changes: readonly GroupChange[]): void {
  for (const change of changes)
    webhooks.fire('SmartGroupComputerMembershipChange', groupEvent(change), change.group.id);
}

export function createMacTraffic(options: MacTrafficOptions): MacTraffic {
  const { computers, groups, compliance, webhooks } = options;

  const inventoryCompleted = (computer: Computer): void => {
    compliance.startCalculating(computer);
    const changes = groups.recalculate(computer);
    webhooks.fire('ComputerInventoryCompleted', computerEvent(computer, webhooks.variants));
    announceGroups(webhooks, changes);
  };
  const withComputer =
    <Rest extends readonly unknown[]>(act: (computer: Computer, ...rest: Rest) => void) =>
    (computerId: number, ...rest: Rest): Computer | undefined => {
      const computer = computers.get(computerId);
      if (computer) act(computer, ...rest);
      return computer;
    };

  return {
    enrol: (facts, after) => {
      const computer = computers.create(facts, after);
      webhooks.fire('ComputerAdded', computerEvent(computer, webhooks.variants));
      inventoryCompleted(computer);
      return computer;
    },
    reEnrol: withComputer((computer, facts: MacFacts, after?: number) => {
      computers.reEnrol(computer, facts, after);
      inventoryCompleted(computer);
    }),
    report: withComputer((computer, facts: MacFacts) => {
      computers.report(computer, facts);
      inventoryCompleted(computer);
    }),
    checkIn: withComputer((computer) => {
      computers.checkIn(computer);
      webhooks.fire('ComputerCheckIn', checkInEvent(computer, webhooks.variants));
    }),
    finishPolicy: withComputer((computer, policyId: number, successful: boolean) => {
      const body = policyEvent(computer, { policyId, successful }, webhooks.variants);
      webhooks.fire('ComputerPolicyFinished', body);
    }),
    unmanage: withComputer((computer) => {
      computer.managed = false;
      announceGroups(webhooks, groups.recalculate(computer));
    }),
    remove: (computerId) => {
      groups.forget(computerId);
      return computers.delete(computerId);
    },
  };
}
