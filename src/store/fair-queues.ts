/**
 * Queues that groups are filled from in turn, so that one with much in it does not make the others wait. Each keeps its own
 * order. What is in a group counts by its weight: every queue has an equal share of it, at least one item in its turn, and
 * what some leave goes to the others.
 *
 * An item that does not fit into what is left of a group is the first of a later one: before each queue that waits there are
 * never more groups than queues. Nothing here bounds a queue: what waits is of requests, of which a tenant has a share.
 */

import { ChurningMap } from '../churn.ts';

export interface FairQueues<Item> {
  /** Items of all queues. */
  readonly size: number;
  add(queue: string, item: Item): void;
  /** Takes the next group: `room` by weight at most, or one item that is larger. */
  takeGroup(): Item[];
  /** Takes all of one queue. */
  takeAll(queue: string): readonly Item[];
  /** Milliseconds for which the queue whose turn is next has waited for it; 0: nothing waits. One that is long does not count for that. */
  longestWaitMs(): number;
}

interface Queue<Item> {
  readonly items: Item[];
  /** When it began to wait for its turn. */
  readonly sinceMs: number;
}

/** Number of the first items that weigh no more than `room` together. */
function countWithin(items: readonly { readonly weight: number }[], room: number): number {
  let sum = 0;
  const end = items.findIndex(({ weight }) => {
    sum += weight;
    return sum > room;
  });
  return end < 0 ? items.length : end;
}

/** Number of the first items that go together; the first one goes however much it weighs. */
export const countTogether = (items: readonly { readonly weight: number }[], room: number): number =>
  Math.min(items.length, Math.max(1, countWithin(items, room)));

/** `now`: a clock that never goes back. */
export function createFairQueues<Item extends { readonly weight: number }>(
  room: number,
  now: () => number,
): FairQueues<Item> {
  /** In the order of their turns; none is empty. */
  const queues = new ChurningMap<string, Queue<Item>>();
  const wait = (name: string, items: Item[]): void => {
    queues.set(name, { items, sinceMs: now() });
  };
  let size = 0;
  return {
    get size() {
      return size;
    },
    add: (name, item) => {
      const queue = queues.get(name);
      if (queue) queue.items.push(item);
      else wait(name, [item]);
      size += 1;
    },
    takeGroup: () => {
      const group: Item[] = [];
      let left = room;
      // A queue that is put back comes again in the same loop, after the others.
      for (const [name, { items }] of queues) {
        if (left <= 0) break;
        if (group.length > 0 && countWithin(items, left) === 0) continue;
        const end = countTogether(items, Math.min(left, room / queues.size));
        queues.delete(name);
        const taken = items.splice(0, end);
        if (items.length > 0) wait(name, items);
        for (const { weight } of taken) left -= weight;
        group.push(...taken);
      }
      size -= group.length;
      return group;
    },
    takeAll: (name) => {
      const { items } = queues.get(name) ?? { items: [] };
      queues.delete(name);
      size -= items.length;
      return items;
    },
    longestWaitMs: () => {
      const [next] = queues.values();
      return next === undefined ? 0 : now() - next.sinceMs;
    },
  };
}
