import { lockWaitMs, sharedLockWaitMs } from '../limits.ts';
import { isStoreUnavailable } from './database.ts';
import { createLockedTenants, isLockTimeout, type Waiting } from './locked-tenants.ts';

/**
 * Writes that come together go together: while `flushes` of them are under way, what comes waits and then shares one
 * statement or transaction. A lone write goes at once; while there is traffic a group waits `gatherMs` for more, because
 * a statement's own cost is that of many rows. A tenant whose rows are locked does not make the others wait
 * (`locked-tenants.ts`).
 */
export interface GroupCommitOptions<Item, Result> {
  /**
   * Writes all of them in one transaction and answers in their order. With `tenantOf` it waits for each lock
   * `sharedLockWaitMs` at most (`withLockTimeout`).
   */
  readonly flush: (items: readonly Item[], lockWaitMs: number | undefined) => Promise<readonly Result[]>;
  readonly maxItems: number;
  /** Flushes at the same time. */
  readonly flushes: number;
  /** 0 unless told: what is there goes. */
  readonly gatherMs?: number;
  /** Weight of an item against `maxItems`; default: 1. */
  readonly weight?: (item: Item) => number;
  /** The tenant whose rows an item writes; to be told wherever tenants share a group. */
  readonly tenantOf?: (item: Item) => string;
}

export type GroupCommit<Item, Result> = (item: Item) => Promise<Result>;

/** Answers nothing, once for each item. */
export const nothings = (items: readonly unknown[]): undefined[] => items.map(() => undefined);

/** Writes a group and tells each what became of it; answers those for which a lock was not had: they were not written. */
function createWriter<Item, Result>(
  { flush, tenantOf }: GroupCommitOptions<Item, Result>,
  patienceMs: number,
) {
  type Writes = readonly Waiting<Item, Result>[];
  const isLocked = (error: unknown): boolean => tenantOf !== undefined && isLockTimeout(error);
  const write = async (group: Writes): Promise<Writes> => {
    try {
      const items = group.map(({ item }) => item);
      const results = await flush(items, tenantOf && patienceMs);
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
      return [];
    } catch (error) {
      if (isLocked(error)) return group;
      // One of them is at fault, and nothing of the group was written: each for itself, so that only that one fails.
      if (group.length > 1 && !isStoreUnavailable(error)) return oneByOne(group);
      for (const { reject } of group) reject(error);
      return [];
    }
  };
  const oneByOne = async (group: Writes): Promise<Writes> => {
    const locked: Waiting<Item, Result>[] = [];
    for (const one of group) locked.push(...(await write([one])));
    return locked;
  };
  return write;
}

/** Resolves when the item is committed; rejects with what kept it from being. */
export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): GroupCommit<Item, Result> {
  const { flushes, gatherMs = 0, maxItems, tenantOf = () => '', weight = () => 1 } = options;
  let queue: Waiting<Item, Result>[] = [];
  let running = 0;
  let scheduled = false;
  /** Items of the last group: more than one is traffic. */
  let lastItems = 0;

  const writeGroup = createWriter(options, sharedLockWaitMs);
  const writeApart = createWriter(options, lockWaitMs);
  const groupEnd = (waiting: readonly Waiting<Item, Result>[]): number => {
    let sum = 0;
    let end = 0;
    for (const { item } of waiting) {
      sum += weight(item);
      if (end > 0 && sum > maxItems) break;
      end += 1;
    }
    return end;
  };
  const locked = createLockedTenants<Item, Result>({ write: writeApart, take: groupEnd });

  const takeGroup = (): Waiting<Item, Result>[] => {
    const end = groupEnd(queue);
    const group = queue.slice(0, end);
    queue = queue.slice(end);
    lastItems = group.length;
    return group;
  };
  /** Other writes of the tenant that wait already are set apart with it, so that their order is kept. */
  const setApart = (tenantId: string, writes: readonly Waiting<Item, Result>[]): void => {
    const behind = queue.filter(({ item }) => tenantOf(item) === tenantId);
    if (behind.length > 0) queue = queue.filter(({ item }) => tenantOf(item) !== tenantId);
    locked.add(tenantId, [...writes, ...behind]);
  };
  /** Nobody knows whose rows they were: each tenant for itself, so that only that one waits on. */
  const writeByTenant = async (group: readonly Waiting<Item, Result>[]): Promise<void> => {
    const tenants = Map.groupBy(group, ({ item }) => tenantOf(item));
    const apart = [...tenants].map(async ([tenantId, writes]) => {
      const waiting = tenants.size > 1 ? await writeGroup(writes) : writes;
      if (waiting.length > 0) setApart(tenantId, waiting);
    });
    await Promise.all(apart);
  };
  const ended = (): void => {
    running -= 1;
    if (gatherMs > 0) schedule();
    else go();
  };
  const go = (): void => {
    scheduled = false;
    while (running < flushes && queue.length > 0) {
      running += 1;
      void writeGroup(takeGroup()).then((waiting) => {
        if (waiting.length === 0) ended();
        else void writeByTenant(waiting).finally(ended);
      });
    }
  };
  const schedule = (): void => {
    if (scheduled || running >= flushes || queue.length === 0) return;
    scheduled = true;
    const traffic = lastItems > 1 || running > 0;
    if (gatherMs > 0 && traffic && queue.length < maxItems) setTimeout(go, gatherMs);
    // Items that arrive in the same turn of the event loop go into the same statement.
    else queueMicrotask(go);
  };
  return (item) =>
    new Promise((resolve, reject) => {
      const waiting = { item, resolve, reject, sinceMs: performance.now() };
      if (locked.has(tenantOf(item))) return locked.add(tenantOf(item), [waiting]);
      queue.push(waiting);
      schedule();
    });
}
