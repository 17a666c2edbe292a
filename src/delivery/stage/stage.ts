import { newId } from '../../ids.ts';
import { claimBatch, leaseRenewMs, pollDueMs } from '../../limits.ts';
import type { Sql } from '../../store/database.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * The one mechanism of delivery (design D1, D2): rows that are due, claimed with a lease, worked on side by side,
 * settled one by one. Which rows are due and what work is belongs to the stage; leases, wake-ups and the bound on
 * work in flight belong here. Polling is the truth; a notification only makes it sooner.
 */
export interface Stage<Row> {
  readonly name: 'computers' | 'reports';
  /** Leases up to `limit` due rows to `owner` and returns them. */
  readonly claim: (sql: Sql, owner: string, limit: number) => Promise<Row[]>;
  /** Prolongs the leases of these rows, where their owner still has them. */
  readonly renew: (sql: Sql, held: readonly Held<Row>[]) => Promise<unknown>;
  /** Puts a row off whose work threw: an input that nobody foresaw, or a database that went away. */
  readonly fail: (row: Row, owner: string, error: unknown) => Promise<void>;
  /** Does the row's work and settles it. */
  readonly work: (row: Row, owner: string) => Promise<void>;
}

/** A row in work, with the lease under which it was claimed. */
export interface Held<Row> {
  readonly row: Row;
  readonly owner: string;
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
  const inWork = new Map<Promise<void>, Held<Row>>();
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
  const start = (row: Row, owner: string): void => {
    const done = stage
      .work(row, owner)
      .catch(async (error: unknown) => {
        log.error('stage.work-failed', { stage: stage.name, error });
        await stage.fail(row, owner, error);
      })
      // The database is away: the lease runs out by itself.
      .catch((error: unknown) => log.warn('stage.fail-failed', { stage: stage.name, error }))
      .finally(() => {
        inWork.delete(done);
        wakeUp();
      });
    inWork.set(done, { row, owner });
  };
  const turn = async (): Promise<void> => {
    const room = concurrency - inWork.size;
    woken = false;
    if (room <= 0) return pause(leaseRenewMs);
    try {
      // A lease of its own for every claim: a row that was lost and claimed again is not mistaken for the old one.
      const owner = newId();
      const rows = await stage.claim(sql, owner, Math.min(room, claimBatch));
      for (const row of rows) start(row, owner);
      if (rows.length === 0) await pause(pollDueMs);
    } catch (error) {
      log.warn('stage.claim-failed', { stage: stage.name, error });
      await pause(pollDueMs);
    }
  };
  const renewal = setInterval(() => {
    if (inWork.size === 0) return;
    stage
      .renew(sql, [...inWork.values()])
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
