/**
 * The ages of the oldest waiting work. Looking costs as much as there is waiting work, so one process looks and writes the
 * times down, and every scrape reads one row. An age goes on rising while nobody looks.
 */

import type { Queries, Transaction } from './database.ts';

/** Says whether a process has looked within this time. A look in the future is none: the database's clock was set. */
export async function lookedWithin(sql: Queries, freshMs: number): Promise<boolean> {
  const [row] = await sql<{ fresh: boolean }[]>`
    select looked_at > now() - ${freshMs} * interval '1 millisecond' and looked_at <= now() as fresh from oldest_waiting`;
  return row?.fresh ?? false;
}

/**
 * Looks, and writes down what was found. Of each tenant that lacks something the oldest report is the first of an index;
 * waiting computers are read from the index that holds nothing else. What is put off to a time to come, as a folded check-in is,
 * is not late.
 */
export async function lookForOldest(tx: Transaction): Promise<void> {
  await tx`
    insert into oldest_waiting (one, reports_since, computers_since)
    select true, (
      select min(oldest.due_since) from (
        select tenant_id from report_counts where not is_complete or due + held + sent + accepted <> 0
        union select tenant_id from report_count_changes
      ) waiting cross join lateral (
        select r.due_since from reports r
        where r.tenant_id = waiting.tenant_id and r.due_since is not null and r.failed_at is null
        order by r.due_since limit 1) oldest
    ), (
      select min(coalesce(received_at, updated_at)) from computers
      where next_try_at is not null and not (next_try_at > now() and attempts = 0 and last_error is null))
    on conflict (one) do update set reports_since = excluded.reports_since, computers_since = excluded.computers_since,
      looked_at = now()`;
}

export interface OldestAges {
  /** 0: nothing waits, or nobody has looked yet. */
  readonly reportsSeconds: number;
  readonly computersSeconds: number;
}

/** `greatest` passes over a time that is not there, so that its age is 0. */
export async function readOldestAges(sql: Queries): Promise<OldestAges> {
  const [row] = await sql<OldestAges[]>`
    select greatest(0, extract(epoch from now() - reports_since))::float8 as "reportsSeconds",
      greatest(0, extract(epoch from now() - computers_since))::float8 as "computersSeconds"
    from oldest_waiting`;
  return row ?? { reportsSeconds: 0, computersSeconds: 0 };
}
