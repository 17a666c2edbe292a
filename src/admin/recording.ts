import type { Context } from 'hono';
import type { Transaction } from '../store/database.ts';
import { type HistoryEntry, recordHistory } from '../store/history.ts';
import type { AdminEnv } from './context.ts';

/** History as the admin plane writes it: who, why and from where come of the request. */

export type Change = Pick<HistoryEntry, 'action' | 'after' | 'before' | 'object' | 'reason' | 'tenantId'>;

/** Appends an entry to the tenant's history, in the transaction of the change; call it last in there. */
export async function recordChange(c: Context<AdminEnv>, tx: Transaction, change: Change): Promise<void> {
  const { id, kind, name } = c.get('operator');
  await recordHistory(tx, {
    ...change,
    author: { kind, id, name },
    requestId: c.get('requestId'),
    source: c.get('source'),
    approvedBy: c.get('approvedBy'),
  });
}
