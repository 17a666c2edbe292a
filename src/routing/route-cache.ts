import type { Change, ChangeFeed, ChangeListener } from '../store/change-feed.ts';
import { readGuid } from './guid-words.ts';
import type { PackedRouteLookup, RouteTarget } from './lookup.ts';
import { createRouteMisses } from './route-misses.ts';
import type { RouteChange, RouteName, RouteReader, RouteVersion, VersionedRoute } from './route-reader.ts';
import type { RouteKey } from './route-segment.ts';
import { isOlderVersion, RouteTable, routeKey } from './route-table.ts';

/**
 * The routing table in memory, kept until the change feed names a route (docs/route-cache.md). The law: when a look at
 * the feed that began after a commit has ended, nothing older than that commit is answered, save while the database is
 * away: then what everybody forgot before it was read anew serves on.
 *
 * The feed changes only what is here, and only to what is newer. New entries come from misses and from a preload, and
 * only when no change of the route was heard of since they were asked for.
 */
export interface RouteCache extends PackedRouteLookup {
  /** To be subscribed to the feed. */
  readonly listener: ChangeListener;
  /** Takes in what a preload reads; the preload asks for births first, then for routes. */
  beginPreload(births: ReadonlyMap<string, number>, routes: number): RoutePreload;
  /** Frees places of dropped tenants, some at a time; false when there are none. */
  sweep(): boolean;
  readonly size: number;
  /** There is something to serve while the database is away. */
  readonly servesOutage: boolean;
  readonly bytes: number;
}

export interface RoutePreload {
  take(key: RouteKey, instance: Int32Array, jamfComputerId: number, version: number): void;
  /** Everything was forgotten meanwhile: what it reads is of no use. */
  readonly stopped: boolean;
  end(): void;
}

export interface RouteCacheOptions {
  readonly reader: RouteReader;
  readonly feed: Pick<ChangeFeed, 'started' | 'silentMs'>;
  /** ESPALIER_ROUTE_CACHE_ENTRIES; 0 looks every time. */
  readonly entries: number;
  /** After so long without the feed nothing is served from memory. */
  readonly maxAgeMs: number;
  /** Nobody can read now what changed. */
  readonly isAway: () => boolean;
  /** Never goes back; milliseconds. */
  readonly now: () => number;
  readonly onLookup: (result: 'hit' | 'miss' | 'unknown') => void;
  readonly seed?: readonly [number, number];
  /** `changesAppliedPerTenant` unless given. */
  readonly changesPerTenant?: number;
}

/** A tenant with more changes than that in one look is dropped: its routes come again by misses. */
export const changesAppliedPerTenant = 20_000;

/** What a preload under way must not take in, for a change of it was heard of meanwhile. */
interface Touched {
  readonly routes: Set<string>;
  readonly tenants: Set<string>;
  stopped: boolean;
}

/** Four words as a name of a few characters: only for sets that are small. */
const wordsName = (key: RouteKey, from: number, to: number): string => key.subarray(from, to).join();

export function createRouteCache(options: RouteCacheOptions): RouteCache {
  const { feed, isAway, now, onLookup, reader } = options;
  const createTable = (): RouteTable =>
    new RouteTable({
      entries: options.entries,
      ...(options.seed === undefined ? {} : { seed: options.seed }),
    });
  let table = createTable();
  /** What was known when everything was forgotten, and until when it was true; until it was read anew. */
  let before:
    | { readonly table: RouteTable; readonly births: ReadonlyMap<string, number>; readonly trueAtMs: number }
    | undefined;
  /** When each tenant came to be: one that was deleted and made again begins its versions anew. */
  let births = new Map<string, number>();
  const preloads = new Set<Touched>();
  const key = routeKey();
  const instance = new Int32Array(4);
  const parse = (tenantId: string, deviceId: string): boolean =>
    readGuid(tenantId, key, 0) && readGuid(deviceId, key, 4);

  const insert = ({ deviceId, tenantId }: RouteName, route: VersionedRoute): void => {
    if (!feed.started || !parse(tenantId, deviceId) || !readGuid(route.instanceId, instance, 0)) return;
    const born = births.get(tenantId);
    if (born !== route.bornAtMs) {
      if (born !== undefined) table.dropTenant(key);
      // Else the tenant's next change, a heartbeat's say, would look like another tenant.
      births.set(tenantId, route.bornAtMs);
    }
    table.put(key, instance, route.jamfComputerId, route.version);
  };
  const misses = createRouteMisses({ reader, now, found: insert });

  const dropTenant = (tenantId: string): void => {
    if (!readGuid(tenantId, key, 0)) return;
    table.dropTenant(key);
    misses.tenantChanged(tenantId);
    for (const touched of preloads) touched.tenants.add(wordsName(key, 0, 4));
  };
  const applyChange = ({ deviceId, tenantId, to, version }: RouteChange): void => {
    misses.routeChanged(tenantId, deviceId);
    if (!parse(tenantId, deviceId)) return;
    for (const touched of preloads) touched.routes.add(wordsName(key, 0, 8));
    for (const one of before ? [table, before.table] : [table]) {
      const known = one.versionOf(key);
      if (known === undefined || isOlderVersion(version, known)) continue;
      if (!to) one.remove(key);
      else if (readGuid(to.instanceId, instance, 0)) one.put(key, instance, to.jamfComputerId, version);
    }
  };
  /** Nothing of the tenant is here or under way: its changes need not be read. */
  const concerns = (tenantId: string): boolean =>
    preloads.size > 0 ||
    misses.concerns(tenantId) ||
    (readGuid(tenantId, key, 0) && (table.holdsTenant(key) || before?.table.holdsTenant(key) === true));

  const applyRoutes = async (changes: readonly Change[]): Promise<void> => {
    const routes = changes.filter((change) => change.kind === 'routes');
    const wanted: RouteVersion[] = [];
    const missing = new Map<string, number>();
    for (const [tenantId, versions] of Map.groupBy(routes, (change) => change.tenantId)) {
      if (!concerns(tenantId)) continue;
      const count = versions.reduce((sum, change) => sum + change.changes, 0);
      if (count > (options.changesPerTenant ?? changesAppliedPerTenant)) dropTenant(tenantId);
      else {
        wanted.push(...versions);
        missing.set(tenantId, count);
      }
    }
    if (wanted.length === 0) return;
    for await (const page of reader.changes(wanted))
      for (const change of page) {
        applyChange(change);
        missing.set(change.tenantId, (missing.get(change.tenantId) ?? 0) - 1);
      }
    // The tenant was deleted meanwhile, and its history with it.
    for (const [tenantId, count] of missing) if (count > 0) dropTenant(tenantId);
  };
  const applyTenants = async (changes: readonly Change[]): Promise<void> => {
    const named = [
      ...new Set(changes.filter(({ kind }) => kind === 'tenant').map(({ tenantId }) => tenantId)),
    ];
    const concerned = named.filter((tenantId) => concerns(tenantId) || births.has(tenantId));
    if (concerned.length === 0) return;
    const found = await reader.births(concerned);
    for (const tenantId of concerned) {
      const born = found.get(tenantId);
      if (born === undefined || born !== births.get(tenantId)) dropTenant(tenantId);
      if (
        before &&
        (born === undefined || born !== before.births.get(tenantId)) &&
        readGuid(tenantId, key, 0)
      )
        before.table.dropTenant(key);
      if (born === undefined) births.delete(tenantId);
      else births.set(tenantId, born);
    }
  };
  const peekKey = (asked: RouteKey): RouteTarget | undefined => {
    if (feed.silentMs() >= options.maxAgeMs) return undefined;
    const known = table.get(asked);
    if (known || !before || !isAway() || now() - before.trueAtMs >= options.maxAgeMs) return known;
    return before.table.get(asked);
  };
  const peek = (tenantId: string, deviceId: string) => (parse(tenantId, deviceId) ? peekKey(key) : undefined);
  /** The fuller one stays where everything is forgotten again before it was read anew. */
  const keepForOutage = (): void => {
    if (table.size > 0 && table.size >= (before?.table.size ?? 0)) {
      before = { table, births, trueAtMs: now() - feed.silentMs() };
      table = createTable();
    } else table.clear();
    births = new Map();
  };
  return {
    peek,
    peekKey,
    route: async (tenantId, deviceId) => {
      const known = peek(tenantId, deviceId);
      if (known) {
        onLookup('hit');
        return known;
      }
      if (misses.isAbsent(tenantId, deviceId)) {
        onLookup('unknown');
        return undefined;
      }
      let found: RouteTarget | undefined;
      try {
        found = await misses.ask(tenantId, deviceId);
      } catch (error) {
        const last = peek(tenantId, deviceId);
        if (!last) throw error;
        onLookup('hit');
        return last;
      }
      if (!found && before && parse(tenantId, deviceId)) before.table.remove(key);
      onLookup(found ? 'miss' : 'unknown');
      return found;
    },
    listener: {
      apply: async (changes) => {
        // First the tenants: a new one's versions must not meet those of the one before it.
        await applyTenants(changes);
        await applyRoutes(changes);
      },
      forget: () => {
        keepForOutage();
        misses.allChanged();
        for (const touched of preloads) touched.stopped = true;
      },
    },
    beginPreload: (known, routes) => {
      const touched: Touched = { routes: new Set(), tenants: new Set(), stopped: !feed.started };
      preloads.add(touched);
      table.reserve(routes);
      // What is here already may be of an earlier tenant of this id: only a look at the feed can tell.
      for (const [tenantId, born] of known)
        if (!births.has(tenantId) && readGuid(tenantId, key, 0) && !table.holdsTenant(key))
          births.set(tenantId, born);
      return {
        take: (row, rowInstance, jamfComputerId, version) => {
          if (touched.stopped) return;
          if (touched.tenants.size > 0 && touched.tenants.has(wordsName(row, 0, 4))) return;
          if (touched.routes.size > 0 && touched.routes.has(wordsName(row, 0, 8))) return;
          table.put(row, rowInstance, jamfComputerId, version);
        },
        get stopped() {
          return touched.stopped;
        },
        end: () => {
          preloads.delete(touched);
        },
      };
    },
    sweep: () => {
      if (before && (table.size >= before.table.size || now() - before.trueAtMs >= options.maxAgeMs))
        before = undefined;
      return table.sweep();
    },
    get servesOutage() {
      return table.size > 0 || before !== undefined;
    },
    get size() {
      return table.size;
    },
    get bytes() {
      return table.bytes + (before?.table.bytes ?? 0);
    },
  };
}
