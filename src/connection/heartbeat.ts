import { newId } from '../ids.ts';
import type { PartnerApiVersions } from '../intune/api-versions.ts';
import { saysNotProvisioned } from '../intune/call.ts';
import { type HeartbeatResult, putHeartbeat } from '../intune/heartbeat.ts';
import type { Send } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import { holdTenant, releaseTenant } from '../store/holds.ts';
import { type Tenant, type TenantDirectory, tenantColumns } from '../store/tenants.ts';
import type { Log } from '../telemetry/log.ts';
import type { Metrics } from '../telemetry/metrics.ts';
import { type ConnectionAccess, noteSetback } from './access.ts';
import { obeyResync } from './resync.ts';

/**
 * The heartbeat, once per tenant and period whichever process sends it (domain/microsoft.md 4.3): the row is moved
 * on before the call, so no other process sends it too; a failed one is tried again after a tenth of the period.
 */
export interface HeartbeatOptions {
  readonly sql: Sql;
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

async function claimTenants({ periodSeconds, sql }: HeartbeatOptions): Promise<Tenant[]> {
  return sql<Tenant[]>`
    update tenants set last_heartbeat_try_at = now()
    where tenant_id in (
      select tenant_id from tenants
      where connection_state = 'connected' and not paused
        and coalesce(next_heartbeat_at, '-infinity') <= now()
        and coalesce(last_heartbeat_try_at, '-infinity') < now() - ${periodSeconds / 10} * interval '1 second'
      order by last_heartbeat_try_at nulls first limit ${batch} for update skip locked)
    returning ${tenantColumns(sql)}`;
}

async function beat(tenant: Tenant, options: HeartbeatOptions): Promise<void> {
  const { access, apiVersions, log, metrics, send, timeoutMs } = options;
  const { tenantId } = tenant;
  const found = await access.services(tenant);
  const granted = found.ok ? await access.token(tenant, 'intune') : found;
  if (!found.ok || !granted.ok) {
    metrics.heartbeat('no-access');
    if (granted.ok) return;
    const { cause, detail, kind, owner, remedy } = granted;
    log.warn('heartbeat.no-access', { tenantId, cause, detail });
    // A tenant without new reports would otherwise look well until one comes.
    if (kind === 'hold')
      await holdTenant(options.sql, options.tenants, tenant, { cause, detail, owner, remedy });
    return;
  }
  const result = await putHeartbeat({
    send,
    service: found.services.tenant,
    accessToken: granted.accessToken,
    apiVersion: apiVersions.PartnerTenantHeartbeat,
    clientRequestId: newId(),
    timeoutMs,
    tenantId,
    timestamp: new Date(),
  });
  metrics.heartbeat(result.outcome);
  if (result.outcome !== 'alive') {
    log.warn('heartbeat.failed', { tenantId, ...result });
    noteSetback(access, tenant, result);
    if ('detail' in result && saysNotProvisioned(result.detail)) await options.notProvisioned(tenantId);
    return;
  }
  if (result.messageErrors.length > 0)
    log.warn('heartbeat.message-errors', { tenantId, messageErrors: result.messageErrors });
  await releaseTenant(options.sql, options.tenants, tenant);
  await noteHeartbeat(result, tenantId, options);
}

async function noteHeartbeat(
  alive: Extract<HeartbeatResult, { outcome: 'alive' }>,
  tenantId: string,
  { log, periodSeconds, sql }: HeartbeatOptions,
): Promise<void> {
  const errors = alive.messageErrors.length > 0 ? sql.json(alive.messageErrors as never) : null;
  // Up to a tenth earlier than the period: tenants that were connected together drift apart.
  await sql`
    update tenants set last_heartbeat_at = now(),
      next_heartbeat_at = now() + ${periodSeconds} * (0.9 + 0.1 * random()) * interval '1 second',
      message_errors = coalesce(${errors}::jsonb, message_errors)
    where tenant_id = ${tenantId}`;
  if (alive.resyncTimestamp === undefined) return;
  const due = await obeyResync(sql, tenantId, alive.resyncTimestamp);
  if (due !== undefined)
    log.info('resync.asked', { tenantId, resyncTimestamp: alive.resyncTimestamp, reports: due });
}

/** Sends what is due; the runtime calls it every few seconds. */
export async function sendHeartbeats(options: HeartbeatOptions): Promise<void> {
  const due = await claimTenants(options);
  await Promise.all(due.map((tenant) => beat(tenant, options)));
}
