import { backgroundReportsPerSecond } from '../limits.ts';
import type { Fragment, Queries, Sql, Transaction } from '../store/database.ts';
import { type Change, gatewayOrigin, type HistoryOrigin, recorded } from '../store/history.ts';
import { dueChannel } from '../store/notifications.ts';
import { inTransaction } from '../store/retry.ts';

/** Telling Intune every state again: on its request (domain/microsoft.md 4.3) or an operator's. */

const resynced = (tenantId: string, after: Readonly<Record<string, unknown>>): Change => ({
  tenantId,
  action: 'connection.resync',
  object: { kind: 'connection', id: tenantId },
  after,
});

/** What was told and is not under way; with `before`, what was last accepted before. */
const again = (sql: Queries, tenantId: string, before: Date | undefined): Fragment => sql`
  tenant_id = ${tenantId} and state in ('completed', 'verified', 'failed') and content_hash <> 'retracted'
  and (${before ?? null}::timestamptz is null or accepted_at is null or accepted_at < ${before ?? null}::timestamptz)`;

/** How many reports `resyncTenant` would make due. */
export async function countResync(sql: Sql, tenantId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from reports where ${again(sql, tenantId, undefined)}`;
  return row?.count ?? 0;
}

/** Makes the tenant's reports due again, spread over time and behind what is fresh. Returns how many. */
export const resyncTenant = (sql: Sql, tenantId: string): Promise<number> =>
  inTransaction(sql, (tx) => makeDue(tx, tenantId));

/** The same, asked for by itself and not as a part of something else. */
export const askResync = (sql: Sql, tenantId: string, by: HistoryOrigin): Promise<number> =>
  recorded(sql, by, async (tx, note) => {
    const reports = await makeDue(tx, tenantId);
    note(resynced(tenantId, { reports }));
    return reports;
  });

/** Those last accepted before `before`, or all. */
async function makeDue(tx: Transaction, tenantId: string, before?: Date): Promise<number> {
  const rows = await tx`
      with locked as materialized (
        select device_id from reports
        where ${again(tx, tenantId, before)} order by device_id for update
      ), again as (select device_id, row_number() over (order by device_id) as position from locked)
      update reports r set revision = revision + 1, state = 'due', reason = 'resync', attempts = 0, verification = null,
        updated_at = now(), background = true, due_since = now(), failed_at = null,
        next_try_at = now() + (again.position / ${backgroundReportsPerSecond}::float8) * interval '1 second'
      from again where r.tenant_id = ${tenantId} and r.device_id = again.device_id
      returning 1`;
  await tx`select pg_notify(${dueChannel}, 'reports')`;
  return rows.length;
}

/** Acts once per distinct value, whichever process sees it first; undefined when it was acted on before. */
export const obeyResync = (sql: Sql, tenantId: string, timestamp: string): Promise<number | undefined> =>
  recorded(sql, gatewayOrigin, async (tx, note) => {
    const rows = await tx`
      update tenants set resync_timestamp = ${timestamp}
      where tenant_id = ${tenantId} and resync_timestamp is distinct from ${timestamp} returning 1`;
    if (rows.length === 0) return undefined;
    const before = new Date(timestamp);
    const reports = await makeDue(tx, tenantId, Number.isNaN(before.getTime()) ? undefined : before);
    note(resynced(tenantId, { reports, resyncTimestamp: timestamp }));
    return reports;
  });
