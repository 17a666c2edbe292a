import type { Computer } from './inventory.ts';

/** A smart group: its members follow from the last inventory. */
export interface ComputerGroup {
  readonly id: number;
  readonly name: string;
  readonly holds: (computer: Computer) => boolean;
  readonly members: Set<number>;
}

export interface GroupChange {
  readonly group: ComputerGroup;
  readonly added: readonly number[];
  readonly removed: readonly number[];
}

export interface Groups {
  /** The group of Macs that must register (domain/jamf.md 4.4). */
  readonly applicable: ComputerGroup;
  /** The group of compliant Macs. */
  readonly compliance: ComputerGroup;
  list(): readonly ComputerGroup[];
  get(id: number): ComputerGroup | undefined;
  /** Evaluates every group for one computer and says which groups changed. */
  recalculate(computer: Computer): GroupChange[];
  /** Takes a deleted computer out of all groups; no event tells of it. */
  forget(computerId: number): void;
  /** Counts the groups that the computer is in. */
  countOf(computerId: number): number;
}

const group = (id: number, name: string, holds: ComputerGroup['holds']): ComputerGroup => ({
  id,
  name,
  holds,
  members: new Set(),
});

/** The smart groups of an instance; criteria in the manner of domain/jamf.md 4.4. */
export function createGroups(): Groups {
  const all = group(1, 'All Managed Clients', ({ managed }) => managed);
  const applicable = group(2, 'Device Compliance Applicable', ({ facts }) => facts.companyPortalInstalled);
  const compliance = group(
    3,
    'Device Compliance',
    ({ managed, facts }) =>
      managed &&
      facts.fileVaultEnabled &&
      facts.firewallEnabled &&
      facts.gatekeeperEnabled &&
      facts.sipEnabled &&
      facts.companyPortalInstalled,
  );
  const groups = [all, applicable, compliance] as const;
  return {
    applicable,
    compliance,
    list: () => groups,
    get: (id) => groups.find((candidate) => candidate.id === id),
    recalculate: (computer) =>
      groups.flatMap((candidate): GroupChange[] => {
        const { members } = candidate;
        const isMember = candidate.holds(computer);
        if (isMember === members.has(computer.id)) return [];
        if (isMember) members.add(computer.id);
        else members.delete(computer.id);
        return isMember
          ? [{ group: candidate, added: [computer.id], removed: [] }]
          : [{ group: candidate, added: [], removed: [computer.id] }];
      }),
    forget: (computerId) => {
      for (const candidate of groups) candidate.members.delete(computerId);
    },
    countOf: (computerId) => groups.filter((candidate) => candidate.members.has(computerId)).length,
  };
}
