import { RouteTable, routeKey } from '../src/routing/route-table.ts';

/** A route table full of made-up routes, the same ones whoever makes them. */

const tenants = 10_000;
export const instances = 30_000;

/** Marsaglia's xorshift over a multiplied index: the same words for the same index, without a table of them. */
function wordOf(index: number, salt: number): number {
  let word = Math.imul(index + 1, 0x9e3779b1) ^ Math.imul(salt + 1, 0x85ebca6b);
  word ^= word << 13;
  word ^= word >>> 17;
  word ^= word << 5;
  return Math.imul(word ^ (word >>> 15), 0xc2b2ae35) | 0;
}

/** Words of a device and its tenant. */
export function fillKey(key: Int32Array, at: number, index: number): void {
  const tenant = index % tenants;
  for (let word = 0; word < 4; word += 1) key[at + word] = wordOf(tenant, 16 + word);
  // The index itself in one word: no two devices are alike.
  key[at + 4] = wordOf(index, 1);
  key[at + 5] = wordOf(index, 2);
  key[at + 6] = wordOf(index, 3);
  key[at + 7] = index;
}

export const instanceWords = (index: number, words: Int32Array): void => {
  for (let word = 0; word < 4; word += 1) words[word] = wordOf(index % instances, 32 + word);
};

export function fillTable(entries: number): RouteTable {
  const table = new RouteTable({ entries });
  const [key, instance] = [routeKey(), new Int32Array(4)];
  table.reserve(entries);
  for (let index = 0; index < entries; index += 1) {
    fillKey(key, 0, index);
    instanceWords(index, instance);
    table.put(key, instance, index + 1, index);
  }
  return table;
}
