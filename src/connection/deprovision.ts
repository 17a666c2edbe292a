import { newId } from '../ids.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import { saysNotProvisioned } from '../intune/call.ts';
import { putPartnerTenant } from '../intune/partner-tenants.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import { gatewayOrigin, recorded } from '../store/history.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import { settleDeprovision, takeDeprovisions } from '../store/tenants/deprovision.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import { type ConnectionAccess, recordIntuneError } from './access.ts';

/**
 * Telling Intune that we are no longer a tenant's partner. The wish is a column: whichever process takes it sends
 * it, once when nothing fails, and again until Intune has confirmed it.
 */
export interface DeprovisionOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly access: ConnectionAccess;
  readonly apiVersions: PartnerApiVersions;
  readonly publicUrl: string;
  readonly timeoutMs: number;
}

/** Longer than the call may take, or a second process would send it too. */
const retryAfterSeconds = 150;
const batch = 20;

export const landingPages = (publicUrl: string, tenantId: string) => ({
  enrollmentUrl: `${publicUrl}/t/${tenantId}/enroll`,
  remediationUrl: `${publicUrl}/t/${tenantId}/remediate`,
});

async function deprovision(tenant: Tenant, options: DeprovisionOptions): Promise<void> {
  const { access, apiVersions, log, publicUrl, send, sql, tenants, timeoutMs } = options;
  const { tenantId } = tenant;
  const found = await access.services(tenant);
  const granted = found.ok ? await access.token(tenant, 'intune') : found;
  if (!found.ok || !granted.ok) {
    const { cause, detail } = granted.ok ? { cause: 'no-address', detail: '' } : granted;
    log.warn('deprovision.no-access', { tenantId, cause, detail });
    return;
  }
  const result = await putPartnerTenant({
    send: sendFor(tenantId, send),
    service: found.services.tenant,
    accessToken: granted.accessToken,
    apiVersion: apiVersions.PartnerTenants,
    clientRequestId: newId(),
    timeoutMs,
    tenantId,
    provisioning: 'deprovisioned',
    ...landingPages(publicUrl, tenantId),
  });
  // Refused because it is over already: that is what was wished.
  const over = 'detail' in result && saysNotProvisioned(result.detail);
  if (result.outcome !== 'done' && !over) {
    recordIntuneError(access, tenant, result);
    log.warn('deprovision.failed', { tenantId, ...result });
    return;
  }
  await recorded(sql, gatewayOrigin, async (tx, note) => {
    const settled = await settleDeprovision(tx, tenantId);
    if (!settled) return;
    const { deprovisionedAt, displayName: name } = settled;
    const object = { kind: 'connection', id: tenantId, name };
    note({ tenantId, action: 'connection.deprovision', object, after: { deprovisionedAt } });
  });
  tenants.forget(tenantId);
  log.info('deprovision.done', { tenantId });
}

/** Sends what is wanted; for one tenant at once, or whatever is due when the runtime looks. */
export async function sendDeprovisions(options: DeprovisionOptions, tenantId?: string): Promise<void> {
  const due = await takeDeprovisions(options.sql, {
    limit: batch,
    retryAfterSeconds,
    tenantId,
    scope: options.scope,
  });
  await Promise.all(due.map((tenant) => deprovision(tenant, options)));
}
