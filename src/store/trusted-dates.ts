import { clockAheadMs } from '../limits.ts';
import type { Fragment, Queries } from './database.ts';

/**
 * This module decides which dates of records put them in order. A Mac or an instance whose clock is a year ahead dates
 * its records a year ahead, and each of them would make everything that follows look old. So a date that is ahead of
 * the clock counts as none. A date that is missing stays missing: nothing that is unknown is newer than something that
 * is known.
 */

/** null where the date says nothing about the order of records. */
export const trustedDate = (date: Date | null | undefined, nowMs: number): Date | null =>
  date !== null && date !== undefined && date.getTime() <= nowMs + clockAheadMs ? date : null;

/** The same in a query; `date` is a timestamp. */
export const trustedAt = (sql: Queries, date: Fragment): Fragment =>
  sql`case when ${date} <= now() + ${clockAheadMs} * interval '1 millisecond' then ${date} end`;
