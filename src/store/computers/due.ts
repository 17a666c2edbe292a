import { backgroundPerSecond, changeBatch } from '../../limits.ts';
import type { ComputerId } from '../claims/claim.ts';
import { columns } from '../columns.ts';
import type { Fragment, Queries, Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { dueChannel } from '../notifications.ts';
import { inTransaction } from '../retry.ts';
import { type ComputerKey, keyColumns } from './leases.ts';

/**
 * Decides when computers are due that no webhook or push has made due, and notifies the processes that deliver.
 * `revisions.ts` says what a wish is. All verbs keep to the same rules:
 *
 * - A row that fails keeps its back-off, unless what made it due is a reason to try again at once (`reset`).
 * - A row that waits does not lose its place, and one that waits fresh does not go behind.
 * - Rows are locked in the order of their keys, so that two writers cannot wait for each other.
 */

/** Comes before every instance's id. */
const nilId = '00000000-0000-0000-0000-000000000000';

/** A row that a message has made due is scheduled for this time. */
export const soon = (sql: Queries) => sql`
  case when computers.wanted_revision > computers.done_revision and computers.attempts > 0
       then coalesce(computers.next_try_at, now()) else now() end`;

/** One wish more. */
export const wantedOnceMore = (sql: Queries) => sql`computers.wanted_revision + 1`;

/**
 * A row that becomes due in the background stays in front where it already waits as fresh work: this is true where it
 * may go behind.
 */
export const mayGoBehind = (sql: Queries) =>
  sql`(computers.wanted_revision <= computers.done_revision or computers.background)`;

export const notifyComputers = (sql: Queries) => sql`select pg_notify(${dueChannel}, 'computers')`;

export interface Making {
  /** Background rows wait behind what is fresh. */
  readonly urgency: 'fresh' | 'background';
  /**
   * Decides the time at which rows become due that did not wait: now; or background rows at a steady rate, behind the
   * given number of others since then (default: now); or all of them at any time within the given seconds.
   */
  readonly spread:
    | 'none'
    | { readonly behind: number; readonly since?: Date }
    | { readonly withinSeconds: number };
  /** A row that fails keeps its back-off (`keep`), or is tried as if it had not failed (`reset`). */
  readonly backoff: 'keep' | 'reset';
  /**
   * `once-more` asks again for a row that waits already in the background, which is needed where a read under way just
   * now does not suffice. By default the row is left as it is, and a pushed record that waits in it stays first.
   */
  readonly waiting?: 'leave' | 'once-more';
  /** No row is looked at before so many seconds from now. */
  readonly notBeforeSeconds?: number;
}

export interface Made {
  readonly selected: number;
  /** Those that are fresh now, and those that were put into the background. */
  readonly fresh: number;
  readonly background: number;
  /** The last that was selected, in the order of the keys. */
  readonly last: ComputerId | undefined;
}

/** The time at which a selected row becomes due that does not wait already. */
function placeOf(tx: Transaction, spread: Making['spread'], earliest: Fragment): Fragment {
  if (spread === 'none') return earliest;
  if ('withinSeconds' in spread) {
    return tx`${earliest} + random() * ${spread.withinSeconds} * interval '1 second'`;
  }
  const start = spread.since === undefined ? earliest : tx`${spread.since}::timestamptz`;
  return tx`case when background then greatest(${earliest}, ${start}
      + ((${spread.behind}::int - 1 + count(*) filter (where background) over (order by tenant_id, instance_id, jamf_computer_id))
        / ${backgroundPerSecond}::float8) * interval '1 second')
    else ${earliest} end`;
}

/**
 * Makes computers due to be read, also those that were not known. `selection` gives each at most once: `tenant_id`,
 * `instance_id`, `jamf_computer_id`.
 */
export const makeDue = (tx: Transaction, selection: Fragment, { urgency, ...how }: Making): Promise<Made> =>
  makeMixedDue(
    tx,
    tx`select *, ${urgency === 'background'}::boolean as background from (${selection}) one`,
    how,
  );

/** The same, where a column `background` of the selection says how urgent each is. */
export async function makeMixedDue(
  tx: Transaction,
  selection: Fragment,
  { backoff, notBeforeSeconds, spread, waiting = 'leave' }: Omit<Making, 'urgency'>,
): Promise<Made> {
  const earliest = tx`(now() + ${notBeforeSeconds ?? 0} * interval '1 second')`;
  const kept = backoff === 'keep' ? tx`when computers.attempts > 0 then computers.next_try_at` : tx``;
  const next = tx`
    case when computers.wanted_revision <= computers.done_revision then excluded.next_try_at ${kept}
         else least(computers.next_try_at, excluded.next_try_at) end`;
  const left =
    waiting === 'leave'
      ? tx`where not excluded.background or computers.wanted_revision <= computers.done_revision`
      : tx``;
  const [made] = await tx<(Omit<Made, 'last'> & { [Name in keyof ComputerId]: ComputerId[Name] | null })[]>`
    with selected as materialized (
      ${selection}
    ), last as (
      select * from selected order by tenant_id desc, instance_id desc, jamf_computer_id desc limit 1
    ), due as (
      insert into computers (tenant_id, instance_id, jamf_computer_id, background, next_try_at)
      select tenant_id, instance_id, jamf_computer_id, background, ${placeOf(tx, spread, earliest)} from selected
      order by tenant_id, instance_id, jamf_computer_id
      on conflict (tenant_id, instance_id, jamf_computer_id) do update set
        wanted_revision = ${wantedOnceMore(tx)}, updated_at = now(),
        background = excluded.background and ${mayGoBehind(tx)},
        next_try_at = ${notBeforeSeconds === undefined ? next : tx`greatest(${earliest}, ${next})`}
      ${left}
      returning background
    ), notified as (
      select pg_notify(${dueChannel}, 'computers') where exists (select 1 from due)
    )
    select (select count(*) from selected) as selected, count(*) filter (where not background) as fresh,
      count(*) filter (where background) as background, (select count(*) from notified) as notified,
      (select instance_id from last) as "instanceId", (select jamf_computer_id from last) as "jamfComputerId"
    from due`;
  const { background = 0, fresh = 0, selected = 0, instanceId = null, jamfComputerId = null } = made ?? {};
  const last = instanceId === null || jamfComputerId === null ? undefined : { instanceId, jamfComputerId };
  return { selected, fresh, background, last };
}

/**
 * Makes every computer due that an instance has not deleted, of a tenant or of one of its instances: batch by batch, so
 * that no transaction is long. Safe to repeat.
 */
export async function makeAllDue(
  sql: Sql,
  { instanceId, tenantId }: Pick<InstanceRef, 'tenantId'> & Partial<InstanceRef>,
  urgency: Making['urgency'],
): Promise<void> {
  let after: ComputerId | undefined = { instanceId: instanceId ?? nilId, jamfComputerId: 0 };
  for (let behind = 0; after !== undefined; behind += changeBatch) {
    const from: ComputerId = after;
    const made: Made = await inTransaction(sql, (tx) =>
      makeDue(
        tx,
        tx`select tenant_id, instance_id, jamf_computer_id from computers
          where tenant_id = ${tenantId} ${instanceId === undefined ? tx`` : tx`and instance_id = ${instanceId}`}
            and (instance_id, jamf_computer_id) > (${from.instanceId}::uuid, ${from.jamfComputerId})
            and gone_at is null
          order by instance_id, jamf_computer_id limit ${changeBatch} for update`,
        { urgency, spread: { behind }, backoff: 'keep' },
      ),
    );
    after = made.last;
  }
}

/** Computers that have won a device are read at once, known or not: the device's state is what they say now. */
export async function readWinners(
  tx: Transaction,
  tenantId: string,
  winners: readonly ComputerId[],
): Promise<void> {
  if (winners.length === 0) return;
  const selection = tx`
    select distinct ${tenantId}::uuid as tenant_id, instance_id, jamf_computer_id
    from unnest(${winners.map((one) => one.instanceId)}::uuid[], ${winners.map((one) => one.jamfComputerId)}::int[])
      as won(instance_id, jamf_computer_id)`;
  await makeDue(tx, selection, { urgency: 'fresh', spread: 'none', backoff: 'reset' });
}

/**
 * Computers that have won devices are read one after the other, behind what is fresh; says how many. `won` gives each
 * at most once: `instance_id, jamf_computer_id`. A row that somebody holds is being read already: what it finds waits for
 * the tenant's lock, which the caller holds, and is decided by the new table. Waiting for it would be a deadlock.
 *
 * Each is looked up by its key: as joins the planner, which knows of a new tenant that it has no rows, would put all
 * of them beside all of them.
 */
export async function readManyWinners(tx: Transaction, tenantId: string, won: Fragment): Promise<number> {
  const selection = tx`
    select ${tenantId}::uuid as tenant_id, won.instance_id, won.jamf_computer_id from (${won}) won
    left join lateral (
      select true as there from computers c where c.tenant_id = ${tenantId} and c.instance_id = won.instance_id
        and c.jamf_computer_id = won.jamf_computer_id offset 0) known on true
    left join lateral (
      select true as ours from computers c where known.there and c.tenant_id = ${tenantId}
        and c.instance_id = won.instance_id and c.jamf_computer_id = won.jamf_computer_id for update skip locked) held on true
    where known.there is null or held.ours`;
  const how = {
    urgency: 'background',
    spread: { behind: 0 },
    backoff: 'keep',
    waiting: 'once-more',
  } as const;
  return (await makeDue(tx, selection, how)).selected;
}

/** Makes every waiting computer of an instance due at once, whatever it waited for. */
export async function retryNow(tx: Transaction, { instanceId, tenantId }: InstanceRef): Promise<void> {
  await tx`
    update computers set next_try_at = now()
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and wanted_revision > done_revision
      and next_try_at > now()`;
  await notifyComputers(tx);
}

/**
 * After a gap in watching: pushed records that waited are as old as the dump, and Intune may have been sent more already.
 * So their computers are read instead. An instance that never answered may be one that only pushes: it is asked first,
 * and the record serves where it does not answer, for it was accepted and nobody else has it. Takes the next batch
 * after a row, of any tenant, and returns those taken in the order of their keys.
 */
export const readInsteadOfPushes = (tx: Transaction, after: ComputerKey) => tx<ComputerKey[]>`
  with batch as materialized (
    select c.tenant_id, c.instance_id, c.jamf_computer_id, i.last_seen_at is not null as answers from computers c
    join instances i on i.tenant_id = c.tenant_id and i.instance_id = c.instance_id
    where c.next_try_at is not null and c.pushed_record is not null
      and (c.tenant_id, c.instance_id, c.jamf_computer_id)
        > (${after.tenantId}::uuid, ${after.instanceId}::uuid, ${after.jamfComputerId}::int)
    order by c.tenant_id, c.instance_id, c.jamf_computer_id limit ${changeBatch} for update of c
  ), dropped as (
    update computers c set wanted_revision = c.wanted_revision + 1, pushed_revision = null,
      pushed_record = case when batch.answers then null else c.pushed_record end,
      pushed_report_at = case when batch.answers then null else c.pushed_report_at end,
      background = false, updated_at = now(), next_try_at = case when c.attempts > 0 then c.next_try_at else now() end
    from batch where c.tenant_id = batch.tenant_id and c.instance_id = batch.instance_id
      and c.jamf_computer_id = batch.jamf_computer_id
  )
  select ${columns(tx, keyColumns)} from batch order by tenant_id, instance_id, jamf_computer_id`;

/** A 404 has to last while somebody asks: one of before a gap and one of now do not count together. */
export const forgetNotFound = (sql: Queries) =>
  sql`update computers set not_found_since = null where not_found_since is not null`;
