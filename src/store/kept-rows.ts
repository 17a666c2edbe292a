import { LRUCache } from 'lru-cache';
import type { ChangeFeed } from './change-feed.ts';
import { isStoreUnavailable } from './database.ts';

/**
 * Rows that are looked at for every call and upload and change rarely. With a change feed they are kept until it names
 * them, and served on while the database is away; without one for a second.
 */
export interface KeptRows<T> {
  /** What is known without asking. */
  peek(key: string): T | undefined;
  get(key: string): Promise<T | undefined>;
  /** As the database has it now. */
  fresh(key: string): Promise<T | undefined>;
  /** Also a read under way is asked again. */
  forget(key: string): void;
  forgetAll(): void;
}

/** Where rows are kept on for longer than a second. */
export interface Keeping {
  readonly feed: Pick<ChangeFeed, 'started' | 'silentMs' | 'alive'>;
  /** Older knowledge is not served, however long the database is away. */
  readonly maxAgeMs: number;
}

export interface KeptRowsOptions<T> {
  readonly read: (key: string) => Promise<T | undefined>;
  readonly most: number;
  /** Never goes back; milliseconds. */
  readonly now: () => number;
  readonly keeping?: Keeping | undefined;
}

const freshForMs = 1_000;
/** Should the feed ever have missed something. */
const keptForMs = 60_000;
/** Strangers may ask for what is not there: that must not push out what is. */
const mostAbsent = 10_000;

interface Kept<T> {
  readonly row: T;
  readonly atMs: number;
}

interface Reading<T> {
  row: Promise<T | undefined>;
  /** A change came while it was under way. */
  again: boolean;
}

export function createKeptRows<T extends object>(options: KeptRowsOptions<T>): KeptRows<T> {
  const { keeping, now, read } = options;
  const rows = new LRUCache<string, Kept<T>>({ max: options.most });
  const absent = new LRUCache<string, number>({ max: mostAbsent });
  const readings = new Map<string, Reading<T>>();

  const keep = (key: string, row: T | undefined, atMs: number): void => {
    if (row) {
      absent.delete(key);
      rows.set(key, { row, atMs });
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
    if (keeping) return shared(key);
    const atMs = now();
    const row = await read(key);
    keep(key, row, atMs);
    return row;
  };

  const servable = (kept: Kept<T>): boolean => {
    const age = now() - kept.atMs;
    if (!keeping?.feed.started) return age < freshForMs;
    return keeping.feed.alive() ? age < keptForMs : Math.min(age, keeping.feed.silentMs()) < keeping.maxAgeMs;
  };
  /** The database is asked, but what is known serves when it does not answer. */
  const refresh = async (key: string, kept: Kept<T> | undefined): Promise<T | undefined> => {
    try {
      return await ask(key);
    } catch (error) {
      // Forgotten meanwhile: it is known to be another one now.
      if (!kept || rows.peek(key) !== kept || !keeping || !isStoreUnavailable(error)) throw error;
      if (Math.min(now() - kept.atMs, keeping.feed.silentMs()) >= keeping.maxAgeMs) throw error;
      return kept.row;
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
      return refresh(key, kept);
    },
    fresh: async (key) => {
      const underWay = readings.get(key);
      if (underWay) underWay.again = true;
      return ask(key);
    },
    forget: (key) => {
      rows.delete(key);
      absent.delete(key);
      const underWay = readings.get(key);
      if (underWay) underWay.again = true;
    },
    forgetAll: () => {
      rows.clear();
      absent.clear();
      for (const underWay of readings.values()) underWay.again = true;
    },
  };
}
