import { and, count, eq, gt, not, sql } from 'drizzle-orm';
import { type PgColumn, QueryBuilder } from 'drizzle-orm/pg-core';
import { claims, instances } from '../../store/schema.ts';

/** A claim pulls only while it counts: a disabled instance's rest, and those on retired registrations. */
export const pulls = and(instances.enabled, not(claims.stale));

export const instanceOfClaim = and(
  eq(instances.tenantId, claims.tenantId),
  eq(instances.instanceId, claims.instanceId),
);

/** True where two or more computers pull at the device of a row: those that `/routes/conflicts` lists. */
export function isContested(row: { readonly tenantId: PgColumn; readonly deviceId: PgColumn }) {
  const several = new QueryBuilder()
    .select({ several: gt(count(), 1) })
    .from(claims)
    .innerJoin(instances, instanceOfClaim)
    .where(and(eq(claims.tenantId, row.tenantId), eq(claims.deviceId, row.deviceId), pulls));
  return sql<boolean>`(${several})`;
}
