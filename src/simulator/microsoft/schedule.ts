import type { Clock } from '../clock.ts';

/** Things to do at a time of the world's clock, first due first, equal times in the order they came. */
export interface Schedule<T> {
  /** `dueAt` in milliseconds. */
  add(dueAt: number, item: T): void;
  /** Removes and gives what is due now. */
  takeDue(): T[];
}

export function createSchedule<T>(clock: Clock): Schedule<T> {
  const queue: { dueAt: number; item: T }[] = [];
  return {
    add: (dueAt, item) => {
      let low = 0;
      let high = queue.length;
      while (low < high) {
        const middle = (low + high) >>> 1;
        if ((queue[middle]?.dueAt ?? 0) <= dueAt) low = middle + 1;
        else high = middle;
      }
      queue.splice(low, 0, { dueAt, item });
    },
    takeDue: () => {
      const nowMs = clock.now();
      const first = queue.findIndex(({ dueAt }) => dueAt > nowMs);
      return queue.splice(0, first === -1 ? queue.length : first).map(({ item }) => item);
    },
  };
}
