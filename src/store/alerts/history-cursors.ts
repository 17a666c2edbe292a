/**
 * How far the history of each tenant was streamed to a target. The end of a message is written before it is sent, so a
 * repetition after a crash is the same message with the same id.
 */

import { pick, type Row } from '../columns.ts';
import type { Fragment, Queries, Sql, Transaction } from '../database.ts';
import { type ChainedRow, historyColumns } from '../history.ts';
import { alertCursors } from '../operator-schema.ts';
import type { AlertTarget } from './targets.ts';

type Hearing = Pick<AlertTarget, 'targetId' | 'tenantIds'>;

const chainsOf = (sql: Queries, { tenantIds }: Hearing): Fragment =>
  tenantIds === null ? sql`true` : sql`h.tenant_id = any(${[...tenantIds]}::uuid[])`;

/** From now on: what is in the history already is not streamed. A chain that begins later is streamed from its first entry. */
export const beginStream = (tx: Transaction, target: Hearing) => tx`
  insert into alert_cursors (tenant_id, target_id, sequence)
  select h.tenant_id, ${target.targetId}, h.sequence from history_heads h where ${chainsOf(tx, target)}
  on conflict do nothing`;

/** A stream that begins again later does not go on where this one ended. */
export const endStream = (tx: Transaction, targetId: string) => tx`
  delete from alert_cursors where target_id = ${targetId}`;

const cursorShape = pick(alertCursors, 'tenantId', 'sendingTo');

export interface HistoryPlace extends Row<typeof cursorShape> {
  /** The last entry that was taken. */
  readonly sequence: number;
  /** The last entry that retention removed. */
  readonly trimmedSequence: number;
}

/** A chain with entries to stream: one whose message is under way, else the one that waits longest. */
export async function readNextChain(sql: Sql, target: Hearing): Promise<HistoryPlace | undefined> {
  const [place] = await sql<HistoryPlace[]>`
    select h.tenant_id as "tenantId", c.sending_to as "sendingTo", coalesce(c.sequence, 0) as sequence,
      h.trimmed_sequence as "trimmedSequence"
    from history_heads h
    left join alert_cursors c on c.tenant_id = h.tenant_id and c.target_id = ${target.targetId}
    where ${chainsOf(sql, target)} and h.sequence > coalesce(c.sequence, 0)
    order by c.sending_to is null, c.told_at nulls first, h.tenant_id limit 1`;
  return place;
}

/** The entries behind a place, to the end of the message that is under way or at most so many. */
export const readEntriesAfter = (
  sql: Sql,
  { sendingTo, sequence, tenantId }: HistoryPlace,
  limit: number,
) => sql<ChainedRow[]>`
  select ${historyColumns(sql)} from history
  where tenant_id = ${tenantId} and sequence > ${sequence} and sequence <= coalesce(${sendingTo}::bigint, 9007199254740991)
  order by sequence limit ${limit}`;

/** A message up to this entry is about to be sent. */
export const noteSending = (sql: Sql, targetId: string, place: HistoryPlace, sendingTo: number) => sql`
  insert into alert_cursors (tenant_id, target_id, sequence, sending_to)
  values (${place.tenantId}, ${targetId}, ${place.sequence}, ${sendingTo})
  on conflict (tenant_id, target_id) do update set sending_to = excluded.sending_to`;

/** The target took everything up to this entry, or there is nothing left of it. */
export const noteStreamed = (sql: Queries, targetId: string, tenantId: string, sequence: number) => sql`
  insert into alert_cursors (tenant_id, target_id, sequence, told_at)
  values (${tenantId}, ${targetId}, ${sequence}, now())
  on conflict (tenant_id, target_id) do update set sequence = excluded.sequence, sending_to = null, told_at = now()`;
