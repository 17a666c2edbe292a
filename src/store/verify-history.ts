import { historyPage } from '../limits.ts';
import { columns, pick, type Row } from './columns.ts';
import type { Sql, Transaction } from './database.ts';
import { type ChainedRow, type ErasedEntry, erasureAction, historyColumns, historyHash } from './history.ts';
import { historyHeads } from './operator-schema.ts';

/** Verifies that the history is as it was written: every chain from what retention left of it to its head. */

/** Fault of an entry: it was changed, is not there, or was not written by Espalier. */
export type HistoryFault = 'changed' | 'missing' | 'unexpected';

export interface BrokenAt {
  readonly tenantId: string;
  readonly sequence: number;
  readonly fault: HistoryFault;
}

export interface Verified {
  /** Entries that were looked at and are right. */
  readonly entries: number;
  /** The first that is not. */
  readonly brokenAt: BrokenAt | undefined;
}

const headShape = pick(historyHeads, 'sequence', 'hash', 'trimmedSequence', 'trimmedHash');

/** Includes chains whose head is gone, found by stepping through the key from tenant to tenant. */
async function chains(sql: Sql, tenantIds: readonly string[] | undefined): Promise<string[]> {
  const rows = await sql<{ tenantId: string }[]>`
    with recursive steps(tenant_id) as (
      (select tenant_id from history order by tenant_id limit 1)
      union all
      select (select h.tenant_id from history h where h.tenant_id > steps.tenant_id order by h.tenant_id limit 1)
      from steps where steps.tenant_id is not null
    ), known as (
      select tenant_id from steps where tenant_id is not null union select tenant_id from history_heads
    )
    select ${columns(sql, pick(historyHeads, 'tenantId'))} from known
    where ${tenantIds === undefined ? sql`true` : sql`tenant_id = any(${tenantIds as string[]}::uuid[])`}
    order by tenant_id`;
  return rows.map(({ tenantId }) => tenantId);
}

/**
 * Erased entries that no entry of an erasure has named yet. What such an entry said cannot be hashed any more; that it is
 * the one that was written shows in its hash, which the next entry holds and the erasure repeats.
 */
function createErasures() {
  const unnamed = new Map<number, string>();
  return {
    follow: (row: ChainedRow): void => {
      if (row.erasedAt !== null) unnamed.set(row.sequence, row.hash);
      if (row.action !== erasureAction || row.after === null) return;
      const { entries = [] } = JSON.parse(row.after) as { readonly entries?: readonly ErasedEntry[] };
      for (const { hash, sequence } of entries) if (unnamed.get(sequence) === hash) unnamed.delete(sequence);
    },
    firstUnnamed: (): number | undefined => unnamed.keys().next().value,
  };
}

/** `hash`: what the row's columns give behind the hash that it names. */
function faultOf(
  row: ChainedRow,
  hash: string | undefined,
  expected: { readonly sequence: number; readonly previousHash: string; readonly last: number },
): Omit<BrokenAt, 'tenantId'> | undefined {
  const { sequence } = row;
  if (sequence < expected.sequence || sequence > expected.last) return { sequence, fault: 'unexpected' };
  if (sequence > expected.sequence) return { sequence: expected.sequence, fault: 'missing' };
  const right = row.previousHash === expected.previousHash && (row.hash === hash || row.erasedAt !== null);
  return right ? undefined : { sequence, fault: 'changed' };
}

/** One chain, in a transaction that sees it as it is at one moment, some entries in memory at a time. */
async function verifyChain(tx: Transaction, tenantId: string): Promise<Verified> {
  const [head] = await tx<Row<typeof headShape>[]>`
    select ${columns(tx, headShape)} from history_heads where tenant_id = ${tenantId}`;
  const last = head?.sequence ?? 0;
  let sequence = head?.trimmedSequence ?? 0;
  let hash = head?.trimmedHash ?? '';
  let entries = 0;
  let after = Number.MIN_SAFE_INTEGER;
  const erasures = createErasures();
  const broken = (found: Omit<BrokenAt, 'tenantId'>): Verified => ({
    entries,
    brokenAt: { tenantId, ...found },
  });
  for (;;) {
    const rows = await tx<ChainedRow[]>`
      select ${historyColumns(tx)} from history where tenant_id = ${tenantId} and sequence > ${after}
      order by sequence limit ${historyPage}`;
    const hashes = await Promise.all(rows.map((row) => historyHash(row.previousHash, row)));
    for (const [at, row] of rows.entries()) {
      const found = faultOf(row, hashes[at], { sequence: sequence + 1, previousHash: hash, last });
      if (found) return broken(found);
      erasures.follow(row);
      ({ hash, sequence } = row);
      entries += 1;
    }
    if (rows.length < historyPage) break;
    after = sequence;
  }
  if (sequence !== last) return broken({ sequence: Math.min(sequence, last) + 1, fault: 'missing' });
  if (hash !== (head?.hash ?? '')) return broken({ sequence, fault: 'changed' });
  const unnamed = erasures.firstUnnamed();
  if (unnamed !== undefined) return broken({ sequence: unnamed, fault: 'changed' });
  return { entries, brokenAt: undefined };
}

/** Every chain, or those of some tenants; it ends at the first entry that is wrong. */
export async function verifyHistory(sql: Sql, tenantIds: readonly string[] | undefined): Promise<Verified> {
  let entries = 0;
  for (const tenantId of await chains(sql, tenantIds)) {
    const verified = await sql.begin('isolation level repeatable read read only', (tx) =>
      verifyChain(tx, tenantId),
    );
    entries += verified.entries;
    if (verified.brokenAt) return { entries, brokenAt: verified.brokenAt };
  }
  return { entries, brokenAt: undefined };
}
