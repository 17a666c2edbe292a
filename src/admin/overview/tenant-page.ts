import type { Scope } from '../../alerts/attention-rows.ts';
import { backlogCounted } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import type { ConnectionState } from '../../store/row-types.ts';

/** A page of tenants with what waits of each. */

export interface OverviewRow {
  readonly tenantId: string;
  readonly displayName: string;
  readonly connectionState: ConnectionState;
  readonly held: boolean;
  readonly paused: boolean;
  readonly instances: number;
  readonly computers: number;
  readonly reports: number;
  /** Counting ended at a bound. */
  readonly isLeast: boolean;
  readonly oldestUndeliveredAt: Date | null;
  readonly lastHeartbeatAt: Date | null;
}

/**
 * The waiting work is counted in the indexes that hold nothing else, at most `backlogCounted` of a tenant: the cost is
 * the same for a tenant with a hundred thousand devices.
 */
export async function readTenantPage(
  sql: Sql,
  scope: Scope,
  { page, size }: { readonly page: number; readonly size: number },
): Promise<{ readonly rows: readonly OverviewRow[]; readonly totalCount: number }> {
  const [total] = await sql<{ count: number }[]>`
    select count(*) as count from tenants
    where ${scope === undefined ? sql`true` : sql`tenant_id = any(${[...scope]}::uuid[])`}`;
  const rows = await sql<OverviewRow[]>`
    select t.tenant_id as "tenantId", t.display_name as "displayName", t.connection_state as "connectionState",
      t.hold is not null as held, t.paused, t.last_heartbeat_at as "lastHeartbeatAt",
      (select count(*) from instances i where i.tenant_id = t.tenant_id) as instances,
      waiting.computers, undelivered.reports,
      waiting.computers = ${backlogCounted} or undelivered.reports = ${backlogCounted} as "isLeast",
      (select r.due_since from reports r
       where r.tenant_id = t.tenant_id and r.due_since is not null and r.failed_at is null
       order by r.due_since limit 1) as "oldestUndeliveredAt"
    from (
      select tenant_id, display_name, connection_state, hold, paused, last_heartbeat_at from tenants
      where ${scope === undefined ? sql`true` : sql`tenant_id = any(${[...scope]}::uuid[])`}
      order by display_name, tenant_id limit ${size} offset ${page * size}) t
    cross join lateral (
      select count(*) as computers from (
        select 1 from computers c where c.tenant_id = t.tenant_id and c.next_try_at is not null
        limit ${backlogCounted}) counted) waiting
    cross join lateral (
      select count(*) as reports from (
        select 1 from reports r
        where r.tenant_id = t.tenant_id and r.due_since is not null and r.failed_at is null
        limit ${backlogCounted}) counted) undelivered
    order by t.display_name, t.tenant_id`;
  return { rows, totalCount: total?.count ?? 0 };
}
