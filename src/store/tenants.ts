import { LRUCache } from 'lru-cache';
import type { Queries, Sql } from './database.ts';

/** Where a browser of an unknown Mac is sent (contract section 8). */
export interface Landing {
  readonly choice: 'default' | 'denied' | 'custom';
  readonly customUrl?: string;
  readonly defaultInstanceId?: string;
}

/** Why delivery waits although the tenant is connected, for the person who can end it. */
export interface Hold {
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  readonly owner: string;
  readonly since: string;
}

/** Why a tenant's Microsoft services cannot be used now. */
export interface AccessFailure extends Omit<Hold, 'since'> {
  readonly ok: false;
  /** `hold`: somebody must act first. `retry`: it passes. */
  readonly kind: 'hold' | 'retry';
  readonly retryAfterSeconds?: number;
}

/** src/connection/state.ts says what follows what. */
export type ConnectionState =
  | 'new'
  | 'consenting'
  | 'consented'
  | 'connected'
  | 'disabled'
  | 'disconnecting'
  | 'disconnected'
  | 'terminated';

export type Mode = 'device-compliance' | 'conditional-access';
export type ConnectionType = 'cloud-connector' | 'manual';

/** What Intune thinks of the connection, and how that is known. */
export interface PartnerState {
  readonly state: string;
  readonly source: 'graph' | 'derived';
  readonly at: string;
}

/** What a permission check found, in short; the whole is in the answer of `permissions`. */
export interface PermissionSummary {
  readonly ok: boolean;
  readonly checkedAt: string;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

export interface Tenant {
  readonly tenantId: string;
  readonly cloud: string;
  readonly displayName: string;
  readonly mode: Mode;
  readonly connectionType: ConnectionType;
  readonly landing: Landing;
  readonly partnerGroup: { readonly id?: string; readonly displayName?: string } | null;
  readonly connectionState: ConnectionState;
  readonly hold: Hold | null;
  readonly paused: boolean;
  /** Intune asked that the tenant be silent until then. */
  readonly intuneQuietUntil: Date | null;
  readonly connectedAt: Date | null;
  readonly lastHeartbeatAt: Date | null;
  readonly lastConfirmAt: Date | null;
  readonly partnerState: PartnerState | null;
  /** When Intune's side ended the connection, and when it marks and removes the devices. */
  readonly terminatedAt: Date | null;
  readonly devicesMarkedAt: Date | null;
  readonly devicesRemovedAt: Date | null;
  /** A deprovisioning that Intune has not confirmed yet. */
  readonly deprovisionWanted: boolean;
  readonly deprovisionedAt: Date | null;
  readonly resyncTimestamp: string | null;
  readonly messageErrors: readonly unknown[] | null;
  readonly permissions: PermissionSummary | null;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const columns = [
  'tenant_id as "tenantId"',
  'cloud',
  'display_name as "displayName"',
  'mode',
  'connection_type as "connectionType"',
  'landing',
  'partner_group as "partnerGroup"',
  'connection_state as "connectionState"',
  'hold',
  'paused',
  'intune_quiet_until as "intuneQuietUntil"',
  'connected_at as "connectedAt"',
  'last_heartbeat_at as "lastHeartbeatAt"',
  'last_confirm_at as "lastConfirmAt"',
  'partner_state as "partnerState"',
  'terminated_at as "terminatedAt"',
  'devices_marked_at as "devicesMarkedAt"',
  'devices_removed_at as "devicesRemovedAt"',
  'deprovision_wanted as "deprovisionWanted"',
  'deprovisioned_at as "deprovisionedAt"',
  'resync_timestamp as "resyncTimestamp"',
  'message_errors as "messageErrors"',
  'permissions',
  'version',
  'created_at as "createdAt"',
  'updated_at as "updatedAt"',
].join(', ');

/** The columns of `Tenant`, for the queries that return one. */
export const tenantColumns = (sql: Queries) => sql.unsafe(columns);

export async function readTenant(sql: Queries, tenantId: string): Promise<Tenant | undefined> {
  const [row] = await sql<Tenant[]>`select ${tenantColumns(sql)} from tenants where tenant_id = ${tenantId}`;
  return row;
}

/** A tenant changes rarely and is looked at for every call and upload; a look may be this old. */
const freshForMs = 1_000;
// Every cache with an age says `ttlResolution: 0`: otherwise lru-cache keeps the time for a moment and forgets it by
// a timer, which on Workers dies with its request; the cache's clock would stand still.

export interface TenantDirectory {
  tenant(tenantId: string): Promise<Tenant | undefined>;
  /** What `tenant` would answer without a query; undefined: ask `tenant`. */
  peek(tenantId: string): Tenant | undefined;
  /** As the database has it now. */
  fresh(tenantId: string): Promise<Tenant | undefined>;
  /** Forgets what this process remembers of a tenant it has just changed. */
  forget(tenantId: string): void;
}

export function createTenantDirectory(sql: Sql): TenantDirectory {
  const cache = new LRUCache<string, { tenant: Tenant | undefined }>({
    max: 20_000,
    ttl: freshForMs,
    ttlResolution: 0,
  });
  const fresh: TenantDirectory['fresh'] = async (tenantId) => {
    const tenant = await readTenant(sql, tenantId);
    cache.set(tenantId, { tenant });
    return tenant;
  };
  return {
    tenant: async (tenantId) => {
      const known = cache.get(tenantId);
      return known ? known.tenant : fresh(tenantId);
    },
    peek: (tenantId) => cache.get(tenantId)?.tenant,
    fresh,
    forget: (tenantId) => {
      cache.delete(tenantId);
    },
  };
}
