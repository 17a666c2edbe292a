/** Schedules each tenant's heartbeat, leases it to one process, and records Intune's answer. */

import type { Queries, Transaction } from '../database.ts';
import { isFenced } from '../placements.ts';
import { inScope, type TenantScope } from '../tenant-scope.ts';
import { type Tenant, tenantColumns } from './tenant.ts';

const due = (sql: Queries) => sql`
  connection_state = 'connected' and not paused and coalesce(next_heartbeat_at, '-infinity') <= now()
  and not ${isFenced(sql, sql`tenants.tenant_id`)}`;

export const dueHeartbeats = (sql: Queries, limit: number, scope?: TenantScope): Promise<Tenant[]> => sql<
  Tenant[]
>`
  select ${tenantColumns(sql)} from tenants where ${due(sql)} and ${inScope(sql, scope, sql`tenant_id`)}
  order by last_heartbeat_try_at nulls first limit ${limit}`;

/**
 * Takes the tenant's period: of all processes one gets it. Up to a tenth earlier than the period, so that tenants
 * that were connected together drift apart.
 */
export async function takeHeartbeat(sql: Queries, tenantId: string, periodSeconds: number): Promise<boolean> {
  const { count } = await sql`
    update tenants set last_heartbeat_try_at = now(),
      next_heartbeat_at = now() + ${periodSeconds} * (0.9 + 0.1 * random()) * interval '1 second'
    where tenant_id = ${tenantId} and ${due(sql)}`;
  return count > 0;
}

/** Nothing reached Intune: the period is not used up. */
export async function retryHeartbeat(sql: Queries, tenantId: string, inSeconds: number): Promise<void> {
  await sql`
    update tenants set next_heartbeat_at = now() + ${inSeconds} * interval '1 second' where tenant_id = ${tenantId}`;
}

/** Intune took one; without new errors those that it named before stay. */
export async function recordHeartbeat(
  sql: Queries,
  tenantId: string,
  messageErrors: readonly unknown[],
): Promise<void> {
  const errors = messageErrors.length > 0 ? sql.json(messageErrors as never) : null;
  await sql`
    update tenants set last_heartbeat_at = now(), message_errors = coalesce(${errors}::jsonb, message_errors)
    where tenant_id = ${tenantId}`;
}

/** Takes the resync that Intune asks for by this value; false: it was taken before, or the tenant has left. */
export async function takeResync(tx: Transaction, tenantId: string, timestamp: string): Promise<boolean> {
  const { count } = await tx`
    update tenants set resync_timestamp = ${timestamp}
    where tenant_id = ${tenantId} and resync_timestamp is distinct from ${timestamp}
      and not ${isFenced(tx, tx`tenants.tenant_id`)}`;
  return count > 0;
}
