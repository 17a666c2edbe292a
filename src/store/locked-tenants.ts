import { monotonicMs } from '../clock.ts';
import { lockedPauseMs, lockWaitMs, maxLockedWaitMs, maxLockedWrites } from '../limits.ts';
import type { Fragment, Queries } from './database.ts';

/**
 * Writes of tenants whose rows somebody else has locked: an operator's long transaction, a backup's, a migration's.
 * A statement that many tenants share waits for a lock only briefly. The tenant that made it wait goes apart, tried
 * again and again without holding a connection in between, until its rows are free or it has waited long enough.
 */

/** SQLSTATE 55P03: a lock was not to be had within `lock_timeout`. */
export const isLockTimeout = (error: unknown): boolean =>
  (error as { code?: string } | null)?.code === '55P03';

/**
 * A fragment to be put behind the rows of a statement (`from unnest(…) as rows(…) ${withLockTimeout(sql, ms)}`), which
 * makes it wait for each lock that long at most. It is a part of the statement because a pooler hands on no settings of
 * sessions; the join has its value before the first row is locked. undefined: the connection's own limit holds.
 */
export const withLockTimeout = (sql: Queries, ms: number | undefined): Fragment =>
  ms === undefined
    ? sql``
    : sql`cross join (select set_config('lock_timeout', ${`${ms}ms`}, true)) as patience`;

export interface Waiting<Item, Result> {
  readonly item: Item;
  /** Its part of a group. */
  readonly weight: number;
  /** Time of arrival by a monotonic clock. */
  readonly sinceMs: number;
  readonly resolve: (result: Result) => void;
  readonly reject: (error: unknown) => void;
}

export interface LockedTenants<Item, Result> {
  /** True while writes of the tenant wait here, so that the next one has to wait behind them. */
  has(tenantId: string): boolean;
  add(tenantId: string, writes: readonly Waiting<Item, Result>[]): void;
}

export interface LockedTenantsOptions<Item, Result> {
  /**
   * Writes one tenant's; answers those for which a lock was not had, and has settled the others. It bounds how many
   * connections are waited with.
   */
  readonly write: (writes: readonly Waiting<Item, Result>[]) => Promise<readonly Waiting<Item, Result>[]>;
  /** Returns how many of the waiting writes go together. */
  readonly take: (queue: readonly Waiting<Item, Result>[]) => number;
}

const tooLate = (): Error =>
  Object.assign(new Error('rows of the tenant are locked for a long time'), { code: '55P03' });

export function createLockedTenants<Item, Result>({
  take,
  write,
}: LockedTenantsOptions<Item, Result>): LockedTenants<Item, Result> {
  const queues = new Map<string, Waiting<Item, Result>[]>();

  const giveUp = (queue: Waiting<Item, Result>[]): Waiting<Item, Result>[] => {
    const oldestMs = monotonicMs() - maxLockedWaitMs;
    for (const { reject, sinceMs } of queue) if (sinceMs < oldestMs) reject(tooLate());
    return queue.filter(({ sinceMs }) => sinceMs >= oldestMs);
  };
  const work = async (tenantId: string): Promise<void> => {
    for (let tries = 0; ; ) {
      const queue = giveUp(queues.get(tenantId) ?? []);
      if (queue.length === 0) break;
      const group = queue.slice(0, take(queue));
      queues.set(tenantId, queue.slice(group.length));
      const waiting = await write(group);
      if (waiting.length === 0) {
        tries = 0;
        continue;
      }
      queues.set(tenantId, [...waiting, ...(queues.get(tenantId) ?? [])]);
      tries += 1;
      await new Promise((resolve) => setTimeout(resolve, Math.min(lockedPauseMs, lockWaitMs * tries)));
    }
    queues.delete(tenantId);
  };
  return {
    has: (tenantId) => queues.has(tenantId),
    add: (tenantId, writes) => {
      const queue = queues.get(tenantId);
      const room = Math.max(0, maxLockedWrites - (queue?.length ?? 0));
      for (const { reject } of writes.slice(room)) reject(tooLate());
      queues.set(tenantId, [...(queue ?? []), ...writes.slice(0, room)]);
      if (!queue) void work(tenantId);
    },
  };
}
