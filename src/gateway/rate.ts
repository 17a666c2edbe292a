import { LRUCache } from 'lru-cache';

/** A token bucket per key in this process: `perSecond` on average, twice that at once (contract section 3). */
export interface RateLimit {
  /** Undefined: go on. Else the seconds until the next request may come. */
  take(key: string): number | undefined;
}

export function createRateLimit(perSecond: number, now: () => number = Date.now): RateLimit {
  const burst = perSecond * 2;
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: 100_000 });
  return {
    take: (key) => {
      const at = now();
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        bucket = { tokens: burst, at };
        buckets.set(key, bucket);
      }
      bucket.tokens = Math.min(burst, bucket.tokens + ((at - bucket.at) / 1_000) * perSecond);
      bucket.at = at;
      if (bucket.tokens < 1) return (1 - bucket.tokens) / perSecond;
      bucket.tokens -= 1;
      return undefined;
    },
  };
}
