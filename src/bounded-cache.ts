import { LRUCache } from 'lru-cache';

/**
 * Keeps the `max` entries that were used last, each for `ttl` milliseconds. It takes memory for what it holds: given a `max`,
 * the package sets everything aside for that many at once, which for all caches of a gateway is some 20 MiB, and an isolate has
 * 128 MB for several. No timer holds its clock: on Workers a timer ends with its request, and the clock would stand still.
 */
export const createBoundedCache = <Key extends object | string, Value extends object | string | number>(
  max: number,
  ttl = 0,
): LRUCache<Key, Value> => new LRUCache({ maxSize: max, sizeCalculation: () => 1, ttl, ttlResolution: 0 });
