/**
 * Decides when reports are due that no new state has made due, and notifies the processes that deliver. Rows are locked
 * in the order of their keys, as every writer of several rows does.
 */

import { backgroundReportsPerSecond } from '../../limits.ts';
import { columns, pick } from '../columns.ts';
import type { Fragment, Queries, Transaction } from '../database.ts';
import { dueChannel } from '../notifications.ts';
import { reports } from '../schema.ts';

const notifyReports = (tx: Queries) => tx`select pg_notify(${dueChannel}, 'reports')`;

export interface Making {
  /** Selects reports of the tenant by a condition on the table `reports`. */
  readonly which: (sql: Queries) => Fragment;
  readonly reason: 'resync' | 'replay' | 'directory-change';
  /** Background reports wait behind what is fresh and are spread over time. */
  readonly background: boolean;
  /** Retractions are told again only where an operator asks for it: no instance told them. */
  readonly retracted: boolean;
  /** Time from which Intune does not hold the state: now, or unchanged where it was due before. */
  readonly dueSince: 'now' | 'keep';
  /** Limits the work to the next reports after this device, in time behind the given number of others. */
  readonly batch?: {
    readonly after: string | undefined;
    readonly offset: number;
    readonly limit: number;
  };
}

export interface Made {
  /** Reports that were taken; fewer than the limit: it was the last batch. */
  readonly taken: number;
  /** Those among them that were given a place in time. */
  readonly placed: number;
  readonly last: string | null;
}

/**
 * Makes matching reports of a tenant due again with a new revision, whatever back-off they had. Held ones are only
 * looked at again: what they wait for decides, and they were never told.
 */
export async function makeDue(
  tx: Transaction,
  tenantId: string,
  { background, batch, dueSince, reason, retracted, which }: Making,
): Promise<Made> {
  const [made] = await tx<Made[]>`
    with locked as materialized (
      select device_id, state from reports
      where tenant_id = ${tenantId} and ${batch?.after === undefined ? tx`true` : tx`device_id > ${batch.after}`}
        and ${retracted ? tx`true` : tx`not retracted`} and (${which(tx)})
      order by device_id ${batch === undefined ? tx`` : tx`limit ${batch.limit}`} for update
    ), placed as (
      select device_id, row_number() over (order by device_id) - 1 + ${batch?.offset ?? 0}::int8 as position
      from locked where state <> 'held'
    ), due as (
      update reports r set revision = revision + 1, state = 'due', reason = ${reason}, detail = null,
        verification = null, attempts = 0, background = ${background}, failed_at = null, updated_at = now(),
        due_since = ${dueSince === 'now' ? tx`now()` : tx`coalesce(due_since, now())`},
        next_try_at = ${
          background
            ? tx`now() + (placed.position / ${backgroundReportsPerSecond}::float8) * interval '1 second'`
            : tx`now()`
        }
      from placed where r.tenant_id = ${tenantId} and r.device_id = placed.device_id
    ), looked_at as (
      update reports r set next_try_at = now()
      from locked where locked.state = 'held' and r.tenant_id = ${tenantId} and r.device_id = locked.device_id
    )
    select count(*) as taken, count(*) filter (where state <> 'held') as placed,
      (array_agg(device_id order by device_id desc))[1] as last
    from locked`;
  await notifyReports(tx);
  return made ?? { taken: 0, placed: 0, last: null };
}

/** Has held reports looked at at once, for what held them is over; says how many. */
export async function recheckHeld(
  sql: Queries,
  tenantId: string,
  { retracted }: { readonly retracted: boolean },
): Promise<number> {
  const { count } = await sql`
    update reports set next_try_at = now() where tenant_id = ${tenantId} and state = 'held'
      and ${retracted ? sql`true` : sql`not retracted`}`;
  await notifyReports(sql);
  return count;
}

export interface HeldUntilRead {
  readonly tenantId: string;
  readonly deviceId: string;
  /** Intune does not hold the state yet. */
  readonly undelivered: boolean;
}

/**
 * Has the next reports of any tenants after this one read again before they are told, not by a replay either. Only where
 * their instance has ever answered: one that only pushes cannot be asked. What became of an open message no longer
 * matters. A retraction is no state that an instance told, and while a tenant's devices are retracted none is read.
 */
export const holdUntilRead = (
  tx: Transaction,
  after: { readonly tenantId: string; readonly deviceId: string },
  limit: number,
) => tx<HeldUntilRead[]>`
  with batch as materialized (
    select r.tenant_id, r.device_id from reports r
    join tenants t on t.tenant_id = r.tenant_id and t.connection_state <> 'disconnecting'
    join routes o on o.tenant_id = r.tenant_id and o.device_id = r.device_id
    join instances i on i.tenant_id = o.tenant_id and i.instance_id = o.instance_id and i.last_seen_at is not null
    where not r.retracted and (r.tenant_id, r.device_id) > (${after.tenantId}::uuid, ${after.deviceId}::uuid)
    order by r.tenant_id, r.device_id limit ${limit} for update of r
  )
  update reports r set read_again = true, message_open = false, updated_at = now()
  from batch where r.tenant_id = batch.tenant_id and r.device_id = batch.device_id
  returning ${columns(tx, pick(reports, 'tenantId', 'deviceId'), 'r')},
    r.state in ('due', 'held', 'sent') as undelivered`;

/**
 * Makes reports say that the device is not managed and not compliant; says how many. What Intune never heard of needs
 * no retraction: it is settled with the same revision step, so that a message that is just being prepared is not sent
 * any more.
 */
export async function retractReports(
  tx: Transaction,
  tenantId: string,
  deviceIds: readonly string[] | 'all',
): Promise<number> {
  const { count } = await tx`
    update reports set
      revision = revision + 1, reason = 'retracted', attempts = 0, verification = null, failed_at = null, background = false,
      -- A message whose outcome is not known is cleared up first.
      next_try_at = case when message_open then coalesce(next_try_at, now()) when sent_revision is null then null else now() end,
      due_since = case when sent_revision is not null then coalesce(due_since, now()) end,
      state = case when sent_revision is null then 'completed' else 'due' end, updated_at = now(),
      retracted = true, content_hash = '',
      content = (content::jsonb || '{"managed":false,"verdict":"not-compliant"}'::jsonb)::text
    where tenant_id = ${tenantId} and ${deviceIds === 'all' ? tx`true` : tx`device_id = any(${deviceIds as string[]}::uuid[])`}
      and not retracted`;
  await notifyReports(tx);
  return count;
}

/** Removes all reports of a tenant that is deleted. */
export const deleteReports = (tx: Transaction, tenantId: string) =>
  tx`delete from reports where tenant_id = ${tenantId}`;

export async function countHeld(sql: Queries, tenantId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from reports where tenant_id = ${tenantId} and state = 'held' and next_try_at is not null`;
  return row?.count ?? 0;
}
