import { changeBatch } from '../../limits.ts';
import type { InstanceRef } from '../../store/computers/readers.ts';
import type { Queries, Sql, Transaction } from '../../store/database.ts';
import { dueChannel } from '../../store/notifications.ts';
import { inTransaction } from '../../store/retry.ts';

/** What operators ask of an instance's reading. */

/** The row of a new instance, with which its first reconciliation is due; in the transaction that makes the instance. */
export const addReading = (
  sql: Queries,
  { instanceId, tenantId }: InstanceRef,
  { reconcile }: { readonly reconcile: boolean },
) => sql`
  insert into instance_reading (tenant_id, instance_id, next_reconcile_at)
  values (${tenantId}, ${instanceId}, case when ${reconcile} then now() else 'infinity' end)`;

/** The instance may be read from again: what happened meanwhile is asked for at once. */
export const pollSoon = (sql: Queries, { instanceId, tenantId }: InstanceRef) => sql`
  update instance_reading set next_poll_at = now(),
    next_reconcile_at = case when reconcile_started_at is null then next_reconcile_at else now() end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/**
 * Something that the instance told was missed since so long ago: it is polled now, and asked for all that was reported
 * since then. A first poll that has not been yet lists nothing anyway: the first reconciliation lists everything.
 */
export const pollSince = (sql: Queries, { instanceId, tenantId }: InstanceRef, agoMs: number) => sql`
  update instance_reading set next_poll_at = now(),
    poll_cursor = case when poll_cursor is not null
                       then least(poll_cursor, now() - ${agoMs}::float8 * interval '1 millisecond') end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** A full reconciliation from the first computer on, also where one is under way; says when it was asked for. */
export async function askReconciliation(sql: Queries, { instanceId, tenantId }: InstanceRef): Promise<Date> {
  const [row] = await sql<{ askedAt: Date }[]>`
    insert into instance_reading (tenant_id, instance_id) values (${tenantId}, ${instanceId})
    on conflict (tenant_id, instance_id) do update set next_reconcile_at = now(), next_poll_at = now(),
      reconcile_started_at = null, reconcile_after_id = null
    returning next_reconcile_at as "askedAt"`;
  return row?.askedAt ?? new Date();
}

/**
 * Every known computer of the instance is due to be read, batch by batch; a reconciliation finds the others, and one
 * that was gone and is listed again.
 */
async function readAllAgain(sql: Sql, { instanceId, tenantId }: InstanceRef): Promise<void> {
  for (let afterId = 0; ; ) {
    const rows = await inTransaction(
      sql,
      (tx) => tx<{ jamfComputerId: number }[]>`
        with batch as materialized (
          select jamf_computer_id from computers
          where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id > ${afterId}
            and gone_at is null
          order by jamf_computer_id limit ${changeBatch} for update
        )
        update computers c set wanted_revision = wanted_revision + 1, background = false, updated_at = now(),
          next_try_at = case when wanted_revision > done_revision and attempts > 0 then next_try_at else now() end
        from batch where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId}
          and c.jamf_computer_id = batch.jamf_computer_id
        returning c.jamf_computer_id as "jamfComputerId"`,
    );
    if (rows.length === 0) return;
    afterId = Math.max(...rows.map((row) => row.jamfComputerId));
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
  await sql.notify(dueChannel, 'computers');
  return { instances: instances.length, requestedAt: requestedAt ?? new Date() };
}
