import { ProblemError, problem } from '../problems.ts';

/** Lets a few through at a time; the rest wait in order, and beyond that are told to come again. */
export type Gate = <T>(work: () => Promise<T>) => Promise<T>;

export function createGate(atOnce: number, waiting: number): Gate {
  const queue: (() => void)[] = [];
  let inside = 0;
  return async (work) => {
    if (inside >= atOnce) {
      if (queue.length >= waiting) {
        throw new ProblemError(
          problem('overloaded', 'Too much is being taken in; try again.', { retryAfterSeconds: 5 }),
        );
      }
      // Whoever leaves hands its place over, so that nobody slips in between.
      await new Promise<void>((resolve) => queue.push(resolve));
    } else inside += 1;
    try {
      return await work();
    } finally {
      const next = queue.shift();
      if (next) next();
      else inside -= 1;
    }
  };
}
