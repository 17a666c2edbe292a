/**
 * Reads what needs a person. No statement reads more than what is wrong: failed reports by their partial index and at most
 * so many of a tenant, everything else from tables with a row for each tenant, instance or key.
 */

import { alertFailingMs, attentionOfKind, attentionReports, credentialWarnMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';
import type { ConnectionState, Hold, PermissionSummary } from '../store/row-types.ts';

/** undefined: every tenant. */
export type Scope = readonly string[] | undefined;

export interface TenantRow {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly connectionState: ConnectionState;
  readonly hold: Hold | null;
  readonly paused: boolean;
  readonly permissions: PermissionSummary | null;
  readonly terminatedAt: Date | null;
  readonly devicesRemovedAt: Date | null;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

export const readTenants = (sql: Sql, scope: Scope) => sql<TenantRow[]>`
  select tenant_id as "tenantId", display_name as "tenantName", connection_state as "connectionState", hold, paused,
    permissions, terminated_at as "terminatedAt", devices_removed_at as "devicesRemovedAt", created_at as "createdAt",
    updated_at as "updatedAt"
  from tenants
  where ${scope === undefined ? sql`true` : sql`tenant_id = any(${[...scope]}::uuid[])`}
    and (hold is not null or paused or permissions ->> 'ok' = 'false'
      or connection_state in ('new', 'consenting', 'consented', 'terminated'))
  order by tenant_id limit ${attentionOfKind}`;

export interface InstanceRow {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly instanceId: string;
  readonly instanceName: string;
  readonly paused: boolean;
  readonly lastError: string | null;
  readonly lastSeenAt: Date | null;
  readonly lastErrorAt: Date | null;
}

export const readInstances = (sql: Sql, scope: Scope) => sql<InstanceRow[]>`
  select i.tenant_id as "tenantId", t.display_name as "tenantName", i.instance_id as "instanceId", i.name as "instanceName",
    i.paused, i.last_error as "lastError", i.last_seen_at as "lastSeenAt", i.last_error_at as "lastErrorAt"
  from instances i join tenants t on t.tenant_id = i.tenant_id
  where ${scope === undefined ? sql`true` : sql`i.tenant_id = any(${[...scope]}::uuid[])`}
    and i.enabled and (i.paused or i.last_error is not null)
  order by i.tenant_id, i.instance_id limit ${attentionOfKind}`;

export interface FailedRow {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly reason: string;
  readonly detail: string | null;
  readonly since: Date;
  readonly count: number;
  /** True where the tenant has more failed reports than were examined. */
  readonly more: boolean;
}

/** The newest of each tenant: a cause that is new is seen, however many of an older one there are. */
export const readFailed = (sql: Sql, scope: Scope) => sql<FailedRow[]>`
  select t.tenant_id as "tenantId", t.display_name as "tenantName", causes.*
  from tenants t cross join lateral (
    select coalesce(reason, 'unknown') as reason, max(detail) as detail, min(failed_at) as since, count(*) as count,
      sum(count(*)) over () = ${attentionReports} as more
    from (select reason, detail, failed_at from reports r
          where r.tenant_id = t.tenant_id and r.failed_at is not null
          order by r.failed_at desc limit ${attentionReports}) newest
    group by 1) causes
  where ${scope === undefined ? sql`true` : sql`t.tenant_id = any(${[...scope]}::uuid[])`}
  order by t.tenant_id, causes.reason limit ${attentionOfKind}`;

export interface ExpiringKey {
  readonly tenantId: string | null;
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  readonly name: string;
  readonly prefix: string;
  readonly expiresAt: Date;
}

/** Includes keys that expired lately; a key is left out where a newer one of the same instance lives longer. */
export const readExpiringInstanceKeys = (sql: Sql, scope: Scope) => sql<ExpiringKey[]>`
  select k.tenant_id as "tenantId", t.display_name as "tenantName", k.instance_id as "instanceId",
    i.name as "instanceName", k.name, k.prefix, k.expires_at as "expiresAt"
  from instance_keys k
  join instances i on i.tenant_id = k.tenant_id and i.instance_id = k.instance_id
  join tenants t on t.tenant_id = k.tenant_id
  where ${scope === undefined ? sql`true` : sql`k.tenant_id = any(${[...scope]}::uuid[])`}
    and i.enabled
    and k.expires_at > now() - ${credentialWarnMs} * interval '1 millisecond'
    and k.expires_at < now() + ${credentialWarnMs} * interval '1 millisecond'
    and not exists (
      select 1 from instance_keys newer
      where newer.tenant_id = k.tenant_id and newer.instance_id = k.instance_id and newer.created_at > k.created_at
        and (newer.expires_at is null or newer.expires_at > k.expires_at))
  order by k.expires_at, k.key_id limit ${attentionOfKind}`;

/** Operators' keys that are about to run out. */
export const readExpiringApiKeys = (sql: Sql) => sql<ExpiringKey[]>`
  select null as "tenantId", null as "tenantName", null as "instanceId", null as "instanceName", name, prefix,
    expires_at as "expiresAt"
  from api_keys
  where revoked_at is null and expires_at > now()
    and expires_at < now() + ${credentialWarnMs} * interval '1 millisecond'
  order by expires_at, key_id limit ${attentionOfKind}`;

export interface WaitingApproval {
  readonly tenantId: string;
  readonly tenantName: string | null;
  readonly approvalId: string;
  readonly action: string;
  readonly summary: string;
  readonly requestedBy: string;
  readonly createdAt: Date;
  readonly devices: number;
}

export const readWaitingApprovals = (sql: Sql, scope: Scope) => sql<WaitingApproval[]>`
  select a.tenant_id as "tenantId", t.display_name as "tenantName", a.approval_id as "approvalId", a.action, a.summary,
    a.requested_by as "requestedBy", a.created_at as "createdAt", a.devices
  from approvals a left join tenants t on t.tenant_id = a.tenant_id
  where ${scope === undefined ? sql`true` : sql`a.tenant_id = any(${[...scope]}::uuid[])`}
    and a.state = 'waiting' and a.expires_at > now()
  order by a.tenant_id, a.created_at limit ${attentionOfKind}`;

export interface FailingTarget {
  readonly targetId: string;
  readonly name: string;
  readonly lastError: string | null;
  readonly failingSince: Date | null;
  readonly givenUpAt: Date | null;
}

/** Targets of alerts that have taken nothing for a while; of those that are for several tenants all must be of the scope. */
export const readFailingTargets = (sql: Sql, scope: Scope) => sql<FailingTarget[]>`
  select target_id as "targetId", name, last_error as "lastError", failing_since as "failingSince",
    given_up_at as "givenUpAt"
  from alert_targets
  where ${scope === undefined ? sql`true` : sql`tenant_ids <@ ${[...scope]}::uuid[]`}
    and enabled and (given_up_at is not null or failing_since < now() - ${alertFailingMs} * interval '1 millisecond')
  order by failing_since, target_id limit ${attentionOfKind}`;

export interface MassChangeRow {
  readonly tenantId: string;
  readonly tenantName: string;
  readonly holdId: string;
  readonly state: string;
  readonly macs: number;
  readonly unmanaged: number;
  readonly notCompliant: number;
  readonly openedAt: Date;
  /** Held devices, counted to a bound. */
  readonly held: number;
}

export const readMassChanges = (sql: Sql, scope: Scope) => sql<MassChangeRow[]>`
  select m.tenant_id as "tenantId", t.display_name as "tenantName", m.hold_id as "holdId", m.state, m.macs, m.unmanaged,
    m.not_compliant as "notCompliant", m.opened_at as "openedAt", held.count as held
  from mass_changes m join tenants t on t.tenant_id = m.tenant_id cross join lateral (
    select count(*) as count
    from (select 1 from reports r
          where r.tenant_id = m.tenant_id and r.hold_id = m.hold_id and r.state = 'held' limit ${attentionReports}) few) held
  where ${scope === undefined ? sql`true` : sql`m.tenant_id = any(${[...scope]}::uuid[])`} and m.ended_at is null
  order by m.tenant_id limit ${attentionOfKind}`;
