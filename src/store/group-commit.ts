import { isStoreUnavailable } from './database.ts';

/**
 * Writes that come together go together: while `flushes` of them are under way, what comes waits and then shares one
 * statement or transaction. A lone write goes at once; while there is traffic a group waits `gatherMs` for more, because
 * a statement's own cost is that of many rows.
 */
export interface GroupCommitOptions<Item, Result> {
  /** Writes all of them in one transaction and answers in their order. */
  readonly flush: (items: readonly Item[]) => Promise<readonly Result[]>;
  readonly maxItems: number;
  /** Flushes at the same time. */
  readonly flushes: number;
  /** 0 unless told: what is there goes. */
  readonly gatherMs?: number;
  /** What an item counts against `maxItems`; 1 unless told. */
  readonly weight?: (item: Item) => number;
}

export type GroupCommit<Item, Result> = (item: Item) => Promise<Result>;

interface Waiting<Item, Result> {
  readonly item: Item;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

/** Answers nothing, once for each item. */
export const nothings = (items: readonly unknown[]): undefined[] => items.map(() => undefined);

/** Resolves when the item is committed; rejects with what kept it from being. */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): GroupCommit<Item, Result> {
  const { flush, flushes, gatherMs = 0, maxItems, weight = () => 1 } = options;
  let queue: Waiting<Item, Result>[] = [];
  let running = 0;
  let scheduled = false;
  /** Items of the last group: more than one is traffic. */
  let lastItems = 0;

  const takeGroup = (): Waiting<Item, Result>[] => {
    let sum = 0;
    let end = 0;
    for (const { item } of queue) {
      sum += weight(item);
      if (end > 0 && sum > maxItems) break;
      end += 1;
    }
    const group = queue.slice(0, end);
    queue = queue.slice(end);
    lastItems = group.length;
    return group;
  };
  const alone = async ({ item, reject, resolve }: Waiting<Item, Result>): Promise<void> => {
    try {
      const [result] = await flush([item]);
      resolve(result as Result);
    } catch (error) {
      reject(error);
    }
  };
  const write = async (group: readonly Waiting<Item, Result>[]): Promise<void> => {
    try {
      const results = await flush(group.map(({ item }) => item));
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
    } catch (error) {
      if (group.length === 1 || isStoreUnavailable(error)) {
        for (const { reject } of group) reject(error);
        return;
      }
      // One of them is at fault, and nothing of the group was written: each for itself, so that only that one fails.
      for (const waiting of group) await alone(waiting);
    }
  };
  const go = (): void => {
    scheduled = false;
    while (running < flushes && queue.length > 0) {
      running += 1;
      void write(takeGroup()).finally(() => {
        running -= 1;
        if (gatherMs > 0) schedule();
        else go();
      });
    }
  };
  const schedule = (): void => {
    if (scheduled || running >= flushes || queue.length === 0) return;
    scheduled = true;
    const traffic = lastItems > 1 || running > 0;
    if (gatherMs > 0 && traffic && queue.length < maxItems) setTimeout(go, gatherMs);
    // What comes in the same turn of the loop goes along.
    else queueMicrotask(go);
  };
  return (item) =>
    new Promise((resolve, reject) => {
      queue.push({ item, resolve, reject });
      schedule();
    });
}
