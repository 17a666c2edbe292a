import { watchFreshMs } from '../limits.ts';
import type { Sql } from './database.ts';

/** Records when a gateway last watched this database: the one row of `watch`. */

/** Called every `watchEveryMs` while this process delivers; several processes write one row now and then. */
export async function recordWatch(sql: Sql): Promise<void> {
  await sql`
    insert into watch (one) values (true)
    on conflict (one) do update set watched_at = now()
    where watch.watched_at < now() - ${watchFreshMs} * interval '1 millisecond'`;
}

/** Seconds since anybody watched; null: nobody ever did. */
export async function secondsUnwatched(sql: Sql): Promise<number | null> {
  const [row] = await sql<{ seconds: number }[]>`
    select extract(epoch from now() - watched_at)::float8 as seconds from watch`;
  return row?.seconds ?? null;
}
