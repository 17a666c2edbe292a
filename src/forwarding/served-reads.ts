import { type RouteLookup, readRouteTarget } from '../routing/lookup.ts';
import type { Sql } from '../store/database.ts';
import { type Instance, readInstance } from '../store/instances/instance.ts';
import { readTenant, type Tenant } from '../store/tenants/tenant.ts';
import { type LandingReads, landingReads } from './landing-directory.ts';

/** What device calls and landing pages read; undefined: there is no such thing. */
export interface ServedReads extends LandingReads {
  tenant(tenantId: string): Promise<Tenant | undefined>;
  instance(tenantId: string, instanceId: string): Promise<Instance | undefined>;
  readonly route: RouteLookup['route'];
}

export const databaseReads = (sql: Sql): ServedReads => ({
  ...landingReads(sql),
  tenant: (tenantId) => readTenant(sql, tenantId),
  instance: (tenantId, instanceId) => readInstance(sql, tenantId, instanceId),
  route: (tenantId, deviceId) => readRouteTarget(sql, tenantId, deviceId),
});
