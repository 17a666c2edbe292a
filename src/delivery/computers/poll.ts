import type { JamfClient } from '../../jamf/client.ts';
import type { InventoryPage } from '../../jamf/inventory-page.ts';
import { pollOverlapMs, pollsAtOnce } from '../../limits.ts';
import { columns, pick } from '../../store/columns.ts';
import { markChanged } from '../../store/computers/listed.ts';
import { endPoll, movePollCursor, putOffPoll } from '../../store/computers/reading.ts';
import type { InstanceRef } from '../../store/instances/instance.ts';
import { inTransaction } from '../../store/retry.ts';
import { instanceReading } from '../../store/schema.ts';
import { listedComputers } from './listed.ts';
import {
  type Feed,
  type FeedOptions,
  type FeedRunner,
  jittered,
  readable,
  runFeed,
  type TurnEnd,
} from './turns.ts';

/**
 * Webhooks are sent once and lost with whatever is in their way (domain/jamf.md 3.5): so each instance is asked now
 * and then which computers have reported since the last time. What it lists becomes due to be read, nothing more.
 */

export interface PollOptions extends FeedOptions {
  /** Between two polls of an instance; 0: instances are not polled. */
  readonly pollSeconds: number;
}

interface DuePoll extends InstanceRef {
  /** Newest report that a poll has seen; null: none yet. */
  readonly cursor: Date | null;
  /** Time of the database's clock. */
  readonly begunAt: Date;
}

/** Newest `general.reportDate` of a page, in milliseconds. */
const newestOf = (page: InventoryPage): number =>
  Math.max(
    Number.NEGATIVE_INFINITY,
    ...page.items.map(({ computer }) => computer.reportedAt?.getTime() ?? Number.NEGATIVE_INFINITY),
  );

/** Position of a poll: the time after which it asks for changes, and the page that comes next. */
interface Place {
  readonly sinceMs: number;
  readonly page: number;
}

/**
 * The page after this one. It begins where this one ended, for numbered pages shift while Macs report; a millisecond
 * earlier, for others may have reported in the same one. Only where a whole page has one time is the next number asked for.
 */
export function nextPlace({ page, sinceMs }: Place, newestMs: number): Place {
  const next = newestMs - 1;
  return next > sinceMs ? { sinceMs: next, page: 0 } : { sinceMs, page: page + 1 };
}

/** Dates without milliseconds are compared as they are; beyond that the filter was not obeyed. */
const filterToleranceMs = 2_000;

async function readPage(client: JamfClient, { page, sinceMs }: Place) {
  const answer = await client.computersChangedSince(new Date(sinceMs).toISOString(), page);
  if (!answer.ok) return answer;
  const newestMs = newestOf(answer.page);
  // A page without a readable date says nothing of the filter.
  if (Number.isFinite(newestMs) && newestMs < sinceMs - filterToleranceMs) {
    const detail = 'The list is not filtered by report date as it was asked for.';
    return { ok: false as const, failure: 'invalid-answer' as const, detail };
  }
  return { ok: true as const, page: answer.page, newestMs };
}

function pollFeed(options: PollOptions): Feed<DuePoll> {
  const { clientOf, instances, log, pollSeconds, sql } = options;

  /** Computers become due and the cursor moves in one transaction: neither is true without the other. */
  const takePage = (row: DuePoll, page: InventoryPage, newestMs: number): Promise<number> =>
    inTransaction(sql, async (tx) => {
      const changed = await markChanged(tx, row, listedComputers(page));
      if (Number.isFinite(newestMs)) await movePollCursor(tx, row, new Date(newestMs));
      return changed;
    });

  const done = async (row: DuePoll): Promise<TurnEnd> => {
    await endPoll(sql, row, row.begunAt, jittered(pollSeconds));
    return 'done';
  };

  const turn: Feed<DuePoll>['turn'] = async (row, instance, mayGoOn) => {
    if (row.cursor === null) return done(row);
    const client = clientOf(instance);
    let place: Place | undefined = { sinceMs: row.cursor.getTime() - pollOverlapMs, page: 0 };
    let changed = 0;
    while (place) {
      if (!(await mayGoOn())) return 'broken-off';
      const read = await readPage(client, place);
      if (!read.ok) return read;
      changed += await takePage(row, read.page, read.newestMs);
      place = read.page.last ? undefined : nextPlace(place, read.newestMs);
    }
    const { instanceId, tenantId } = row;
    await instances.recordExchange(tenantId, instanceId, null);
    log.debug('poll.done', { tenantId, instanceId, changed });
    return done(row);
  };

  return {
    name: 'poll',
    atOnce: pollsAtOnce,
    due: async (limit) =>
      pollSeconds === 0
        ? []
        : sql<DuePoll[]>`
            select ${columns(sql, pick(instanceReading, 'tenantId', 'instanceId'), 'r')}, r.poll_cursor as cursor, now() as "begunAt"
            from instance_reading r where r.next_poll_at <= now() and ${readable(options)}
            order by r.next_poll_at limit ${limit}`,
    turn,
    putOff: async (row, error, seconds) => {
      await putOffPoll(sql, row, error, seconds);
    },
  };
}

/** Polls instances whose turn it is. */
export const createPolls = (options: PollOptions): FeedRunner => runFeed(pollFeed(options), options);
