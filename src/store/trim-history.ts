import { historyPage } from '../limits.ts';
import type { Log } from '../telemetry/log.ts';
import type { Sql } from './database.ts';

/**
 * Trims what is older than the retention from the history. A chain loses its beginning only, and its head keeps the hash
 * of the last entry that went: what is left is still verified.
 */

interface Trimmed {
  readonly tenantId: string;
  readonly entries: number;
}

/** The next entries of one chain, together with what its head says of them; undefined when no chain has any. */
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
    returning h.tenant_id as "tenantId", (select count(*) from gone) as entries`;
  return trimmed;
}

/** Trims every chain, batch by batch, each a transaction of its own. `keepDays` 0 keeps everything. */
export async function trimHistory(sql: Sql, keepDays: number, log: Log): Promise<void> {
  if (keepDays === 0) return;
  const cutoff = new Date(Date.now() - keepDays * 86_400_000);
  for (;;) {
    const trimmed = await trimNext(sql, cutoff);
    if (!trimmed) return;
    log.info('history.trimmed', { ...trimmed, before: cutoff });
  }
}
