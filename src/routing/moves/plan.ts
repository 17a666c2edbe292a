import { movePlanTimeoutMs } from '../../limits.ts';
import type { Fragment, Queries, Sql, Transaction } from '../../store/database.ts';
import type { Move, MoveKey, SkipReason } from '../../store/moves/move.ts';
import { putPlanned } from '../../store/moves/move-devices.ts';
import { inTransaction } from '../../store/retry.ts';
import { bucketSql } from './bucket.ts';

/**
 * Plans which devices a move takes, and why not the others: those whose route is at the instance that is left and that
 * the filter matches. All set-based: a move may be about a million devices.
 */

export interface MoveScope extends Pick<Move, 'tenantId' | 'fromInstanceId' | 'toInstanceId' | 'unclaimed'> {
  /** A condition on `r` (routes) and `p` (reports). */
  readonly matching: (queries: Queries) => Fragment;
}

export interface PlanCount {
  /** Null: the device is moved. */
  readonly reason: SkipReason | null;
  readonly count: number;
}

/** The target's own claim on each device; of several computers the one that the rules would choose. */
const claimed = (sql: Sql, { tenantId, toInstanceId }: MoveScope) => sql`
  select distinct on (device_id) device_id, jamf_computer_id from claims
  where tenant_id = ${tenantId} and instance_id = ${toInstanceId} and not stale
  order by device_id, last_enrolled_at desc nulls last, last_check_in_at desc nulls last, jamf_computer_id`;

/** Counts the computers of the target that carry a UDID or serial number, with the id of the only one. */
const knownBy = (sql: Sql, column: 'udid' | 'serial_number') => sql`
  select upper(${sql(column)}) as name, min(jamf_computer_id) as id, count(distinct jamf_computer_id) as found
  from known where ${sql(column)} is not null group by 1`;

/**
 * The target's computers by UDID and serial number. Without `unclaimed` nobody asks: then nothing is read. UDIDs and
 * serial numbers are compared without case, since they come from two servers.
 */
const lookUps = (sql: Sql, { tenantId, toInstanceId, unclaimed }: MoveScope) => sql`
  known as (
    select udid, serial_number, jamf_computer_id from computers
    where ${unclaimed} and tenant_id = ${tenantId} and instance_id = ${toInstanceId} and gone_at is null
    union
    select udid, serial_number, jamf_computer_id from claims
    where ${unclaimed} and tenant_id = ${tenantId} and instance_id = ${toInstanceId}),
  by_udid as (${knownBy(sql, 'udid')}),
  by_serial as (${knownBy(sql, 'serial_number')})`;

const unclaimedReason = (sql: Sql, { unclaimed }: MoveScope) =>
  unclaimed
    ? sql`case when u.found = 1 then null when u.found > 1 then 'ambiguous'
               when s.found = 1 then null when s.found > 1 then 'ambiguous' else 'not-found-at-target' end`
    : sql`'not-claimed'`;

/** One row for each device at the instance that is left; `reason` is null for those that are moved. */
function candidates(queries: Queries, scope: MoveScope): Fragment {
  const sql = queries as Sql;
  const { fromInstanceId, matching, tenantId } = scope;
  return sql`
    with ${lookUps(sql, scope)}
    select r.device_id, ${bucketSql(sql, 'r.device_id')} as bucket, r.jamf_computer_id as from_jamf_computer_id,
      r.rule, r.placed_at,
      coalesce(c.jamf_computer_id, case when u.found is not null then u.id else s.id end) as to_jamf_computer_id,
      case when r.pinned then 'pinned' when c.jamf_computer_id is not null then null
           else ${unclaimedReason(sql, scope)} end as reason
    from routes r
    left join reports p on p.tenant_id = r.tenant_id and p.device_id = r.device_id
    left join (${claimed(sql, scope)}) c on c.device_id = r.device_id
    left join claims o on o.tenant_id = r.tenant_id and o.device_id = r.device_id
      and o.instance_id = r.instance_id and o.jamf_computer_id = r.jamf_computer_id
    left join by_udid u on u.name = upper(coalesce(r.udid, o.udid))
    left join by_serial s on s.name = upper(coalesce(r.serial_number, o.serial_number))
    where r.tenant_id = ${tenantId} and r.instance_id = ${fromInstanceId} and ${matching(sql)}`;
}

/**
 * A plan of a million devices takes longer than any other statement may. And it is all joins of large sets: before
 * tables that were just filled are analysed, the planner takes them for small and compares each row with each, so a
 * thousand devices would take seconds, and ten thousand minutes.
 */
async function asWhole<T>(tx: Transaction, work: () => Promise<T>): Promise<T> {
  await tx`select set_config('statement_timeout', ${String(movePlanTimeoutMs)}, true)`;
  await tx`set local enable_nestloop = off`;
  const result = await work();
  await tx`set local enable_nestloop = on`;
  return result;
}

/** Counts what a plan would contain, without storing it. */
export async function countPlan(sql: Sql, scope: MoveScope): Promise<PlanCount[]> {
  return inTransaction(sql, (tx) =>
    asWhole(
      tx,
      () => tx<PlanCount[]>`
        select reason, count(*) as count from (${candidates(tx, scope)}) found group by reason order by reason`,
    ),
  );
}

/**
 * Writes the plan, or what is new of it: devices that came to the instance since, and those that were skipped for a
 * reason that is gone. What was moved once is left where it is.
 */
export async function writePlan(tx: Transaction, key: MoveKey, scope: MoveScope): Promise<void> {
  // Else the foreign key's check is planned anew for every row.
  await tx`set local plan_cache_mode = 'auto'`;
  await asWhole(tx, () => putPlanned(tx, key, candidates(tx, scope)));
}
