import { LRUCache } from 'lru-cache';
import { monotonicMs } from '../clock.ts';

/** A token bucket per key in this process: `perSecond` on average, `burst` at once, default: twice `perSecond` (contract section 3). */
export interface RateLimit {
  /** Undefined: go on. Else the seconds until the next request may come. */
  take(key: string): number | undefined;
  /** The same without taking. */
  peek(key: string): number | undefined;
}

export function createRateLimit(
  perSecond: number,
  now: () => number = monotonicMs,
  burst: number = perSecond * 2,
): RateLimit {
  const buckets = new LRUCache<string, { tokens: number; at: number }>({ max: 100_000 });
  const filled = (key: string): { tokens: number; at: number } => {
    const at = now();
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burst, at };
      buckets.set(key, bucket);
    }
    // A clock that goes back all the same takes nothing away.
    const seconds = Math.max(0, at - bucket.at) / 1_000;
    bucket.tokens = Math.min(burst, bucket.tokens + seconds * perSecond);
    bucket.at = at;
    return bucket;
  };
  const wait = ({ tokens }: { readonly tokens: number }): number | undefined =>
    tokens < 1 ? (1 - tokens) / perSecond : undefined;
  return {
    take: (key) => {
      const bucket = filled(key);
      const seconds = wait(bucket);
      if (seconds === undefined) bucket.tokens -= 1;
      return seconds;
    },
    peek: (key) => wait(filled(key)),
  };
}
