import type { Fragment, Queries } from './database.ts';

/**
 * The line of history that the database continues: a standby that was promoted or a backup that was restored goes on with
 * other changes than those heard of. A restart of the server keeps it, save where the provider forbids reading the timeline.
 */

/** The timeline, or the server's start, and the database's own number. */
export const historyLine = (sql: Queries, byStart: boolean): Fragment =>
  byStart
    ? sql`pg_postmaster_start_time()::text || '/' || (select oid from pg_database where datname = current_database())`
    : sql`left(pg_walfile_name(pg_current_wal_lsn()), 8) || '/' ||
        (select oid from pg_database where datname = current_database())`;

/** Insufficient privilege, unknown function, wrong state, not supported. */
const isRefused = (error: unknown): boolean =>
  ['42501', '42883', '55000', '0A000'].includes((error as { code?: string } | null)?.code ?? '');

/** Runs reads of `historyLine`; where the timeline is refused they are run again without it, and so from then on. */
export function createHistoryReads(): <T>(read: (byStart: boolean) => Promise<T>) => Promise<T> {
  let byStart = false;
  return async (read) => {
    try {
      return await read(byStart);
    } catch (error) {
      if (byStart || !isRefused(error)) throw error;
      byStart = true;
      return read(byStart);
    }
  };
}
