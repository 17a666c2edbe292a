import { columns } from '../columns.ts';
import type { Fragment, Queries, Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { type ComputerKey, keyColumns } from './leases.ts';

/**
 * Says which check-ins tell nothing: those of a computer that was read within the period and about which nothing is open.
 * Such a check-in is folded into one read at the end of the period, which begins with the last read. The database decides
 * for each of them, so that no process has to hear of what would make it wrong.
 *
 * Periods are counted by the database's clock, and a last read that lies in the future counts for nothing: after a clock
 * was set back nothing is folded for longer.
 */

const seconds = (sql: Queries, count: number) => sql`${count}::float8 * interval '1 second'`;

const keysOf = (rows: readonly ComputerKey[]) => ({
  tenantIds: rows.map((row) => row.tenantId),
  instanceIds: rows.map((row) => row.instanceId),
  computerIds: rows.map((row) => row.jamfComputerId),
});

/** True for a row (alias `c`) that waits already for the read at the end of its period, and for nothing else. */
const isDeferred = (sql: Queries, periodSeconds: number) => sql`(
  c.next_try_at > now() and c.next_try_at = c.last_read_at + ${seconds(sql, periodSeconds)} and not c.background
  and c.pushed_record is null)`;

/**
 * True where an instance and its tenant (alias `c`) work as usual: nothing is held, moved, rebuilt or restored.
 *
 * Here and below each row is looked up by its key, as a value: as joins the planner, which knows of a new tenant that it
 * has no rows, would put all of them beside all of them.
 */
const isSteady = (sql: Queries) => sql`
  (select i.enabled and not i.paused from instances i
    where i.tenant_id = c.tenant_id and i.instance_id = c.instance_id)
  and (select t.connection_state = 'connected' and t.hold is null and not t.paused from tenants t
    where t.tenant_id = c.tenant_id)
  -- A reconciliation that was asked for follows a rebuild, a restore or missed events.
  and (select r.next_reconcile_at > now() and r.reconcile_started_at is null from instance_reading r
    where r.tenant_id = c.tenant_id and r.instance_id = c.instance_id)
  and (select true from moves m where m.tenant_id = c.tenant_id and m.state in ('planned', 'shadowing', 'moving')
    and c.instance_id in (m.from_instance_id, m.to_instance_id) limit 1) is null`;

/** True where a computer (alias `c`) has registrations, and each is routed to it and has been told. */
const isTold = (sql: Queries) => sql`coalesce((
  select bool_and(coalesce(
    (select o.instance_id = c.instance_id and o.jamf_computer_id = c.jamf_computer_id from routes o
      where o.tenant_id = k.tenant_id and o.device_id = k.device_id)
    and (select not p.retracted and not p.read_again and p.state not in ('held', 'failed')
        and p.confirmed_revision >= p.revision from reports p
      where p.tenant_id = k.tenant_id and p.device_id = k.device_id), false))
  from claims k
  where k.tenant_id = c.tenant_id and k.instance_id = c.instance_id and k.jamf_computer_id = c.jamf_computer_id
    and not k.stale), false)`;

/** True for a computer (alias `c`) that was read within the period. */
const isJustRead = (sql: Queries, periodSeconds: number): Fragment => sql`
  c.last_read_at > now() - ${seconds(sql, periodSeconds)} and c.last_read_at <= now()`;

/** True for a computer (alias `c`) whose check-in tells nothing now. */
const isFoldable = (sql: Queries, periodSeconds: number): Fragment => sql`
  ${isJustRead(sql, periodSeconds)}
  and c.gone_at is null and c.not_found_since is null and c.attempts = 0 and c.last_error is null
  and (c.next_try_at is null or ${isDeferred(sql, periodSeconds)})
  and ${isSteady(sql)} and ${isTold(sql)}`;

export interface FoldableCheckIn {
  /** Milliseconds until the end of the period. */
  readonly endsInMs: number;
  /** The read at the end of the period is a row's own already. */
  readonly isDeferred: boolean;
}

/**
 * Has the statements of a transaction planned once for a connection, by the keys' indexes: to plan this look anew takes longer
 * than the look itself. Nothing waits for the settings, which go before the next statement.
 */
const planOnce = (tx: Transaction): Promise<unknown> =>
  tx`
    select set_config('plan_cache_mode', 'force_generic_plan', true), set_config('enable_seqscan', 'off', true)`.execute();

/** Says of each computer whether a check-in of it can be folded now; undefined: it has to be read. */
export async function readFoldable(
  sql: Sql,
  asked: readonly ComputerKey[],
  periodSeconds: number,
): Promise<(FoldableCheckIn | undefined)[]> {
  const { computerIds, instanceIds, tenantIds } = keysOf(asked);
  type FoundRow = FoldableCheckIn & { readonly position: number };
  const look = (tx: Transaction) => tx<FoundRow[]>`
    select asked.position::int as position, c.next_try_at is not null as "isDeferred",
      (extract(epoch from c.last_read_at + ${seconds(tx, periodSeconds)} - now()) * 1000)::float8 as "endsInMs"
    from unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[], ${computerIds}::int[])
      with ordinality as asked(tenant_id, instance_id, id, position)
    cross join lateral (
      select * from computers c where c.tenant_id = asked.tenant_id and c.instance_id = asked.instance_id
        and c.jamf_computer_id = asked.id offset 0) c
    where ${isFoldable(tx, periodSeconds)}`;
  const rows = await sql.begin('read only', async (tx) => {
    const [, found] = await Promise.all([planOnce(tx), look(tx)]);
    return found;
  });
  const found: (FoldableCheckIn | undefined)[] = asked.map(() => undefined);
  for (const { position, ...row } of rows) found[position - 1] = row;
  return found;
}

export interface RememberedCheckIn extends ComputerKey {
  /** Time since the last check-in. */
  readonly agoMs: number;
}

/** Those that were not read since their check-in, among computers that are still there. */
export async function readUnanswered(
  sql: Sql,
  remembered: readonly RememberedCheckIn[],
): Promise<ComputerKey[]> {
  const { computerIds, instanceIds, tenantIds } = keysOf(remembered);
  return sql<ComputerKey[]>`
    select ${columns(sql, keyColumns, 'c')}
    from unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[], ${computerIds}::int[], ${remembered.map(({ agoMs }) => agoMs)}::float8[])
      as remembered(tenant_id, instance_id, id, ago_ms)
    cross join lateral (
      select * from computers c where c.tenant_id = remembered.tenant_id and c.instance_id = remembered.instance_id
        and c.jamf_computer_id = remembered.id offset 0) c
    where c.last_read_at is null or c.last_read_at < now() - remembered.ago_ms * interval '1 millisecond'
      or c.last_read_at > now()`;
}

/** The end of the period of a row (alias `c`), now at the earliest. */
const endOfPeriod = (sql: Queries, periodSeconds: number) =>
  sql`greatest(now(), least(c.last_read_at, now()) + ${seconds(sql, periodSeconds)})`;

/** Has selected rows (alias `chosen`) read at the end of their period; one that waits already keeps its time. */
export const deferChosen = (sql: Queries, periodSeconds: number) => sql`
  update computers c set wanted_revision = c.wanted_revision + 1, updated_at = now(),
    -- A pushed record that waits to be taken in goes first, and does not wait for the instance.
    read_revision = case when not c.needs_instance then c.wanted_revision + 1 else c.read_revision end,
    pushed_revision = case when not c.needs_instance then c.wanted_revision + 1 else c.pushed_revision end,
    background = c.background and c.next_try_at is not null,
    received_at = coalesce(c.received_at, now()),
    next_try_at = coalesce(c.next_try_at, ${endOfPeriod(sql, periodSeconds)}, now())
  from chosen where c.tenant_id = chosen.tenant_id and c.instance_id = chosen.instance_id
    and c.jamf_computer_id = chosen.jamf_computer_id`;

/** What a process remembered becomes the rows' own: each is read at the end of its period. */
export const deferRemembered = (
  sql: Sql,
  remembered: readonly RememberedCheckIn[],
  periodSeconds: number,
) => {
  const { computerIds, instanceIds, tenantIds } = keysOf(remembered);
  return sql`
    with chosen as materialized (
      select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
      join unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[], ${computerIds}::int[], ${remembered.map(({ agoMs }) => agoMs)}::float8[])
        as remembered(tenant_id, instance_id, id, ago_ms)
        on c.tenant_id = remembered.tenant_id and c.instance_id = remembered.instance_id and c.jamf_computer_id = remembered.id
      where c.last_read_at is null or c.last_read_at < now() - remembered.ago_ms * interval '1 millisecond'
        or c.last_read_at > now()
      order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c
    )
    ${deferChosen(sql, periodSeconds)}`;
};

/**
 * Computers of an instance that were read within the period and are not due: of the others no check-in is folded. Through a
 * pooler each statement is planned anew, and the whole look takes five times as long to plan as this one.
 */
const readJustRead = (
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  computerIds: readonly number[],
  periodSeconds: number,
) => sql<{ id: number }[]>`
  select c.jamf_computer_id as id from computers c
  where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId}
    and c.jamf_computer_id = any(${computerIds as number[]}::int[])
    and ${isJustRead(sql, periodSeconds)} and (c.next_try_at is null or c.next_try_at > now())`;

/**
 * Where nothing is remembered between requests: has computers of an instance read at the end of their period by their own rows.
 * Writes nothing where one is to be read then already. Answers those that were folded.
 */
export async function deferFoldable(
  sql: Sql,
  instance: InstanceRef,
  asked: readonly number[],
  periodSeconds: number,
): Promise<number[]> {
  const justRead = await readJustRead(sql, instance, asked, periodSeconds);
  if (justRead.length === 0) return [];
  const { computerIds, instanceIds, tenantIds } = keysOf(
    justRead.map(({ id }) => ({ ...instance, jamfComputerId: id })),
  );
  const rows = await sql<{ id: number }[]>`
    with foldable as materialized (
      select c.tenant_id, c.instance_id, c.jamf_computer_id, c.next_try_at
      from unnest(${tenantIds}::uuid[], ${instanceIds}::uuid[], ${computerIds}::int[]) as asked(tenant_id, instance_id, id)
      join computers c on c.tenant_id = asked.tenant_id and c.instance_id = asked.instance_id and c.jamf_computer_id = asked.id
      where ${isFoldable(sql, periodSeconds)}
    ), chosen as materialized (
      select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
      join foldable f on f.tenant_id = c.tenant_id and f.instance_id = c.instance_id
        and f.jamf_computer_id = c.jamf_computer_id
      where f.next_try_at is null
      order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c
    ), deferred as (
      ${deferChosen(sql, periodSeconds)}
    )
    select jamf_computer_id as id from foldable`;
  return rows.map(({ id }) => id);
}
