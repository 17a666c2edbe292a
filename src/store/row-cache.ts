import { LRUCache } from 'lru-cache';
import type { ChangeFeed } from './change-feed.ts';
import { storeFailure } from './store-failure.ts';

/**
 * Rows that are looked at for every call and upload and change rarely. With a change feed they are kept until it names
 * them; without one for a second. A row that was named is read anew at once. While the database is away it serves on
 * as it was last read, for a heartbeat that touched a tenant's row must not make its devices dark.
 */
export interface RowCache<T> {
  /** What is known without asking. */
  peek(key: string): T | undefined;
  get(key: string): Promise<T | undefined>;
  /** As the database has it now. */
  fresh(key: string): Promise<T | undefined>;
  /** It changed: not served any more, save while the database is away. Also a read under way is asked again. */
  forget(key: string): void;
  forgetAll(): void;
}

/** Where rows are kept on for longer than a second. */
export interface CachePolicy {
  readonly feed: Pick<ChangeFeed, 'started' | 'silentMs'>;
  /** Older knowledge is not served, however long the database is away. */
  readonly maxAgeMs: number;
  /** Nobody can read now what changed. */
  readonly isAway: () => boolean;
}

export interface RowCacheOptions<T> {
  readonly read: (key: string) => Promise<T | undefined>;
  readonly maxRows: number;
  /** Never goes back; milliseconds. */
  readonly now: () => number;
  readonly policy?: CachePolicy | undefined;
}

const freshForMs = 1_000;
/** Should the feed ever have missed something, or not be heard although the database answers. */
const keptForMs = 60_000;
/** Strangers may ask for what is not there: that must not push out what is. */
const maxAbsent = 10_000;

/** Reads of rows that were named, which nobody waits for. */
const renewalsAtOnce = 2;

interface Kept<T> {
  readonly row: T;
  readonly atMs: number;
  /** It changed since then, or may have. */
  changedAtMs: number | undefined;
}

interface Reading<T> {
  row: Promise<T | undefined>;
  /** A change came while it was under way. */
  again: boolean;
}

export function createRowCache<T extends object>(options: RowCacheOptions<T>): RowCache<T> {
  const { policy, now, read } = options;
  const rows = new LRUCache<string, Kept<T>>({ max: options.maxRows });
  const absent = new LRUCache<string, number>({ max: maxAbsent });
  const readings = new Map<string, Reading<T>>();

  const keep = (key: string, row: T | undefined, atMs: number): void => {
    if (row) {
      absent.delete(key);
      rows.set(key, { row, atMs, changedAtMs: undefined });
    } else {
      rows.delete(key);
      absent.set(key, atMs);
    }
  };
  const readUntilQuiet = async (key: string, reading: Reading<T>): Promise<T | undefined> => {
    for (;;) {
      reading.again = false;
      const atMs = now();
      const row = await read(key);
      if (reading.again) continue;
      keep(key, row, atMs);
      return row;
    }
  };
  const shared = (key: string): Promise<T | undefined> => {
    const underWay = readings.get(key);
    if (underWay) return underWay.row;
    const reading: Reading<T> = { row: Promise.resolve(undefined), again: false };
    readings.set(key, reading);
    reading.row = readUntilQuiet(key, reading).finally(() => readings.delete(key));
    return reading.row;
  };
  /** On Workers a request must not wait for what another one asked: there everybody reads. */
  const ask = async (key: string): Promise<T | undefined> => {
    if (policy) return shared(key);
    const atMs = now();
    const row = await read(key);
    keep(key, row, atMs);
    return row;
  };

  /** Reads what was named, so that its new state is known should the database go away later. */
  const named = new Set<string>();
  let renewals = 0;
  const renew = (): void => {
    for (const key of named) {
      if (renewals >= renewalsAtOnce) return;
      named.delete(key);
      renewals += 1;
      shared(key)
        // Nobody asked: whoever does is told.
        .catch(() => undefined)
        .finally(() => {
          renewals -= 1;
          renew();
        });
    }
  };
  const change = (kept: Kept<T>, atMs: number): void => {
    kept.changedAtMs ??= Math.max(kept.atMs, atMs);
  };

  /** For so long nothing says that the row is still the same. */
  const ageMs = ({ atMs, changedAtMs }: Kept<T>): number =>
    changedAtMs === undefined
      ? Math.min(now() - atMs, policy?.feed.silentMs() ?? Number.POSITIVE_INFINITY)
      : now() - changedAtMs;
  const servable = (kept: Kept<T>): boolean => {
    if (!policy?.feed.started) return kept.changedAtMs === undefined && now() - kept.atMs < freshForMs;
    if (policy.isAway()) return ageMs(kept) < policy.maxAgeMs;
    return kept.changedAtMs === undefined && now() - kept.atMs < keptForMs;
  };
  /**
   * The database is asked, but what is known serves when it does not answer. What is known to have changed serves only
   * where nobody can be asked: a single lost connection says nothing, so it is asked twice.
   */
  const refresh = async (key: string, tries = 2): Promise<T | undefined> => {
    try {
      return await ask(key);
    } catch (error) {
      const kept = rows.peek(key);
      if (!kept || !policy || ageMs(kept) >= policy.maxAgeMs) throw error;
      const failure = storeFailure(error);
      if (failure === undefined) throw error;
      if (kept.changedAtMs === undefined || policy.isAway()) return kept.row;
      if (failure !== 'unreachable') throw error;
      return tries > 1 ? refresh(key, tries - 1) : kept.row;
    }
  };
  return {
    // Not counted as use: whoever peeks at every call reads anew every minute, and that is.
    peek: (key) => {
      const kept = rows.peek(key);
      return kept && servable(kept) ? kept.row : undefined;
    },
    get: async (key) => {
      const kept = rows.get(key);
      if (kept && servable(kept)) return kept.row;
      const absentAtMs = absent.get(key);
      if (!kept && absentAtMs !== undefined && now() - absentAtMs < freshForMs) return undefined;
      return refresh(key);
    },
    fresh: async (key) => {
      const underWay = readings.get(key);
      if (underWay) underWay.again = true;
      return ask(key);
    },
    forget: (key) => {
      absent.delete(key);
      const underWay = readings.get(key);
      if (underWay) underWay.again = true;
      const kept = rows.peek(key);
      if (!kept) return;
      change(kept, now());
      if (!policy?.feed.started) return;
      named.add(key);
      renew();
    },
    forgetAll: () => {
      // What was told until the feed was last heard is in the rows.
      const heardAtMs = now() - (policy?.feed.silentMs() ?? 0);
      for (const kept of rows.values()) change(kept, heardAtMs);
      absent.clear();
      for (const underWay of readings.values()) underWay.again = true;
    },
  };
}
