/**
 * Maps and sets whose members come and go all the time.
 *
 * When V8 makes the table of a `Map` or `Set` anew, the old table goes on pointing to the new one, for iterators that may be
 * under way. Once one old table has come into the old generation, each later table is held by the one before it, and with it
 * whatever was in it: all of it is promoted too, although it is garbage. Young collections, which take a millisecond
 * otherwise, took 20 to 40 with that, and every call waited for them. So the whole is made anew after some deletions, before
 * a chain grows long. While somebody iterates nothing is made anew.
 */

/** Deletions after which even a small one is made anew; a large one after as many as it has members. */
const renewAfter = 64;

export class ChurningMap<K, V> {
  #map = new Map<K, V>();
  #deleted = 0;
  #iterating = 0;

  get size(): number {
    return this.#map.size;
  }

  get(key: K): V | undefined {
    return this.#map.get(key);
  }

  has(key: K): boolean {
    return this.#map.has(key);
  }

  set(key: K, value: V): void {
    this.#map.set(key, value);
  }

  delete(key: K): boolean {
    if (!this.#map.delete(key)) return false;
    this.#deleted += 1;
    if (this.#deleted >= renewAfter && this.#deleted >= this.#map.size && this.#iterating === 0) {
      this.#map = new Map(this.#map);
      this.#deleted = 0;
    }
    return true;
  }

  clear(): void {
    this.#map.clear();
  }

  /** Members in the order in which they came. As of a `Map`, what is deleted meanwhile does not come, and what is added does. */
  *[Symbol.iterator](): Generator<[K, V], void, undefined> {
    this.#iterating += 1;
    try {
      yield* this.#map;
    } finally {
      this.#iterating -= 1;
    }
  }

  *keys(): Generator<K, void, undefined> {
    for (const [key] of this) yield key;
  }

  *values(): Generator<V, void, undefined> {
    for (const [, value] of this) yield value;
  }
}

export class ChurningSet<T> {
  readonly #members = new ChurningMap<T, true>();

  get size(): number {
    return this.#members.size;
  }

  /** The one that came first of those that are there. */
  get first(): T | undefined {
    for (const member of this) return member;
    return undefined;
  }

  has(member: T): boolean {
    return this.#members.has(member);
  }

  add(member: T): void {
    this.#members.set(member, true);
  }

  delete(member: T): boolean {
    return this.#members.delete(member);
  }

  [Symbol.iterator](): Generator<T, void, undefined> {
    return this.#members.keys();
  }
}
