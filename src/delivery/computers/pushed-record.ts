/** The part of a pushed record that is kept until it is taken in. */

/** Sections that `inventoryAttributes` and `complianceAttributes` read, beside the accounts. */
export const inventorySections = [
  'general',
  'hardware',
  'operatingSystem',
  'security',
  'userAndLocation',
] as const;

export const keptMembers = [
  'id',
  'udid',
  ...inventorySections,
  'localUserAccounts',
  'groupMemberships',
] as const;

/**
 * The members of a record that are read, as JSON text: applications, fonts, receipts and the like are most of what
 * an instance pushes, nobody needs them here, and they are people's business.
 */
export function recordText(record: Readonly<Record<string, unknown>>): string {
  const kept: Record<string, unknown> = {};
  for (const member of keptMembers) {
    if (record[member] !== undefined) kept[member] = record[member];
  }
  return JSON.stringify(kept);
}
