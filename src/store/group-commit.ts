import { monotonicMs } from '../clock.ts';
import { lockedWritesAtOnce, lockWaitMs, sharedLockWaitMs } from '../limits.ts';
import { createSemaphore, type Semaphore } from '../semaphore.ts';
import { isStoreUnavailable } from './database.ts';
import { countTogether, createFairQueues } from './fair-queues.ts';
import { createLockedTenants, isLockTimeout, type Waiting } from './locked-tenants.ts';

/**
 * Writes that come together go together: while `flushes` of them are under way, what comes waits and then shares one
 * statement or transaction. A lone write goes at once; while there is traffic a group waits `gatherMs` for more, because
 * a statement's own cost is that of many rows. Each tenant has a queue of its own, and groups are filled from them in turn
 * (`fair-queues.ts`), so that one that sends very much makes nobody else wait; nor does one whose rows are locked
 * (`locked-tenants.ts`).
 */

/** Bounds on the statements that are under way at the same time, which several group commits may share. */
export interface WriteConnections {
  readonly shared: Semaphore;
  /** Those of tenants that went apart: each may wait for its lock. */
  readonly apart: Semaphore;
}

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
  /** In place of `tenantOf` where nothing is locked: items of one queue keep their order, and queues take turns. */
  readonly queueOf?: (item: Item) => string;
  readonly connections?: WriteConnections;
}

export interface GroupCommit<Item, Result> {
  /** Resolves when the item is committed; rejects with what kept it from being. */
  (item: Item): Promise<Result>;
  /** Milliseconds for which a tenant has waited for its turn; 0: none waits. */
  longestWaitMs(): number;
}

/** Answers nothing, once for each item. */
export const nothings = (items: readonly unknown[]): undefined[] => items.map(() => undefined);

const createConnections = (flushes: number): WriteConnections => ({
  shared: createSemaphore(flushes),
  apart: createSemaphore(lockedWritesAtOnce),
});

/**
 * Writes a group and tells each what became of it. Answers those that were not written, because a lock was not had or
 * because one of several tenants is at fault: nobody knows whose it was.
 */
function createWriter<Item, Result>(
  { flush, tenantOf }: GroupCommitOptions<Item, Result>,
  { patienceMs, turn }: { readonly patienceMs: number; readonly turn: Semaphore },
) {
  type Writes = readonly Waiting<Item, Result>[];
  const isLocked = (error: unknown): boolean => tenantOf !== undefined && isLockTimeout(error);
  const isOfSeveral = (group: Writes): boolean =>
    tenantOf !== undefined && new Set(group.map(({ item }) => tenantOf(item))).size > 1;
  const write = async (group: Writes): Promise<Writes> => {
    try {
      const items = group.map(({ item }) => item);
      const results = await turn(() => flush(items, tenantOf && patienceMs));
      for (const [index, { resolve }] of group.entries()) resolve(results[index] as Result);
      return [];
    } catch (error) {
      if (isLocked(error) || (!isStoreUnavailable(error) && isOfSeveral(group))) return group;
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

export function createGroupCommit<Item, Result>(
  options: GroupCommitOptions<Item, Result>,
): GroupCommit<Item, Result> {
  const { flushes, gatherMs = 0, maxItems } = options;
  const { connections = createConnections(flushes) } = options;
  const { tenantOf = () => '', queueOf = tenantOf, weight = () => 1 } = options;
  const queues = createFairQueues<Waiting<Item, Result>>(maxItems, monotonicMs);
  let running = 0;
  let scheduled = false;
  /** Items of the last group: more than one is traffic. */
  let lastItems = 0;

  const writeGroup = createWriter(options, { patienceMs: sharedLockWaitMs, turn: connections.shared });
  const locked = createLockedTenants<Item, Result>({
    write: createWriter(options, { patienceMs: lockWaitMs, turn: connections.apart }),
    take: (waiting) => countTogether(waiting, maxItems),
  });

  const takeGroup = (): Waiting<Item, Result>[] => {
    const group = queues.takeGroup();
    lastItems = group.length;
    return group;
  };
  /** Other writes of the tenant that wait already are set apart with it, so that their order is kept. */
  const setApart = (tenantId: string, writes: readonly Waiting<Item, Result>[]): void =>
    locked.add(tenantId, [...writes, ...queues.takeAll(tenantId)]);
  /** Each tenant for itself, so that only the one that is locked waits on, and only the one at fault is written one by one. */
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
    while (running < flushes && queues.size > 0) {
      running += 1;
      void writeGroup(takeGroup()).then((waiting) => {
        if (waiting.length === 0) ended();
        else void writeByTenant(waiting).finally(ended);
      });
    }
  };
  const schedule = (): void => {
    if (scheduled || running >= flushes || queues.size === 0) return;
    scheduled = true;
    const traffic = lastItems > 1 || running > 0;
    if (gatherMs > 0 && traffic && queues.size < maxItems) setTimeout(go, gatherMs);
    // Items that arrive in the same turn of the event loop go into the same statement.
    else queueMicrotask(go);
  };
  const write = (item: Item): Promise<Result> =>
    new Promise((resolve, reject) => {
      const waiting = { item, weight: weight(item), resolve, reject, sinceMs: monotonicMs() };
      if (locked.has(tenantOf(item))) return locked.add(tenantOf(item), [waiting]);
      queues.add(queueOf(item), waiting);
      schedule();
    });
  return Object.assign(write, { longestWaitMs: queues.longestWaitMs });
}
