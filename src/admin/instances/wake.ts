import { retryNow } from '../../store/computers/due.ts';
import { pollSoon } from '../../store/computers/reading.ts';
import type { Sql } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';

/** What waited for the instance is due at once, and so is what its webhooks did not tell meanwhile. */
export const wakeComputers = (sql: Sql, tenantId: string, instanceId: string): Promise<void> =>
  inTransaction(sql, async (tx) => {
    await pollSoon(tx, { tenantId, instanceId });
    await retryNow(tx, { tenantId, instanceId });
  });
