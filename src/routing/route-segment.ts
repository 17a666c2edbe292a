/**
 * One part of the route table: places of 32 bytes in a typed array, found by open addressing and linear probing. It
 * knows where an entry stands and nothing of what its numbers mean.
 */

import type { WordHash } from './keyed-hash.ts';

/** Words 0 to 3 are the tenant's GUID, 4 to 7 the device's (guid-words.ts). */
export type RouteKey = Int32Array;

/** A place: device (4 words), tenant's number + 1 (0: free), instance's number and the mark of use, computer, version. */
export const entryWords = 8;
export const tenantWord = 4;
export const instanceWord = 5;
export const computerWord = 6;
export const versionWord = 7;

/** The bit of the instance's word that says the entry was used since the eviction last passed it. */
export const usedMark = 1 << 30;
export const instanceMask = usedMark - 1;

/** Beyond this load it takes long to see that an entry is missing. */
export const maxLoad = 0.8;
/** Factor by which a segment grows: a route takes at most 32 / 0.8 * 1.5 = 60 bytes. */
const growth = 1.5;
const minPlaces = 8;

/** Changes of all segments of the process, so that no two states of any have the same number. */
let changes = 0;

export class RouteSegment {
  readonly #hash: WordHash;
  #stamp = 0;
  words = new Int32Array(minPlaces * entryWords);
  places = minPlaces;
  entries = 0;
  /** The place at which the search for an entry to evict goes on. */
  hand = 0;

  constructor(hash: WordHash) {
    this.#hash = hash;
    this.changed();
  }

  /** Number of its last change: the same as long as its entries are, save for their marks of use. */
  get stamp(): number {
    return this.#stamp;
  }

  /** For who writes into `words`. */
  changed(): void {
    changes += 1;
    this.#stamp = changes;
  }

  get isFull(): boolean {
    return this.entries + 1 > this.places * maxLoad;
  }

  get grownPlaces(): number {
    return Math.ceil(this.places * growth);
  }

  /** Offset of the entry's words, or -1. */
  find(hash: number, key: RouteKey, tenant: number): number {
    const { places, words } = this;
    const [a, b, c, d] = [key[4], key[5], key[6], key[7]];
    for (let place = this.#home(hash); ; place = place + 1 === places ? 0 : place + 1) {
      const at = place * entryWords;
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
  }

  /** Copies an entry's words to where they belong; the caller has seen to it that a place is free. */
  insert(from: Int32Array, at: number, hash = this.#hashAt(from, at)): void {
    const { places, words } = this;
    let place = this.#home(hash);
    while (words[place * entryWords + tenantWord] !== 0) place = place + 1 === places ? 0 : place + 1;
    for (let offset = 0; offset < entryWords; offset += 1)
      words[place * entryWords + offset] = from[at + offset] as number;
    this.entries += 1;
    this.changed();
  }

  /** Moves back the entries that would not be found past the hole, so that no tombstones pile up. */
  remove(at: number): void {
    const { places, words } = this;
    this.entries -= 1;
    this.changed();
    let hole = at / entryWords;
    for (let place = hole; ; ) {
      place = place + 1 === places ? 0 : place + 1;
      const from = place * entryWords;
      if (words[from + tenantWord] === 0) break;
      const home = this.#home(this.#hashAt(words, from));
      const fromHome = place - home + (place < home ? places : 0);
      const fromHole = place - hole + (place < hole ? places : 0);
      if (fromHome < fromHole) continue;
      words.copyWithin(hole * entryWords, from, from + entryWords);
      hole = place;
    }
    words[hole * entryWords + tenantWord] = 0;
  }

  /** Makes the array anew with the entries that `isKept` lets pass. */
  resize(places: number, isKept: (words: Int32Array, at: number) => boolean): void {
    const before = this.words;
    this.words = new Int32Array(places * entryWords);
    this.places = places;
    this.entries = 0;
    this.hand = 0;
    for (let at = 0; at < before.length; at += entryWords)
      if (before[at + tenantWord] !== 0 && isKept(before, at)) this.insert(before, at);
  }

  /** The high bits choose the place, so that the low ones may choose the segment. */
  #home(hash: number): number {
    return Math.floor(((hash >>> 0) * this.places) / 4_294_967_296);
  }

  #hashAt(words: Int32Array, at: number): number {
    return this.#hash(
      words[at] as number,
      words[at + 1] as number,
      words[at + 2] as number,
      words[at + 3] as number,
      (words[at + tenantWord] as number) - 1,
    );
  }
}
