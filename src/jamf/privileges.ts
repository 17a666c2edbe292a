import { isRecord } from '../untrusted/bounded-json.ts';
import { readText } from './wire-values.ts';

/** Privileges of an instance's API client: those that Espalier needs, and those that the client has. */

export interface NeededPrivilege {
  /** The exact name in Jamf Pro (domain/jamf.md 1.3). */
  readonly name: string;
  /** The function that does not work without it. */
  readonly for: string;
}

/** Those of the calls that Espalier makes, and no more. */
export const neededPrivileges = {
  inventory: { name: 'Read Computers', for: 'reading inventory' },
  verdict: { name: 'Read Device Compliance Information', for: 'the verdict of Jamf Pro' },
  recalculation: {
    name: 'Update Smart Computer Groups',
    for: 'recalculate calls of the Microsoft side',
  },
} as const satisfies Record<string, NeededPrivilege>;

export interface ApiPrivileges {
  /** Such as `CLIENT_CREDENTIALS` (domain/jamf.md 1.2). */
  readonly authenticationType: string | undefined;
  /** Sorted privilege names; `undefined` when the instance does not tell them for this kind of caller. */
  readonly privileges: readonly string[] | undefined;
}

/**
 * Reads `GET /api/v1/auth`. Privileges stand in `account.privilegesBySite` and in each account group's, lists by
 * site id; API clients may have no account at all.
 */
export function readPrivileges(body: unknown): ApiPrivileges {
  if (!isRecord(body)) return { authenticationType: undefined, privileges: undefined };
  const groups: readonly unknown[] = Array.isArray(body.accountGroups) ? body.accountGroups : [];
  const names = [body.account, ...groups].flatMap(privilegesOf);
  return {
    authenticationType: readText(body.authenticationType),
    privileges: names.length > 0 ? [...new Set(names)].sort() : undefined,
  };
}

function privilegesOf(holder: unknown): readonly string[] {
  if (!isRecord(holder)) return [];
  const bySite = isRecord(holder.privilegesBySite) ? Object.values(holder.privilegesBySite) : [];
  return [holder.privileges, ...bySite]
    .flatMap((list) => (Array.isArray(list) ? (list as readonly unknown[]) : []))
    .map(readText)
    .filter((name) => name !== undefined);
}
