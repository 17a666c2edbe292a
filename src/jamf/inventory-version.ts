import type { JamfFailure, JamfResult } from './failure.ts';

/** Newest first: v4 came with 11.30, v1 to v3 are deprecated and leave one by one (domain/jamf.md 2.3). */
const versions = [4, 3, 2, 1] as const;

export type InventoryVersion = (typeof versions)[number];

/** The query that answers on every instance that has this version of the inventory, and on no other. */
export function inventoryProbePath(version: InventoryVersion): string {
  return `/api/v${version}/computers-inventory?page-size=1&section=GENERAL`;
}

type Get = (path: string) => Promise<JamfResult<{ readonly body: unknown }>>;

/** Reads below `/api/v{n}/` of the newest inventory version that the instance has. */
export type InventoryReader = (
  path: (version: InventoryVersion) => string,
) => Promise<JamfResult<{ readonly body: unknown; readonly version: InventoryVersion }>>;

/**
 * Finds the newest version the instance answers and stays with it until its paths are gone (an upgrade that dropped it,
 * a restored older server). A 404 alone does not say whether the record or the path is missing, so the list of the same
 * version is asked: where that answers, the record is missing.
 */
export function createInventoryReader(get: Get): InventoryReader {
  let known: InventoryVersion | undefined;
  return async (path) => {
    const order =
      known === undefined ? versions : [known, ...versions.filter((version) => version !== known)];
    for (const version of order) {
      const answer = await get(path(version));
      if (answer.ok) {
        known = version;
        return { ok: true, body: answer.body, version };
      }
      if (!isPathMissing(answer)) return answer;
      const probe = await get(inventoryProbePath(version));
      if (probe.ok) {
        known = version;
        return answer;
      }
      if (!isPathMissing(probe)) return probe;
    }
    known = undefined;
    const detail = 'HTTP 404 for every version of the computer inventory: not a Jamf Pro server at this URL';
    return { ok: false, failure: 'invalid-answer', status: 404, detail };
  };
}

/** Servers answer a path they do not have with Jamf's JSON, Tomcat's HTML or a router's plain text. */
function isPathMissing({ status }: JamfFailure): boolean {
  return status === 404 || status === 405 || status === 410;
}
