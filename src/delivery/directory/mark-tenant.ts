import { backgroundPerSecond, changeBatch } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import { makeDue } from '../../store/reports/due.ts';
import { inTransaction } from '../../store/retry.ts';

/**
 * Anything of the tenant's directory may have changed: its computers are read anew as by a reconciliation, behind what
 * is fresh and spread over time, and reports that were refused are told again. Batch by batch; safe to repeat.
 */
export async function markTenant(sql: Sql, tenantId: string): Promise<void> {
  let after = { instanceId: '00000000-0000-0000-0000-000000000000', jamfComputerId: 0 };
  for (let position = 0; ; position += changeBatch) {
    const from = after;
    const rows = await inTransaction(
      sql,
      (tx) => tx<{ instanceId: string; jamfComputerId: number }[]>`
        with batch as materialized (
          select instance_id, jamf_computer_id, row_number() over (order by instance_id, jamf_computer_id) - 1 as place
          from (
            select instance_id, jamf_computer_id from computers
            where tenant_id = ${tenantId} and gone_at is null
              and (instance_id, jamf_computer_id) > (${from.instanceId}::uuid, ${from.jamfComputerId})
            order by instance_id, jamf_computer_id limit ${changeBatch} for update) as next
        ), due as (
          update computers c set wanted_revision = wanted_revision + 1, background = true, updated_at = now(),
            next_try_at = now() + ((${position} + place) / ${backgroundPerSecond}::float8) * interval '1 second'
          from batch where c.tenant_id = ${tenantId} and c.instance_id = batch.instance_id
            and c.jamf_computer_id = batch.jamf_computer_id and c.wanted_revision <= c.done_revision
        )
        select instance_id as "instanceId", jamf_computer_id as "jamfComputerId" from batch
        order by instance_id, jamf_computer_id`,
    );
    const last = rows.at(-1);
    if (last === undefined) break;
    after = last;
  }
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
