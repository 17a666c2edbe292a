import { parseGuid } from '../ids.ts';
import type { JsonObject } from '../untrusted/bounded-json.ts';
import {
  asString,
  type GraphCall,
  type GraphFailure,
  getCollection,
  getObject,
  isMissing,
  type RefusedHost,
} from './call.ts';

/** A group is named by its object id, or by its exact display name. */
export type GroupName = { readonly id: string } | { readonly displayName: string };

/** `ambiguous`: Entra allows several groups of one name; the first would be a guess, so none is taken. */
export type FindGroupResult =
  | {
      readonly ok: true;
      readonly outcome: 'found';
      readonly id: string;
      readonly displayName: string | undefined;
    }
  | { readonly ok: true; readonly outcome: 'not-found' }
  | { readonly ok: true; readonly outcome: 'ambiguous'; readonly ids: readonly string[] }
  | GraphFailure
  | RefusedHost;

const select = '$select=id,displayName';
const notFound = { ok: true, outcome: 'not-found' } as const;

/** OData doubles a quote inside a literal; without it a name could end the literal and change the filter. */
const literal = (text: string): string => encodeURIComponent(`'${text.replaceAll("'", "''")}'`);

function foundIn(items: readonly JsonObject[]): FindGroupResult {
  const ids = [...new Set(items.map((item) => asString(item.id)).filter((id) => id !== undefined))];
  const [id, ...more] = ids;
  if (id === undefined) return notFound;
  if (more.length > 0) return { ok: true, outcome: 'ambiguous', ids };
  return { ok: true, outcome: 'found', id, displayName: asString(items[0]?.displayName) };
}

async function findById(call: GraphCall, text: string): Promise<FindGroupResult> {
  const id = parseGuid(text);
  // No group has such an id, and an empty one would read the list of all groups.
  if (id === undefined) return notFound;
  const answer = await getObject(call, `groups/${id}?${select}`);
  if (answer.ok) return foundIn([answer.body]);
  return isMissing(answer) ? notFound : answer;
}

/**
 * Finds the group that a partner compliance policy is assigned to (domain/microsoft.md 4.5: a named group, never the
 * first one). Graph compares names without case, so only those written exactly so count. Needs Directory.Read.All
 * or Group.Read.All.
 */
export async function findGroup(call: GraphCall & { readonly group: GroupName }): Promise<FindGroupResult> {
  if ('id' in call.group) return findById(call, call.group.id);
  const { displayName } = call.group;
  const filter = `$filter=displayName%20eq%20${literal(displayName)}`;
  const answer = await getCollection(call, `groups?${filter}&${select}`);
  return answer.ok ? foundIn(answer.items.filter((item) => item.displayName === displayName)) : answer;
}
