import type { Hold } from '../../src/store/row-types.ts';
import type { Tenant } from '../../src/store/tenants/tenant.ts';
import type { MemoryReports } from '../harness/memory-report-store.ts';

/** What the processes share beside the reports: the tenants, as the database has them, and how well it does. */

export interface TenantRow {
  readonly tenant: Tenant;
  readonly closedSinceMs: number | undefined;
  readonly heldSinceMs: number | undefined;
}

export interface Database {
  readonly reports: MemoryReports;
  readonly tenants: Map<string, TenantRow>;
  /** It refuses every connection. */
  down: boolean;
  /** Raised when it dies: what is under way then gets no answer. */
  lives: number;
  /** Longest wait of one call, in milliseconds. */
  slowMs: number;
  /** Of calls that fail before or after their commit. */
  faultShare: number;
}

export function newTenant(tenantId: string): Tenant {
  const epoch = new Date(0);
  return {
    tenantId,
    cloud: 'public',
    displayName: tenantId,
    mode: 'device-compliance',
    connectionType: 'cloud-connector',
    landing: { choice: 'default' },
    partnerGroup: null,
    tags: [],
    connectionState: 'connected',
    hold: null,
    paused: false,
    intuneQuietUntil: null,
    connectedAt: epoch,
    lastHeartbeatAt: null,
    lastConfirmAt: null,
    partnerState: null,
    terminatedAt: null,
    devicesMarkedAt: null,
    devicesRemovedAt: null,
    deprovisionWanted: false,
    deprovisionedAt: null,
    resyncTimestamp: null,
    messageErrors: null,
    permissions: null,
    version: 1,
    createdAt: epoch,
    updatedAt: epoch,
  };
}

export function changeTenant(
  database: Database,
  tenantId: string,
  change: Partial<Tenant>,
  nowMs: number,
): void {
  const row = database.tenants.get(tenantId);
  if (!row) return;
  const tenant = { ...row.tenant, ...change };
  const closed = tenant.paused || tenant.connectionState !== 'connected';
  database.tenants.set(tenantId, {
    tenant,
    closedSinceMs: closed ? (row.closedSinceMs ?? nowMs) : undefined,
    heldSinceMs: tenant.hold === null ? undefined : (row.heldSinceMs ?? nowMs),
  });
}

export const recordHold = (
  database: Database,
  tenantId: string,
  hold: Omit<Hold, 'since'>,
  nowMs: number,
): void =>
  changeTenant(database, tenantId, { hold: { ...hold, since: new Date(nowMs).toISOString() } }, nowMs);

/** What waited for the tenant is due: as an operator's resume or the end of a hold does it. */
export const checkHeld = (database: Database, tenantId: string): void =>
  database.reports.update((row, nowMs) =>
    row.tenantId === tenantId && row.state === 'held' ? { nextTryAtMs: nowMs } : undefined,
  );
