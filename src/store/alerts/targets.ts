/**
 * The webhooks that are told what needs a person. A target has no queue: what it has been told stands beside the alerts
 * (tellings.ts), so one that does not answer for days costs a row, however much happens meanwhile.
 */

import { getTableColumns } from 'drizzle-orm';
import { alertGiveUpAttempts, alertGiveUpMs, alertLeaseMs } from '../../limits.ts';
import { columns, type Row } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import { alertTargets } from '../operator-schema.ts';

export const targetShape = getTableColumns(alertTargets);
export type AlertTarget = Row<typeof targetShape>;

/** What a sealed address was sealed for: it does not open in another target's row. */
export const targetAssociation = (targetId: string): string => `alert_targets/${targetId}`;

export type NewAlertTarget = Pick<
  AlertTarget,
  'address' | 'enabled' | 'format' | 'history' | 'kinds' | 'name' | 'sealed' | 'targetId' | 'tenantIds'
>;

/** One after the other, until the transaction ends: two requests must not both make the last target that is allowed. */
export const lockTargets = (tx: Transaction) => tx`
  select pg_advisory_xact_lock(hashtextextended('alert_targets', 0))`;

/** The largest number of targets that one of these tenants has; null: targets for every tenant. */
export async function countTargets(tx: Transaction, tenantIds: readonly string[] | null): Promise<number> {
  const [row] =
    tenantIds === null
      ? await tx<
          { count: number }[]
        >`select count(*)::int as count from alert_targets where tenant_ids is null`
      : await tx<{ count: number }[]>`
          select coalesce(max(of_tenant), 0)::int as count from (
            select count(*) as of_tenant from alert_targets t cross join lateral unnest(t.tenant_ids) as one(tenant_id)
            where one.tenant_id = any(${[...tenantIds]}::uuid[]) group by one.tenant_id) counted`;
  return row?.count ?? 0;
}

/** How many of these tenants there are. */
export async function countKnownTenants(tx: Transaction, tenantIds: readonly string[]): Promise<number> {
  const [row] = await tx<{ count: number }[]>`
    select count(*)::int as count from tenants where tenant_id = any(${[...tenantIds]}::uuid[])`;
  return row?.count ?? 0;
}

export const insertTarget = (tx: Transaction, given: NewAlertTarget) => tx`
  insert into alert_targets (target_id, name, format, tenant_ids, kinds, history, enabled, address, sealed)
  values (${given.targetId}, ${given.name}, ${given.format},
    ${given.tenantIds && [...given.tenantIds]}::uuid[], ${given.kinds && [...given.kinds]}::text[],
    ${given.history}, ${given.enabled}, ${given.address}, ${given.sealed})`;

/** Writes the whole row where it is still of this version; it is tried at once, whatever it failed before. */
export async function changeTarget(tx: Transaction, row: AlertTarget): Promise<AlertTarget | undefined> {
  const [changed] = await tx<AlertTarget[]>`
    update alert_targets set name = ${row.name}, tenant_ids = ${row.tenantIds && [...row.tenantIds]}::uuid[],
      kinds = ${row.kinds && [...row.kinds]}::text[], history = ${row.history}, enabled = ${row.enabled},
      address = ${row.address}, sealed = ${row.sealed}, version = version + 1, attempts = 0, failing_since = null,
      given_up_at = null, last_error = null, next_try_at = now(), hears_since = now()
    where target_id = ${row.targetId} and version = ${row.version}
    returning ${columns(tx, targetShape)}`;
  return changed;
}

/** What it was told goes with it; what a process that tells it just now still writes, goes with the next look. */
export async function removeTarget(tx: Transaction, targetId: string): Promise<AlertTarget | undefined> {
  await tx`delete from alert_tellings where target_id = ${targetId}`;
  await tx`delete from alert_cursors where target_id = ${targetId}`;
  const [removed] = await tx<AlertTarget[]>`
    delete from alert_targets where target_id = ${targetId} returning ${columns(tx, targetShape)}`;
  return removed;
}

/**
 * Leases the targets that are due, so that one process at a time tells each of them. A new one waits for a look that is newer:
 * what stood in the alerts before may be over, and nobody has looked because nobody wanted to hear of it.
 */
export const claimTargets = (sql: Sql, limit: number) => sql<AlertTarget[]>`
  update alert_targets t set next_try_at = now() + ${alertLeaseMs} * interval '1 millisecond'
  from (select target_id from alert_targets where enabled and given_up_at is null and next_try_at <= now()
          and hears_since < (select looked_at from alert_survey)
        order by next_try_at limit ${limit} for update skip locked) due
  where t.target_id = due.target_id
  returning ${columns(sql, targetShape, 't')}`;

/** There is nothing to tell; the next look is in so many seconds. */
export const restTarget = (sql: Sql, targetId: string, seconds: number) => sql`
  update alert_targets set next_try_at = now() + ${seconds} * interval '1 second' where target_id = ${targetId}`;

/** The target took a message; the lease goes on for the next one. */
export const noteTaken = (sql: Queries, targetId: string) => sql`
  update alert_targets set attempts = 0, failing_since = null, given_up_at = null, last_error = null, last_told_at = now(),
    next_try_at = now() + ${alertLeaseMs} * interval '1 millisecond'
  where target_id = ${targetId}`;

/** It took a test: one that failed goes on at once, while the lease of one that is just told stays. */
export const noteTested = (sql: Sql, targetId: string) => sql`
  update alert_targets set attempts = 0, failing_since = null, given_up_at = null, last_error = null,
    next_try_at = case when failing_since is null then next_try_at else now() end
  where target_id = ${targetId}`;

export interface Refusal {
  readonly error: string;
  readonly retryInSeconds: number;
  /** The target said that it is no more. */
  readonly isGone: boolean;
}

/** A message was not taken. True: the target is given up, for it said so or has taken nothing for days and in many tries. */
export async function noteRefused(
  sql: Sql,
  targetId: string,
  { error, isGone, retryInSeconds }: Refusal,
): Promise<boolean> {
  const [row] = await sql<{ isGivenUp: boolean }[]>`
    update alert_targets set attempts = attempts + 1, failing_since = coalesce(failing_since, now()),
      last_error = ${error}, next_try_at = now() + ${retryInSeconds} * interval '1 second',
      given_up_at = case when ${isGone} or (attempts + 1 >= ${alertGiveUpAttempts}
        and failing_since < now() - ${alertGiveUpMs} * interval '1 millisecond') then now() end
    where target_id = ${targetId}
    returning given_up_at is not null as "isGivenUp"`;
  return row?.isGivenUp ?? false;
}

export interface SealedTarget {
  readonly targetId: string;
  readonly sealed: string;
}

export const readSealedTargets = (sql: Queries) => sql<SealedTarget[]>`
  select ${columns(sql, { targetId: targetShape.targetId, sealed: targetShape.sealed })} from alert_targets
  order by target_id`;

/** Replaces a sealed address where the row still holds the text that was opened; says how many. */
export async function resealTarget(
  sql: Queries,
  { sealed, targetId }: SealedTarget,
  anew: string,
): Promise<number> {
  const { count } = await sql`
    update alert_targets set sealed = ${anew} where target_id = ${targetId} and sealed = ${sealed}`;
  return count;
}
