import { maxComputerId } from '../../ids.ts';
import type { InventoryPage } from '../../jamf/inventory-page.ts';
import { reconciliationsAtOnce } from '../../limits.ts';
import { columns, pick } from '../../store/columns.ts';
import { markReconciled, type Spread } from '../../store/computers/listed.ts';
import {
  beginReconciliation,
  endReconciliation,
  moveReconciliation,
  putOffReconciliation,
  type Run,
} from '../../store/computers/reading.ts';
import type { InstanceRef } from '../../store/instances/instance.ts';
import { inTransaction } from '../../store/retry.ts';
import { instanceReading } from '../../store/schema.ts';
import { listedComputers } from './listed.ts';
import { type Feed, type FeedOptions, type FeedRunner, jittered, readable, runFeed } from './turns.ts';

/**
 * Now and then every computer of an instance is listed and compared with what is known here: that finds what no
 * event tells of, a deletion, an end of management, a verdict that changed by a group alone.
 *
 * The list never decides anything. A computer that it does not hold is only read on its own, and is gone when the
 * instance itself has answered 404 for it twice over 90 s (`read-computer.ts`). So a list that is suddenly empty or
 * half as long, of an instance that is being restored or that lost its database's connection, costs reads and
 * retracts nothing. For the same reason no affinity to a node of a cluster is needed (domain/jamf.md 1.4): each page
 * stands for itself, and what the node that answers does not know yet is asked for once more.
 */

export interface ReconcileOptions extends FeedOptions {
  /** Between two reconciliations of an instance; 0: only when they are asked for. */
  readonly reconcileSeconds: number;
}

function reconcileFeed(options: ReconcileOptions): Feed<InstanceRef> {
  const { clientOf, instances, log, reconcileSeconds, sql } = options;

  /** undefined: the run was asked for anew meanwhile, and this one is nobody's any more. */
  const takePage = (
    run: Run,
    page: InventoryPage,
    spread: Spread,
  ): Promise<{ fresh: number; background: number; upToId: number } | undefined> => {
    const upToId = page.last ? maxComputerId : Math.max(...page.ids);
    return inTransaction(sql, async (tx) => {
      const own = page.last
        ? await endReconciliation(tx, run, jittered(reconcileSeconds))
        : await moveReconciliation(tx, run, upToId);
      if (!own) return undefined;
      const marked = await markReconciled(
        tx,
        run,
        listedComputers(page),
        { afterId: run.afterId, upToId },
        spread,
      );
      return { ...marked, upToId };
    });
  };

  const turn: Feed<InstanceRef>['turn'] = async (row, instance, mayGoOn) => {
    const begun = await beginReconciliation(sql, row);
    if (!begun) return 'broken-off';
    const client = clientOf(instance);
    const since = new Date();
    const total = { listed: 0, fresh: 0, background: 0 };
    let run: Run = begun;
    for (;;) {
      if (!(await mayGoOn())) return 'broken-off';
      const answer = await client.computersAfter(run.afterId);
      if (!answer.ok) return answer;
      const taken = await takePage(run, answer.page, { since, behind: total.background });
      if (!taken) return 'broken-off';
      total.listed += answer.page.ids.length;
      total.fresh += taken.fresh;
      total.background += taken.background;
      if (answer.page.last) break;
      run = { ...run, afterId: taken.upToId };
    }
    const { instanceId, tenantId } = row;
    await instances.recordExchange(tenantId, instanceId, null);
    log.info('reconcile.done', { tenantId, instanceId, resumed: begun.afterId > 0, ...total });
    return 'done';
  };

  return {
    name: 'reconcile',
    atOnce: reconciliationsAtOnce,
    due: (limit) => sql<InstanceRef[]>`
      select ${columns(sql, pick(instanceReading, 'tenantId', 'instanceId'), 'r')}
      from instance_reading r where r.next_reconcile_at <= now() and ${readable(options)}
      order by r.next_reconcile_at limit ${limit}`,
    turn,
    putOff: async (row, error, seconds) => {
      await putOffReconciliation(sql, row, error, seconds);
    },
  };
}

/** Reconciles instances whose turn it is. */
export const createReconciliations = (options: ReconcileOptions): FeedRunner =>
  runFeed(reconcileFeed(options), options);
