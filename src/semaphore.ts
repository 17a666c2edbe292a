/** Bounds on work under way at the same time in this process; what is beyond the bound begins in the order of its coming. */

import { ProblemError, problem } from './problems.ts';

export type Semaphore = <T>(work: () => Promise<T>) => Promise<T>;
export type KeyedSemaphore = <T>(key: string, work: () => Promise<T>) => Promise<T>;

/** Runs at most `limit` calls at the same time. When `maxWaiting` wait already, it throws the problem `overloaded`. */
export function createSemaphore(limit: number, maxWaiting = Number.POSITIVE_INFINITY): Semaphore {
  const waiting: (() => void)[] = [];
  let free = limit;
  return async (work) => {
    if (free > 0) free -= 1;
    else {
      if (waiting.length >= maxWaiting) {
        throw new ProblemError(
          problem('overloaded', 'Too much is being taken in; try again.', { retryAfterSeconds: 5 }),
        );
      }
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

/**
 * Runs at most `limit` calls at the same time for each key, so that a key whose calls hang does not take the others'
 * connections.
 */
export function createKeyedSemaphore(limit: number): KeyedSemaphore {
  const users = new Map<string, { readonly semaphore: Semaphore; count: number }>();
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
