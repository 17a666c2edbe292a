import { LRUCache } from 'lru-cache';
import { createJoining, type Sharing } from '../../joining.ts';
import { overviewFreshMs, overviewScopes } from '../../limits.ts';

/** Gives what was read for the same key a moment ago, also while it is being read. What failed is read again. */
export type Keep<Value> = (key: string, read: () => Promise<Value>) => Promise<Value>;

export function createKept<Value extends object>(sharing: Sharing): Keep<Value> {
  // Without a resolution no timer holds the cache's clock: on Workers it ends with its request, and the clock would stand still.
  const known = new LRUCache<string, Value>({ max: overviewScopes, ttl: overviewFreshMs, ttlResolution: 0 });
  const reading = createJoining<Value>(sharing);
  return async (key, read) =>
    known.get(key) ??
    reading.once(key, async () => {
      // It is as old as its question, not as its answer.
      const start = performance.now();
      const value = await read();
      known.set(key, value, { start });
      return value;
    });
}
