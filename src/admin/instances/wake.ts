import { retryNow } from '../../store/computers/due.ts';
import { pollSoon } from '../../store/computers/reading.ts';
import type { Sql } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';

/**
 * Makes work that waited for the instance due at once, and so also reads what its webhooks did not report meanwhile.
 */
export const wakeComputers = (sql: Sql, tenantId: string, instanceId: string): Promise<void> =>
  inTransaction(sql, async (tx) => {
    await pollSoon(tx, { tenantId, instanceId });
    await retryNow(tx, { tenantId, instanceId });
  });
