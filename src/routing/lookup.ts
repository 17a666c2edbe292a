import { LRUCache } from 'lru-cache';
import { routeCacheMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';

/** Where a device call goes. */
export interface RouteTarget {
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

export interface RouteLookup {
  /** Undefined: this tenant has no such device. */
  route(tenantId: string, deviceId: string): Promise<RouteTarget | undefined>;
  /** What `route` would answer without a query, uncounted; undefined: ask `route`. */
  peek(tenantId: string, deviceId: string): RouteTarget | undefined;
}

export interface RouteLookupOptions {
  readonly sql: Sql;
  /** ESPALIER_ROUTE_CACHE_ENTRIES; 0 looks every time. */
  readonly entries: number;
  readonly onLookup: (result: 'hit' | 'miss' | 'unknown') => void;
}

/**
 * The routing table as device calls see it: read through, kept for a second at most, so that a moved device is
 * never answered by its old instance for longer. The tenant is part of the key, so another tenant's device is
 * simply not there.
 */
export function createRouteLookup({ sql, entries, onLookup }: RouteLookupOptions): RouteLookup {
  const cache =
    entries > 0
      ? new LRUCache<string, RouteTarget>({ max: entries, ttl: routeCacheMs, ttlResolution: 0 })
      : undefined;
  return {
    peek: (tenantId, deviceId) => cache?.get(tenantId + deviceId),
    route: async (tenantId, deviceId) => {
      const key = tenantId + deviceId;
      const known = cache?.get(key);
      if (known) {
        onLookup('hit');
        return known;
      }
      const [row] = await sql<RouteTarget[]>`
        select instance_id as "instanceId", jamf_computer_id as "jamfComputerId" from routes
        where tenant_id = ${tenantId} and device_id = ${deviceId}`;
      onLookup(row ? 'miss' : 'unknown');
      if (row) cache?.set(key, row);
      return row;
    },
  };
}
