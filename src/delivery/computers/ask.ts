import { columns, pick, type Row } from '../../store/columns.ts';
import { makeAllDue } from '../../store/computers/due.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import type { Sql, Transaction } from '../../store/database.ts';
import { inTransaction } from '../../store/retry.ts';
import { instances as instanceTable } from '../../store/schema.ts';

/** Operators' requests to read an instance are handled here. */

const enabledShape = pick(instanceTable, 'instanceId');

/**
 * Lists every enabled instance of the tenant and reads all of their known computers anew; the lists find the others,
 * and those that were gone and are listed again. An instance was reconciled for it
 * when it says so with a time not before `requestedAt`. `note` is the last that the transaction does which asks them.
 */
export async function rebuildRoutes(
  sql: Sql,
  tenantId: string,
  note: (tx: Transaction, instances: number) => Promise<void>,
): Promise<{ readonly instances: number; readonly requestedAt: Date }> {
  const instances = await sql<Row<typeof enabledShape>[]>`
    select ${columns(sql, enabledShape)} from instances where tenant_id = ${tenantId} and enabled order by instance_id`;
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
  for (const { instanceId } of instances) await makeAllDue(sql, { tenantId, instanceId }, 'fresh');
  return { instances: instances.length, requestedAt: requestedAt ?? new Date() };
}
