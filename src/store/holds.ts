import type { Sql } from './database.ts';
import { dueChannel } from './notifications.ts';
import type { Hold, Tenant, TenantDirectory } from './tenants.ts';

/** Why a tenant's delivery waits, kept where its status shows it; the same cause again changes nothing. */
export async function holdTenant(
  sql: Sql,
  tenants: TenantDirectory,
  tenant: Tenant,
  hold: Omit<Hold, 'since'>,
): Promise<void> {
  if (tenant.hold?.cause === hold.cause) return;
  const noted: Hold = { ...hold, since: new Date().toISOString() };
  await sql`update tenants set hold = ${sql.json({ ...noted })}, updated_at = now() where tenant_id = ${tenant.tenantId}`;
  tenants.forget(tenant.tenantId);
}

/** Intune takes the tenant's data again: whatever held it is over, and what waited is due at once. */
export async function releaseTenant(sql: Sql, tenants: TenantDirectory, tenant: Tenant): Promise<void> {
  if (tenant.hold === null) return;
  const { tenantId } = tenant;
  await sql`update tenants set hold = null, updated_at = now() where tenant_id = ${tenantId}`;
  tenants.forget(tenantId);
  await sql`update reports set next_try_at = now() where tenant_id = ${tenantId} and state = 'held'`;
  await sql.notify(dueChannel, 'reports');
}
