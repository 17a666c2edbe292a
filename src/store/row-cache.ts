import { createBoundedCache } from '../bounded-cache.ts';
import { ChurningMap, ChurningSet } from '../churn.ts';
import type { ChangeFeed } from './change-feed.ts';
import type { Confirmations } from './confirmations.ts';
import { storeFailure } from './store-failure.ts';

/**
 * Rows that are looked at for every call and upload and change rarely. With a change feed they are kept until it names
 * them, with confirmations for as long as these say, and without either for a second. A row that was named is read anew at once. While the database is away it serves on
 * as it was last read, for a heartbeat that touched a tenant's row must not make its devices dark.
 */
export interface RowCache<T> {
  /** Returns the known row without asking. */
  peek(key: string): T | undefined;
  get(key: string): Promise<T | undefined>;
  /** Reads the row from the database. */
  fresh(key: string): Promise<T | undefined>;
  /** It changed: not served any more, save while the database is away. Also a read under way is asked again. */
  forget(key: string): void;
  forgetAll(): void;
  /**
   * Takes in all rows there are, page by page, as long as there is room. From then on a row that the feed names is read
   * although nobody asked for it, so that this process has all of them should the database go away.
   */
  preload(pages: AsyncIterable<readonly (readonly [key: string, row: T])[]>): Promise<void>;
  /** All rows that are known, without those that changed and could not be read anew within ten seconds. */
  known(): readonly T[];
  /** Another number whenever `known` would give other rows. */
  readonly revision: number;
  /** Milliseconds since the oldest change that `known` may not show: it was heard of, and the row not read yet. */
  unreadForMs(): number;
  /** Takes in rows that were true so long ago. */
  restore(rows: Iterable<readonly [key: string, row: T]>, ageMs: number): void;
}

/** Policy of a cache that keeps rows for longer than a second. */
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
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
  readonly policy?: CachePolicy | undefined;
  /** In place of a policy. Keys begin with the tenant's id, and `now` is the clock of these. */
  readonly confirmations?: Confirmations | undefined;
}

const guidLength = 36;
const tenantOf = (key: string): string => key.slice(0, guidLength);

/** Without a change feed a row, and the absence of one, is believed for so long. */
const unheardRowMs = 1_000;
/** Should the feed ever have missed something, or not be heard although the database answers. */
const keptForMs = 60_000;
/** Strangers may ask for what is not there: that must not push out what is. */
const maxAbsent = 10_000;

/** Reads of rows that were named, which nobody waits for. */
const renewalsAtOnce = 2;
/** One that takes longer has failed. */
const renewedWithinMs = 10_000;

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

/** Reads of rows that all who ask for the same row share. One during which the row changed is done again. */
function createSharedReads<T>(
  { now, read }: RowCacheOptions<T>,
  keep: (key: string, row: T | undefined, atMs: number) => void,
) {
  const readings = new ChurningMap<string, Reading<T>>();
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
  const ask = (key: string): Promise<T | undefined> => {
    const underWay = readings.get(key);
    if (underWay) return underWay.row;
    const reading: Reading<T> = { row: Promise.resolve(undefined), again: false };
    readings.set(key, reading);
    reading.row = readUntilQuiet(key, reading).finally(() => readings.delete(key));
    return reading.row;
  };
  return {
    ask,
    changed: (key: string): void => {
      const underWay = readings.get(key);
      if (underWay) underWay.again = true;
    },
    allChanged: (): void => {
      for (const underWay of readings.values()) underWay.again = true;
    },
  };
}

/** Reads changed rows that nobody asked for, so that their new state is known should the database go away later. */
function createRenewals(ask: (key: string) => Promise<unknown>): (key: string) => void {
  const named = new ChurningSet<string>();
  let underWay = 0;
  const renew = (): void => {
    for (const key of named) {
      if (underWay >= renewalsAtOnce) return;
      named.delete(key);
      underWay += 1;
      ask(key)
        // The next caller for the row gets the error.
        .catch(() => undefined)
        .finally(() => {
          underWay -= 1;
          renew();
        });
    }
  };
  return (key) => {
    named.add(key);
    renew();
  };
}

/** Rows as they were last read, rows that are known not to exist, and whether a row may still be served. */
function createKnownRows<T extends object>({ confirmations, maxRows, now, policy }: RowCacheOptions<T>) {
  const rows = createBoundedCache<string, Kept<T>>(maxRows);
  const absent = createBoundedCache<string, number>(maxAbsent);
  /** Keys of the rows that changed, and perhaps of some that are gone: so nobody has to look at all rows for them. */
  const changedKeys = new Set<string>();
  let revision = 0;
  const change = (key: string, kept: Kept<T>, atMs: number): void => {
    kept.changedAtMs ??= Math.max(kept.atMs, atMs);
    changedKeys.add(key);
  };
  /** Milliseconds since each row changed that was not read since. */
  const changedForMs = (): number[] => {
    const found: number[] = [];
    for (const key of changedKeys) {
      const changedAtMs = rows.peek(key)?.changedAtMs;
      if (changedAtMs === undefined) changedKeys.delete(key);
      else found.push(now() - changedAtMs);
    }
    return found;
  };
  /** Age of a row: milliseconds since something last confirmed that it is still the same. */
  const ageMs = ({ atMs, changedAtMs }: Kept<T>): number =>
    changedAtMs === undefined
      ? Math.min(now() - atMs, policy?.feed.silentMs() ?? Number.POSITIVE_INFINITY)
      : now() - changedAtMs;
  const isBelieved = (key: string, { atMs }: Kept<T>): boolean =>
    confirmations?.holds(tenantOf(key), atMs) ?? now() - atMs < unheardRowMs;
  return {
    get: (key: string) => rows.get(key),
    // A peek is not counted as use: a caller that peeks at every call reads anew every minute, and that is counted.
    peek: (key: string) => rows.peek(key),
    entries: () => [...rows.entries()],
    hasRoom: () => rows.size < maxRows,
    get revision() {
      // A row that is not read anew in time is left out, and nothing else happens then.
      if (changedForMs().length > 0) revision += 1;
      return revision;
    },
    changedForMs,
    keep: (key: string, row: T | undefined, atMs: number): void => {
      revision += 1;
      if (row) {
        absent.delete(key);
        changedKeys.delete(key);
        rows.set(key, { row, atMs, changedAtMs: undefined });
      } else {
        changedKeys.delete(key);
        rows.delete(key);
        absent.set(key, atMs);
      }
    },
    isAbsent: (key: string): boolean => {
      const absentAtMs = absent.get(key);
      return absentAtMs !== undefined && now() - absentAtMs < unheardRowMs;
    },
    isServable: (key: string, kept: Kept<T>): boolean => {
      if (!policy?.feed.started) return kept.changedAtMs === undefined && isBelieved(key, kept);
      if (policy.isAway()) return ageMs(kept) < policy.maxAgeMs;
      return kept.changedAtMs === undefined && now() - kept.atMs < keptForMs;
    },
    isTooOld: (kept: Kept<T>): boolean => policy === undefined || ageMs(kept) >= policy.maxAgeMs,
    /** False: the row is not known. */
    changed: (key: string): boolean => {
      absent.delete(key);
      const kept = rows.peek(key);
      if (kept) change(key, kept, now());
      return kept !== undefined;
    },
    allChanged: (): void => {
      // The rows have every change that was reported until the feed was last heard.
      const heardAtMs = now() - (policy?.feed.silentMs() ?? 0);
      for (const [key, kept] of rows.entries()) change(key, kept, heardAtMs);
      absent.clear();
    },
  };
}

/** Changes that are heard of while all rows are read: what was read of these may be older. */
function createPreloads() {
  const underWay = new Set<{ readonly changed: Set<string>; isOver: boolean }>();
  return {
    changed: (key: string): void => {
      for (const preload of underWay) preload.changed.add(key);
    },
    allChanged: (): void => {
      for (const preload of underWay) preload.isOver = true;
    },
    begin: () => {
      const preload = { changed: new Set<string>(), isOver: false };
      underWay.add(preload);
      return {
        mayTake: (key: string): boolean => !preload.isOver && !preload.changed.has(key),
        end: () => underWay.delete(preload),
      };
    },
  };
}

export function createRowCache<T extends object>(options: RowCacheOptions<T>): RowCache<T> {
  const { confirmations, now, policy, read } = options;
  const known = createKnownRows(options);
  const reads = createSharedReads(options, known.keep);
  const renew = createRenewals(reads.ask);
  const preloads = createPreloads();
  let keepsAll = false;

  /** On Workers a request must not wait for what another one asked, so there each caller reads by itself. */
  const ask = async (key: string): Promise<T | undefined> => {
    if (policy) return reads.ask(key);
    const atMs = now();
    const row = await read(key);
    known.keep(key, row, atMs);
    return row;
  };
  /**
   * The database is asked, but what is known serves when it does not answer. What is known to have changed serves only
   * where nobody can be asked: a single lost connection says nothing, so it is asked twice.
   */
  const refresh = async (key: string, tries = 2): Promise<T | undefined> => {
    try {
      return await ask(key);
    } catch (error) {
      const kept = known.peek(key);
      if (!kept || known.isTooOld(kept)) throw error;
      const failure = storeFailure(error);
      if (failure === undefined) throw error;
      if (kept.changedAtMs === undefined || policy?.isAway()) return kept.row;
      if (failure !== 'unreachable') throw error;
      return tries > 1 ? refresh(key, tries - 1) : kept.row;
    }
  };
  const forget = (key: string): void => {
    reads.changed(key);
    preloads.changed(key);
    if ((known.changed(key) || (keepsAll && known.hasRoom())) && policy?.feed.started) renew(key);
  };
  return {
    peek: (key) => {
      const kept = known.peek(key);
      return kept && known.isServable(key, kept) ? kept.row : undefined;
    },
    get: async (key) => {
      const kept = known.get(key);
      if (kept && known.isServable(key, kept)) return kept.row;
      if (!kept && known.isAbsent(key)) return undefined;
      if (confirmations === undefined) return refresh(key);
      await confirmations.ask(tenantOf(key));
      const confirmed = known.peek(key);
      return confirmed && known.isServable(key, confirmed) ? confirmed.row : refresh(key);
    },
    fresh: async (key) => {
      reads.changed(key);
      return ask(key);
    },
    forget,
    forgetAll: () => {
      known.allChanged();
      reads.allChanged();
      preloads.allChanged();
    },
    preload: async (pages) => {
      keepsAll = true;
      const preload = preloads.begin();
      try {
        const atMs = now();
        for await (const page of pages)
          for (const [key, row] of page)
            if (preload.mayTake(key) && (known.hasRoom() || known.peek(key) !== undefined))
              known.keep(key, row, atMs);
        // A row that was known before and is not among them is no more: the feed need not have told of it to this process.
        for (const [key, kept] of known.entries())
          if (kept.changedAtMs === undefined && kept.atMs < atMs) forget(key);
      } finally {
        preload.end();
      }
    },
    known: () =>
      known.entries().flatMap(([key, { changedAtMs, row }]) => {
        if (changedAtMs === undefined || now() - changedAtMs < renewedWithinMs) return [row];
        renew(key);
        return [];
      }),
    get revision() {
      return known.revision;
    },
    unreadForMs: () =>
      known.changedForMs().reduce((most, ms) => (ms < renewedWithinMs ? Math.max(most, ms) : most), 0),
    restore: (rows, ageMs) => {
      keepsAll = true;
      // As old as rows that are not served without a look any more: a change that was heard of may not have been read.
      const atMs = now() - Math.max(ageMs, keptForMs);
      for (const [key, row] of rows) if (known.hasRoom()) known.keep(key, row, atMs);
    },
  };
}
