import type { Fragment, Queries, Sql, Transaction } from '../store/database.ts';
import { type Change, gatewayOrigin, type HistoryOrigin, recorded } from '../store/history.ts';
import { makeDue } from '../store/reports/due.ts';
import { inTransaction } from '../store/retry.ts';
import { takeResync } from '../store/tenants/heartbeat.ts';

/** Telling Intune every state again: on its request (domain/microsoft.md 4.3) or an operator's. */

const resynced = (tenantId: string, after: Readonly<Record<string, unknown>>): Change => ({
  tenantId,
  action: 'connection.resync',
  object: { kind: 'connection', id: tenantId },
  after,
});

/** Reports that were sent and are not under way; with `before`, those of them that were last accepted before it. */
const acceptedBefore =
  (before?: Date) =>
  (sql: Queries): Fragment =>
    sql`
    state in ('completed', 'verified', 'failed')
    and (${before ?? null}::timestamptz is null or accepted_at is null or accepted_at < ${before ?? null}::timestamptz)`;

/** Counts the reports that `resyncTenant` would make due. */
export async function countResync(sql: Sql, tenantId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from reports
    where tenant_id = ${tenantId} and not retracted and ${acceptedBefore()(sql)}`;
  return row?.count ?? 0;
}

/** Makes the tenant's reports due again, spread over time and behind what is fresh. Returns how many. */
export const resyncTenant = (sql: Sql, tenantId: string): Promise<number> =>
  inTransaction(sql, (tx) => makeAllDue(tx, tenantId));

/** The same, asked for by itself and not as a part of something else. */
export const askResync = (sql: Sql, tenantId: string, by: HistoryOrigin): Promise<number> =>
  recorded(sql, by, async (tx, note) => {
    const reports = await makeAllDue(tx, tenantId);
    note(resynced(tenantId, { reports }));
    return reports;
  });

/** Those last accepted before `before`, or all; a retraction is no state that an instance told. */
async function makeAllDue(tx: Transaction, tenantId: string, before?: Date): Promise<number> {
  const making = { which: acceptedBefore(before), reason: 'resync', background: true } as const;
  const { taken } = await makeDue(tx, tenantId, { ...making, retracted: false, dueSince: 'now' });
  return taken;
}

/** Acts once per distinct value, whichever process sees it first; undefined when it was acted on before. */
export const obeyResync = (sql: Sql, tenantId: string, timestamp: string): Promise<number | undefined> =>
  recorded(sql, gatewayOrigin, async (tx, note) => {
    if (!(await takeResync(tx, tenantId, timestamp))) return undefined;
    const before = new Date(timestamp);
    const reports = await makeAllDue(tx, tenantId, Number.isNaN(before.getTime()) ? undefined : before);
    note(resynced(tenantId, { reports, resyncTimestamp: timestamp }));
    return reports;
  });
