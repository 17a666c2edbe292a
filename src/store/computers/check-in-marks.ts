import { changeBatch, lockWaitMs } from '../../limits.ts';
import { columns, pick, type Row } from '../columns.ts';
import type { Sql, Transaction } from '../database.ts';
import type { InstanceRef } from '../instances/instance.ts';
import { withLockTimeout } from '../locked-tenants.ts';
import { inTransaction } from '../retry.ts';
import { checkInMarks } from '../schema.ts';
import { deferChosen } from './check-ins.ts';
import { notifyComputers } from './due.ts';

/**
 * Check-ins that a process remembers are lost with it. So it has a lease (`check_in_keepers`), and each instance of which
 * it remembers any has a mark of it (`check_in_marks`), committed before the first of them is answered. Where the lease
 * runs out, any process has every computer read that may have been remembered: it need not know which were.
 */

export interface Keeper {
  readonly keeperId: string;
  readonly leaseMs: number;
}

/** Begins a lease under a new id. */
export const beginKeeping = (sql: Sql, { keeperId, leaseMs }: Keeper) => sql`
  insert into check_in_keepers (keeper_id, until) values (${keeperId}, now() + ${leaseMs} * interval '1 millisecond')`;

/** False: the lease has run out, and what was remembered under it is read by whoever comes first. */
export async function renewKeeping(sql: Sql, { keeperId, leaseMs }: Keeper): Promise<boolean> {
  const { count } = await sql`
    update check_in_keepers set until = now() + ${leaseMs} * interval '1 millisecond'
    where keeper_id = ${keeperId} and until > now()`;
  return count > 0;
}

export const endKeeping = (sql: Sql, keeperId: string) =>
  sql`delete from check_in_keepers where keeper_id = ${keeperId}`;

export interface Mark extends InstanceRef {
  readonly keeperId: string;
  readonly generation: number;
  readonly periodSeconds: number;
}

/** Answers for each whether it stands: not where its lease has run out. */
export async function writeMarks(
  sql: Sql,
  marks: readonly Mark[],
  lockWaitMs: number | undefined,
): Promise<boolean[]> {
  const rows = await sql<{ keeperId: string; instanceId: string }[]>`
    insert into check_in_marks (tenant_id, instance_id, keeper_id, generation, period_seconds)
    select mark.* from unnest(${marks.map((mark) => mark.tenantId)}::uuid[], ${marks.map((mark) => mark.instanceId)}::uuid[],
        ${marks.map((mark) => mark.keeperId)}::uuid[], ${marks.map((mark) => mark.generation)}::int[],
        ${marks.map((mark) => mark.periodSeconds)}::int[]) as mark(tenant_id, instance_id, keeper_id, generation, period_seconds)
      ${withLockTimeout(sql, lockWaitMs)}
    where exists (
      -- The lease cannot be ended for having run out until this is committed.
      select 1 from check_in_keepers k where k.keeper_id = mark.keeper_id and k.until > now() for key share)
    on conflict (tenant_id, instance_id, keeper_id) do update set generation = excluded.generation,
      period_seconds = excluded.period_seconds,
      -- What is still remembered of a mark that goes on came within the last period.
      marked_at = now() - case when check_in_marks.generation = excluded.generation
        then excluded.period_seconds * interval '1 second' else interval '0' end
    returning keeper_id as "keeperId", instance_id as "instanceId"`;
  const standing = new Set(rows.map((row) => `${row.keeperId}/${row.instanceId}`));
  return marks.map((mark) => standing.has(`${mark.keeperId}/${mark.instanceId}`));
}

/** Everything that was remembered under these is read or due; one that was written again meanwhile stays. */
export const removeMarks = (sql: Sql, marks: readonly Omit<Mark, 'periodSeconds'>[]) => sql`
  delete from check_in_marks m
  using unnest(${marks.map((mark) => mark.tenantId)}::uuid[], ${marks.map((mark) => mark.instanceId)}::uuid[],
    ${marks.map((mark) => mark.keeperId)}::uuid[], ${marks.map((mark) => mark.generation)}::int[])
    as done(tenant_id, instance_id, keeper_id, generation)
  where m.tenant_id = done.tenant_id and m.instance_id = done.instance_id and m.keeper_id = done.keeper_id
    and m.generation = done.generation`;

/** A lease further ahead than this was given before a clock was set back. */
const longestLeaseSeconds = 60;

/** Ends the leases that have run out. */
export const endLapsedKeeping = (sql: Sql) => sql`
  delete from check_in_keepers
  where until <= now() or until > now() + ${longestLeaseSeconds} * interval '1 second'`;

const leftColumns = pick(
  checkInMarks,
  'tenantId',
  'instanceId',
  'keeperId',
  'generation',
  'periodSeconds',
  'markedAt',
);
export type LeftMark = Row<typeof leftColumns>;

/** Marks whose process has no lease any more, any of them: one that cannot be acted on must not keep the others. */
export const readLeftMarks = (sql: Sql, limit: number): Promise<LeftMark[]> => sql<LeftMark[]>`
  select ${columns(sql, leftColumns, 'm')} from check_in_marks m
  where not exists (select 1 from check_in_keepers k where k.keeper_id = m.keeper_id)
  order by random() limit ${limit}`;

/**
 * Has the next computers after an id read, at the end of their period, that may have checked in under this mark. What was
 * folded had been read within the period, and nothing that was remembered is older than the mark; twice that is safe.
 */
async function deferNext(
  tx: Transaction,
  { instanceId, markedAt, periodSeconds, tenantId }: LeftMark,
  { afterId, earlySeconds }: { readonly afterId: number; readonly earlySeconds: number },
): Promise<number | undefined> {
  const [row] = await tx<{ last: number | null }[]>`
    with chosen as materialized (
      select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
      where c.tenant_id = ${tenantId} and c.instance_id = ${instanceId} and c.jamf_computer_id > ${afterId}
        and c.last_read_at > ${markedAt}::timestamptz - 2 * ${periodSeconds}::float8 * interval '1 second'
      order by c.jamf_computer_id limit ${changeBatch} for update
    ), deferred as (
      ${deferChosen(tx, periodSeconds - earlySeconds)}
    )
    select max(jamf_computer_id) as last from chosen`;
  return row?.last ?? undefined;
}

/**
 * Acts on a mark that was left, batch by batch, and removes it; safe to repeat. Computers are read so much before the end
 * of their period that what they tell is told by then.
 */
export async function recoverMark(
  sql: Sql,
  mark: LeftMark,
  earlySeconds: (periodSeconds: number) => number,
): Promise<void> {
  const early = { earlySeconds: earlySeconds(mark.periodSeconds) };
  let afterId: number | undefined = 0;
  while (afterId !== undefined) {
    const from: number = afterId;
    afterId = await inTransaction(sql, async (tx) => {
      // Rows that are locked are tried again later: the other marks must not wait for them.
      await tx`select set_config('lock_timeout', ${`${lockWaitMs}ms`}, true)`;
      return deferNext(tx, mark, { ...early, afterId: from });
    });
  }
  await removeMarks(sql, [mark]);
  await notifyComputers(sql);
}
