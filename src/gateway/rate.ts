import { createBoundedCache } from '../bounded-cache.ts';
import { monotonicMs } from '../clock.ts';

/**
 * A token bucket per key: `perSecond` on average, `burst` at once, default: twice `perSecond` (contract
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

/**
 * One limit in the processes of a machine. Each process has the whole bucket, so that whoever comes on a single connection has
 * all of the limit, and takes out of it what the others say they took. What is on its way, or too little to be told, can go
 * beyond a burst; it is owed then, so the average holds.
 */
export interface Takings {
  readonly processes: number;
  /** Tells the others, soon. */
  tell(key: string, amount: number): void;
  /** Calls back with what another one took. */
  onOthers(listener: (key: string, amount: number) => void): void;
}

/** The takings of a limit by its name, which is the same in all processes. */
export type TakingsOf = (limit: string) => Takings;

interface Bucket {
  /** Below zero: the processes together took more than there was. */
  tokens: number;
  at: number;
  /** Taken by this process, and not told to the others. */
  untold: number;
}

/** Keys that are remembered; of those forgotten a full bucket is begun. */
const keysKept = 100_000;
const partShare = 0.5;
/** Half of a burst at most is taken by all processes together without being told. */
const untoldShare = 0.5;

function createBuckets(perSecond: number, burst: number, now: () => number, takings?: Takings) {
  const buckets = createBoundedCache<string, Bucket>(keysKept);
  const processes = takings?.processes ?? 1;
  const toldFrom = Math.max(1, Math.floor((burst * untoldShare) / processes));
  const fill = (bucket: Bucket): Bucket => {
    const at = now();
    // A clock that goes back all the same takes nothing away.
    const seconds = Math.max(0, at - bucket.at) / 1_000;
    bucket.tokens = Math.min(burst, bucket.tokens + seconds * perSecond);
    bucket.at = at;
    return bucket;
  };
  const of = (key: string): Bucket => {
    let bucket = buckets.get(key);
    if (bucket === undefined) {
      bucket = { tokens: burst, at: now(), untold: 0 };
      buckets.set(key, bucket);
    }
    return fill(bucket);
  };
  takings?.onOthers((key, amount) => {
    const bucket = of(key);
    // Each of the others can have taken a whole burst before it heard of anything.
    bucket.tokens = Math.max(bucket.tokens - amount, -burst * (processes - 1));
  });
  return {
    of,
    take: (key: string, bucket: Bucket): void => {
      bucket.tokens -= 1;
      if (takings === undefined) return;
      bucket.untold += 1;
      if (bucket.untold < toldFrom) return;
      takings.tell(key, bucket.untold);
      bucket.untold = 0;
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
  takings?: { readonly whole: Takings; readonly parts: Takings },
): RateLimit {
  const whole = createBuckets(perSecond, burst, now, takings?.whole);
  const parts = createBuckets(perSecond * partShare, Math.max(1, burst * partShare), now, takings?.parts);
  return {
    take: (key, part) => {
      const bucket = whole.of(key);
      const seconds = whole.wait(bucket);
      if (seconds !== undefined) return seconds;
      if (part !== undefined && bucket.tokens < burst * partShare) {
        const partKey = `${key}/${part}`;
        const own = parts.of(partKey);
        const ownSeconds = parts.wait(own);
        if (ownSeconds !== undefined) return ownSeconds;
        parts.take(partKey, own);
      }
      whole.take(key, bucket);
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

/** Makes limits by their names, which tell one from another where processes of a machine have them together. */
export type RateLimits = (limit: string, perSecond: number, burst?: number) => RateLimit;

/** `takingsOf` is given to one of several processes of a machine; without it a limit is this process's own. */
export const createRateLimits =
  ({ now, takingsOf }: { readonly now?: () => number; readonly takingsOf?: TakingsOf } = {}): RateLimits =>
  (limit, perSecond, burst) =>
    createRateLimit(
      perSecond,
      now,
      burst,
      takingsOf && { whole: takingsOf(limit), parts: takingsOf(`${limit}/parts`) },
    );
