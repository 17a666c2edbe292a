/**
 * The state of a tenant's connection, and what is noted as it begins and ends. Which state may follow which is decided
 * in `connection/state.ts`.
 */

import type { Queries, Transaction } from '../database.ts';
import { readFence } from '../placements.ts';
import type { ConnectionState } from '../row-types.ts';
import { lockTenant } from './tenant.ts';

export interface Moving {
  readonly before: ConnectionState;
  readonly after: ConnectionState;
}

/**
 * Sets the state that follows, compared under the row's lock: of two processes that see the same event one moves the
 * tenant. Undefined: `next` knew none, there is no such tenant, or it has left this deployment.
 */
export async function moveConnection(
  sql: Queries,
  tenantId: string,
  next: (state: ConnectionState) => ConnectionState | undefined,
): Promise<(Moving & { readonly displayName: string }) | undefined> {
  const tenant = await lockTenant(sql, tenantId);
  const after = tenant && next(tenant.connectionState);
  if (!tenant || after === undefined || (await readFence(sql, tenantId))) return undefined;
  await sql`
    update tenants set connection_state = ${after}, updated_at = now(),
      version = version + case when connection_state = ${after} then 0 else 1 end,
      -- What Graph said was said of the state before.
      partner_state = case when connection_state = ${after} then partner_state end
    where tenant_id = ${tenantId}`;
  return { before: tenant.connectionState, after, displayName: tenant.displayName };
}

/** Intune provisioned the tenant: what an end before has left is over. `heartbeatSeconds`: until the next one; undefined: it is due. */
export async function recordProvisioned(
  tx: Transaction,
  tenantId: string,
  heartbeatSeconds: number | undefined,
): Promise<void> {
  const alive = heartbeatSeconds !== undefined;
  await tx`
    update tenants set connected_at = coalesce(connected_at, now()), last_confirm_at = now(),
      last_heartbeat_at = case when ${alive} then now() else last_heartbeat_at end,
      next_heartbeat_at = case when ${alive} then now() + ${heartbeatSeconds ?? 0} * interval '1 second' end,
      deprovision_wanted = false, last_instance_gone = false,
      terminated_at = null, devices_marked_at = null, devices_removed_at = null, updated_at = now()
    where tenant_id = ${tenantId}`;
}

export async function recordTerminated(
  tx: Transaction,
  tenantId: string,
  { markedAt, removedAt }: { readonly markedAt: Date | null; readonly removedAt: Date },
): Promise<void> {
  await tx`
    update tenants set terminated_at = now(), devices_marked_at = ${markedAt}, devices_removed_at = ${removedAt}
    where tenant_id = ${tenantId}`;
}

/**
 * Notes whether no instance is enabled any more, and says it. Counted under the tenant's lock, so that two removals at
 * once do not both miss it.
 */
export async function markLastInstance(tx: Transaction, tenantId: string): Promise<boolean> {
  await lockTenant(tx, tenantId);
  const [row] = await tx<{ gone: boolean }[]>`
    update tenants set last_instance_gone = not exists (
      select 1 from instances i where i.tenant_id = ${tenantId} and i.enabled)
    where tenant_id = ${tenantId} returning last_instance_gone as gone`;
  return row?.gone ?? true;
}
