import { namedSettledMs } from '../../limits.ts';
import { columns } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { instanceReading } from '../schema.ts';

/**
 * Records how far an instance is known without its webhooks: polls, reconciliations and lookups of named ids, each with
 * its cursor and its next turn. The leases of the same rows are in `readers.ts`.
 */

/** The row of a new instance, with which its first reconciliation is due; in the transaction that makes the instance. */
export const addReading = (
  sql: Queries,
  { instanceId, tenantId }: InstanceRef,
  { reconcile }: { readonly reconcile: boolean },
) => sql`
  insert into instance_reading (tenant_id, instance_id, next_reconcile_at)
  values (${tenantId}, ${instanceId}, case when ${reconcile} then now() else 'infinity' end)`;

/** The instance may be read from again: what happened meanwhile is asked for at once. */
export const pollSoon = (sql: Queries, { instanceId, tenantId }: InstanceRef) => sql`
  update instance_reading set next_poll_at = now(),
    next_reconcile_at = case when reconcile_started_at is null then next_reconcile_at else now() end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/**
 * Something that the instance told was missed since so long ago: it is polled now, and asked for all that was reported
 * since then. A first poll that has not been yet lists nothing anyway: the first reconciliation lists everything.
 */
export const pollSince = (sql: Queries, { instanceId, tenantId }: InstanceRef, agoMs: number) => sql`
  update instance_reading set next_poll_at = now(),
    poll_cursor = case when poll_cursor is not null
                       then least(poll_cursor, now() - ${agoMs}::float8 * interval '1 millisecond') end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** A full reconciliation from the first computer on, also where one is under way; says when it was asked for. */
export async function askReconciliation(sql: Queries, { instanceId, tenantId }: InstanceRef): Promise<Date> {
  const [row] = await sql<{ askedAt: Date }[]>`
    insert into instance_reading (tenant_id, instance_id) values (${tenantId}, ${instanceId})
    on conflict (tenant_id, instance_id) do update set next_reconcile_at = now(), next_poll_at = now(),
      reconcile_started_at = null, reconcile_after_id = null
    returning ${columns(sql, { askedAt: instanceReading.nextReconcileAt })}`;
  return row?.askedAt ?? new Date();
}

export type ReadingKind = 'poll' | 'reconcile' | 'learn';

/**
 * Says which kinds of reading may be due for an instance, also where this process may not read from it. It has no parameter, so
 * its plan is kept: every process asks each second, and mostly nothing is due.
 */
export async function dueReadings(sql: Sql): Promise<Readonly<Record<ReadingKind, boolean>>> {
  const [row] = await sql<Record<ReadingKind, boolean>[]>`
    select exists (select from instance_reading where next_poll_at <= now()) as poll,
      exists (select from instance_reading where next_reconcile_at <= now()) as reconcile,
      exists (select from instance_reading where next_learn_at <= now()) as learn`;
  return row ?? { poll: true, reconcile: true, learn: true };
}

/**
 * Every instance is polled, back to so long ago, and reconciled now. Also for a process that started without the database: it
 * knew no key, so what was sent to it meanwhile was answered 503 and cannot be told apart.
 */
export async function askEveryInstance(sql: Sql, agoMs = 0): Promise<number> {
  const instances = await sql`
    insert into instance_reading (tenant_id, instance_id)
    select i.tenant_id, i.instance_id from instances i order by 1, 2
    on conflict (tenant_id, instance_id) do update set next_poll_at = now(), next_reconcile_at = now(),
      poll_cursor = case when instance_reading.poll_cursor is not null then least(instance_reading.poll_cursor,
        now() - ${agoMs}::float8 * interval '1 millisecond') end,
      reconcile_started_at = null, reconcile_after_id = null
    returning 1`;
  return instances.length;
}

/** A page of a poll was taken in whose newest report is this one. */
export const movePollCursor = (tx: Transaction, { instanceId, tenantId }: InstanceRef, newest: Date) =>
  // A Mac whose clock is ahead must not hide what the others report from now on.
  tx`
    update instance_reading set poll_cursor = least(greatest(poll_cursor, ${newest}), now())
    where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** The next poll is due in so many seconds. */
export const endPoll = (
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  begunAt: Date,
  seconds: number,
) => sql`
  update instance_reading set poll_error = null,
    -- Who asked for a poll while this one was under way may know of what it has not seen.
    next_poll_at = case when next_poll_at > ${begunAt} then next_poll_at
                        else now() + ${seconds} * interval '1 second' end,
    -- The first turn asks for nothing: the instance's first reconciliation lists everything.
    polled_at = case when poll_cursor is null then polled_at else now() end, poll_cursor = coalesce(poll_cursor, now())
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

export const putOffPoll = (
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  error: string,
  seconds: number,
) => sql`
  update instance_reading set poll_error = ${error}, next_poll_at = now() + ${seconds} * interval '1 second'
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** A reconciliation that is under way; one that was asked for anew has another start. */
export interface Run extends InstanceRef {
  readonly startedAt: Date;
  /** The last id that it has seen. */
  readonly afterId: number;
}

/** Begins a run, or goes on with the one that another process, or this one, left. */
export async function beginReconciliation(
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
): Promise<Run | undefined> {
  // Milliseconds, for the time is compared after it has been through this process.
  const [run] = await sql<{ startedAt: Date; afterId: number }[]>`
    update instance_reading
    set reconcile_started_at = coalesce(reconcile_started_at, date_trunc('milliseconds', now())),
      reconcile_after_id = coalesce(reconcile_after_id, 0)
    where tenant_id = ${tenantId} and instance_id = ${instanceId}
    returning ${columns(sql, { startedAt: instanceReading.reconcileStartedAt, afterId: instanceReading.reconcileAfterId })}`;
  return run && { tenantId, instanceId, ...run };
}

/** The run goes on after this id; false: it was asked for anew meanwhile, and this one is nobody's any more. */
export async function moveReconciliation(
  tx: Transaction,
  { instanceId, startedAt, tenantId }: Run,
  upToId: number,
): Promise<boolean> {
  const { count } = await tx`
    update instance_reading set reconcile_after_id = ${upToId}
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and reconcile_started_at = ${startedAt}`;
  return count > 0;
}

/** The run has ended, and the next is due in so many seconds, 0: when it is asked for; false: as for `moveReconciliation`. */
export async function endReconciliation(
  tx: Transaction,
  { instanceId, startedAt, tenantId }: Run,
  seconds: number,
): Promise<boolean> {
  const { count } = await tx`
    update instance_reading set reconciled_at = now(), reconcile_error = null, reconcile_started_at = null,
      reconcile_after_id = null, next_reconcile_at = case when ${seconds === 0} then 'infinity'
        else now() + ${seconds} * interval '1 second' end
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and reconcile_started_at = ${startedAt}`;
  return count > 0;
}

/** A run that was asked for meanwhile does not wait for the failure of the one before. */
export const putOffReconciliation = (
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  error: string,
  seconds: number,
) => sql`
  update instance_reading set reconcile_error = ${error},
    next_reconcile_at = case when reconcile_started_at is null then next_reconcile_at
                             else now() + ${seconds} * interval '1 second' end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** Names that came meanwhile, or are too young to be forgotten, are looked for once more. */
export const endLearning = (sql: Sql, { instanceId, tenantId }: InstanceRef, begunAt: Date) => sql`
  update instance_reading r set next_learn_at = case
    when r.next_learn_at > ${begunAt} then r.next_learn_at
    when exists (select 1 from named_computers n where n.tenant_id = r.tenant_id and n.instance_id = r.instance_id)
    then now() + ${namedSettledMs} * interval '1 millisecond' end
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;

/** Named ids are looked for again in so many seconds; 0: after the other instances that wait. */
export const learnIn = (sql: Sql, { instanceId, tenantId }: InstanceRef, seconds: number) => sql`
  update instance_reading set next_learn_at = now() + ${seconds} * interval '1 second'
  where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
