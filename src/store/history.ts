import { webSha256 } from '../secrets/sha256.ts';
import type { Transaction } from './database.ts';

/**
 * Who did what to what (contract section 8), written in the transaction of the change itself: neither is there
 * without the other. The entries of a tenant are a chain: each holds the hash of the one before, and `history_heads` its
 * end, so that an entry which was changed, removed or slipped in shows.
 */

export interface HistoryAuthor {
  readonly kind: 'bootstrap' | 'gateway' | 'key' | 'user';
  /** The key's id, or the user's object id in Entra. */
  readonly id: string | undefined;
  readonly name: string;
}

export interface HistoryEntry {
  /** undefined: it belongs to no tenant. */
  readonly tenantId: string | undefined;
  readonly author: HistoryAuthor;
  /** What was done to what: `tenant.create`, `connection.disconnect`. */
  readonly action: string;
  readonly object: { readonly kind: string; readonly id: string; readonly name?: string | undefined };
  /** JSON values without secrets; undefined where there was nothing, or there is nothing any more. */
  readonly before?: unknown;
  readonly after?: unknown;
  readonly reason?: string | undefined;
  readonly requestId?: string | undefined;
  /** Address that the request came from. */
  readonly source?: string | undefined;
  /** The second operator, where one was needed. */
  readonly approvedBy?: string | undefined;
}

/** The tenant of what belongs to none. */
export const noTenant = '00000000-0000-0000-0000-000000000000';

export interface HistoryRow {
  readonly tenantId: string;
  readonly sequence: number;
  readonly recordedAt: Date;
  readonly authorKind: string;
  readonly authorId: string | null;
  readonly author: string;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string;
  readonly objectName: string | null;
  /** JSON. */
  readonly before: string | null;
  readonly after: string | null;
  readonly reason: string | null;
  readonly requestId: string | null;
  readonly source: string | null;
  readonly approvedBy: string | null;
}

/** SHA-256, in base64url, over the hash of the entry before and every column of this one in this order. */
export const historyHash = (previousHash: string, row: HistoryRow): Promise<string> =>
  webSha256(
    JSON.stringify([
      previousHash,
      row.tenantId,
      row.sequence,
      row.recordedAt.toISOString(),
      row.authorKind,
      row.authorId,
      row.author,
      row.action,
      row.objectKind,
      row.objectId,
      row.objectName,
      row.before,
      row.after,
      row.reason,
      row.requestId,
      row.source,
      row.approvedBy,
    ]),
  );

const json = (value: unknown): string | null => (value === undefined ? null : JSON.stringify(value));

/**
 * Appends an entry; the lock on the chain's head is held until the transaction ends, so call it last. PostgreSQL text
 * holds no NUL, which JSON writes as an escape.
 */
export async function recordHistory(tx: Transaction, entry: HistoryEntry): Promise<void> {
  const tenantId = entry.tenantId ?? noTenant;
  await tx`insert into history_heads (tenant_id) values (${tenantId}) on conflict do nothing`;
  const [head] = await tx<{ sequence: number; hash: string; now: Date }[]>`
    select sequence, hash, clock_timestamp() as now from history_heads where tenant_id = ${tenantId} for update`;
  if (!head) throw new Error('the head of a history chain is missing');
  const row: HistoryRow = {
    tenantId,
    sequence: head.sequence + 1,
    // Milliseconds, as JavaScript has them: what was hashed must be what is read.
    recordedAt: new Date(head.now.getTime()),
    authorKind: entry.author.kind,
    authorId: entry.author.id ?? null,
    author: entry.author.name,
    action: entry.action,
    objectKind: entry.object.kind,
    objectId: entry.object.id,
    objectName: entry.object.name ?? null,
    before: json(entry.before),
    after: json(entry.after),
    reason: entry.reason ?? null,
    requestId: entry.requestId ?? null,
    source: entry.source ?? null,
    approvedBy: entry.approvedBy ?? null,
  };
  const hash = await historyHash(head.hash, row);
  await tx`
    insert into history (tenant_id, sequence, recorded_at, author_kind, author_id, author, action, object_kind, object_id,
      object_name, before, after, reason, request_id, source, approved_by, previous_hash, hash)
    values (${tenantId}, ${row.sequence}, ${row.recordedAt}, ${row.authorKind}, ${row.authorId}, ${row.author}, ${row.action},
      ${row.objectKind}, ${row.objectId}, ${row.objectName}, ${row.before}, ${row.after}, ${row.reason}, ${row.requestId},
      ${row.source}, ${row.approvedBy}, ${head.hash}, ${hash})`;
  await tx`
    update history_heads set sequence = ${row.sequence}, hash = ${hash} where tenant_id = ${tenantId}`;
}
