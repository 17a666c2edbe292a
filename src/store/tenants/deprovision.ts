/** The wish that Intune be told that we are no longer a tenant's partner, until it has confirmed that. */

import { columns, pick, type Row } from '../columns.ts';
import type { Queries, Transaction } from '../database.ts';
import { isFenced } from '../placements.ts';
import { tenants } from '../schema.ts';
import type { TenantScope } from '../tenant-scope.ts';
import { type Tenant, takeTenants } from './tenant.ts';

/** Asks for a deprovisioning, to be sent at once. */
export async function wishDeprovision(tx: Transaction, tenantId: string): Promise<void> {
  await tx`update tenants set deprovision_wanted = true, deprovision_try_at = null where tenant_id = ${tenantId}`;
}

/** A deprovisioning that is not sent yet must not overtake a provisioning. */
export async function suspendDeprovision(sql: Queries, tenantId: string): Promise<void> {
  await sql`update tenants set deprovision_wanted = false where tenant_id = ${tenantId}`;
}

/** The provisioning failed: the wish stands again, and is tried when it would have been. */
export async function resumeDeprovision(sql: Queries, tenantId: string): Promise<void> {
  await sql`update tenants set deprovision_wanted = true where tenant_id = ${tenantId}`;
}

/** Wishes whose time has come, of one tenant or of all, for this process alone until they are tried again. */
export const takeDeprovisions = (
  sql: Queries,
  {
    limit,
    retryAfterSeconds,
    scope,
    tenantId,
  }: {
    limit: number;
    retryAfterSeconds: number;
    scope: TenantScope | undefined;
    tenantId: string | undefined;
  },
): Promise<Tenant[]> =>
  takeTenants(sql, {
    stamp: sql`deprovision_try_at`,
    next: sql`now() + ${retryAfterSeconds} * interval '1 second'`,
    due: sql`deprovision_wanted and coalesce(deprovision_try_at, '-infinity') <= now()
      and not ${isFenced(sql, sql`tenants.tenant_id`)}
      and ${tenantId === undefined ? sql`true` : sql`tenant_id = ${tenantId}`}`,
    ...{ limit, scope },
  });

const settledShape = pick(tenants, 'deprovisionedAt', 'displayName');

/** Intune has confirmed it; undefined when nobody wishes it any more. */
export async function settleDeprovision(
  tx: Transaction,
  tenantId: string,
): Promise<Row<typeof settledShape> | undefined> {
  const [row] = await tx<Row<typeof settledShape>[]>`
    update tenants set deprovision_wanted = false, deprovisioned_at = now(), updated_at = now()
    where tenant_id = ${tenantId} and deprovision_wanted
    returning ${columns(tx, settledShape)}`;
  return row;
}
