import { within } from '../../deadline.ts';
import {
  sharedCacheAnswerMs,
  sharedCacheRetryMs,
  sharedEntryBytes,
  sharedEntrySeconds,
} from '../../limits.ts';

/**
 * Bytes that isolates of a data centre share for some minutes, any of which may be gone at any time: the platform's Cache
 * API. Whatever fails in it is an entry that is not there, and no caller's failure; whoever puts something in sees to it that
 * nobody else can read or make it (shared-rows.ts).
 */
export interface SharedCache {
  /** Undefined: there is none, or it did not come in time. Never rejects. */
  get(name: string): Promise<Uint8Array | undefined>;
  /** Replaces what is there. Larger ones are left out. Never rejects. */
  put(name: string, bytes: Uint8Array): Promise<void>;
}

export interface PlatformCacheOptions {
  readonly caches: Pick<CacheStorage, 'open'>;
  readonly onFailure: (error: unknown) => void;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  /** Default: some minutes. */
  readonly keptSeconds?: number | undefined;
  /** Default: what a caller can wait. */
  readonly answerMs?: number;
}

/** One of our own: what `fetch` and the zone's cache rules keep lies in another one. */
const cacheName = 'espalier-rows';
/** A top-level domain that is never given to anybody (RFC 2606), so that no route leads there and no request comes from it. */
const origin = 'https://rows.espalier.invalid/';

const late = (): never => {
  throw new Error('the Cache API does not answer');
};

export function createPlatformCache({
  caches,
  now,
  onFailure,
  answerMs = sharedCacheAnswerMs,
  keptSeconds = sharedEntrySeconds,
}: PlatformCacheOptions): SharedCache {
  const addressOf = (name: string): string => origin + encodeURIComponent(name);
  const read = async (name: string): Promise<Uint8Array | undefined> => {
    const found = await (await caches.open(cacheName)).match(addressOf(name));
    return found && new Uint8Array(await found.arrayBuffer());
  };
  const write = async (name: string, bytes: Uint8Array): Promise<void> => {
    const headers = {
      'cache-control': `max-age=${keptSeconds}`,
      'content-type': 'application/octet-stream',
    };
    await (await caches.open(cacheName)).put(
      addressOf(name),
      new Response(Uint8Array.from(bytes), { headers }),
    );
  };
  let failedAtMs = Number.NEGATIVE_INFINITY;
  const bounded = async <T>(work: () => Promise<T>): Promise<T | undefined> => {
    if (now() - failedAtMs < sharedCacheRetryMs) return undefined;
    try {
      return await within(work(), answerMs, late);
    } catch (error) {
      failedAtMs = now();
      onFailure(error);
      return undefined;
    }
  };
  return {
    get: (name) => bounded(() => read(name)),
    put: async (name, bytes) => {
      if (bytes.byteLength <= sharedEntryBytes) await bounded(() => write(name, bytes));
    },
  };
}
