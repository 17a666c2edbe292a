import { changeBatch } from '../../limits.ts';
import { makeDue as makeComputersDue } from '../../store/computers/due.ts';
import type { Sql } from '../../store/database.ts';
import { makeDue as makeReportsDue } from '../../store/reports/due.ts';
import { inTransaction } from '../../store/retry.ts';

/**
 * Anything of the tenant's directory may have changed: its computers are read anew as by a reconciliation, behind what
 * is fresh and spread over time, and reports that were refused are told again. Batch by batch; safe to repeat.
 */
export async function markTenant(sql: Sql, tenantId: string): Promise<void> {
  let from = { instanceId: '00000000-0000-0000-0000-000000000000', jamfComputerId: 0 };
  for (let behind = 0; ; behind += changeBatch) {
    const { instanceId, jamfComputerId } = from;
    const { last } = await inTransaction(sql, (tx) =>
      makeComputersDue(
        tx,
        tx`select tenant_id, instance_id, jamf_computer_id from computers
          where tenant_id = ${tenantId} and gone_at is null
            and (instance_id, jamf_computer_id) > (${instanceId}::uuid, ${jamfComputerId})
          order by instance_id, jamf_computer_id limit ${changeBatch} for update`,
        { urgency: 'background', spread: { behind }, backoff: 'keep' },
      ),
    );
    if (last === undefined) break;
    from = last;
  }
  await tellRefused(sql, tenantId);
}

async function tellRefused(sql: Sql, tenantId: string): Promise<void> {
  for (let offset = 0; ; offset += changeBatch) {
    const { taken } = await inTransaction(sql, (tx) =>
      makeReportsDue(tx, tenantId, {
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
