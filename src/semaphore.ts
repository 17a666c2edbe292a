/** Bounds on work under way at the same time in this process; what is beyond the bound begins in the order of its coming. */

import { ChurningMap, ChurningSet } from './churn.ts';
import { monotonicMs } from './clock.ts';
import type { Sharing } from './joining.ts';
import { ProblemError, problem } from './problems.ts';

export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;
export type KeyedSemaphore = <T>(key: string, work: () => Promise<T>) => Promise<T>;

const overloaded = (): ProblemError =>
  new ProblemError(problem('overloaded', 'Too much is being taken in; try again.', { retryAfterSeconds: 5 }));

/** Runs at most `limit` calls at the same time. When `maxWaiting` wait already, it throws the problem `overloaded`. */
export function createSemaphore(limit: number, maxWaiting = Number.POSITIVE_INFINITY): Semaphore {
  const waiting: (() => void)[] = [];
  let free = limit;
  return async (work) => {
    if (free > 0) free -= 1;
    else {
      if (waiting.length >= maxWaiting) throw overloaded();
      await new Promise<void>((begin) => waiting.push(begin));
    }
    try {
      return await work();
    } finally {
      // The place is handed over, not given back, so that nobody who comes later gets in between.
      const next = waiting.shift();
      if (next) next();
      else free += 1;
    }
  };
}

const lookEveryMs = 50;
/** One that waits and was not seen for so long was cut off. */
const cutOffMs = 20 * lookEveryMs;
const longestWaitingMs = 10_000;

const dropBefore = (entries: ChurningSet<{ ms: number }>, ms: number): void => {
  for (const entry of entries) if (entry.ms <= ms) entries.delete(entry);
};

/**
 * The same for requests that may not wait for each other: each looks by itself, in the order of their coming, whether there
 * is a place, and is refused as `overloaded` after ten seconds. A place comes back after `longestMs` even when nothing is
 * heard of its work, because a Worker's request may be cut off without a word.
 */
function createPlaces({ limit, longestMs, maxWaiting }: Omit<SharedBound, 'sharing'>): Semaphore {
  const begunAt = new ChurningSet<{ ms: number }>();
  const seenAt = new ChurningSet<{ ms: number }>();
  const isTurnOf = (entry: { ms: number }): boolean => {
    entry.ms = monotonicMs();
    dropBefore(begunAt, entry.ms - longestMs);
    dropBefore(seenAt, entry.ms - cutOffMs);
    // One that was taken for cut off comes last.
    seenAt.add(entry);
    return seenAt.first === entry && begunAt.size < limit;
  };
  return async (work) => {
    const entry = { ms: monotonicMs() };
    const endMs = entry.ms + longestWaitingMs;
    try {
      while (!isTurnOf(entry)) {
        if (seenAt.size > maxWaiting || entry.ms >= endMs) throw overloaded();
        await new Promise((resolve) => setTimeout(resolve, lookEveryMs));
      }
    } finally {
      seenAt.delete(entry);
    }
    begunAt.add(entry);
    try {
      return await work();
    } finally {
      begunAt.delete(entry);
    }
  };
}

export interface SharedBound {
  readonly sharing: Sharing;
  readonly limit: number;
  readonly maxWaiting: number;
  /** The work takes no longer than this. */
  readonly longestMs: number;
}

/** A bound on work of many requests, which wait for each other only where they may. */
export const createSharedBound = ({ limit, longestMs, maxWaiting, sharing }: SharedBound): Semaphore =>
  sharing === 'process' ? createSemaphore(limit, maxWaiting) : createPlaces({ limit, maxWaiting, longestMs });

export interface ObservedSemaphore {
  readonly run: Semaphore;
  /** Milliseconds for which the first of those that wait has waited; 0: nobody waits. */
  longestWaitMs(): number;
}

/** The same, with `now` a clock that never goes back. */
export function createObservedSemaphore(limit: number, now: () => number): ObservedSemaphore {
  const semaphore = createSemaphore(limit);
  const arrivals = new ChurningSet<{ readonly atMs: number }>();
  return {
    run: (work) => {
      const arrival = { atMs: now() };
      arrivals.add(arrival);
      return semaphore(() => {
        arrivals.delete(arrival);
        return work();
      });
    },
    longestWaitMs: () => {
      const { first } = arrivals;
      return first === undefined ? 0 : now() - first.atMs;
    },
  };
}

/**
 * Runs at most `limit` calls at the same time for each key, so that a key whose calls hang does not take the others'
 * connections.
 */
export function createKeyedSemaphore(limit: number): KeyedSemaphore {
  const users = new ChurningMap<string, { readonly semaphore: Semaphore; count: number }>();
  return async (key, work) => {
    const user = users.get(key) ?? { semaphore: createSemaphore(limit), count: 0 };
    users.set(key, user);
    user.count += 1;
    try {
      return await user.semaphore(work);
    } finally {
      user.count -= 1;
      if (user.count === 0) users.delete(key);
    }
  };
}

export interface FairPlaces {
  /** Resolves when there is a place, with what gives it back. */
  enter(key: string): Promise<() => void>;
}

/**
 * `limit` places, of which each key has at most `ofKey`. One that comes free goes to the key that has the fewest of them, and
 * among those to the one whose turn is the longest ago.
 */
export function createFairPlaces(limit: number, ofKey: number): FairPlaces {
  /** In the order of their turns; none is empty. */
  const waiting = new ChurningMap<string, (() => void)[]>();
  const taken = new ChurningMap<string, number>();
  let free = limit;
  const takenBy = (key: string): number => taken.get(key) ?? 0;
  const nextKey = (): string | undefined =>
    [...waiting.keys()]
      .filter((key) => takenBy(key) < ofKey)
      .reduce<string | undefined>(
        (first, key) => (first === undefined || takenBy(key) < takenBy(first) ? key : first),
        undefined,
      );
  const handOut = (): void => {
    for (let key = nextKey(); free > 0 && key !== undefined; key = nextKey()) {
      const [begin, ...others] = waiting.get(key) ?? [];
      waiting.delete(key);
      if (others.length > 0) waiting.set(key, others);
      free -= 1;
      taken.set(key, takenBy(key) + 1);
      begin?.();
    }
  };
  const leave = (key: string): void => {
    free += 1;
    if (takenBy(key) > 1) taken.set(key, takenBy(key) - 1);
    else taken.delete(key);
    handOut();
  };
  return {
    enter: async (key) => {
      await new Promise<void>((begin) => {
        waiting.set(key, [...(waiting.get(key) ?? []), begin]);
        handOut();
      });
      let here = true;
      return () => {
        if (here) leave(key);
        here = false;
      };
    },
  };
}
