import { LRUCache } from 'lru-cache';
import { overviewFreshMs, overviewScopes } from '../../limits.ts';

/** Gives what was read for the same key a moment ago, also while it is being read. What failed is read again. */
export type Keep<Value> = (key: string, read: () => Promise<Value>) => Promise<Value>;

export function createKept<Value>(): Keep<Value> {
  const known = new LRUCache<string, Promise<Value>>({ max: overviewScopes, ttl: overviewFreshMs });
  return (key, read) => {
    const kept = known.get(key);
    if (kept !== undefined) return kept;
    const reading = read();
    known.set(key, reading);
    reading.catch(() => known.delete(key));
    return reading;
  };
}
