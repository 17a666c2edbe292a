/**
 * The routes in memory as a part of the snapshot, a segment of the table at a time, packed as they are there: a million are
 * copied, sealed and written without an object for any of them. Each segment names its tenants and instances itself, with
 * the time at which each tenant was created, so that it holds by itself whatever is written before and after it.
 */

import type { PartRestore, SnapshotPart, SnapshotSegment } from '../snapshot-part.ts';
import type { CopiedSegment } from './copied-segment.ts';
import { InternedIds } from './interned-ids.ts';
import { computerWord, entryWords, instanceWord, tenantWord, versionWord } from './route-segment.ts';
import { type RouteTable, routeKey } from './route-table.ts';

/** The table, and the time at which each of its tenants was created, in milliseconds. */
export interface CurrentRoutes {
  readonly table: RouteTable;
  readonly births: ReadonlyMap<string, number>;
}

/** What the route cache gives and takes. */
export interface SnapshotRoutes {
  current(): CurrentRoutes;
  emptyTable(): RouteTable;
  /** Routes that were true so many milliseconds ago. */
  restore(table: RouteTable, births: Map<string, number>, ageMs: number): void;
}

const kinds = { names: 1, entries: 2 } as const;
/** Words before the names: this, kind, tenants, instances, routes of the table. It is another number where bytes lie otherwise. */
const marker = 0x01_02_03_04;
const headWords = 5;
/** A tenant's GUID and the time of its creation in two words. */
const tenantWords = 6;
const instanceWords = 4;
/** Entries in one record: 64 KiB. */
const entriesPerRecord = 2_048;
const wordRange = 2 ** 32;
/** Where the time is not known; no time that is has such a high word. */
const unknownBirth = -1;

const bytesOf = ({ buffer, byteLength, byteOffset }: Int32Array): Uint8Array =>
  new Uint8Array(buffer, byteOffset, byteLength);

function namesOf(
  { instances, tenantIds, tenants }: CopiedSegment,
  { births, table }: CurrentRoutes,
): Int32Array {
  const [tenantCount, instanceCount] = [tenantIds.length, instances.length / 4];
  const words = new Int32Array(headWords + tenantCount * tenantWords + instances.length);
  words.set([marker, kinds.names, tenantCount, instanceCount, table.size]);
  for (const [tenant, tenantId] of tenantIds.entries()) {
    const at = headWords + tenant * tenantWords;
    words.set(tenants.subarray(tenant * 4, tenant * 4 + 4), at);
    const born = births.get(tenantId);
    words[at + 4] = born === undefined ? unknownBirth : Math.floor(born / wordRange);
    words[at + 5] = born === undefined ? 0 : born % wordRange;
  }
  words.set(instances, headWords + tenantCount * tenantWords);
  return words;
}

/** The first record is made in the moment of the copy, so that births and routes are of the same one. */
function* recordsOf(index: number, current: CurrentRoutes): Iterable<Uint8Array> {
  const segment = current.table.copySegment(index);
  yield bytesOf(namesOf(segment, current));
  const { entries } = segment;
  for (let at = 0; at < entries.length; at += entriesPerRecord * entryWords) {
    const some = entries.subarray(at, at + entriesPerRecord * entryWords);
    const record = new Int32Array(1 + some.length);
    record[0] = kinds.entries;
    record.set(some, 1);
    yield bytesOf(record);
  }
}

function* segmentsOf(routes: SnapshotRoutes): Iterable<SnapshotSegment> {
  // Where all is forgotten meanwhile, the rest is written as it was then.
  const current = routes.current();
  const { table } = current;
  for (let index = 0; index < table.segments; index += 1)
    yield {
      name: String(index),
      stamp: String(table.segmentStamp(index)),
      records: () => recordsOf(index, current),
    };
}

/** Tenants and instances of the segment whose entries are being taken. */
interface Names {
  readonly words: Int32Array;
  readonly tenants: number;
  readonly instances: number;
  /** By tenant: its routes here are of an earlier tenant of this id. */
  readonly isOutdated: readonly boolean[];
}

class RoutesRestore implements PartRestore {
  readonly #routes: SnapshotRoutes;
  readonly #table: RouteTable;
  readonly #tenants = new InternedIds();
  /** By the number of the tenant. */
  readonly #births: number[] = [];
  readonly #key = routeKey();
  readonly #instance = new Int32Array(4);
  #names: Names | undefined;

  constructor(routes: SnapshotRoutes) {
    this.#routes = routes;
    this.#table = routes.emptyTable();
  }

  take(record: Uint8Array): void {
    const words = new Int32Array(record.length >> 2);
    new Uint8Array(words.buffer).set(record.subarray(0, words.byteLength));
    if (record.length !== words.byteLength) throw new Error('it holds routes that are cut');
    if (words[0] === marker && words[1] === kinds.names) this.#takeNames(words);
    else if (words[0] === kinds.entries && words.length % entryWords === 1 && this.#names)
      this.#takeEntries(words, this.#names);
    else throw new Error('it holds routes in another form');
  }

  finish(ageMs: number): void {
    const births = new Map<string, number>();
    for (const [tenant, born] of this.#births.entries())
      if (born !== unknownBirth) births.set(this.#tenants.text(tenant), born);
    this.#routes.restore(this.#table, births, ageMs);
  }

  #takeNames(words: Int32Array): void {
    const [, , tenants = 0, instances = 0, routes = 0] = words;
    if (words.length !== headWords + tenants * tenantWords + instances * instanceWords)
      throw new Error('it holds names of routes in another form');
    this.#table.reserve(routes);
    const isOutdated = Array.from({ length: tenants }, (_, tenant) =>
      this.#takeBirth(words, headWords + tenant * tenantWords),
    );
    this.#names = { words, tenants, instances, isOutdated };
  }

  /**
   * A tenant that was deleted and made again while the segments were written is in some of them as it was. True: in this
   * one. A time that is not known counts as older than one that is.
   */
  #takeBirth(words: Int32Array, at: number): boolean {
    const high = words[at + 4] as number;
    const born = high === unknownBirth ? unknownBirth : high * wordRange + ((words[at + 5] as number) >>> 0);
    const tenant = this.#tenants.hold(words, at);
    const known = this.#births[tenant] ?? born;
    if (born < known) return true;
    if (born > known) this.#table.dropTenant(this.#keyOfTenant(words, at));
    this.#births[tenant] = born;
    return false;
  }

  #keyOfTenant(words: Int32Array, at: number): Int32Array {
    for (let offset = 0; offset < 4; offset += 1) this.#key[offset] = words[at + offset] as number;
    return this.#key;
  }

  #takeEntries(words: Int32Array, { instances, isOutdated, tenants, words: names }: Names): void {
    const key = this.#key;
    const instance = this.#instance;
    const instancesAt = headWords + tenants * tenantWords;
    for (let at = 1; at < words.length; at += entryWords) {
      const tenantNumber = (words[at + tenantWord] as number) - 1;
      const instanceNumber = words[at + instanceWord] as number;
      if (!(tenantNumber >= 0 && tenantNumber < tenants && instanceNumber >= 0 && instanceNumber < instances))
        throw new Error('it holds a route of an unknown tenant or instance');
      if (isOutdated[tenantNumber]) continue;
      const tenantAt = headWords + tenantNumber * tenantWords;
      const instanceAt = instancesAt + instanceNumber * instanceWords;
      for (let offset = 0; offset < 4; offset += 1) {
        key[offset] = names[tenantAt + offset] as number;
        key[4 + offset] = words[at + offset] as number;
        instance[offset] = names[instanceAt + offset] as number;
      }
      this.#table.put(key, instance, words[at + computerWord] as number, words[at + versionWord] as number);
    }
  }
}

export const createRoutesPart = (routes: SnapshotRoutes): SnapshotPart => ({
  name: 'routes',
  version: 1,
  segments: () => segmentsOf(routes),
  restore: () => new RoutesRestore(routes),
});
