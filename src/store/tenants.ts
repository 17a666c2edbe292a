import { monotonicMs } from '../clock.ts';
import type { Queries, Sql } from './database.ts';
import { createKeptRows, type Keeping } from './kept-rows.ts';

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

export interface TenantDirectory {
  /** What is known without asking the database. */
  peek(tenantId: string): Tenant | undefined;
  tenant(tenantId: string): Promise<Tenant | undefined>;
  /** As the database has it now. */
  fresh(tenantId: string): Promise<Tenant | undefined>;
  /** Forgets what this process remembers of a tenant it has just changed. */
  forget(tenantId: string): void;
  forgetAll(): void;
}

/** With `keeping`, whoever gives it also tells the directory what the feed names. */
export function createTenantDirectory(
  sql: Sql,
  keeping?: Keeping,
  now: () => number = monotonicMs,
): TenantDirectory {
  const kept = createKeptRows<Tenant>({
    read: (tenantId) => readTenant(sql, tenantId),
    most: 20_000,
    now,
    keeping,
  });
  return {
    peek: kept.peek,
    tenant: kept.get,
    fresh: kept.fresh,
    forget: kept.forget,
    forgetAll: kept.forgetAll,
  };
}
