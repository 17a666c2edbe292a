import { checkInSafety } from '../../limits.ts';
import {
  beginKeeping,
  endKeeping,
  type Mark,
  removeMarks,
  renewKeeping,
  writeMarks,
} from '../../store/computers/check-in-marks.ts';
import type { Sql } from '../../store/database.ts';
import { createGroupCommit } from '../../store/group-commit.ts';
import type { InstanceRef } from '../../store/instances/instance.ts';

/**
 * The lease under which a process remembers check-ins, and its marks (`store/computers/check-in-marks.ts`). A mark stands
 * while the lease under which it was written does. After a lease that ran out there is another one, with another id, and
 * nothing is marked.
 */

export interface KeeperOptions {
  readonly sql: Sql;
  readonly leaseMs: number;
  readonly periodSeconds: number;
  readonly newId: () => string;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export interface StandingMark {
  readonly keeperId: string;
  readonly generation: number;
}

const marksTogether = 64;

export function createKeeper({ leaseMs, newId, now, periodSeconds, sql }: KeeperOptions) {
  let keeperId = '';
  let untilMs = Number.NEGATIVE_INFINITY;
  let leasing: Promise<void> | undefined;
  let generation = 0;

  /** Counted from before it was asked for, so that it ends here before it does in the database. */
  const lease = async (): Promise<void> => {
    const askedAtMs = now();
    const isRenewed = askedAtMs < untilMs && (await renewKeeping(sql, { keeperId, leaseMs }));
    if (!isRenewed) {
      untilMs = Number.NEGATIVE_INFINITY;
      const next = newId();
      await beginKeeping(sql, { keeperId: next, leaseMs });
      keeperId = next;
    }
    untilMs = askedAtMs + leaseMs * (1 - checkInSafety);
  };
  const leaseOnce = (): Promise<void> => {
    leasing ??= lease().finally(() => {
      leasing = undefined;
    });
    return leasing;
  };
  const write = createGroupCommit<Mark, boolean>({
    flush: (marks, lockWaitMs) => writeMarks(sql, marks, lockWaitMs),
    maxItems: marksTogether,
    flushes: 1,
    gatherMs: 1,
    tenantOf: ({ tenantId }) => tenantId,
  });

  return {
    /** True while nobody can have taken the mark for that of a process that ended. */
    stands: (mark: StandingMark | undefined): boolean =>
      mark !== undefined && mark.keeperId === keeperId && now() < untilMs,
    /** Marks an instance; undefined: the lease ran out meanwhile. */
    mark: async (
      { instanceId, tenantId }: InstanceRef,
      again?: StandingMark,
    ): Promise<StandingMark | undefined> => {
      if (now() >= untilMs) await leaseOnce();
      generation += 1;
      const mark = { keeperId, generation: again?.keeperId === keeperId ? again.generation : generation };
      const written = await write({ tenantId, instanceId, ...mark, periodSeconds });
      return written ? mark : undefined;
    },
    unmark: async (marks: readonly (InstanceRef & StandingMark)[]): Promise<void> => {
      if (marks.length > 0) await removeMarks(sql, marks);
    },
    /** To be called well before the lease ends, while anything is remembered. */
    renew: async (): Promise<void> => {
      if (keeperId !== '' && now() > untilMs - leaseMs / 2) await leaseOnce();
    },
    end: async (): Promise<void> => {
      if (keeperId === '') return;
      untilMs = Number.NEGATIVE_INFINITY;
      await endKeeping(sql, keeperId);
    },
  };
}

export type Keeper = ReturnType<typeof createKeeper>;
