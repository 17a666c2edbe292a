import type { Fragment, Transaction } from '../../store/database.ts';

/**
 * Statements of many rows are planned here so that no estimate can lead them astray, for the rest of the transaction.
 *
 * Planned for this tenant, a statement would expect the rows that it had when the table was last analysed: none of a new
 * one, and then any index is as good as the key's, for each row anew. Planned for any tenant, the key is the best. Also,
 * foreign keys are checked row by row, by statements that need not be planned for each (store/database.ts).
 *
 * A table that is analysed while an import has not committed seems empty, whatever it is planned for. So routes are
 * looked up in the order of the key, which no other index gives without a sort.
 */
export async function planSteadily(tx: Transaction): Promise<void> {
  await tx`set local plan_cache_mode = 'force_generic_plan'`;
  // Such a plan is kept: made while the table was small, it must not read a million routes later.
  await tx`set local enable_seqscan = off`;
  await tx`set local enable_bitmapscan = off`;
  await tx`set local enable_sort = off`;
  await tx`set local jit = off`;
}

/** The tenant's route of this device, or else of the next one that has any: the caller has to compare the device. */
export const nextRoute = (tx: Transaction, tenantId: string, deviceId: Fragment): Fragment => tx`
  select * from routes where tenant_id = ${tenantId} and device_id >= ${deviceId} order by device_id limit 1`;
