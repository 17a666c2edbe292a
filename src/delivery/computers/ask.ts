import { changeBatch } from '../../limits.ts';
import { makeDue } from '../../store/computers/due.ts';
import type { InstanceRef } from '../../store/computers/readers.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';

/** What operators ask of an instance's reading. */

/**
 * Every known computer of the instance is due to be read, batch by batch; a reconciliation finds the others, and one
 * that was gone and is listed again.
 */
async function readAllAgain(sql: Sql, { instanceId, tenantId }: InstanceRef): Promise<void> {
  for (let afterId = 0; ; ) {
    const { last } = await inTransaction(sql, (tx) =>
      makeDue(
        tx,
        tx`select tenant_id, instance_id, jamf_computer_id from computers
          where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id > ${afterId}
            and gone_at is null
          order by jamf_computer_id limit ${changeBatch} for update`,
        { urgency: 'fresh', spread: 'none', backoff: 'keep' },
      ),
    );
    if (last === undefined) return;
    afterId = last.jamfComputerId;
  }
}

/**
 * Lists every enabled instance of the tenant and reads all of their computers anew. An instance was reconciled for it
 * when it says so with a time not before `requestedAt`. `note` is the last that the transaction does which asks them.
 */
export async function rebuildRoutes(
  sql: Sql,
  tenantId: string,
  note: (tx: Transaction, instances: number) => Promise<void>,
): Promise<{ readonly instances: number; readonly requestedAt: Date }> {
  const instances = await sql<{ instanceId: string }[]>`
    select instance_id as "instanceId" from instances where tenant_id = ${tenantId} and enabled order by instance_id`;
  // All are asked for first: a run that was under way before must not pass for the one that was wanted.
  const requestedAt = await inTransaction(sql, async (tx) => {
    let first: Date | undefined;
    for (const { instanceId } of instances) {
      const askedAt = await askReconciliation(tx, { tenantId, instanceId });
      first ??= askedAt;
    }
    await note(tx, instances.length);
    return first;
  });
  for (const { instanceId } of instances) await readAllAgain(sql, { tenantId, instanceId });
  return { instances: instances.length, requestedAt: requestedAt ?? new Date() };
}
