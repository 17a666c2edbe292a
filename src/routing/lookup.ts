import { createBoundedCache } from '../bounded-cache.ts';
import { monotonicMs } from '../clock.ts';
import { routeCacheMs } from '../limits.ts';
import { columns, pick } from '../store/columns.ts';
import type { Confirmations } from '../store/confirmations.ts';
import type { Sql } from '../store/database.ts';
import { routes } from '../store/schema.ts';
import type { RouteKey } from './route-segment.ts';
import type { RouteTarget } from './route-table.ts';

export type { RouteTarget } from './route-table.ts';

/** The routing table as device calls see it. Another tenant's device is simply not there: the tenant is in every key. */
export interface RouteLookup {
  /** Undefined: this tenant has no such device. */
  route(tenantId: string, deviceId: string): Promise<RouteTarget | undefined>;
  /** The answer of `route` without a query, uncounted; both ids in lower case. Undefined: ask `route`. */
  peek(tenantId: string, deviceId: string): RouteTarget | undefined;
  /** `peek` by GUIDs that were read as words already (guid-words.ts), where that is cheaper. */
  peekKey?(key: RouteKey): RouteTarget | undefined;
}

/** The Node runtime's form of the lookup. */
export interface PackedRouteLookup extends RouteLookup {
  peekKey(key: RouteKey): RouteTarget | undefined;
}

export const routeTargetShape = pick(routes, 'instanceId', 'jamfComputerId');

/** Undefined: this tenant has no such device. */
export async function readRouteTarget(
  sql: Sql,
  tenantId: string,
  deviceId: string,
): Promise<RouteTarget | undefined> {
  const [row] = await sql<RouteTarget[]>`
    select ${columns(sql, routeTargetShape)} from routes
    where tenant_id = ${tenantId} and device_id = ${deviceId}`;
  return row;
}

export interface RouteLookupOptions {
  readonly sql: Sql;
  /** Default: `readRouteTarget`. */
  readonly read?: RouteLookup['route'] | undefined;
  /** ESPALIER_ROUTE_CACHE_ENTRIES; 0 looks every time. */
  readonly entries: number;
  readonly onLookup: (result: 'hit' | 'miss' | 'unknown') => void;
  readonly confirmations?: Confirmations | undefined;
}

interface ReadTarget {
  readonly target: RouteTarget;
  readonly atMs: number;
}

/**
 * Lookup for a runtime that does not hear of changes (Workers): read through, kept for a second at most or as long as
 * confirmations say, so that a moved device is never answered by its old instance for longer. route-cache.ts is Node's.
 */
export function createRouteLookup({
  confirmations,
  entries,
  onLookup,
  sql,
  read = (tenantId, deviceId) => readRouteTarget(sql, tenantId, deviceId),
}: RouteLookupOptions): RouteLookup {
  const now = confirmations?.now ?? monotonicMs;
  const cache = entries > 0 ? createBoundedCache<string, ReadTarget>(entries) : undefined;
  const holds = (tenantId: string, deviceId: string, atMs: number): boolean =>
    confirmations?.holds(tenantId, atMs, deviceId) ?? now() - atMs < routeCacheMs;
  const peek: RouteLookup['peek'] = (tenantId, deviceId) => {
    const kept = cache?.get(tenantId + deviceId);
    return kept && holds(tenantId, deviceId, kept.atMs) ? kept.target : undefined;
  };
  return {
    peek,
    route: async (tenantId, deviceId) => {
      let known = peek(tenantId, deviceId);
      if (known === undefined && confirmations !== undefined) {
        await confirmations.ask(tenantId);
        known = peek(tenantId, deviceId);
      }
      if (known) {
        onLookup('hit');
        return known;
      }
      const atMs = now();
      const row = await read(tenantId, deviceId);
      onLookup(row ? 'miss' : 'unknown');
      if (row) cache?.set(tenantId + deviceId, { target: row, atMs });
      return row;
    },
  };
}
