/** Operators' changes of an instance are written here: added, changed, paused, enabled, removed. */

import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '../database.ts';
import { query } from '../query.ts';
import { instances } from '../schema.ts';
import type { Instance, InstanceRef } from './instance.ts';

type Settings = Pick<
  Instance,
  | 'name'
  | 'url'
  | 'apiClientId'
  | 'apiSecretSealed'
  | 'apiSecretRef'
  | 'compliance'
  | 'caCertificate'
  | 'clientCertificateSha256'
>;

/** Fails on a unique index where the tenant has an instance of this name. */
export async function insertInstance(tx: Transaction, instance: InstanceRef & Settings): Promise<Instance> {
  const [made] = await query(tx).insert(instances).values(instance).returning();
  if (!made) throw new Error('an instance that was written is not there');
  return made;
}

/** Changes what is given; undefined when the instance is not as it was any more. */
export async function changeInstance(
  tx: Transaction,
  { instanceId, tenantId, version }: Instance,
  change: Partial<Settings & Pick<Instance, 'enabled'>>,
): Promise<Instance | undefined> {
  const [changed] = await query(tx)
    .update(instances)
    .set({ ...change, version: version + 1, updatedAt: sql`now()` })
    .where(
      and(
        eq(instances.tenantId, tenantId),
        eq(instances.instanceId, instanceId),
        eq(instances.version, version),
      ),
    )
    .returning();
  return changed;
}

/** Undefined: there is no such instance. */
export async function pauseInstance(
  tx: Transaction,
  { instanceId, tenantId }: InstanceRef,
  paused: boolean,
): Promise<{ readonly before: boolean; readonly version: number } | undefined> {
  const [row] = await tx<{ before: boolean; version: number }[]>`
    update instances i set paused = ${paused}, version = version + 1, updated_at = now()
    from (select instance_id, paused from instances
          where tenant_id = ${tenantId} and instance_id = ${instanceId} for update) old
    where i.tenant_id = ${tenantId} and i.instance_id = old.instance_id
    returning old.paused as before, i.version`;
  return row;
}

/** Says whether it was otherwise. */
export async function enableInstance(
  tx: Transaction,
  { instanceId, tenantId }: InstanceRef,
  enabled: boolean,
): Promise<boolean> {
  const { count } = await tx`
    update instances set enabled = ${enabled}, updated_at = now()
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and enabled <> ${enabled}`;
  return count > 0;
}

/** Removes the instance with its keys, computers and claims. */
export async function removeInstance(tx: Transaction, { instanceId, tenantId }: InstanceRef): Promise<void> {
  await tx`delete from instances where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
}
