import { readGuid } from '../../../src/routing/guid-words.ts';
import { RouteCache } from '../../../src/routing/route-cache.ts';
import { routeKey } from '../../../src/routing/route-table.ts';
import type { Random } from '../../../src/simulator/random.ts';
import { type ChangeFeed, createChangeFeed } from '../../../src/store/change-feed.ts';
import { createRowCache, type RowCache } from '../../../src/store/row-cache.ts';
import type { Log } from '../../../src/telemetry/log.ts';
import type { Scheduler } from '../scheduler.ts';
import type { MemoryDatabase } from './memory-database.ts';
import type { Truth } from './truth.ts';

/** One gateway process with the real cache, feed and directory, behind a network that is slow and sometimes away. */
export interface CacheProcess {
  readonly name: string;
  readonly cache: RouteCache;
  readonly feed: ChangeFeed;
  readonly tenants: RowCache<{ readonly value: number }>;
  /** The newest state of the truth that every answer must know of. */
  floor(): number;
  setAway(away: boolean): void;
  /** When the database could not be asked last. */
  lastAwayMs(): number;
  poll(): Promise<void>;
  preload(): Promise<void>;
}

export interface CacheProcessOptions {
  readonly name: string;
  readonly database: MemoryDatabase;
  readonly truth: Truth;
  readonly scheduler: Scheduler;
  readonly random: Random;
  readonly log: Log;
  readonly entries: number;
  readonly maxAgeMs: number;
}

const slowestMs = 400;
const rowsPerChunk = 3;

export class Away extends Error {
  /** As the driver says it. */
  readonly code = 'CONNECTION_CLOSED';
}

export function createCacheProcess(options: CacheProcessOptions): CacheProcess {
  const { database, random, scheduler, truth } = options;
  let away = false;
  let lastAwayMs = Number.NEGATIVE_INFINITY;
  let floor = 0;
  const hop = async (): Promise<void> => {
    await scheduler.sleep(random.integer(0, slowestMs));
    if (away) throw new Away('the database is away');
  };
  /** A request on its way, the statement at one moment, the answer on its way. */
  const ask = async <T>(statement: () => Promise<T> | T): Promise<T> => {
    await hop();
    const answer = await statement();
    await hop();
    return answer;
  };
  const feed = createChangeFeed({
    source: {
      poll: (since, max) => ask(() => database.poll(since, max)),
      prune: (seenBy) => ask(() => database.prune(seenBy)),
    },
    log: options.log,
    now: scheduler.now,
  });
  const cache = new RouteCache({
    reader: {
      read: (names) => ask(() => database.read(names)),
      births: (tenantIds) => ask(() => database.births(tenantIds)),
      changes: async function* (versions) {
        for await (const page of database.changes(versions)) yield await ask(() => page);
      },
    },
    feed,
    entries: options.entries,
    maxAgeMs: options.maxAgeMs,
    isAway: () => away,
    now: scheduler.now,
    onLookup: () => undefined,
    changesPerTenant: 6,
    seed: [random.integer(0, 0x7fffffff), random.integer(0, 0x7fffffff)],
  });
  const tenants = createRowCache<{ readonly value: number }>({
    read: (tenantId) => ask(() => database.tenant(tenantId)),
    maxRows: 100,
    now: scheduler.now,
    policy: { feed, maxAgeMs: options.maxAgeMs, isAway: () => away },
  });
  feed.subscribe({
    apply: (changes) => {
      for (const change of changes) if (change.kind === 'tenant') tenants.forget(change.tenantId);
    },
    forget: tenants.forgetAll,
  });
  feed.subscribe(cache.listener);
  const key = routeKey();
  const instance = new Int32Array(4);
  return {
    name: options.name,
    cache,
    feed,
    tenants,
    floor: () => floor,
    setAway: (value) => {
      away = value;
      lastAwayMs = scheduler.now();
    },
    lastAwayMs: () => (away ? scheduler.now() : lastAwayMs),
    poll: async () => {
      const began = truth.now;
      try {
        await feed.poll();
        floor = Math.max(floor, began);
      } catch (error) {
        if (!(error instanceof Away)) throw error;
      }
    },
    preload: async () => {
      try {
        const preloading = cache.beginPreload(await ask(() => database.births()), options.entries);
        try {
          const rows = await ask(() => database.copyRoutes());
          for (const [index, row] of rows.entries()) {
            if (index % rowsPerChunk === 0) await hop();
            if (preloading.stopped) return;
            readGuid(row.tenantId, key, 0);
            readGuid(row.deviceId, key, 4);
            readGuid(row.instanceId, instance, 0);
            preloading.take(key, instance, row.jamfComputerId, row.version);
          }
        } finally {
          preloading.end();
        }
      } catch (error) {
        if (!(error instanceof Away)) throw error;
      }
    },
  };
}
