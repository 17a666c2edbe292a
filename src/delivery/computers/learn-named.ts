import { monotonicMs } from '../../clock.ts';
import { maxComputerId } from '../../ids.ts';
import type { InventoryPage } from '../../jamf/inventory-page.ts';
import { learnsAtOnce, learnTurnMs, namedSettledMs } from '../../limits.ts';
import { columns, pick } from '../../store/columns.ts';
import { nextNamed, settleNamed } from '../../store/computers/named.ts';
import { endLearning, learnIn } from '../../store/computers/reading.ts';
import type { InstanceRef } from '../../store/instances/instance.ts';
import { inTransaction } from '../../store/retry.ts';
import { instanceReading } from '../../store/schema.ts';
import { type Feed, type FeedOptions, type FeedRunner, readable, runFeed } from './turns.ts';

/**
 * Ids that a large event named and that are not known here are looked up in the instance's list, page by page. Those
 * that it holds become due. A list never retracts: an id that it does not hold and that was never read is only
 * forgotten, and not before it has been missing for as long as a node of a cluster may lag behind (domain/jamf.md 1.4).
 */

function learnFeed(options: FeedOptions, turnMs: number): Feed<InstanceRef> {
  const { clientOf, instances, log, sql } = options;

  const takePage = (row: InstanceRef, page: InventoryPage, afterId: number, askedAtMs: number) => {
    const upToId = page.last ? maxComputerId : Math.max(...page.ids);
    const namedBefore = new Date(askedAtMs - namedSettledMs);
    return inTransaction(sql, async (tx) => {
      const due = await settleNamed(tx, row, page.ids, { afterId, upToId, namedBefore });
      return { due, upToId };
    });
  };

  const turn: Feed<InstanceRef>['turn'] = async (row, instance, mayGoOn) => {
    const [begun] = await sql<{ at: Date }[]>`select now() as at`;
    const endMs = monotonicMs() + turnMs;
    const client = clientOf(instance);
    let due = 0;
    for (let from = await nextNamed(sql, row, 0); from !== undefined; ) {
      if (!(await mayGoOn())) return 'broken-off';
      if (monotonicMs() > endMs) {
        // The others that wait come first then; names that are settled already are not looked for again.
        await learnIn(sql, row, 0);
        return 'broken-off';
      }
      // The page is dated by the database's clock, as the names are.
      const [asked] = await sql<{ at: Date }[]>`select now() as at`;
      const answer = await client.computersAfter(from - 1);
      if (!answer.ok) return answer;
      const taken = await takePage(row, answer.page, from - 1, asked?.at.getTime() ?? 0);
      due += taken.due;
      from = taken.upToId === maxComputerId ? undefined : await nextNamed(sql, row, taken.upToId);
    }
    const { instanceId, tenantId } = row;
    await instances.recordExchange(tenantId, instanceId, null);
    await endLearning(sql, row, begun?.at ?? new Date());
    log.info('learn.done', { tenantId, instanceId, due });
    return 'done';
  };

  return {
    name: 'learn',
    atOnce: learnsAtOnce,
    due: (limit) => sql<InstanceRef[]>`
      select ${columns(sql, pick(instanceReading, 'tenantId', 'instanceId'), 'r')}
      from instance_reading r where r.next_learn_at <= now() and ${readable(options)}
      order by r.next_learn_at limit ${limit}`,
    turn,
    putOff: async (row, _error, seconds) => {
      await learnIn(sql, row, seconds);
    },
  };
}

/** Looks up what large events named. */
export const createLearning = (options: FeedOptions, turnMs = learnTurnMs): FeedRunner =>
  runFeed(learnFeed(options, turnMs), options);
