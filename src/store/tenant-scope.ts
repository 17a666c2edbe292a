/** The tenants that one of several deliverers looks after. What has no scope looks after all of them. */

import type { Fragment, Queries } from './database.ts';

export interface TenantScope {
  readonly shard: number;
  /** The number of shards. */
  readonly of: number;
  /** Tenants of the shard that are left to a process that can do more. */
  readonly leftOut?: () => readonly string[];
}

const hexDigits = 8;

/** Entra draws tenant ids at random, so their first digits spread tenants evenly. */
export const shardOf = (tenantId: string, of: number): number =>
  Number.parseInt(tenantId.slice(0, hexDigits), 16) % of;

/** True for the rows whose tenant, in `column`, is in the scope. Leases stay as they are: a scope only spares looks. */
export function inScope(sql: Queries, scope: TenantScope | undefined, column: Fragment): Fragment {
  if (scope === undefined) return sql`true`;
  const leftOut = scope.leftOut?.() ?? [];
  return sql`(('x' || left(${column}::text, ${hexDigits}))::bit(32)::bigint % ${scope.of}::int = ${scope.shard}::int
    and ${column} <> all(${[...leftOut]}::uuid[]))`;
}
