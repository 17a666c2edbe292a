import { type RouteLookup, readRouteTarget } from '../routing/lookup.ts';
import type { Sql } from '../store/database.ts';
import { type Instance, readInstance } from '../store/instances/instance.ts';
import { type Tenant, tenantColumns } from '../store/tenants/tenant.ts';
import { type LandingReads, landingReads } from './landing-directory.ts';
import { comparesCalls } from './shadow/shadow.ts';

export interface ServedTenant extends Tenant {
  /** Calls of one of its moves are compared (shadow/). */
  readonly comparesCalls?: boolean;
}

/** What device calls and landing pages read; undefined: there is no such thing. */
export interface ServedReads extends LandingReads {
  tenant(tenantId: string): Promise<ServedTenant | undefined>;
  instance(tenantId: string, instanceId: string): Promise<Instance | undefined>;
  readonly route: RouteLookup['route'];
}

async function readServedTenant(sql: Sql, tenantId: string): Promise<ServedTenant | undefined> {
  const [row] = await sql<ServedTenant[]>`
    select ${tenantColumns(sql)}, exists (
      select 1 from moves where moves.tenant_id = ${tenantId} and ${comparesCalls(sql)}) as "comparesCalls"
    from tenants where tenant_id = ${tenantId}`;
  return row;
}

export const databaseReads = (sql: Sql): ServedReads => ({
  ...landingReads(sql),
  tenant: (tenantId) => readServedTenant(sql, tenantId),
  instance: (tenantId, instanceId) => readInstance(sql, tenantId, instanceId),
  route: (tenantId, deviceId) => readRouteTarget(sql, tenantId, deviceId),
});
