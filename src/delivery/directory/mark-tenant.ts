import { changeBatch } from '../../limits.ts';
import { makeAllDue } from '../../store/computers/due.ts';
import type { Sql } from '../../store/database.ts';
import { makeDue } from '../../store/reports/due.ts';
import { inTransaction } from '../../store/retry.ts';

/**
 * Anything of the tenant's directory may have changed: its computers are read anew as by a reconciliation, behind what
 * is fresh and spread over time, and reports that were refused are told again. Batch by batch; safe to repeat.
 */
export async function markTenant(sql: Sql, tenantId: string): Promise<void> {
  await makeAllDue(sql, { tenantId }, 'background');
  await tellRefused(sql, tenantId);
}

async function tellRefused(sql: Sql, tenantId: string): Promise<void> {
  for (let offset = 0; ; offset += changeBatch) {
    const { taken } = await inTransaction(sql, (tx) =>
      makeDue(tx, tenantId, {
        which: (queries) => queries`state = 'failed' and failed_at is not null`,
        reason: 'directory-change',
        background: true,
        retracted: false,
        dueSince: 'keep',
        batch: { after: undefined, offset, limit: changeBatch },
      }),
    );
    if (taken < changeBatch) return;
  }
}
