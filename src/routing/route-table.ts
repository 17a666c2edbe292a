import { createInternedIds } from './interned-ids.ts';
import { createWordHash, randomSeed } from './keyed-hash.ts';

/**
 * Routes packed into typed arrays: 32 bytes a place, 40 to 60 a route, nothing that the garbage collector walks. Pure;
 * docs/route-cache.md has the reasons and the measurements.
 *
 * The places are dealt out to segments by the hash, and each segment grows by itself: filling one table of ten million
 * routes anew would stop the process for a second, one segment takes some milliseconds.
 */

/** Where a device call goes. */
export interface RouteTarget {
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

/** Words 0 to 3 are the tenant's GUID, 4 to 7 the device's (guid-words.ts). */
export type RouteKey = Int32Array;

/** A new one for whoever parses into it again and again. */
export const routeKey = (): RouteKey => new Int32Array(8);

export interface RouteTable {
  get(key: RouteKey): RouteTarget | undefined;
  /** The low 32 bits of the version of an entry; undefined: none is there. Does not count as use. */
  versionOf(key: RouteKey): number | undefined;
  /** Adds an entry, or replaces one that is not newer. `instance` is the GUID in four words. */
  put(key: RouteKey, instance: Int32Array, jamfComputerId: number, version: number): void;
  remove(key: RouteKey): void;
  holdsTenant(key: RouteKey): boolean;
  /** Forgets a tenant at once; its places become free as others need them and by `sweep`. */
  dropTenant(key: RouteKey): void;
  clear(): void;
  /** Makes room beforehand, so that a preload does not grow step by step. */
  reserve(entries: number): void;
  /** Frees some places of dropped tenants; false when there are none left. */
  sweep(): boolean;
  /** Entries that can be found. */
  readonly size: number;
  /** Of the arrays. */
  readonly bytes: number;
}

export interface RouteTableOptions {
  /** Entries at most; then the least recently used, roughly, go. */
  readonly entries: number;
  readonly seed?: readonly [number, number];
}

/** A place: device (4 words), tenant's number + 1 (0: free), instance's number and the mark of use, computer, version. */
const width = 8;
const tenantWord = 4;
const instanceWord = 5;
const computerWord = 6;
const versionWord = 7;
const usedMark = 1 << 30;
const instanceMask = usedMark - 1;

/** Fuller, and what is not there takes long to be missed. */
const fullest = 0.8;
/** By this much a segment grows: a route takes at most 32 / 0.8 * 1.5 = 60 bytes. */
const growth = 1.5;
const leastPlaces = 8;
/** Routes of a full segment; filling one anew takes some milliseconds. */
const segmentEntries = 65_536;
const mostSegments = 4_096;
/** Entries that get a second chance before one without is found must go; then any. */
const secondChances = 64;

/** Places that one call of `sweep` looks at. */
const sweepPlaces = 16_384;

/** Versions are compared modulo 2^32: two that meet are never two thousand million apart. */
export const isOlderVersion = (one: number, other: number): boolean => ((one - other) | 0) < 0;

interface Segment {
  words: Int32Array;
  places: number;
  count: number;
  /** Where the search for an entry to evict goes on. */
  hand: number;
}

const newSegment = (places: number): Segment => ({
  words: new Int32Array(places * width),
  places,
  count: 0,
  hand: 0,
});

const segmentsFor = (entries: number): number =>
  Math.min(mostSegments, 2 ** Math.ceil(Math.log2(Math.max(1, entries / segmentEntries))));

export function createRouteTable(options: RouteTableOptions): RouteTable {
  const most = options.entries;
  const hash = createWordHash(options.seed ?? randomSeed());
  const tenants = createInternedIds();
  const instances = createInternedIds();
  const segmentMask = segmentsFor(most) - 1;
  const makeSegments = (): Segment[] =>
    Array.from({ length: segmentMask + 1 }, () => newSegment(leastPlaces));
  let segments = makeSegments();
  let total = 0;
  /** Of dropped tenants: they hold places and are never found. */
  let dead = 0;
  let victim = 0;
  let swept = { segment: 0, place: 0 };
  /** The entry that is being added: millions come in a row, and none of them leaves garbage behind. */
  const entry = new Int32Array(width);

  const segmentOf = (hashed: number): Segment => segments[hashed & segmentMask] as Segment;
  /** The high bits choose the place, so that the low ones may choose the segment. */
  const homeOf = (segment: Segment, hashed: number): number =>
    Math.floor(((hashed >>> 0) * segment.places) / 4_294_967_296);
  const hashAt = (words: Int32Array, at: number): number =>
    hash(
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
      (words[at + tenantWord] as number) - 1,
    );
  const hashKey = (key: RouteKey, tenant: number): number =>
    hash(key[4] as number, key[5] as number, key[6] as number, key[7] as number, tenant);

  /** Offset of the entry's words, or -1. */
  const find = (segment: Segment, hashed: number, key: RouteKey, tenant: number): number => {
    const { places, words } = segment;
    const [a, b, c, d] = [key[4], key[5], key[6], key[7]];
    for (let place = homeOf(segment, hashed); ; place = place + 1 === places ? 0 : place + 1) {
      const at = place * width;
      const holder = words[at + tenantWord];
      if (holder === 0) return -1;
      if (
        words[at] === a &&
        words[at + 1] === b &&
        words[at + 2] === c &&
        words[at + 3] === d &&
        holder === tenant + 1
      )
        return at;
    }
  };

  /** Puts an entry's words where they belong; there is a free place. */
  const settle = (segment: Segment, from: Int32Array, at: number): void => {
    const { places, words } = segment;
    let place = homeOf(segment, hashAt(from, at));
    while (words[place * width + tenantWord] !== 0) place = place + 1 === places ? 0 : place + 1;
    for (let offset = 0; offset < width; offset += 1)
      words[place * width + offset] = from[at + offset] as number;
  };

  const letGo = (words: Int32Array, at: number): void => {
    const tenant = (words[at + tenantWord] as number) - 1;
    if (tenants.isRetired(tenant)) dead -= 1;
    tenants.release(tenant);
    instances.release((words[at + instanceWord] as number) & instanceMask);
    total -= 1;
  };

  const resize = (segment: Segment, places: number): void => {
    const { places: before, words } = segment;
    segment.words = new Int32Array(places * width);
    segment.places = places;
    segment.hand = 0;
    for (let at = 0; at < before * width; at += width) {
      const holder = words[at + tenantWord] as number;
      if (holder === 0) continue;
      if (dead > 0 && tenants.isRetired(holder - 1)) {
        letGo(words, at);
        segment.count -= 1;
      } else settle(segment, words, at);
    }
  };

  /** Takes an entry out by moving back whoever would not be found past the hole: no tombstones that pile up. */
  const removeAt = (segment: Segment, at: number): void => {
    const { places, words } = segment;
    letGo(words, at);
    segment.count -= 1;
    let hole = at / width;
    for (let place = hole; ; ) {
      place = place + 1 === places ? 0 : place + 1;
      const from = place * width;
      if (words[from + tenantWord] === 0) break;
      const home = homeOf(segment, hashAt(words, from));
      const fromHome = place - home + (place < home ? places : 0);
      const fromHole = place - hole + (place < hole ? places : 0);
      if (fromHome < fromHole) continue;
      words.copyWithin(hole * width, from, from + width);
      hole = place;
    }
    words[hole * width + tenantWord] = 0;
  };

  /** The clock: who was used since the hand last came by gets a second chance. */
  const evictFrom = (segment: Segment): void => {
    for (let chances = secondChances; ; ) {
      const at = segment.hand * width;
      const holder = segment.words[at + tenantWord] as number;
      const instance = segment.words[at + instanceWord] as number;
      const used = (instance & usedMark) !== 0 && !tenants.isRetired(holder - 1);
      if (holder !== 0 && (!used || chances === 0)) {
        removeAt(segment, at);
        return;
      }
      if (holder !== 0) {
        segment.words[at + instanceWord] = instance & instanceMask;
        chances -= 1;
      }
      segment.hand = segment.hand + 1 === segment.places ? 0 : segment.hand + 1;
    }
  };
  const evict = (preferred: Segment): void => {
    let segment = preferred;
    while (segment.count === 0) {
      victim = (victim + 1) & segmentMask;
      segment = segmentOf(victim);
    }
    evictFrom(segment);
  };

  const add = (key: RouteKey, instance: Int32Array, jamfComputerId: number, version: number): void => {
    if (most < 1) return;
    const tenant = tenants.hold(key, 0);
    const segment = segmentOf(hashKey(key, tenant));
    if (total >= most) evict(segment);
    if (segment.count + 1 > segment.places * fullest) resize(segment, Math.ceil(segment.places * growth));
    for (let offset = 0; offset < 4; offset += 1) entry[offset] = key[4 + offset] as number;
    entry[tenantWord] = tenant + 1;
    entry[instanceWord] = instances.hold(instance, 0);
    entry[computerWord] = jamfComputerId;
    entry[versionWord] = version;
    settle(segment, entry, 0);
    segment.count += 1;
    total += 1;
  };

  return {
    get: (key) => {
      const tenant = tenants.find(key, 0);
      if (tenant < 0) return undefined;
      const hashed = hashKey(key, tenant);
      const segment = segmentOf(hashed);
      const at = find(segment, hashed, key, tenant);
      if (at < 0) return undefined;
      const { words } = segment;
      const instance = words[at + instanceWord] as number;
      if ((instance & usedMark) === 0) words[at + instanceWord] = instance | usedMark;
      return {
        instanceId: instances.text(instance & instanceMask),
        jamfComputerId: words[at + computerWord] as number,
      };
    },
    versionOf: (key) => {
      const tenant = tenants.find(key, 0);
      if (tenant < 0) return undefined;
      const hashed = hashKey(key, tenant);
      const segment = segmentOf(hashed);
      const at = find(segment, hashed, key, tenant);
      return at < 0 ? undefined : segment.words[at + versionWord];
    },
    put: (key, instance, jamfComputerId, version) => {
      const tenant = tenants.find(key, 0);
      const hashed = hashKey(key, tenant);
      const segment = segmentOf(hashed);
      const at = tenant < 0 ? -1 : find(segment, hashed, key, tenant);
      if (at < 0) return add(key, instance, jamfComputerId, version);
      const { words } = segment;
      if (isOlderVersion(version, words[at + versionWord] as number)) return;
      const before = words[at + instanceWord] as number;
      words[at + instanceWord] = instances.hold(instance, 0) | (before & usedMark);
      instances.release(before & instanceMask);
      words[at + computerWord] = jamfComputerId;
      words[at + versionWord] = version;
    },
    remove: (key) => {
      const tenant = tenants.find(key, 0);
      if (tenant < 0) return;
      const hashed = hashKey(key, tenant);
      const segment = segmentOf(hashed);
      const at = find(segment, hashed, key, tenant);
      if (at >= 0) removeAt(segment, at);
    },
    holdsTenant: (key) => tenants.find(key, 0) >= 0,
    dropTenant: (key) => {
      const tenant = tenants.find(key, 0);
      if (tenant < 0) return;
      dead += tenants.holders(tenant);
      tenants.retire(tenant);
    },
    clear: () => {
      for (const segment of segments)
        for (let at = 0; at < segment.words.length; at += width)
          if (segment.words[at + tenantWord] !== 0) letGo(segment.words, at);
      segments = makeSegments();
    },
    reserve: (entries) => {
      const share = Math.min(entries, most) / segments.length;
      // Segments differ as chance has it: four standard deviations hold nearly all of them.
      const places = Math.ceil((share + 4 * Math.sqrt(share)) / fullest);
      for (const segment of segments) if (places > segment.places) resize(segment, places);
    },
    sweep: () => {
      for (let looked = 0; looked < sweepPlaces && dead > 0; looked += 1) {
        const segment = segmentOf(swept.segment);
        if (swept.place >= segment.places) {
          swept = { segment: (swept.segment + 1) & segmentMask, place: 0 };
          continue;
        }
        const at = swept.place * width;
        const holder = segment.words[at + tenantWord] as number;
        if (holder !== 0 && tenants.isRetired(holder - 1)) removeAt(segment, at);
        else swept.place += 1;
      }
      return dead > 0;
    },
    get size() {
      return total - dead;
    },
    get bytes() {
      return segments.reduce((sum, { words }) => sum + words.byteLength, 0);
    },
  };
}
