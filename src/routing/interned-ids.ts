import { formatGuid } from './guid-words.ts';

/**
 * GUIDs that many routes share (tenants, instances), each kept once and named by a small number. Who holds a number
 * counts; at zero it is given to the next GUID, so there are never more numbers than holders.
 */
export interface InternedIds {
  /** -1: not known. */
  find(words: Int32Array, at: number): number;
  /** Its number, made if need be, with one holder more. */
  hold(words: Int32Array, at: number): number;
  release(index: number): void;
  /** From now on the GUID gets another number; this one ends with its holders. */
  retire(index: number): void;
  isRetired(index: number): boolean;
  holders(index: number): number;
  text(index: number): string;
  readonly size: number;
}

interface Entry {
  readonly text: string;
  holders: number;
  retired: boolean;
}

const initialPlaces = 64;

/** Operators choose which tenants and instances there are: nobody fills one place on purpose. */
function mix(a: number, b: number, c: number, d: number): number {
  const mixed =
    Math.imul(Math.imul(a ^ (b >>> 15), 0x85ebca6b) ^ c ^ (d >>> 13), 0xc2b2ae35) +
    Math.imul(b ^ d, 0x9e3779b1);
  return mixed ^ (mixed >>> 16);
}

export function createInternedIds(): InternedIds {
  let words = new Int32Array(initialPlaces * 4);
  const entries: (Entry | undefined)[] = [];
  const free: number[] = [];
  /** Open addressing: index + 1, 0 for an empty place; at most half full. */
  let places = new Int32Array(initialPlaces * 2);
  let placed = 0;

  const word = (index: number, offset: number): number => words[index * 4 + offset] ?? 0;
  const home = (index: number): number =>
    mix(word(index, 0), word(index, 1), word(index, 2), word(index, 3)) & (places.length - 1);

  const find: InternedIds['find'] = (key, at) => {
    const mask = places.length - 1;
    const [a, b, c, d] = [key[at] ?? 0, key[at + 1] ?? 0, key[at + 2] ?? 0, key[at + 3] ?? 0];
    for (let place = mix(a, b, c, d) & mask; ; place = (place + 1) & mask) {
      const index = (places[place] ?? 0) - 1;
      if (index < 0) return -1;
      if (word(index, 0) === a && word(index, 1) === b && word(index, 2) === c && word(index, 3) === d)
        return index;
    }
  };
  const place = (index: number): void => {
    const mask = places.length - 1;
    let at = home(index);
    while (places[at] !== 0) at = (at + 1) & mask;
    places[at] = index + 1;
    placed += 1;
  };
  const unplace = (index: number): void => {
    const mask = places.length - 1;
    let hole = home(index);
    while (places[hole] !== index + 1) hole = (hole + 1) & mask;
    places[hole] = 0;
    placed -= 1;
    // Backward shift: whoever would not be found past the hole moves into it.
    for (let at = (hole + 1) & mask; places[at] !== 0; at = (at + 1) & mask) {
      const other = places[at] ?? 0;
      if (((at - home(other - 1)) & mask) < ((at - hole) & mask)) continue;
      places[hole] = other;
      places[at] = 0;
      hole = at;
    }
  };
  const grow = (): void => {
    const wider = new Int32Array(words.length * 2);
    wider.set(words);
    words = wider;
  };
  const add = (key: Int32Array, at: number): number => {
    const index = free.pop() ?? entries.length;
    if ((index + 1) * 4 > words.length) grow();
    words.set(key.subarray(at, at + 4), index * 4);
    entries[index] = { text: formatGuid(key, at), holders: 0, retired: false };
    if ((placed + 1) * 2 > places.length) {
      const held = [...places].filter((entry) => entry !== 0);
      places = new Int32Array(places.length * 2);
      placed = 0;
      for (const entry of held) place(entry - 1);
    }
    place(index);
    return index;
  };
  return {
    find,
    hold: (key, at) => {
      const known = find(key, at);
      const index = known < 0 ? add(key, at) : known;
      const entry = entries[index];
      if (entry) entry.holders += 1;
      return index;
    },
    release: (index) => {
      const entry = entries[index];
      if (!entry) return;
      entry.holders -= 1;
      if (entry.holders > 0) return;
      if (!entry.retired) unplace(index);
      entries[index] = undefined;
      free.push(index);
    },
    retire: (index) => {
      const entry = entries[index];
      if (!entry || entry.retired) return;
      unplace(index);
      entry.retired = true;
    },
    isRetired: (index) => entries[index]?.retired ?? false,
    holders: (index) => entries[index]?.holders ?? 0,
    text: (index) => entries[index]?.text ?? '',
    get size() {
      return entries.length - free.length;
    },
  };
}
