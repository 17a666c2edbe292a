/** Operators' changes of a tenant are written here: added, changed, migrated, removed. */

import { and, eq, sql } from 'drizzle-orm';
import type { Transaction } from '../database.ts';
import { query } from '../query.ts';
import type { ConnectionType, Mode } from '../row-types.ts';
import { tenants } from '../schema.ts';
import { type ShownApplication, shownApplication } from './application.ts';
import { type Tenant, tenantShape } from './tenant.ts';

export interface TenantRow extends Tenant {
  readonly application: ShownApplication | null;
}

const shownShape = { ...tenantShape, application: shownApplication };

type Settings = Pick<
  typeof tenants.$inferSelect,
  'displayName' | 'landing' | 'partnerGroup' | 'application' | 'tags'
>;

/** Fails on the primary key where the tenant is here already. */
export async function insertTenant(
  tx: Transaction,
  tenant: Settings & Pick<Tenant, 'tenantId' | 'cloud' | 'mode' | 'connectionType'>,
): Promise<TenantRow> {
  const [made] = await query(tx).insert(tenants).values(tenant).returning(shownShape);
  if (!made) throw new Error('a tenant that was written is not there');
  return made;
}

/** Changes what is given; undefined when the tenant is not as it was any more. */
export async function changeTenant(
  tx: Transaction,
  { tenantId, version }: Pick<Tenant, 'tenantId' | 'version'>,
  change: Partial<Settings>,
): Promise<TenantRow | undefined> {
  const [row] = await query(tx)
    .update(tenants)
    .set({ ...change, version: version + 1, updatedAt: sql`now()` })
    .where(and(eq(tenants.tenantId, tenantId), eq(tenants.version, version)))
    .returning(shownShape);
  return row;
}

/**
 * Changes mode and connection type. What was found out about the connection of before counts no more, and a
 * deprovisioning that another application was to send cannot be sent.
 */
export async function switchConnection(
  tx: Transaction,
  tenantId: string,
  to: { readonly mode: Mode; readonly connectionType: ConnectionType },
): Promise<void> {
  await tx`
    update tenants set mode = ${to.mode}, connection_type = ${to.connectionType}, partner_state = null,
      permissions = null, permissions_checked_at = null,
      deprovision_wanted = deprovision_wanted and connection_type = ${to.connectionType},
      version = version + 1, updated_at = now()
    where tenant_id = ${tenantId}`;
}

/** Removes the tenant with everything that refers to it; undefined when it is gone. */
export async function removeTenant(tx: Transaction, tenantId: string): Promise<TenantRow | undefined> {
  const [gone] = await query(tx).delete(tenants).where(eq(tenants.tenantId, tenantId)).returning(shownShape);
  return gone;
}

/** Something that is kept beside the tenant's row changed: whoever remembers the row reads it again. */
export async function raiseVersion(tx: Transaction, tenantId: string): Promise<void> {
  await tx`update tenants set version = version + 1, updated_at = now() where tenant_id = ${tenantId}`;
}
