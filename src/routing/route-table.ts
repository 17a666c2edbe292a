/**
 * Routes packed into typed arrays: 32 bytes a place, 40 to 60 a route, nothing that the garbage collector walks. Pure;
 * docs/architecture.md has the reasons and the measurements.
 *
 * The places are dealt out to segments by the hash, and each segment grows by itself: filling one table of ten million
 * routes anew would stop the process for a second, one segment takes some milliseconds.
 */

import { type CopiedSegment, copySegment } from './copied-segment.ts';
import { InternedIds } from './interned-ids.ts';
import { createWordHash, randomSeed, type WordHash } from './keyed-hash.ts';
import {
  computerWord,
  entryWords,
  instanceMask,
  instanceWord,
  maxLoad,
  type RouteKey,
  RouteSegment,
  tenantWord,
  usedMark,
  versionWord,
} from './route-segment.ts';

/** Destination of a device call. */
export interface RouteTarget {
  readonly instanceId: string;
  readonly jamfComputerId: number;
}

/** Makes a key into which its caller parses again and again. */
export const routeKey = (): RouteKey => new Int32Array(8);

export interface RouteTableOptions {
  /** Upper bound on entries; beyond it the least recently used, roughly, are evicted. */
  readonly entries: number;
  readonly seed?: readonly [number, number];
}

/** Routes of a full segment; filling one anew takes some milliseconds. */
const segmentEntries = 65_536;
const maxSegments = 4_096;
/** Used entries that are passed over in search of an unused one; then any is evicted. */
const secondChances = 64;

/** Places that one call of `sweep` examines. */
const sweepPlaces = 16_384;

/** Versions are compared modulo 2^32: two that meet are never two thousand million apart. */
export const isOlderVersion = (one: number, other: number): boolean => ((one - other) | 0) < 0;

const segmentsFor = (entries: number): number =>
  Math.min(maxSegments, 2 ** Math.ceil(Math.log2(Math.max(1, entries / segmentEntries))));

export class RouteTable {
  readonly #maxEntries: number;
  readonly #hash: WordHash;
  readonly #tenants = new InternedIds();
  readonly #instances = new InternedIds();
  readonly #segmentMask: number;
  #segments: readonly RouteSegment[];
  #entries = 0;
  /** Entries of dropped tenants: they hold places and are never found. */
  #dead = 0;
  /** The segment that the last eviction from another one than its own took from. */
  #victim = 0;
  #swept = { segment: 0, place: 0 };
  /** The entry that is being added: millions come in a row, and none of them leaves garbage behind. */
  readonly #added = new Int32Array(entryWords);

  constructor({ entries, seed = randomSeed() }: RouteTableOptions) {
    this.#maxEntries = entries;
    this.#hash = createWordHash(seed);
    this.#segmentMask = segmentsFor(entries) - 1;
    this.#segments = this.#emptySegments();
  }

  /** Entries that can be found. */
  get size(): number {
    return this.#entries - this.#dead;
  }

  /** The size of the arrays. */
  get bytes(): number {
    return this.#segments.reduce((sum, { words }) => sum + words.byteLength, 0);
  }

  get(key: RouteKey): RouteTarget | undefined {
    const tenant = this.#tenants.find(key, 0);
    if (tenant < 0) return undefined;
    const hash = this.#hashKey(key, tenant);
    const segment = this.#segmentOf(hash);
    const at = segment.find(hash, key, tenant);
    if (at < 0) return undefined;
    const { words } = segment;
    const instance = words[at + instanceWord] as number;
    if ((instance & usedMark) === 0) words[at + instanceWord] = instance | usedMark;
    return {
      instanceId: this.#instances.text(instance & instanceMask),
      jamfComputerId: words[at + computerWord] as number,
    };
  }

  /** The low 32 bits of the version of an entry; undefined: none is there. Does not count as use. */
  versionOf(key: RouteKey): number | undefined {
    const tenant = this.#tenants.find(key, 0);
    if (tenant < 0) return undefined;
    const hash = this.#hashKey(key, tenant);
    const segment = this.#segmentOf(hash);
    const at = segment.find(hash, key, tenant);
    return at < 0 ? undefined : segment.words[at + versionWord];
  }

  /** Adds an entry, or replaces one that is not newer. `instance` is the GUID in four words. */
  put(key: RouteKey, instance: Int32Array, jamfComputerId: number, version: number): void {
    const tenant = this.#tenants.find(key, 0);
    const hash = this.#hashKey(key, tenant);
    const segment = this.#segmentOf(hash);
    const at = tenant < 0 ? -1 : segment.find(hash, key, tenant);
    if (at < 0) {
      this.#add(key, tenant, instance, jamfComputerId, version);
      return;
    }
    const { words } = segment;
    if (isOlderVersion(version, words[at + versionWord] as number)) return;
    const before = words[at + instanceWord] as number;
    words[at + instanceWord] = this.#instances.hold(instance, 0) | (before & usedMark);
    this.#instances.release(before & instanceMask);
    words[at + computerWord] = jamfComputerId;
    words[at + versionWord] = version;
    segment.changed();
  }

  remove(key: RouteKey): void {
    const tenant = this.#tenants.find(key, 0);
    if (tenant < 0) return;
    const hash = this.#hashKey(key, tenant);
    const segment = this.#segmentOf(hash);
    const at = segment.find(hash, key, tenant);
    if (at >= 0) this.#removeAt(segment, at);
  }

  holdsTenant(key: RouteKey): boolean {
    return this.#tenants.find(key, 0) >= 0;
  }

  /** Forgets a tenant at once; its places become free as others need them and by `sweep`. */
  dropTenant(key: RouteKey): void {
    const tenant = this.#tenants.find(key, 0);
    if (tenant < 0) return;
    this.#dead += this.#tenants.holders(tenant);
    for (const segment of this.#segments) segment.changed();
    this.#tenants.retire(tenant);
  }

  clear(): void {
    for (const { words } of this.#segments)
      for (let at = 0; at < words.length; at += entryWords)
        if (words[at + tenantWord] !== 0) this.#releaseAt(words, at);
    this.#segments = this.#emptySegments();
  }

  /** Makes room beforehand, so that a preload does not grow step by step. */
  reserve(entries: number): void {
    const share = Math.min(entries, this.#maxEntries) / this.#segments.length;
    // Segments differ as chance has it: four standard deviations hold nearly all of them.
    const places = Math.ceil((share + 4 * Math.sqrt(share)) / maxLoad);
    for (const segment of this.#segments) if (places > segment.places) this.#resize(segment, places);
  }

  get segments(): number {
    return this.#segments.length;
  }

  /** Changes with the entries of this segment that can be found. */
  segmentStamp(index: number): number {
    return this.#segmentOf(index).stamp;
  }

  copySegment(index: number): CopiedSegment {
    return copySegment(this.#segmentOf(index), this.#tenants, this.#instances);
  }

  /** Frees some places of dropped tenants; false when there are none left. */
  sweep(): boolean {
    for (let examined = 0; examined < sweepPlaces && this.#dead > 0; examined += 1) {
      const segment = this.#segmentOf(this.#swept.segment);
      if (this.#swept.place >= segment.places) {
        this.#swept = { segment: (this.#swept.segment + 1) & this.#segmentMask, place: 0 };
        continue;
      }
      const at = this.#swept.place * entryWords;
      const holder = segment.words[at + tenantWord] as number;
      if (holder !== 0 && this.#tenants.isRetired(holder - 1)) this.#removeAt(segment, at);
      else this.#swept.place += 1;
    }
    return this.#dead > 0;
  }

  #emptySegments(): readonly RouteSegment[] {
    return Array.from({ length: this.#segmentMask + 1 }, () => new RouteSegment(this.#hash));
  }

  #segmentOf(hash: number): RouteSegment {
    return this.#segments[hash & this.#segmentMask] as RouteSegment;
  }

  #hashKey(key: RouteKey, tenant: number): number {
    return this.#hash(key[4] as number, key[5] as number, key[6] as number, key[7] as number, tenant);
  }

  /** `known`: the tenant's number, or -1. */
  #add(key: RouteKey, known: number, instance: Int32Array, jamfComputerId: number, version: number): void {
    if (this.#maxEntries < 1) return;
    const tenant = known < 0 ? this.#tenants.hold(key, 0) : this.#tenants.holdAgain(known);
    const hash = this.#hashKey(key, tenant);
    const segment = this.#segmentOf(hash);
    if (this.#entries >= this.#maxEntries) this.#evict(segment);
    if (segment.isFull) this.#resize(segment, segment.grownPlaces);
    const entry = this.#added;
    for (let offset = 0; offset < 4; offset += 1) entry[offset] = key[4 + offset] as number;
    entry[tenantWord] = tenant + 1;
    entry[instanceWord] = this.#instances.hold(instance, 0);
    entry[computerWord] = jamfComputerId;
    entry[versionWord] = version;
    segment.insert(entry, 0, hash);
    this.#entries += 1;
  }

  #removeAt(segment: RouteSegment, at: number): void {
    this.#releaseAt(segment.words, at);
    segment.remove(at);
  }

  /** Gives back the numbers that the entry holds, before its words are lost. */
  #releaseAt(words: Int32Array, at: number): void {
    const tenant = (words[at + tenantWord] as number) - 1;
    if (this.#tenants.isRetired(tenant)) this.#dead -= 1;
    this.#tenants.release(tenant);
    this.#instances.release((words[at + instanceWord] as number) & instanceMask);
    this.#entries -= 1;
  }

  #resize(segment: RouteSegment, places: number): void {
    segment.resize(places, (words, at) => {
      if (this.#dead === 0 || !this.#tenants.isRetired((words[at + tenantWord] as number) - 1)) return true;
      this.#releaseAt(words, at);
      return false;
    });
  }

  #evict(preferred: RouteSegment): void {
    let segment = preferred;
    while (segment.entries === 0) {
      this.#victim = (this.#victim + 1) & this.#segmentMask;
      segment = this.#segmentOf(this.#victim);
    }
    this.#evictFrom(segment);
  }

  /** The clock algorithm: an entry that was used since the hand last passed it gets a second chance. */
  #evictFrom(segment: RouteSegment): void {
    for (let chances = secondChances; ; ) {
      const at = segment.hand * entryWords;
      const holder = segment.words[at + tenantWord] as number;
      const instance = segment.words[at + instanceWord] as number;
      const isUsed = (instance & usedMark) !== 0 && !this.#tenants.isRetired(holder - 1);
      if (holder !== 0 && (!isUsed || chances === 0)) {
        this.#removeAt(segment, at);
        return;
      }
      if (holder !== 0) {
        segment.words[at + instanceWord] = instance & instanceMask;
        chances -= 1;
      }
      segment.hand = segment.hand + 1 === segment.places ? 0 : segment.hand + 1;
    }
  }
}
