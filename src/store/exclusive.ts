import type { Log } from '../telemetry/log.ts';
import type { Sql } from './database.ts';

/** Work that one process at a time does for all of them. */

/** Well below what the database lets a transaction be silent (database.ts). */
const lockAliveMs = 5_000;

/**
 * Runs `work`, which has connections of its own, while a transaction holds the advisory lock `key`: a session's lock would be
 * lost, or left behind, by a pooler. False: another process has it. Where the transaction ends meanwhile, another process may
 * begin, so the work has to be safe to repeat.
 */
export async function underLock(
  sql: Sql,
  log: Log,
  key: number,
  work: () => Promise<void>,
): Promise<boolean> {
  return sql.begin(async (tx) => {
    const [lock] = await tx<{ taken: boolean }[]>`
      select pg_try_advisory_xact_lock(${key}::bigint) as taken`;
    if (!lock?.taken) return false;
    // The database ends a transaction that is silent for long.
    const alive = setInterval(() => {
      tx`select 1`.catch((error: unknown) => log.debug('lock.lost', { key, error }));
    }, lockAliveMs);
    try {
      await work();
    } finally {
      clearInterval(alive);
    }
    return true;
  });
}
