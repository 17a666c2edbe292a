import { LRUCache } from 'lru-cache';
import { within } from '../../../deadline.ts';
import type { LastKnownKeys } from '../../../entra/keys.ts';
import {
  bucketIndexMs,
  bucketReadMs,
  bucketRetryMs,
  openedSheetsBytes,
  snapshotAheadMs,
} from '../../../limits.ts';
import type { RouteTarget } from '../../../routing/lookup.ts';
import { findPacked } from '../../../routing/packed-routes.ts';
import { shardOf } from '../../../store/tenant-scope.ts';
import { decodeKeySet } from './key-sets.ts';
import { decodeSheet, partOf, type Sheet } from './sheet.ts';
import { type IndexRefusal, ObjectBroken, type ShardIndex, type Vault } from './vault.ts';

/** What the snapshot says while the database cannot be reached. Whatever it does not have, it cannot say. */
export interface LastKnown {
  sheet(tenantId: string): Promise<Sheet | undefined>;
  route(tenantId: string, deviceId: string): Promise<RouteTarget | undefined>;
  /** Entra's public keys for the tenant, which are not read of the database. */
  readonly keys: LastKnownKeys;
  /** Milliseconds since the data of all shards were known to be current; undefined: one of them may not serve. */
  ageMs(): Promise<number | undefined>;
}

export type LastKnownRefusal = IndexRefusal | 'too-old' | 'from-the-future' | 'unreadable';

export interface LastKnownOptions {
  readonly vault: Vault;
  /** The number of shards. */
  readonly shards: number;
  /** ESPALIER_SNAPSHOT_MAX_AGE_SECONDS. */
  readonly maxAgeMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** A date, in milliseconds. */
  readonly date: () => number;
  /** An index may not serve. */
  readonly onRefused: (refusal: {
    readonly cause: LastKnownRefusal;
    readonly shard: number;
    readonly ageMs?: number;
    readonly detail?: string;
  }) => void;
}

interface ReadIndex {
  readonly index: ShardIndex | undefined;
  readonly untilMs: number;
}

const late = (): never => {
  throw new Error('the bucket does not answer');
};
const bounded = <T>(work: Promise<T>): Promise<T> => within(work, bucketReadMs, late);

/** The indexes of the shards as they were last read. */
function createIndexes({ date, maxAgeMs, now, onRefused, shards, vault }: LastKnownOptions) {
  const known = new Map<number, ReadIndex>();
  const refuse = (shard: number, cause: LastKnownRefusal, more: { ageMs?: number; detail?: string } = {}) => {
    onRefused({ shard, cause, ...more });
    known.set(shard, { index: undefined, untilMs: now() + bucketRetryMs });
    return undefined;
  };
  const read = async (shard: number): Promise<ShardIndex | undefined> => {
    const last = known.get(shard);
    if (last !== undefined && now() < last.untilMs) return last.index;
    try {
      const found = await bounded(vault.readIndex({ shard, of: shards }));
      if ('refused' in found) return refuse(shard, found.refused);
      known.set(shard, { index: found.index, untilMs: now() + bucketIndexMs });
      return found.index;
    } catch (error) {
      return refuse(shard, 'unreadable', { detail: (error as Error).message });
    }
  };
  return {
    /** Undefined: it may not serve. */
    get: async (shard: number): Promise<ShardIndex | undefined> => {
      const index = await read(shard);
      if (index === undefined) return undefined;
      const ageMs = date() - index.knownAt;
      if (ageMs < -snapshotAheadMs) return refuse(shard, 'from-the-future', { ageMs });
      return ageMs > maxAgeMs ? refuse(shard, 'too-old', { ageMs }) : index;
    },
    forget: (shard: number): void => {
      known.delete(shard);
    },
  };
}

export function createLastKnown(options: LastKnownOptions): LastKnown {
  const { date, onRefused, shards, vault } = options;
  const indexes = createIndexes(options);
  const cacheOf = <T extends object>() =>
    new LRUCache<string, { readonly opened: T; readonly bytes: number }>({
      maxSize: openedSheetsBytes,
      sizeCalculation: ({ bytes }) => bytes,
    });
  const sheets = cacheOf<Sheet>();
  const parts = cacheOf<Uint8Array>();

  /** Objects are never written again, so what was opened stays true of its name. */
  const opened = async <T extends object>(
    cache: ReturnType<typeof cacheOf<T>>,
    name: string,
    decode: (bytes: Uint8Array) => T,
  ): Promise<T> => {
    const known = cache.get(name);
    if (known !== undefined) return known.opened;
    const bytes = await bounded(vault.read(name));
    const found = decode(bytes);
    cache.set(name, { opened: found, bytes: bytes.byteLength });
    return found;
  };
  const entryOf = async (tenantId: string) => {
    const index = await indexes.get(shardOf(tenantId, shards));
    return index && Object.hasOwn(index.sheets, tenantId)
      ? { entry: index.sheets[tenantId], keySets: index.keySets }
      : undefined;
  };
  const keysOf = async (cloud: string, tenantId: string): ReturnType<LastKnownKeys> => {
    const { entry, keySets = {} } = (await entryOf(tenantId)) ?? {};
    const name = entry?.keys && keySets[entry.keys.digest];
    if (entry?.keys === undefined || name === undefined) return undefined;
    const found = decodeKeySet(await bounded(vault.read(name)));
    if (found.cloud !== cloud) return undefined;
    return { keys: found.keys, ageMs: Math.max(0, date() - entry.keys.fetchedAt) };
  };
  const sheetOf = async (tenantId: string): Promise<Sheet | undefined> => {
    const entry = (await entryOf(tenantId))?.entry;
    return entry && opened(sheets, entry.name, decodeSheet);
  };
  const routeOf = async (tenantId: string, deviceId: string): Promise<RouteTarget | undefined> => {
    const sheet = await sheetOf(tenantId);
    if (sheet?.parts === undefined) return sheet && findPacked(sheet.routes, deviceId);
    const name = sheet.parts[partOf(deviceId)];
    return name ? findPacked(await opened(parts, name, (bytes) => bytes), deviceId) : undefined;
  };
  const refused = (shard: number, error: unknown): undefined => {
    const cause = error instanceof ObjectBroken ? 'damaged' : 'unreadable';
    onRefused({ shard, cause, detail: (error as Error).message });
  };
  /** An object that is not there may have been replaced, with the index that names it: that is read once more. */
  const twice = async <T>(tenantId: string, read: () => Promise<T | undefined>): Promise<T | undefined> => {
    const shard = shardOf(tenantId, shards);
    try {
      return await read();
    } catch (error) {
      if (!(error instanceof ObjectBroken)) return refused(shard, error);
      indexes.forget(shard);
    }
    return read().catch((error: unknown) => refused(shard, error));
  };

  return {
    sheet: (tenantId) => twice(tenantId, () => sheetOf(tenantId)),
    route: (tenantId, deviceId) => twice(tenantId, () => routeOf(tenantId, deviceId)),
    keys: (cloud, tenantId) => twice(tenantId, () => keysOf(cloud, tenantId)),
    ageMs: async () => {
      const all = await Promise.all(Array.from({ length: shards }, (_, shard) => indexes.get(shard)));
      const ages = all.map((index) => (index === undefined ? undefined : date() - index.knownAt));
      return ages.some((age) => age === undefined) ? undefined : Math.max(0, ...(ages as number[]));
    },
  };
}
