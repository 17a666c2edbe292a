/**
 * GUIDs that many routes share (tenants, instances), each kept once and named by a small number. A number is held as
 * often as entries name it; at zero it is given to the next GUID, so there are never more numbers than holders.
 */

import { formatGuid } from './guid-words.ts';

interface Entry {
  readonly text: string;
  holders: number;
  isRetired: boolean;
}

const initialPlaces = 64;

/** Operators choose which tenants and instances there are: nobody fills one place on purpose. */
function mix(a: number, b: number, c: number, d: number): number {
  const mixed =
    Math.imul(Math.imul(a ^ (b >>> 15), 0x85ebca6b) ^ c ^ (d >>> 13), 0xc2b2ae35) +
    Math.imul(b ^ d, 0x9e3779b1);
  return mixed ^ (mixed >>> 16);
}

export class InternedIds {
  #words = new Int32Array(initialPlaces * 4);
  readonly #entries: (Entry | undefined)[] = [];
  readonly #free: number[] = [];
  /** Open addressing: index + 1, 0 for an empty place; at most half full. */
  #places = new Int32Array(initialPlaces * 2);
  #placed = 0;

  get size(): number {
    return this.#entries.length - this.#free.length;
  }

  /** Numbers are below this. */
  get end(): number {
    return this.#entries.length;
  }

  /** -1: not known. */
  find(key: Int32Array, at: number): number {
    const places = this.#places;
    const mask = places.length - 1;
    const [a, b, c, d] = [key[at] ?? 0, key[at + 1] ?? 0, key[at + 2] ?? 0, key[at + 3] ?? 0];
    for (let place = mix(a, b, c, d) & mask; ; place = (place + 1) & mask) {
      const index = (places[place] ?? 0) - 1;
      if (index < 0) return -1;
      if (
        this.#word(index, 0) === a &&
        this.#word(index, 1) === b &&
        this.#word(index, 2) === c &&
        this.#word(index, 3) === d
      )
        return index;
    }
  }

  /** Its number, made if need be, with one holder more. */
  hold(key: Int32Array, at: number): number {
    const known = this.find(key, at);
    return this.holdAgain(known < 0 ? this.#add(key, at) : known);
  }

  /** `hold` for a number that somebody holds already. */
  holdAgain(index: number): number {
    const entry = this.#entries[index];
    if (entry) entry.holders += 1;
    return index;
  }

  release(index: number): void {
    const entry = this.#entries[index];
    if (!entry) return;
    entry.holders -= 1;
    if (entry.holders > 0) return;
    if (!entry.isRetired) this.#unplace(index);
    this.#entries[index] = undefined;
    this.#free.push(index);
  }

  /** Gives the GUID another number from now on; this one ends with its holders. */
  retire(index: number): void {
    const entry = this.#entries[index];
    if (!entry || entry.isRetired) return;
    this.#unplace(index);
    entry.isRetired = true;
  }

  isRetired(index: number): boolean {
    return this.#entries[index]?.isRetired ?? false;
  }

  holders(index: number): number {
    return this.#entries[index]?.holders ?? 0;
  }

  text(index: number): string {
    return this.#entries[index]?.text ?? '';
  }

  copyWords(index: number, words: Int32Array, at: number): void {
    for (let offset = 0; offset < 4; offset += 1) words[at + offset] = this.#word(index, offset);
  }

  #word(index: number, offset: number): number {
    return this.#words[index * 4 + offset] ?? 0;
  }

  #home(index: number): number {
    const mixed = mix(this.#word(index, 0), this.#word(index, 1), this.#word(index, 2), this.#word(index, 3));
    return mixed & (this.#places.length - 1);
  }

  #add(key: Int32Array, at: number): number {
    const index = this.#free.pop() ?? this.#entries.length;
    if ((index + 1) * 4 > this.#words.length) this.#growWords();
    this.#words.set(key.subarray(at, at + 4), index * 4);
    this.#entries[index] = { text: formatGuid(key, at), holders: 0, isRetired: false };
    if ((this.#placed + 1) * 2 > this.#places.length) this.#growPlaces();
    this.#place(index);
    return index;
  }

  #growWords(): void {
    const wider = new Int32Array(this.#words.length * 2);
    wider.set(this.#words);
    this.#words = wider;
  }

  #growPlaces(): void {
    const held = this.#places.filter((entry) => entry !== 0);
    this.#places = new Int32Array(this.#places.length * 2);
    this.#placed = 0;
    for (const entry of held) this.#place(entry - 1);
  }

  #place(index: number): void {
    const mask = this.#places.length - 1;
    let at = this.#home(index);
    while (this.#places[at] !== 0) at = (at + 1) & mask;
    this.#places[at] = index + 1;
    this.#placed += 1;
  }

  /** Shifts back the entries that would not be found past the hole. */
  #unplace(index: number): void {
    const places = this.#places;
    const mask = places.length - 1;
    let hole = this.#home(index);
    while (places[hole] !== index + 1) hole = (hole + 1) & mask;
    places[hole] = 0;
    this.#placed -= 1;
    for (let at = (hole + 1) & mask; places[at] !== 0; at = (at + 1) & mask) {
      const other = places[at] ?? 0;
      if (((at - this.#home(other - 1)) & mask) < ((at - hole) & mask)) continue;
      places[hole] = other;
      places[at] = 0;
      hole = at;
    }
  }
}
