import type { Log } from '../telemetry/log.ts';

/**
 * This module finds what other processes changed in the database, so that a process may keep what it has read until
 * then.
 *
 * A poll reads the changes that its snapshot sees and the snapshot of the poll before did not: nothing is missed and
 * nothing comes twice, in whatever order transactions commit, and a long transaction costs nothing. It advances only
 * when everybody has applied what it found.
 */

/** A snapshot is written as PostgreSQL writes a `pg_snapshot`: `xmin:xmax:xip,…`. */
export type Snapshot = string;

export type Change =
  | {
      readonly kind: 'routes';
      readonly tenantId: string;
      readonly version: number;
      /** Number of routes that this version changed. */
      readonly changes: number;
    }
  | { readonly kind: 'tenant' | 'move'; readonly tenantId: string }
  | { readonly kind: 'instance'; readonly tenantId: string; readonly instanceId: string };

/** How far a process has heard. */
export interface FeedPosition {
  readonly snapshot: Snapshot;
  /** The database's clock. */
  readonly atMs: number;
  /**
   * Identifies the line of history that the database continues: it is another one after a failover or a restored
   * backup.
   */
  readonly history: string;
}

export interface Poll extends FeedPosition {
  /** Undefined: too many to be told one by one. */
  readonly changes: readonly Change[] | undefined;
}

/** The database's side; a twin in memory serves the simulation. */
export interface ChangeSource {
  /** Without a snapshot it answers only where the database is now. At most `max` changes. */
  poll(since: Snapshot | undefined, max: number): Promise<Poll>;
  /**
   * Removes some of the changes that every snapshot since this one sees; true: there may be more. Also what is older
   * than a day, for where no process lives long enough to know such a snapshot.
   */
  prune(seenBy: Snapshot | undefined): Promise<boolean>;
}

export interface ChangeListener {
  /** Takes changes in the order of their commits within a tenant. After a failure the same changes come again. */
  apply(changes: readonly Change[]): Promise<void> | void;
  /** Discards everything remembered, since any of it may be wrong; what was asked before this call is asked again. */
  forget(): void;
}

export interface ChangeFeed {
  subscribe(listener: ChangeListener): void;
  /** One poll at a time: who comes while one is under way gets the next. */
  poll(): Promise<void>;
  /** True once the feed has been read, from when on the caches hear of changes. */
  readonly started: boolean;
  /** Milliseconds since the last poll that ended well began; infinite before the first. */
  silentMs(): number;
  /** Heard within the last two seconds. */
  alive(): boolean;
  /** Number of polls that brought changes. */
  readonly heard: number;
  /** That of the last poll that succeeded; what is remembered has every change up to it. */
  readonly position: FeedPosition | undefined;
  /**
   * Goes on from where an earlier process was so long ago, whose memory this one took over: the next poll brings what
   * changed since then. To be called before the first poll.
   */
  resume(position: FeedPosition, agoMs: number): void;
  /** It goes on from where an earlier process was, and was not polled since. */
  readonly isResumed: boolean;
  prune(): Promise<void>;
}

/** Changes are kept this long; who was away longer has missed some and forgets everything. */
export const keepChangesMs = 10 * 60_000;
/** Without a poll for so long the database counts as away. */
export const feedSilentMs = 2_000;
/** More changes than that in one poll: forgetting everything is cheaper. */
const changesPerPoll = 20_000;
/** A snapshot for pruning is remembered as often as this. */
const rememberEveryMs = 30_000;

export interface ChangeFeedOptions {
  readonly source: ChangeSource;
  readonly log: Log;
  /** A clock that never goes back, in milliseconds. */
  readonly now: () => number;
}

/** The first part of a snapshot: every transaction before it has ended. */
export const oldestOf = (snapshot: Snapshot): string => snapshot.split(':')[0] ?? '0';

/** One run at a time: a caller while one is under way gets the next, for that one may have read before the caller's change. */
function oneAtATime(run: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> | undefined;
  let following: Promise<void> | undefined;
  const begin = (): Promise<void> => {
    running = run().finally(() => {
      running = undefined;
    });
    return running;
  };
  return () => {
    if (!running) return begin();
    following ??= running
      .catch(() => undefined)
      .then(() => {
        following = undefined;
        return begin();
      });
    return following;
  };
}

export function createChangeFeed({ log, now, source }: ChangeFeedOptions): ChangeFeed {
  const listeners: ChangeListener[] = [];
  let last: FeedPosition | undefined;
  let heardAtMs = Number.NEGATIVE_INFINITY;
  /** Oldest first; for pruning. */
  let past: { readonly snapshot: Snapshot; readonly atMs: number }[] = [];
  let heard = 0;
  let isResumed = false;

  const whyForget = (found: Poll): string | undefined => {
    if (!last) return 'started';
    if (found.history !== last.history) return 'another history of the database';
    if (found.atMs - last.atMs >= keepChangesMs) return 'away for longer than changes are kept';
    return found.changes === undefined ? 'too many changes' : undefined;
  };
  const remember = ({ atMs, history, snapshot }: Poll): void => {
    if (last && last.history !== history) past = [];
    last = { atMs, history, snapshot };
    if (atMs - (past.at(-1)?.atMs ?? Number.NEGATIVE_INFINITY) >= rememberEveryMs)
      past.push({ atMs, snapshot });
  };
  const pollOnce = async (): Promise<void> => {
    const beganMs = now();
    const found = await source.poll(last?.snapshot, changesPerPoll);
    const reason = whyForget(found);
    if (reason === undefined) {
      const changes = found.changes ?? [];
      if (changes.length > 0) for (const listener of listeners) await listener.apply(changes);
    } else {
      if (last) log.warn('changes.forgotten', { reason });
      for (const listener of listeners) listener.forget();
    }
    remember(found);
    heardAtMs = beganMs;
    isResumed = false;
    if (reason !== undefined || found.changes?.length !== 0) heard += 1;
  };
  const silentMs = (): number => now() - heardAtMs;
  return {
    subscribe: (listener) => {
      listeners.push(listener);
    },
    poll: oneAtATime(pollOnce),
    get started() {
      return last !== undefined;
    },
    silentMs,
    alive: () => silentMs() < feedSilentMs,
    get heard() {
      return heard;
    },
    get position() {
      return last;
    },
    resume: (position, agoMs) => {
      last = position;
      heardAtMs = now() - agoMs;
      isResumed = true;
    },
    get isResumed() {
      return isResumed;
    },
    prune: async () => {
      const endMs = (last?.atMs ?? 0) - keepChangesMs;
      const old = past.filter(({ atMs }) => atMs <= endMs);
      past = past.slice(Math.max(0, old.length - 1));
      const seenBy = old.at(-1)?.snapshot;
      while (await source.prune(seenBy));
    },
  };
}
