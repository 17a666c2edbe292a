import { and, eq, exists, not, type SQL, sql } from 'drizzle-orm';
import { alias, type PgColumn, QueryBuilder } from 'drizzle-orm/pg-core';
import { claims, instances } from '../../store/schema.ts';

interface OfInstance {
  readonly tenantId: PgColumn;
  readonly instanceId: PgColumn;
}

const ofInstance = (claim: OfInstance, instance: OfInstance): SQL | undefined =>
  and(eq(instance.tenantId, claim.tenantId), eq(instance.instanceId, claim.instanceId));

/** The instance of a claim. */
export const instanceOfClaim = ofInstance(claims, instances);

/** A claim pulls only while it counts: a disabled instance's rest, and those on retired registrations. */
export const pulls = and(instances.enabled, not(claims.stale));

/**
 * Holds where two or more computers pull at the device of a row: those that `/routes/conflicts` lists. Two claims are
 * looked for, not counted: PostgreSQL makes one join of it for all rows of the tenant.
 */
export function isContested(row: { readonly tenantId: PgColumn; readonly deviceId: PgColumn }): SQL {
  const [one, other] = [alias(claims, 'one'), alias(claims, 'other')];
  const [instance, otherInstance] = [alias(instances, 'instance'), alias(instances, 'other_instance')];
  return exists(
    new QueryBuilder()
      .select({ tenantId: one.tenantId })
      .from(one)
      .innerJoin(instance, ofInstance(one, instance))
      .innerJoin(
        other,
        and(
          eq(other.tenantId, one.tenantId),
          eq(other.deviceId, one.deviceId),
          sql`(${other.instanceId}, ${other.jamfComputerId}) > (${one.instanceId}, ${one.jamfComputerId})`,
        ),
      )
      .innerJoin(otherInstance, ofInstance(other, otherInstance))
      .where(
        and(
          eq(one.tenantId, row.tenantId),
          eq(one.deviceId, row.deviceId),
          instance.enabled,
          otherInstance.enabled,
          not(one.stale),
          not(other.stale),
        ),
      ),
  );
}
