/**
 * The history records who did what to what (contract section 8), written in the transaction of the change itself:
 * neither exists without the other. The entries of a tenant are a chain: each holds the hash of the one before, and
 * `history_heads` its end, so that an entry which was changed, removed or slipped in shows.
 */

import { getTableColumns } from 'drizzle-orm';
import { nilGuid } from '../ids.ts';
import { historyPage } from '../limits.ts';
import { webSha256 } from '../secrets/sha256.ts';
import type { Log } from '../telemetry/log.ts';
import { columns, pick, type Row } from './columns.ts';
import type { Fragment, Queries, Sql, Transaction } from './database.ts';
import { history, historyHeads } from './operator-schema.ts';
import { inTransaction } from './retry.ts';

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
  /** The action and its object: `tenant.create`, `connection.disconnect`. */
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

/** The author of a change, and the request by which it is made. */
export interface HistoryOrigin
  extends Pick<HistoryEntry, 'approvedBy' | 'author' | 'reason' | 'requestId' | 'source'> {
  /** Told when entries of it are written, before their transaction ends. */
  readonly onRecorded?: () => void;
}

/** Author of what Espalier does by itself: because of Microsoft's answer, or when its time has come. */
export const gatewayOrigin: HistoryOrigin = {
  author: { kind: 'gateway', id: undefined, name: 'espalier' },
};

export type Change = Pick<HistoryEntry, 'action' | 'after' | 'before' | 'object' | 'reason' | 'tenantId'>;

/** Says what a transaction has changed; it is written at its end. */
export type Note = (change: Change) => void;

/** Recorder for a step of a change that is recorded as a whole. */
export const unnoted: Note = () => undefined;

/** The tenant of what belongs to none. */
export const noTenant = nilGuid;

const chained = getTableColumns(history);

/** An entry as the table holds it; `before` and `after` are JSON. */
export type ChainedRow = Row<typeof chained>;

export type HistoryRow = Omit<ChainedRow, 'erasedAt' | 'hash' | 'previousHash'>;

export const historyColumns = (queries: Queries): Fragment => columns(queries, chained);

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
 * The text is hashed as the database gives it back: with NUL or half a surrogate pair the stored text would not match
 * its hash.
 */
const text = (value: string | undefined): string | null =>
  value?.toWellFormed().replaceAll('\0', '\uFFFD') ?? null;

interface Head {
  readonly sequence: number;
  readonly hash: string;
  readonly now: Date;
}

/** The end of the chain, which is begun where there is none yet. */
async function lockHead(tx: Transaction, tenantId: string): Promise<Head> {
  const lock = () => tx<Head[]>`
    select sequence, hash, clock_timestamp() as now from history_heads where tenant_id = ${tenantId} for update`;
  const [known] = await lock();
  if (known) return known;
  await tx`insert into history_heads (tenant_id) values (${tenantId}) on conflict do nothing`;
  const [begun] = await lock();
  if (!begun) throw new Error('the head of a history chain is missing');
  return begun;
}

/**
 * Appends an entry; the lock on the chain's head is held until the transaction ends, so call it last: who waited for
 * another row while holding it could be waited for in a circle.
 */
export async function recordHistory(tx: Transaction, entry: HistoryEntry): Promise<void> {
  const tenantId = entry.tenantId ?? noTenant;
  const head = await lockHead(tx, tenantId);
  const row: HistoryRow = {
    tenantId,
    sequence: head.sequence + 1,
    // Milliseconds, as JavaScript has them: what was hashed must be what is read.
    recordedAt: new Date(head.now.getTime()),
    authorKind: entry.author.kind,
    authorId: text(entry.author.id),
    author: text(entry.author.name) ?? '',
    action: entry.action,
    objectKind: entry.object.kind,
    objectId: text(entry.object.id) ?? '',
    objectName: text(entry.object.name),
    before: json(entry.before),
    after: json(entry.after),
    reason: text(entry.reason),
    requestId: text(entry.requestId),
    source: text(entry.source),
    approvedBy: text(entry.approvedBy),
  };
  const hash = await historyHash(head.hash, row);
  await tx`
    with head as (
      update history_heads set sequence = ${row.sequence}, hash = ${hash} where tenant_id = ${tenantId}
    )
    insert into history (tenant_id, sequence, recorded_at, author_kind, author_id, author, action, object_kind, object_id,
      object_name, before, after, reason, request_id, source, approved_by, previous_hash, hash)
    values (${tenantId}, ${row.sequence}, ${row.recordedAt}, ${row.authorKind}, ${row.authorId}, ${row.author}, ${row.action},
      ${row.objectKind}, ${row.objectId}, ${row.objectName}, ${row.before}, ${row.after}, ${row.reason}, ${row.requestId},
      ${row.source}, ${row.approvedBy}, ${head.hash}, ${hash})`;
}

/** Writes what was noted, the chains in a fixed order. */
async function append(tx: Transaction, origin: HistoryOrigin, changes: readonly Change[]): Promise<void> {
  const { onRecorded, reason, ...by } = origin;
  const chainOf = ({ tenantId = noTenant }: Change): string => tenantId;
  for (const change of changes.toSorted((a, b) =>
    chainOf(a) < chainOf(b) ? -1 : Number(chainOf(a) > chainOf(b)),
  ))
    await recordHistory(tx, { ...change, ...by, reason: change.reason ?? reason });
  if (changes.length > 0) onRecorded?.();
}

/** A transaction (`inTransaction`) with its history: what `work` notes is written at the end, or neither is. */
export const recorded = <T>(
  sql: Sql,
  origin: HistoryOrigin,
  work: (tx: Transaction, note: Note) => Promise<T>,
): Promise<T> =>
  inTransaction(sql, async (tx) => {
    const changes: Change[] = [];
    const result = await work(tx, (change) => changes.push(change));
    await append(tx, origin, changes);
    return result;
  });

/** The action whose entries name what they erased of the chain. */
export const erasureAction = 'person.erase';

/** An entry that was erased, by its place in the chain. */
export interface ErasedEntry {
  readonly sequence: number;
  readonly hash: string;
}

/**
 * Erases what the entries of a tenant say in which one of these identifiers stands, all in lower case. Who did what kind of
 * thing when stays, and the hash, so that the chain still holds. The caller has to write an entry of `erasureAction` whose
 * `after.entries` names them all: without it they count as changed.
 */
export function eraseHistory(
  tx: Transaction,
  tenantId: string,
  identifiers: readonly string[],
): PromiseLike<ErasedEntry[]> {
  return tx<ErasedEntry[]>`
    update history h set object_id = '', object_name = null, before = null, after = null, reason = null, erased_at = now()
    where h.tenant_id = ${tenantId} and h.erased_at is null and h.action <> ${erasureAction} and exists (
      select from unnest(${identifiers as string[]}::text[]) as identifier
      where position(identifier in lower(concat_ws(' ', h.object_id, h.object_name, h.before, h.after, h.reason))) > 0)
    returning ${columns(tx, pick(history, 'sequence', 'hash'), 'h')}`;
}

interface Trimmed {
  readonly tenantId: string;
  readonly entries: number;
}

/**
 * Deletes the next entries of one chain; its head keeps the hash of the last of them, so what is left is still verified.
 * Resolves to undefined when no chain has entries that are old enough.
 */
async function trimNext(sql: Sql, cutoff: Date): Promise<Trimmed | undefined> {
  const [trimmed] = await sql<Trimmed[]>`
    with head as materialized (
      select h.tenant_id, h.trimmed_sequence from history_heads h
      join history first on first.tenant_id = h.tenant_id and first.sequence = h.trimmed_sequence + 1
      where first.recorded_at < ${cutoff}
      order by h.tenant_id limit 1 for update of h skip locked
    ), page as materialized (
      select e.sequence, e.hash, bool_and(e.recorded_at < ${cutoff}) over (order by e.sequence) as old
      from head, lateral (
        select x.sequence, x.hash, x.recorded_at from history x
        where x.tenant_id = head.tenant_id and x.sequence > head.trimmed_sequence
        order by x.sequence limit ${historyPage}) e
    ), last as (
      select sequence, hash from page where old order by sequence desc limit 1
    ), gone as (
      delete from history x using head, last
      where x.tenant_id = head.tenant_id and x.sequence > head.trimmed_sequence and x.sequence <= last.sequence
      returning 1
    )
    update history_heads h set trimmed_sequence = last.sequence, trimmed_hash = last.hash
    from head, last where h.tenant_id = head.tenant_id
    returning ${columns(sql, pick(historyHeads, 'tenantId'), 'h')}, (select count(*) from gone) as entries`;
  return trimmed;
}

/** Takes what is older than the retention from the beginning of every chain, batch by batch, each a transaction of its own. `keepDays` 0 keeps everything. */
export async function trimHistory(sql: Sql, keepDays: number, log: Log): Promise<void> {
  if (keepDays === 0) return;
  const cutoff = new Date(Date.now() - keepDays * 86_400_000);
  for (;;) {
    const trimmed = await trimNext(sql, cutoff);
    if (!trimmed) return;
    log.info('history.trimmed', { ...trimmed, before: cutoff });
  }
}
