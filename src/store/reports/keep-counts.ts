/**
 * The upkeep of the numbers of reports, by one process at a time: changes are added up, tenants of before the counters are
 * counted once, and all others are counted again and again, slowly, so that a fault would be mended and told.
 */

import { monotonicMs } from '../../clock.ts';
import { newId, nilGuid } from '../../ids.ts';
import {
  changesAddedAtOnce,
  countingTurnMs,
  oldestLookedForAtLeastMs,
  oldestLookedForMs,
  oldestLookShare,
  recountEveryMs,
  recountedPerSecond,
} from '../../limits.ts';
import type { Log } from '../../telemetry/log.ts';
import type { Sql, Transaction } from '../database.ts';
import { lookedWithin, lookForOldest } from '../oldest-waiting.ts';
import { withRetries } from '../retry.ts';
import {
  addUpChanges,
  type Counted,
  lockCounting,
  nextTenant,
  nextUncounted,
  recountTenant,
  totalOf,
} from './counts.ts';

/** Runs `work` where no other process is counting; undefined: one is. */
const counting = <T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T | undefined> =>
  sql.begin(async (tx) => ((await lockCounting(tx)) ? work(tx) : undefined)) as Promise<T | undefined>;

/** The same where all that `work` reads has to be of one moment. */
const countingAtOnce = <T>(sql: Sql, work: (tx: Transaction) => Promise<T>): Promise<T | undefined> =>
  withRetries(
    () =>
      sql.begin('isolation level repeatable read', async (tx) =>
        (await lockCounting(tx)) ? work(tx) : undefined,
      ) as Promise<T | undefined>,
  );

async function addUp(sql: Sql, untilMs: number): Promise<void> {
  let taken: number | undefined;
  do {
    taken = await counting(sql, (tx) => addUpChanges(tx, changesAddedAtOnce));
  } while (taken === changesAddedAtOnce && monotonicMs() < untilMs);
}

/** Counts tenants of before the counters; true: none is left. */
async function countFirst(sql: Sql, log: Log, untilMs: number): Promise<boolean> {
  do {
    const done = await countingAtOnce(sql, async (tx) => {
      const tenantId = await nextUncounted(tx);
      if (tenantId === undefined) return true;
      const { counts } = await recountTenant(tx, tenantId);
      log.debug('reports.counted', { tenantId, reports: totalOf(counts) });
      return false;
    });
    if (done !== false) return done === true;
  } while (monotonicMs() < untilMs);
  return false;
}

function tellMended(log: Log, tenantId: string, { mended }: Counted): void {
  if (mended === null) return;
  log.warn('reports.counts-mended', {
    tenantId,
    wrongBy: mended,
    remedy: 'Nothing is to be done. Reports written past the triggers of the database are counted late.',
  });
}

export interface CountKeepingOptions {
  readonly sql: Sql;
  readonly log: Log;
  /** How slowly tenants are counted anew. */
  readonly pace?: { readonly everyMs: number; readonly reportsPerSecond: number };
}

const usualPace = { everyMs: recountEveryMs, reportsPerSecond: recountedPerSecond };

/** Makes the upkeep that a process calls every few seconds; each call is short, save that a large tenant is counted whole. */
export function createCountKeeping({ log, pace = usualPace, sql }: CountKeepingOptions): () => Promise<void> {
  // Processes begin at different tenants, and one that is often started again does not always begin with the same.
  let recounted = newId();
  /** Only the migration leaves tenants that were never counted. */
  let isComplete = false;
  let nextRecountAtMs = 0;
  let nextLookAtMs = 0;

  const look = async (): Promise<void> => {
    const beganMs = monotonicMs();
    if (!(await lookedWithin(sql, oldestLookedForMs))) await counting(sql, lookForOldest);
    const endedMs = monotonicMs();
    const restMs = Math.max(oldestLookedForMs, oldestLookShare * (endedMs - beganMs));
    nextLookAtMs = endedMs + Math.min(restMs, oldestLookedForAtLeastMs);
  };
  const recountNext = async (): Promise<void> => {
    const counted = await countingAtOnce(sql, async (tx) => {
      const tenantId = await nextTenant(tx, recounted);
      return tenantId === undefined ? null : { tenantId, ...(await recountTenant(tx, tenantId)) };
    });
    // Behind the last tenant comes the first one, in the next turn.
    if (counted === null) recounted = nilGuid;
    if (!counted) return;
    const restMs = (1_000 * totalOf(counted.counts)) / pace.reportsPerSecond;
    nextRecountAtMs = monotonicMs() + Math.max(pace.everyMs, restMs);
    recounted = counted.tenantId;
    tellMended(log, counted.tenantId, counted);
  };
  return async (): Promise<void> => {
    const untilMs = monotonicMs() + countingTurnMs;
    await addUp(sql, untilMs);
    if (monotonicMs() >= nextLookAtMs) await look();
    isComplete ||= await countFirst(sql, log, untilMs);
    if (isComplete && monotonicMs() >= nextRecountAtMs) await recountNext();
  };
}
