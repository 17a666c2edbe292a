import { newId } from '../ids.ts';
import { claimBatch, leaseRenewMs, pollDueMs } from '../limits.ts';
import type { Sql } from '../store/database.ts';
import type { Log } from '../telemetry/log.ts';

/**
 * The one mechanism of delivery (design D1, D2): rows that are due, claimed with a lease, worked on side by side,
 * settled one by one. Which rows are due and what work is belongs to the stage; leases, wake-ups and the bound on
 * work in flight belong here. Polling is the truth; a notification only makes it sooner.
 */
export interface Stage<Row> {
  readonly name: 'computers' | 'reports';
  /** Leases up to `limit` due rows to `owner` and returns them. */
  readonly claim: (sql: Sql, owner: string, limit: number) => Promise<Row[]>;
  /** Prolongs the leases of these rows, where `owner` still has them. */
  readonly renew: (sql: Sql, owner: string, rows: readonly Row[]) => Promise<unknown>;
  /**
   * Does the row's work and settles it. A throw leaves the lease to run out: only a database that went away
   * should cause one.
   */
  readonly work: (row: Row, owner: string) => Promise<void>;
}

export interface StageRunner {
  /** Looks for due rows now. */
  wake(): void;
  /** Takes no new rows and waits for those in work. */
  stop(): Promise<void>;
}

export interface StageOptions {
  readonly sql: Sql;
  readonly log: Log;
  /** Rows in work at the same time in this process. */
  readonly concurrency: number;
}

export function runStage<Row>(stage: Stage<Row>, { sql, log, concurrency }: StageOptions): StageRunner {
  const owner = newId();
  const inWork = new Map<Promise<void>, Row>();
  let stopped = false;
  let wakeUp: () => void = () => undefined;
  let woken = false;

  const pause = (ms: number): Promise<void> =>
    new Promise((resolve) => {
      if (woken || stopped) return resolve();
      const timer = setTimeout(resolve, ms);
      wakeUp = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  const start = (row: Row): void => {
    const done = stage
      .work(row, owner)
      .catch((error: unknown) => {
        log.error('stage.work-failed', { stage: stage.name, error });
      })
      .finally(() => {
        inWork.delete(done);
        wakeUp();
      });
    inWork.set(done, row);
  };
  const turn = async (): Promise<void> => {
    const room = concurrency - inWork.size;
    woken = false;
    if (room <= 0) return pause(leaseRenewMs);
    try {
      const rows = await stage.claim(sql, owner, Math.min(room, claimBatch));
      for (const row of rows) start(row);
      if (rows.length === 0) await pause(pollDueMs);
    } catch (error) {
      log.warn('stage.claim-failed', { stage: stage.name, error });
      await pause(pollDueMs);
    }
  };
  const renewal = setInterval(() => {
    if (inWork.size === 0) return;
    stage
      .renew(sql, owner, [...inWork.values()])
      .catch((error: unknown) => log.warn('stage.renew-failed', { stage: stage.name, error }));
  }, leaseRenewMs);
  const loop = (async () => {
    while (!stopped) await turn();
    await Promise.allSettled(inWork.keys());
    clearInterval(renewal);
  })();
  return {
    wake: () => {
      woken = true;
      wakeUp();
    },
    stop: async () => {
      stopped = true;
      wakeUp();
      await loop;
    },
  };
}
