/**
 * The routing table in memory, kept until the change feed names a route (docs/architecture.md). The law: when a poll of
 * the feed that began after a commit has ended, nothing older than that commit is answered, except while the database is
 * away: then the routes that were forgotten and not read anew serve on.
 *
 * The feed changes only what is here, and only to what is newer. New entries come from misses and from a preload, and
 * only when no change of the route was heard of since they were asked for.
 */

import type { Change, ChangeFeed, ChangeListener } from '../store/change-feed.ts';
import { readGuid } from './guid-words.ts';
import type { PackedRouteLookup, RouteTarget } from './lookup.ts';
import { RouteMisses } from './route-misses.ts';
import { RoutePreload } from './route-preload.ts';
import type { RouteChange, RouteName, RouteReader, RouteVersion, VersionedRoute } from './route-reader.ts';
import type { RouteKey } from './route-segment.ts';
import type { SnapshotRoutes } from './route-snapshot.ts';
import { isOlderVersion, RouteTable, routeKey } from './route-table.ts';

export interface RouteCacheOptions {
  readonly reader: RouteReader;
  readonly feed: Pick<ChangeFeed, 'started' | 'silentMs'>;
  /** ESPALIER_ROUTE_CACHE_ENTRIES; with 0 every look-up asks the database. */
  readonly entries: number;
  /** After so long without the feed nothing is served from memory. */
  readonly maxAgeMs: number;
  /** While the database is away nobody can read what changed. */
  readonly isAway: () => boolean;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly onLookup: (result: 'hit' | 'miss' | 'unknown') => void;
  readonly seed?: readonly [number, number];
  /** Default: `maxChangesPerTenant`. */
  readonly changesPerTenant?: number;
}

/** A tenant with more changes in one poll of the feed is dropped: its routes come again by misses. */
export const maxChangesPerTenant = 20_000;

/** The routes that were in memory when everything was forgotten, or those of a snapshot: they serve while the database is away. */
interface Forgotten {
  readonly table: RouteTable;
  readonly births: ReadonlyMap<string, number>;
  readonly trueAtMs: number;
}

export class RouteCache implements PackedRouteLookup {
  readonly #options: RouteCacheOptions;
  readonly #misses: RouteMisses;
  #table: RouteTable;
  /** Undefined once it was read anew. */
  #forgotten: Forgotten | undefined;
  /** Time at which each tenant was created: one that was deleted and made again begins its versions anew. */
  #births = new Map<string, number>();
  readonly #preloads = new Set<RoutePreload>();
  readonly #key = routeKey();
  readonly #instance = new Int32Array(4);

  constructor(options: RouteCacheOptions) {
    this.#options = options;
    this.#table = this.#emptyTable();
    this.#misses = new RouteMisses({
      reader: options.reader,
      now: options.now,
      found: (name, route) => this.#insert(name, route),
    });
  }

  get size(): number {
    return this.#table.size;
  }

  get bytes(): number {
    return this.#table.bytes + (this.#forgotten?.table.bytes ?? 0);
  }

  /** Routes that can be served while the database is away. */
  get outageSize(): number {
    return Math.max(this.#table.size, this.#forgotten?.table.size ?? 0);
  }

  /** There is something to serve while the database is away. */
  get servesOutage(): boolean {
    return this.#table.size > 0 || this.#forgotten !== undefined;
  }

  /** Its routes of before serve as those that were forgotten do: only while the database is away, until as much was read. */
  readonly snapshot: SnapshotRoutes = {
    current: () => ({ table: this.#table, births: this.#births }),
    emptyTable: () => this.#emptyTable(),
    restore: (table, births, ageMs) => {
      this.#forgotten = { table, births, trueAtMs: this.#options.now() - ageMs };
    },
  };

  /** Subscribes the cache to the feed. */
  readonly listener: ChangeListener = {
    apply: async (changes) => {
      // First the tenants: a new one's versions must not meet those of the one before it.
      await this.#applyTenants(changes);
      await this.#applyRoutes(changes);
    },
    forget: () => {
      this.#forgetAll();
      this.#misses.allChanged();
      for (const preload of this.#preloads) preload.stopped = true;
    },
  };

  peek(tenantId: string, deviceId: string): RouteTarget | undefined {
    return this.#readKey(tenantId, deviceId) ? this.peekKey(this.#key) : undefined;
  }

  peekKey(key: RouteKey): RouteTarget | undefined {
    const { feed, isAway, maxAgeMs, now } = this.#options;
    const known = feed.silentMs() < maxAgeMs ? this.#table.get(key) : undefined;
    const forgotten = this.#forgotten;
    if (known || !forgotten || !isAway() || now() - forgotten.trueAtMs >= maxAgeMs) return known;
    return forgotten.table.get(key);
  }

  async route(tenantId: string, deviceId: string): Promise<RouteTarget | undefined> {
    const { onLookup } = this.#options;
    const known = this.peek(tenantId, deviceId);
    if (known) {
      onLookup('hit');
      return known;
    }
    if (this.#misses.isAbsent(tenantId, deviceId)) {
      onLookup('unknown');
      return undefined;
    }
    let found: RouteTarget | undefined;
    try {
      found = await this.#misses.ask(tenantId, deviceId);
    } catch (error) {
      const last = this.peek(tenantId, deviceId);
      if (!last) throw error;
      onLookup('hit');
      return last;
    }
    if (!found && this.#forgotten && this.#readKey(tenantId, deviceId))
      this.#forgotten.table.remove(this.#key);
    onLookup(found ? 'miss' : 'unknown');
    return found;
  }

  /** Takes in what a preload reads; the preload asks for births first, then for routes. */
  beginPreload(births: ReadonlyMap<string, number>, routes: number): RoutePreload {
    const preload = new RoutePreload(this.#table, (ended) => this.#preloads.delete(ended));
    preload.stopped = !this.#options.feed.started;
    this.#preloads.add(preload);
    this.#table.reserve(routes);
    // What has gone on before the feed was heard of, the feed does not tell.
    const forgotten = this.#forgotten;
    for (const [tenantId, born] of forgotten?.births ?? [])
      if (births.get(tenantId) !== born && readGuid(tenantId, this.#key, 0))
        forgotten?.table.dropTenant(this.#key);
    // A tenant's routes that are here may be of an earlier tenant of this id: only the feed can tell.
    for (const [tenantId, born] of births)
      if (
        !this.#births.has(tenantId) &&
        readGuid(tenantId, this.#key, 0) &&
        !this.#table.holdsTenant(this.#key)
      )
        this.#births.set(tenantId, born);
    return preload;
  }

  /** Frees places of dropped tenants, some at a time; false when there are none. */
  sweep(): boolean {
    const { maxAgeMs, now } = this.#options;
    const forgotten = this.#forgotten;
    if (forgotten && (this.size >= forgotten.table.size || now() - forgotten.trueAtMs >= maxAgeMs))
      this.#forgotten = undefined;
    return this.#table.sweep();
  }

  #emptyTable(): RouteTable {
    const { entries, seed } = this.#options;
    return new RouteTable({ entries, ...(seed === undefined ? {} : { seed }) });
  }

  #readKey(tenantId: string, deviceId: string): boolean {
    return readGuid(tenantId, this.#key, 0) && readGuid(deviceId, this.#key, 4);
  }

  #insert({ deviceId, tenantId }: RouteName, route: VersionedRoute): void {
    if (!this.#options.feed.started || !this.#readKey(tenantId, deviceId)) return;
    if (!readGuid(route.instanceId, this.#instance, 0)) return;
    const born = this.#births.get(tenantId);
    if (born !== route.bornAtMs) {
      // Routes that a preload read before this was known may be of an earlier tenant.
      this.#table.dropTenant(this.#key);
      // Else the tenant's next change, a heartbeat's say, would look like another tenant.
      this.#births.set(tenantId, route.bornAtMs);
    }
    this.#table.put(this.#key, this.#instance, route.jamfComputerId, route.version);
  }

  /** False: nothing of the tenant is here or under way, so its changes need not be read. */
  #concerns(tenantId: string): boolean {
    if (this.#preloads.size > 0 || this.#misses.concerns(tenantId)) return true;
    if (!readGuid(tenantId, this.#key, 0)) return false;
    return this.#table.holdsTenant(this.#key) || this.#forgotten?.table.holdsTenant(this.#key) === true;
  }

  async #applyTenants(changes: readonly Change[]): Promise<void> {
    const named = changes.filter(({ kind }) => kind === 'tenant').map(({ tenantId }) => tenantId);
    const concerned = [...new Set(named)].filter(
      (tenantId) => this.#concerns(tenantId) || this.#births.has(tenantId),
    );
    if (concerned.length === 0) return;
    const found = await this.#options.reader.births(concerned);
    for (const tenantId of concerned) this.#applyBirth(tenantId, found.get(tenantId));
  }

  /** `born` is undefined for a tenant that is no more. */
  #applyBirth(tenantId: string, born: number | undefined): void {
    const isAnother = (before: number | undefined): boolean => born === undefined || born !== before;
    if (isAnother(this.#births.get(tenantId))) this.#dropTenant(tenantId);
    const forgotten = this.#forgotten;
    if (forgotten && isAnother(forgotten.births.get(tenantId)) && readGuid(tenantId, this.#key, 0))
      forgotten.table.dropTenant(this.#key);
    if (born === undefined) this.#births.delete(tenantId);
    else this.#births.set(tenantId, born);
  }

  #dropTenant(tenantId: string): void {
    if (!readGuid(tenantId, this.#key, 0)) return;
    this.#table.dropTenant(this.#key);
    this.#misses.tenantChanged(tenantId);
    for (const preload of this.#preloads) preload.tenantChanged(this.#key);
  }

  async #applyRoutes(changes: readonly Change[]): Promise<void> {
    const maxChanges = this.#options.changesPerTenant ?? maxChangesPerTenant;
    const routes = changes.filter((change) => change.kind === 'routes');
    const wanted: RouteVersion[] = [];
    const missing = new Map<string, number>();
    for (const [tenantId, versions] of Map.groupBy(routes, (change) => change.tenantId)) {
      if (!this.#concerns(tenantId)) continue;
      const count = versions.reduce((sum, change) => sum + change.changes, 0);
      if (count > maxChanges) this.#dropTenant(tenantId);
      else {
        wanted.push(...versions);
        missing.set(tenantId, count);
      }
    }
    if (wanted.length === 0) return;
    for await (const page of this.#options.reader.changes(wanted))
      for (const change of page) {
        this.#applyRoute(change);
        missing.set(change.tenantId, (missing.get(change.tenantId) ?? 0) - 1);
      }
    // The tenant was deleted meanwhile, and its history with it.
    for (const [tenantId, count] of missing) if (count > 0) this.#dropTenant(tenantId);
  }

  #applyRoute({ deviceId, tenantId, to, version }: RouteChange): void {
    this.#misses.routeChanged(tenantId, deviceId);
    if (!this.#readKey(tenantId, deviceId)) return;
    for (const preload of this.#preloads) preload.routeChanged(this.#key);
    for (const table of this.#forgotten ? [this.#table, this.#forgotten.table] : [this.#table]) {
      const known = table.versionOf(this.#key);
      if (known === undefined || isOlderVersion(version, known)) continue;
      if (!to) table.remove(this.#key);
      else if (readGuid(to.instanceId, this.#instance, 0))
        table.put(this.#key, this.#instance, to.jamfComputerId, version);
    }
  }

  /** The table with more routes is kept for an outage, even where all is forgotten again before it was read anew. */
  #forgetAll(): void {
    const { feed, now } = this.#options;
    if (this.size > 0 && this.size >= (this.#forgotten?.table.size ?? 0)) {
      const trueAtMs = now() - feed.silentMs();
      this.#forgotten = { table: this.#table, births: this.#births, trueAtMs };
      this.#table = this.#emptyTable();
    } else this.#table.clear();
    this.#births = new Map();
  }
}
