/**
 * Two states in Microsoft's clouds are checked now and then: how Intune holds the tenant, and its applications'
 * permissions.
 */

import type { Fragment, Queries } from '../database.ts';
import type { PartnerState, PermissionSummary } from '../row-types.ts';
import type { TenantScope } from '../tenant-scope.ts';
import { type Tenant, takeTenants } from './tenant.ts';

interface Turn {
  readonly everySeconds: number;
  readonly limit: number;
  readonly scope?: TenantScope | undefined;
}

const unwatched = (sql: Queries, stamp: Fragment, seconds: number): Fragment => sql`
  connection_state = 'connected' and coalesce(${stamp}, '-infinity') < now() - ${seconds} * interval '1 second'`;

/** Connected tenants that no process has looked at for so long, for this one alone. */
export const takePartnerWatch = (sql: Queries, { everySeconds, limit, scope }: Turn): Promise<Tenant[]> =>
  takeTenants(sql, {
    stamp: sql`partner_state_at`,
    next: sql`now()`,
    due: unwatched(sql, sql`partner_state_at`, everySeconds),
    ...{ limit, scope },
  });

export const takePermissionWatch = (sql: Queries, { everySeconds, limit, scope }: Turn): Promise<Tenant[]> =>
  takeTenants(sql, {
    stamp: sql`permissions_checked_at`,
    next: sql`now()`,
    due: unwatched(sql, sql`permissions_checked_at`, everySeconds),
    ...{ limit, scope },
  });

export async function writePartnerState(sql: Queries, tenantId: string, found: PartnerState): Promise<void> {
  await sql`update tenants set partner_state = ${sql.json({ ...found })} where tenant_id = ${tenantId}`;
}

export async function writePermissions(
  sql: Queries,
  tenantId: string,
  summary: PermissionSummary,
): Promise<void> {
  const json = { ...summary, missing: [...summary.missing], extra: [...summary.extra] };
  await sql`
    update tenants set permissions = ${sql.json(json)}, permissions_checked_at = now() where tenant_id = ${tenantId}`;
}

/** After a refusal for a permission the next look is soon, but not for every refused report. */
export async function suspectPermissions(sql: Queries, tenantId: string): Promise<void> {
  await sql`
    update tenants set permissions_checked_at = null
    where tenant_id = ${tenantId} and permissions_checked_at < now() - interval '60 seconds'`;
}
