import { newId } from '../ids.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import { saysNotProvisioned } from '../intune/call.ts';
import { type HeartbeatResult, putHeartbeat } from '../intune/heartbeat.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import { dueHeartbeats, recordHeartbeat, retryHeartbeat, takeHeartbeat } from '../store/tenants/heartbeat.ts';
import { holdTenant, releaseTenant } from '../store/tenants/hold.ts';
import type { AccessFailure, Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import { suspectPermissions } from '../store/tenants/watches.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type ConnectionAccess, recordIntuneError } from './access.ts';
import { obeyResync } from './resync.ts';

/**
 * The heartbeat, once per tenant and period whichever process sends it (domain/microsoft.md 4.3). Everything is made
 * ready first; then the period is taken in the database, and the call follows at once. A process killed in between
 * leaves one period out, which Intune does not mind; none is ever sent twice. A refused one is tried again after a
 * tenth of the period.
 */
export interface HeartbeatOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly access: ConnectionAccess;
  readonly tenants: TenantDirectory;
  readonly apiVersions: PartnerApiVersions;
  readonly periodSeconds: number;
  readonly timeoutMs: number;
  /** Intune does not hold us for the tenant's partner any more. */
  readonly notProvisioned: (tenantId: string) => Promise<void>;
}

/** Tenants looked at in one go. */
const batch = 50;

async function beat(tenant: Tenant, options: HeartbeatOptions): Promise<void> {
  const { access, apiVersions, log, metrics, periodSeconds, send, sql, timeoutMs } = options;
  const { tenantId } = tenant;
  const retrySoon = () => retryHeartbeat(sql, tenantId, periodSeconds / 10);
  const found = await access.services(tenant);
  const granted = found.ok ? await access.token(tenant, 'intune') : found;
  if (!(await takeHeartbeat(sql, tenantId, periodSeconds))) return;
  if (!found.ok || !granted.ok) {
    metrics.heartbeat('no-access');
    if (!granted.ok) await recordNoAccess(tenant, granted, options);
    await retrySoon();
    return;
  }
  const result = await putHeartbeat({
    send: sendFor(tenantId, send),
    service: found.services.tenant,
    accessToken: granted.accessToken,
    apiVersion: apiVersions.PartnerTenantHeartbeat,
    clientRequestId: newId(),
    timeoutMs,
    tenantId,
    timestamp: new Date(),
  });
  metrics.heartbeat(result.outcome);
  if (result.outcome === 'alive') return recordAlive(result, tenant, options);
  log.warn('heartbeat.failed', { tenantId, ...result });
  recordIntuneError(access, tenant, result);
  if (result.outcome === 'unauthenticated' || result.outcome === 'forbidden') {
    await suspectPermissions(sql, tenantId);
  }
  // An unclear one may have arrived.
  if (result.outcome !== 'unclear') await retrySoon();
  if ('detail' in result && saysNotProvisioned(result.detail)) await options.notProvisioned(tenantId);
}

async function recordNoAccess(
  tenant: Tenant,
  failure: AccessFailure,
  options: HeartbeatOptions,
): Promise<void> {
  const { cause, detail, kind, owner, remedy } = failure;
  options.log.warn('heartbeat.no-access', { tenantId: tenant.tenantId, cause, detail });
  // A tenant without new reports would otherwise look well until one comes.
  if (kind === 'hold')
    await holdTenant(options.sql, options.tenants, tenant, { cause, detail, owner, remedy });
}

async function recordAlive(
  alive: Extract<HeartbeatResult, { outcome: 'alive' }>,
  tenant: Tenant,
  { log, sql, tenants }: HeartbeatOptions,
): Promise<void> {
  const { tenantId } = tenant;
  const { messageErrors, resyncTimestamp } = alive;
  if (messageErrors.length > 0) log.warn('heartbeat.message-errors', { tenantId, messageErrors });
  await recordHeartbeat(sql, tenantId, messageErrors);
  await releaseTenant(sql, tenants, tenant);
  if (resyncTimestamp === undefined) return;
  const due = await obeyResync(sql, tenantId, resyncTimestamp);
  if (due !== undefined) log.info('resync.asked', { tenantId, resyncTimestamp, reports: due });
}

/** Sends what is due; the runtime calls it every few seconds. */
export async function sendHeartbeats(options: HeartbeatOptions): Promise<void> {
  const due = await dueHeartbeats(options.sql, batch, options.scope);
  await Promise.all(due.map((tenant) => beat(tenant, options)));
}
