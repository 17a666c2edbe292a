import { createJoining } from '../../joining.ts';
import { createKeyedSemaphore } from '../../semaphore.ts';
import type { Sql } from '../../store/database.ts';
import { holdTenant, releaseTenant, silenceTenant } from '../../store/tenants/hold.ts';
import type { Tenant, TenantDirectory } from '../../store/tenants/tenant.ts';
import type { ReportTenants } from './report-options.ts';

export interface ReportTenantsOptions {
  readonly sql: Sql;
  readonly tenants: TenantDirectory;
  /** Intune does not hold us for the tenant's partner any more. */
  readonly notProvisioned: (tenantId: string) => Promise<void>;
  /** Microsoft refused our application a permission. */
  readonly permissionRefused: (tenantId: string) => Promise<void>;
}

/** Many ask for one tenant at the same moment: one query answers them. */
function shared(read: (tenantId: string) => Promise<Tenant | undefined>) {
  const readings = createJoining<Tenant | undefined>('process');
  return (tenantId: string): Promise<Tenant | undefined> => readings.once(tenantId, () => read(tenantId));
}

/** The tenants as the report stage sees them, over the directory that this process shares. */
export function createReportTenants(options: ReportTenantsOptions): ReportTenants {
  const { sql, tenants } = options;
  // Many reports of a tenant find the same: where its row is locked, they must not hold all connections.
  const turns = createKeyedSemaphore(1);
  return {
    tenant: shared((tenantId) => tenants.tenant(tenantId)),
    fresh: shared((tenantId) => tenants.fresh(tenantId)),
    hold: async (tenant, hold) => {
      if (hold.cause === 'not-provisioned') await options.notProvisioned(tenant.tenantId);
      if (hold.cause === 'permission-missing') await options.permissionRefused(tenant.tenantId);
      await turns(tenant.tenantId, () => holdTenant(sql, tenants, tenant, hold));
    },
    release: (tenant) => turns(tenant.tenantId, () => releaseTenant(sql, tenants, tenant)),
    silence: async ({ tenantId }, until) => {
      await turns(tenantId, () => silenceTenant(sql, tenantId, until));
      tenants.forget(tenantId);
    },
  };
}
