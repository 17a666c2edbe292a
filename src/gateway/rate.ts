import { createBoundedCache } from '../bounded-cache.ts';
import { monotonicMs } from '../clock.ts';

/**
 * A token bucket per key in this process: `perSecond` on average, `burst` at once, default: twice `perSecond` (contract
 * section 3). Who asks may name the part of a key that it is, such as the application of a tenant: when more than half of
 * a bucket is used up, each part has half of it at most, so that one cannot take everything from the others.
 */
export interface RateLimit {
  /** Undefined: go on. Else the seconds until the next request may come. */
  take(key: string, part?: string): number | undefined;
  /** The same without taking, and without remembering the key. */
  peek(key: string): number | undefined;
  /** True where something was taken that has not come back yet. */
  isUsed(key: string): boolean;
}

/**
 * A limit that isolates of Workers keep together, approximately. Node has none, for the isolate's own is then all there is.
 */
export interface SharedRate {
  /** Undefined: go on. Else the seconds until the next request may come. Never rejects. */
  take(key: string): Promise<number | undefined>;
}

interface Bucket {
  tokens: number;
  at: number;
}

/** Keys that are remembered; of those forgotten a full bucket is begun. */
const keysKept = 100_000;
const partShare = 0.5;

function createBuckets(perSecond: number, burst: number, now: () => number) {
  const buckets = createBoundedCache<string, Bucket>(keysKept);
  const fill = (bucket: Bucket): Bucket => {
    const at = now();
    // A clock that goes back all the same takes nothing away.
    const seconds = Math.max(0, at - bucket.at) / 1_000;
    bucket.tokens = Math.min(burst, bucket.tokens + seconds * perSecond);
    bucket.at = at;
    return bucket;
  };
  return {
    of: (key: string): Bucket => {
      let bucket = buckets.get(key);
      if (bucket === undefined) {
        bucket = { tokens: burst, at: now() };
        buckets.set(key, bucket);
      }
      return fill(bucket);
    },
    known: (key: string): Bucket | undefined => {
      const bucket = buckets.peek(key);
      return bucket && fill(bucket);
    },
    wait: ({ tokens }: Bucket): number | undefined => (tokens < 1 ? (1 - tokens) / perSecond : undefined),
  };
}

export function createRateLimit(
  perSecond: number,
  now: () => number = monotonicMs,
  burst: number = perSecond * 2,
): RateLimit {
  const whole = createBuckets(perSecond, burst, now);
  const parts = createBuckets(perSecond * partShare, Math.max(1, burst * partShare), now);
  return {
    take: (key, part) => {
      const bucket = whole.of(key);
      const seconds = whole.wait(bucket);
      if (seconds !== undefined) return seconds;
      if (part !== undefined && bucket.tokens < burst * partShare) {
        const own = parts.of(`${key}/${part}`);
        const ownSeconds = parts.wait(own);
        if (ownSeconds !== undefined) return ownSeconds;
        own.tokens -= 1;
      }
      bucket.tokens -= 1;
      return undefined;
    },
    peek: (key) => {
      const bucket = whole.known(key);
      return bucket && whole.wait(bucket);
    },
    isUsed: (key) => {
      const bucket = whole.known(key);
      return bucket !== undefined && bucket.tokens < burst;
    },
  };
}
