/** The change feed in PostgreSQL: the table `change_feed`, which triggers write too. */

import { type Change, type ChangeSource, oldestOf } from './change-feed.ts';
import { columns, pick } from './columns.ts';
import type { Sql, Transaction } from './database.ts';
import { createHistoryReads, historyLine } from './history-line.ts';
import { changeFeed } from './schema.ts';

/** Its notifications only make polls sooner; sent after the commit or, rarely, by triggers. */
const channel = 'espalier_changes';

export const notifyOfChanges = (sql: Sql) => sql.notify(channel, '');

/** A subscription that is lost is made again with the next connection. */
export const listenToChanges = (sql: Sql, heard: () => void) => sql.listen(channel, heard);

/** Lets other processes hear of a version of the routes; every writer of routes ends with it. */
export async function feedRoutes(
  tx: Transaction,
  tenantId: string,
  version: number,
  changes: number,
): Promise<void> {
  await tx`
    insert into change_feed (tenant_id, kind, version, changes) values (${tenantId}, 'routes', ${version}, ${changes})`;
}

interface Row {
  readonly snapshot: string;
  readonly atMs: number;
  readonly history: string;
  readonly tenantId: string | null;
  readonly kind: string | null;
  readonly version: number | null;
  readonly changes: number | null;
  readonly instanceId: string | null;
}

function changeOf({ changes, instanceId, kind, tenantId, version }: Row): Change[] {
  if (tenantId === null) return [];
  if (kind === 'routes' && version !== null && changes !== null)
    return [{ kind, tenantId, version, changes }];
  if (kind === 'instance' && instanceId !== null) return [{ kind, tenantId, instanceId }];
  if (kind === 'tenant' || kind === 'move') return [{ kind, tenantId }];
  // A later release's kind, during an upgrade: what this one remembers does not depend on it.
  return [];
}

const pruneBatch = 5_000;

export function createChangeSource(sql: Sql): ChangeSource {
  const reads = createHistoryReads();
  const positionIn = (byStart: boolean) => sql`
    select pg_current_snapshot() as snapshot, floor(extract(epoch from clock_timestamp()) * 1000)::int8 as at_ms,
      ${historyLine(sql, byStart)} as history`;
  const read = async (byStart: boolean, since: string | undefined, max: number): Promise<Row[]> =>
    since === undefined
      ? sql<Row[]>`
          select snapshot::text as snapshot, at_ms as "atMs", history, null as "tenantId" from (${positionIn(byStart)}) here`
      : sql<Row[]>`
          select here.snapshot::text as snapshot, here.at_ms as "atMs", here.history,
            ${columns(sql, pick(changeFeed, 'tenantId', 'kind', 'version', 'changes', 'instanceId'), 'change')}
          from (${positionIn(byStart)}) here left join lateral (
            -- What the last snapshot did not see: what began after it, and what was under way.
            select * from change_feed
            where transaction >= pg_snapshot_xmax(${since}::pg_snapshot)
              or transaction = any(array(select pg_snapshot_xip(${since}::pg_snapshot)))
            order by change_id limit ${max + 1}) change on true
          order by change.change_id`;
  return {
    poll: async (since, max) => {
      const rows = await reads((byStart) => read(byStart, since, max));
      const [first] = rows;
      if (!first) throw new Error('a poll of the changes gave no row');
      const { atMs, snapshot } = first;
      return {
        atMs,
        snapshot,
        history: first.history,
        changes: rows.length > max ? undefined : rows.flatMap(changeOf),
      };
    },
    prune: async (seenBy) => {
      const { count } = await sql`
        delete from change_feed where ctid = any(array(
          select ctid from change_feed
          where transaction < ${seenBy === undefined ? '0' : oldestOf(seenBy)}::xid8 or changed_at < now() - interval '1 day'
          limit ${pruneBatch} for update skip locked))`;
      return count === pruneBatch;
    },
  };
}
