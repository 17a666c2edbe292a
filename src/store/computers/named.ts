import { namedTogether } from '../../limits.ts';
import { columns, pick, type Row } from '../columns.ts';
import type { Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { withLockTimeout } from '../locked-tenants.ts';
import { namedComputers } from '../schema.ts';
import { mayGoBehind, notifyComputers, soon, wantedOnceMore } from './due.ts';
import { pushWaits } from './revisions.ts';

/**
 * An event that names very many computers makes them due in its own way. Those that are known wait in the background, for
 * a group of a hundred thousand must not stand before its instance's fresh news. Ids that are not known here are not read one by one,
 * for an instance need not have them at all: they are put down (`named_computers`), and one list of the instance says
 * which of them there are (`learn-named.ts`).
 */

interface Named extends InstanceRef {
  readonly traceparent: string | null;
}

/** Rows are locked in the order of their keys, so that two events about the same computers cannot wait for each other. */
const markSlice = (
  sql: Sql,
  { instanceId, tenantId, traceparent }: Named,
  ids: readonly number[],
  lockWaitMs: number | undefined,
) => sql`
  with named as materialized (
    select named.id from unnest(${ids}::int[]) as named(id) ${withLockTimeout(sql, lockWaitMs)}
  ),
  known as materialized (
    select c.jamf_computer_id as id from computers c join named on named.id = c.jamf_computer_id
    where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.gone_at is null
    order by c.jamf_computer_id for update of c
  ), marked as (
    update computers set wanted_revision = ${wantedOnceMore(sql)}, traceparent = ${traceparent},
      read_revision = case when ${pushWaits(sql)} then ${wantedOnceMore(sql)} else read_revision end,
      pushed_revision = case when ${pushWaits(sql)} then ${wantedOnceMore(sql)} else pushed_revision end,
      -- What waits already does not lose its place.
      background = ${mayGoBehind(sql)},
      updated_at = now(), received_at = coalesce(received_at, now()), next_try_at = ${soon(sql)}
    from known
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id = known.id
  )
  insert into named_computers (tenant_id, instance_id, jamf_computer_id, traceparent)
  select ${tenantId}, ${instanceId}, id, ${traceparent} from named where id not in (select id from known) order by id
  on conflict (tenant_id, instance_id, jamf_computer_id) do update set named_at = now(), traceparent = excluded.traceparent`;

/** The list is asked for before anything is put down: a process that ends in between leaves nothing that nobody looks at. */
const askList = (sql: Sql, { instanceId, tenantId }: InstanceRef, lockWaitMs: number | undefined) => sql`
  insert into instance_reading (tenant_id, instance_id, next_learn_at)
  select asked.tenant_id, asked.instance_id, now()
  from (values (${tenantId}::uuid, ${instanceId}::uuid)) as asked(tenant_id, instance_id) ${withLockTimeout(sql, lockWaitMs)}
  on conflict (tenant_id, instance_id) do update set next_learn_at = now()`;

/** One statement, which waits for each lock so long at most. */
export type NamedWrite = (lockWaitMs?: number) => Promise<unknown>;

/**
 * Commits slice by slice, one at a time: the rows of other instances go between. `write` runs each of them, as the
 * intake runs its own writes.
 */
export async function markNamed(
  sql: Sql,
  named: Named,
  computerIds: readonly number[],
  write: (statement: NamedWrite) => Promise<unknown>,
): Promise<void> {
  const ids = Int32Array.from(computerIds).sort();
  await write((lockWaitMs) => askList(sql, named, lockWaitMs));
  for (let from = 0; from < ids.length; from += namedTogether) {
    const slice = [...new Set(ids.subarray(from, from + namedTogether))];
    await write((lockWaitMs) => markSlice(sql, named, slice, lockWaitMs));
  }
  // A list that was looked through meanwhile did not know of the later slices.
  await write((lockWaitMs) => askList(sql, named, lockWaitMs));
}

const idColumn = pick(namedComputers, 'jamfComputerId');

/** The lowest id above this one that waits for a list. */
export async function nextNamed(
  sql: Sql,
  { instanceId, tenantId }: InstanceRef,
  afterId: number,
): Promise<number | undefined> {
  const [row] = await sql<Row<typeof idColumn>[]>`
    select ${columns(sql, idColumn)} from named_computers
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id > ${afterId}
    order by jamf_computer_id limit 1`;
  return row?.jamfComputerId;
}

/**
 * Settles the named ids in the stretch of one page: those that the page holds become due. The others are done with
 * where they were named so long before the page was asked for that every node of a cluster knows its computers.
 */
export async function settleNamed(
  tx: Transaction,
  { instanceId, tenantId }: InstanceRef,
  listed: readonly number[],
  stretch: { readonly afterId: number; readonly upToId: number; readonly namedBefore: Date },
): Promise<number> {
  const { afterId, namedBefore, upToId } = stretch;
  const rows = await tx`
    with settled as (
      delete from named_computers
      where tenant_id = ${tenantId} and instance_id = ${instanceId}
        and jamf_computer_id > ${afterId} and jamf_computer_id <= ${upToId}
        and (jamf_computer_id = any(${listed}::int[]) or named_at < ${namedBefore})
      returning jamf_computer_id as id, traceparent, named_at
    )
    insert into computers (tenant_id, instance_id, jamf_computer_id, background, traceparent, received_at)
    select ${tenantId}, ${instanceId}, id, true, traceparent, named_at from settled
    where id = any(${listed}::int[]) order by id
    on conflict (tenant_id, instance_id, jamf_computer_id) do update set
      wanted_revision = ${wantedOnceMore(tx)}, updated_at = now(),
      background = ${mayGoBehind(tx)},
      received_at = coalesce(computers.received_at, excluded.received_at), next_try_at = ${soon(tx)}
    returning 1`;
  if (rows.length > 0) await notifyComputers(tx);
  return rows.length;
}
