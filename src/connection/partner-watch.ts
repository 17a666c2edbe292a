import type { Cloud } from '../entra/clouds.ts';
import { readPartnerState } from '../graph/partner-state.ts';
import { newId } from '../ids.ts';
import { type Send, sendFor } from '../outbound/port.ts';
import type { Sql } from '../store/database.ts';
import type { PartnerState } from '../store/row-types.ts';
import type { TenantScope } from '../store/tenant-scope.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import { takePartnerWatch, writePartnerState } from '../store/tenants/watches.ts';
import type { Log } from '../telemetry/log.ts';
import type { ConnectionAccess } from './access.ts';
import { recordTermination } from './lifecycle.ts';
import { readApplication } from './tenant-credentials.ts';

/**
 * Determines the state of a tenant's connection at Intune: read from Graph where the diagnostic application may
 * (domain/microsoft.md 5), else derived from Intune's answers, and marked as derived.
 */
export interface PartnerWatchOptions {
  readonly sql: Sql;
  readonly scope?: TenantScope | undefined;
  readonly send: Send;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly access: ConnectionAccess;
  readonly hasDiagnostic: (cloud: string) => boolean;
  readonly connectorClientId: (cloud: string) => string | undefined;
  readonly timeoutMs: number;
}

/** Between two looks of the background at one tenant. */
const everySeconds = 900;
const batch = 20;

/** Partner state by what we know ourselves. */
export function derivedPartnerState(tenant: Tenant): string {
  switch (tenant.connectionState) {
    case 'connected':
      return tenant.lastHeartbeatAt === null ? 'unknown' : 'enabled';
    case 'disconnecting':
      return 'enabled';
    case 'terminated':
    case 'disabled':
    case 'disconnected':
      return 'terminated';
    case 'consented':
      return tenant.deprovisionedAt === null ? 'unknown' : 'terminated';
    case 'consenting':
      return 'unknown';
    case 'new':
      return 'unavailable';
  }
}

/** Reads the state from Graph and keeps it; acts on a termination. Undefined: Graph could not be asked. */
export async function checkPartner(
  tenant: Tenant,
  options: PartnerWatchOptions,
): Promise<PartnerState | undefined> {
  const { access, clouds, connectorClientId, hasDiagnostic, log, send, sql, tenants, timeoutMs } = options;
  const { tenantId } = tenant;
  const cloud = clouds.get(tenant.cloud);
  if (!cloud || !hasDiagnostic(tenant.cloud)) return undefined;
  const granted = await access.token(tenant, 'graph', { application: 'diagnostic' });
  if (!granted.ok) return undefined;
  const appId =
    tenant.connectionType === 'manual'
      ? (await readApplication(sql, tenantId))?.clientId
      : connectorClientId(tenant.cloud);
  const read = await readPartnerState({
    send: sendFor(tenantId, send),
    cloud,
    accessToken: granted.accessToken,
    clientRequestId: newId(),
    timeoutMs,
    mode: tenant.mode,
    identity: appId === undefined ? {} : { singleTenantAppId: appId },
  });
  if (!read.ok) {
    log.debug('partner-state.unread', { tenantId, failure: read.failure });
    return undefined;
  }
  const found: PartnerState = { state: read.state, source: 'graph', at: new Date().toISOString() };
  await writePartnerState(sql, tenantId, found);
  if (read.found && read.matchedBy !== 'only' && read.state === 'terminated') {
    await recordTermination(options, tenantId, { markedAt: read.markedAt, removedAt: read.removedAt });
  }
  tenants.forget(tenantId);
  return found;
}

/** Intune refused us as not provisioned: Graph says what happened; without it the refusal itself is the sign. */
export async function notProvisioned(tenantId: string, options: PartnerWatchOptions): Promise<void> {
  const tenant = await options.tenants.fresh(tenantId);
  if (tenant?.connectionState !== 'connected') return;
  const seen = await checkPartner(tenant, options);
  // A refusal's text alone is weak evidence: where Graph can be read, Graph decides.
  if (seen === undefined || seen.state === 'terminated' || seen.state === 'unknown')
    await recordTermination(options, tenantId);
}

/** Looks at the connected tenants now and then, whichever process does. */
export async function watchPartners(options: PartnerWatchOptions): Promise<void> {
  const due = await takePartnerWatch(options.sql, { everySeconds, limit: batch, scope: options.scope });
  await Promise.all(due.map((tenant) => checkPartner(tenant, options)));
}
