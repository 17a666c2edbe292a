import { setTimeout as wait } from 'node:timers/promises';
import type { Sql } from '../../store/database.ts';
import { MigrationFailed } from './migration-failed.ts';

/**
 * What a migration does about a lock that it does not get. Every statement that needs the table queues behind one that
 * waits for it, so a migration waits a moment, gives everything back, and comes again.
 */

/** SQLSTATE of a lock that was not available in time, and of the victim of a deadlock. */
const lockCodes: ReadonlySet<string | undefined> = new Set(['55P03', '40P01']);

const codeOf = (error: unknown): string | undefined => (error as { code?: string } | null)?.code;

/** The session that has held locks on tables for longest, in words. */
async function describeHolder(client: Sql): Promise<string> {
  const [holder] = await client<{ pid: number; name: string; seconds: number | null }[]>`
    select a.pid, coalesce(a.application_name, '') as name,
      floor(extract(epoch from clock_timestamp() - a.xact_start))::int as seconds
    from pg_catalog.pg_stat_activity a
    where a.pid <> pg_backend_pid() and exists (
      select from pg_catalog.pg_locks l join pg_catalog.pg_class c on c.oid = l.relation
      where l.pid = a.pid and l.granted and c.relnamespace not in ('pg_catalog'::regnamespace, 'pg_toast'::regnamespace)
        and l.database = (select d.oid from pg_catalog.pg_database d where d.datname = current_database()))
    order by a.xact_start limit 1`;
  if (holder === undefined) return 'the session that held it has ended since';
  const { name, pid, seconds } = holder;
  // A role may not see what the sessions of another one are.
  const called = name === '' ? `${pid}` : `${pid} (${name})`;
  return `of the sessions with locks, ${called} has had its transaction open for longest, ${seconds ?? 0} s`;
}

/** Throws `MigrationFailed` with 55P03 when the lock is not to be had for several tries. */
export async function withLockRetries<T>(
  work: () => Promise<T>,
  options: {
    readonly client: Sql;
    readonly pausesMs: readonly number[];
    readonly progress: { readonly doing: string };
    readonly signal: AbortSignal | undefined;
  },
): Promise<T> {
  const { client, pausesMs, progress, signal } = options;
  for (const pauseMs of pausesMs) {
    try {
      return await work();
    } catch (error) {
      if (!lockCodes.has(codeOf(error))) throw error;
    }
    await wait(pauseMs, undefined, signal && { signal });
  }
  try {
    return await work();
  } catch (error) {
    if (!lockCodes.has(codeOf(error))) throw error;
    const holder = await describeHolder(client);
    throw new MigrationFailed('55P03', `migrating waits for a lock at ${progress.doing}: ${holder}`, {
      cause: error,
    });
  }
}
