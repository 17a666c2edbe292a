import type { Notification } from '../../graph/notifications.ts';
import { type Sha256, webSha256 } from '../../secrets/sha256.ts';
import type { KeyedSemaphore } from '../../semaphore.ts';
import type { Sql } from '../../store/database.ts';
import { anything, type DirectoryChange, recordDirectoryChanges } from '../../store/directory.ts';
import { inTransaction } from '../../store/retry.ts';
import {
  markNotified,
  markRemoved,
  readSubscriptions,
  type Subscription,
} from '../../store/subscriptions.ts';

/**
 * Graph's notifications are committed before they are answered; the process that delivers acts on them later
 * (act-on-changes.ts). A notification is believed only with the subscription's client state.
 */

/** `rejected`: of no subscription of this tenant, or with a wrong client state. `ignored`: nothing follows from it. */
export type NotificationOutcome = 'noted' | 'lifecycle' | 'ignored' | 'rejected';

export interface TakeOptions {
  readonly sql: Sql;
  readonly sha256?: Sha256 | undefined;
  /** Bounds what one tenant has under way, where requests may wait for each other (not on Workers). */
  readonly turns?: KeyedSemaphore | undefined;
}

/** Takes the same time wherever the two differ; both are hashes of one length. */
function sameHash(a: string, b: string): boolean {
  let difference = a.length ^ b.length;
  for (let at = 0; at < a.length; at += 1) difference |= a.charCodeAt(at) ^ b.charCodeAt(at % b.length);
  return difference === 0;
}

/** The first notification may come before we know the subscription's id: then the client state alone tells. */
const findRow = (
  rows: readonly Subscription[],
  subscriptionId: string,
  hash: string,
): Subscription | undefined =>
  rows
    .filter((row) => row.clientStateHash !== null && sameHash(row.clientStateHash, hash))
    .find((row) => row.subscriptionId === null || row.subscriptionId === subscriptionId);

type Change = Extract<Notification['what'], { kind: 'change' }>;

/** Translates a change: membership of groups other than the assigned one means nothing. */
function changesOf(tenantId: string, row: Subscription, what: Change): DirectoryChange[] {
  const { change, members, objectId } = what;
  if (row.resource === 'users' || row.resource === 'devices') {
    const kind = row.resource === 'users' ? 'user' : 'device';
    return objectId === undefined ? [] : [{ kind, objectId, change }];
  }
  if (row.resource !== 'groups' || (objectId !== undefined && objectId !== row.objectId)) return [];
  // The group itself is gone, or changed in a way that says nothing of its members.
  if (change === 'deleted' || members === undefined) return [anything(tenantId)];
  return members.map((member) => ({ kind: 'member', ...member }));
}

interface Taken {
  readonly row: Subscription;
  readonly changes: DirectoryChange[];
  readonly lifecycles: Set<string>;
}

/** Resolves when what follows is committed; says what became of each notification. */
export async function takeNotifications(
  { sql, sha256 = webSha256, turns = (_, take) => take() }: TakeOptions,
  tenantId: string,
  notifications: readonly Notification[],
): Promise<NotificationOutcome[]> {
  const rows = await readSubscriptions(sql, tenantId);
  const states = [...new Set(notifications.map((one) => one.clientState))];
  const hashes = new Map<string, string>();
  for (const state of states) hashes.set(state, await sha256(state));
  const taken = new Map<string, Taken>();
  const outcomes = notifications.map((one): NotificationOutcome => {
    const row = findRow(rows, one.subscriptionId, hashes.get(one.clientState) ?? '');
    if (row === undefined || (one.tenantId !== undefined && one.tenantId !== tenantId)) return 'rejected';
    const known: Taken = taken.get(row.resource) ?? { row, changes: [], lifecycles: new Set() };
    taken.set(row.resource, known);
    if (one.what.kind === 'other') return 'ignored';
    if (one.what.kind === 'lifecycle') {
      known.lifecycles.add(one.what.lifecycle);
      if (one.what.lifecycle !== 'reauthorizationRequired') known.changes.push(anything(tenantId));
      return 'lifecycle';
    }
    const changes = changesOf(tenantId, row, one.what);
    known.changes.push(...changes);
    return changes.length > 0 ? 'noted' : 'ignored';
  });
  if (taken.size > 0) {
    const ordered = [...taken.values()].sort((a, b) => (a.row.resource < b.row.resource ? -1 : 1));
    // The tenant's rows may be locked, and its notifications must not hold all connections meanwhile.
    await turns(tenantId, () =>
      inTransaction(sql, async (tx) => {
        for (const { lifecycles, row } of ordered) {
          if (lifecycles.has('subscriptionRemoved')) await markRemoved(tx, row);
          else await markNotified(tx, row, lifecycles.has('reauthorizationRequired'));
        }
        await recordDirectoryChanges(
          tx,
          tenantId,
          ordered.flatMap(({ changes }) => changes),
        );
      }),
    );
  }
  return outcomes;
}
