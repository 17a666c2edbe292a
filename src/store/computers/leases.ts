import { leaseMs } from '../../limits.ts';
import { columns, pick, type Row } from '../columns.ts';
import { booleans, type Queries, type Sql, type Transaction } from '../database.ts';
import { type DueSchedule, type Held, rowsPerWrite, type Schedule } from '../due-rows.ts';
import { createGroupCommit, nothings } from '../group-commit.ts';
import { withLockTimeout } from '../locked-tenants.ts';
import { isFenced } from '../placements.ts';
import { computers } from '../schema.ts';
import { trustedAt } from '../trusted-dates.ts';
import { tombstoneDate } from './gone.ts';

/** The rows of stage one in PostgreSQL, and the ways in which they are settled. */

export const keyColumns = pick(computers, 'tenantId', 'instanceId', 'jamfComputerId');

export type ComputerKey = Row<typeof keyColumns>;

const scheduleColumns = pick(computers, 'tenantId', 'instanceId', 'background', 'needsInstance');
type ScheduleRow = Row<typeof scheduleColumns>;

const dueColumns = pick(
  computers,
  'tenantId',
  'instanceId',
  'jamfComputerId',
  'wantedRevision',
  'doneRevision',
  'pushedRecord',
  'pushedReportAt',
  'pushedRevision',
  'readAt',
  'receivedAt',
  'background',
  'needsInstance',
  'attempts',
  'traceparent',
);

export interface DueComputer extends Row<typeof dueColumns> {
  /** Date of the newest state that is known, also of one that is known from the tombstone alone (`gone.ts`). */
  readonly reportAt: Date | null;
  /**
   * Time since the instance first answered that it does not know the computer, by the database's clock at the lease;
   * null: it knows it.
   */
  readonly notFoundForMs: number | null;
  /** Time of the lease by the database's clock: whatever is read under it is read later. */
  readonly leasedAt: Date;
}

/**
 * A schedule of computers: those whose pushed record says all do not wait behind those for which an instance has to be
 * asked that may not answer.
 */
export interface ComputerSchedule extends Schedule {
  readonly instanceId: string;
  readonly kind: 'pushed' | 'read';
}

export const computerSchedule = (row: ScheduleRow): ComputerSchedule => ({
  tenantId: row.tenantId,
  instanceId: row.instanceId,
  background: row.background,
  kind: row.needsInstance ? 'read' : 'pushed',
});

/** Milliseconds until the row (alias `c`) is looked at again; null: never. `greatest` alone would make that 0. */
const dueInMs = (sql: Queries) => sql`
  case when c.next_try_at is not null
       then (greatest(0, extract(epoch from c.next_try_at - now())) * 1000)::float8 end`;

export interface ComputerShare {
  readonly schedule: ComputerSchedule;
  readonly limit: number;
}

/** Leases due rows of these schedules, of each at most its limit, the longest due first. */
export const leaseComputers = (
  sql: Sql,
  holder: string,
  shares: readonly ComputerShare[],
): Promise<DueComputer[]> => sql<DueComputer[]>`
  with schedules as (
    select * from unnest(
      ${shares.map(({ schedule }) => schedule.tenantId)}::uuid[], ${shares.map(({ schedule }) => schedule.instanceId)}::uuid[],
      ${booleans(shares.map(({ schedule }) => schedule.kind === 'read'))}::text[]::bool[], ${booleans(shares.map(({ schedule }) => schedule.background))}::text[]::bool[],
      ${shares.map(({ limit }) => limit)}::int[]) as schedules(tenant_id, instance_id, needs_instance, background, quota)
    where not ${isFenced(sql, sql`schedules.tenant_id`)}
  ), due as materialized (
    select picked.* from schedules cross join lateral (
      select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
      where c.tenant_id = schedules.tenant_id and c.instance_id = schedules.instance_id
        and c.needs_instance = schedules.needs_instance and c.background = schedules.background and c.next_try_at <= now()
        and (c.lease_until is null or c.lease_until < now())
      order by c.next_try_at limit schedules.quota for update skip locked) picked
  )
  update computers c set lease_until = now() + ${leaseMs} * interval '1 millisecond', lease_owner = ${holder}
  from due
  where c.tenant_id = due.tenant_id and c.instance_id = due.instance_id and c.jamf_computer_id = due.jamf_computer_id
  returning ${columns(sql, dueColumns, 'c')}, coalesce(c.report_at, ${tombstoneDate(sql, sql`c`)}) as "reportAt",
    (extract(epoch from now() - c.not_found_since) * 1000)::float8 as "notFoundForMs", now() as "leasedAt"`;

/** Rows are locked in the order of their keys, and one that another writer has is left to the next turn. */
export const renewComputers = (sql: Sql, held: readonly Held<DueComputer>[]) => sql`
  with held as materialized (
    select c.tenant_id, c.instance_id, c.jamf_computer_id from computers c
    join unnest(${held.map(({ row }) => row.tenantId)}::uuid[], ${held.map(({ row }) => row.instanceId)}::uuid[],
                ${held.map(({ row }) => row.jamfComputerId)}::int[], ${held.map(({ holder }) => holder)}::uuid[])
      as mine(tenant_id, instance_id, jamf_computer_id, holder)
      on c.tenant_id = mine.tenant_id and c.instance_id = mine.instance_id
        and c.jamf_computer_id = mine.jamf_computer_id and c.lease_owner = mine.holder
    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c skip locked
  )
  update computers c set lease_until = now() + ${leaseMs} * interval '1 millisecond'
  from held
  where c.tenant_id = held.tenant_id and c.instance_id = held.instance_id and c.jamf_computer_id = held.jamf_computer_id`;

export interface Postponement {
  readonly seconds: number;
  /** null: nothing was tried, so nothing was found out and it does not count. */
  readonly error: string | null;
  /** The instance said that it does not know the computer. */
  readonly notFound?: boolean;
}

interface Postponed {
  readonly row: DueComputer;
  readonly holder: string;
  readonly wait: Postponement;
}

const byKey = (a: ComputerKey, b: ComputerKey): number =>
  a.tenantId === b.tenantId && a.instanceId === b.instanceId
    ? a.jamfComputerId - b.jamfComputerId
    : a.tenantId < b.tenantId || (a.tenantId === b.tenantId && a.instanceId < b.instanceId)
      ? -1
      : 1;

async function postponeComputers(
  sql: Sql,
  postponed: readonly Postponed[],
  onDue: (schedule: DueSchedule) => void,
  lockWaitMs?: number,
): Promise<undefined[]> {
  const all = [...postponed].sort((a, b) => byKey(a.row, b.row));
  const rows = await sql<(ScheduleRow & { readonly dueInMs: number | null })[]>`
    with waits as (
      select waits.* from unnest(
        ${all.map(({ row }) => row.tenantId)}::uuid[], ${all.map(({ row }) => row.instanceId)}::uuid[],
        ${all.map(({ row }) => row.jamfComputerId)}::int[], ${all.map(({ holder }) => holder)}::uuid[],
        ${all.map(({ row }) => row.wantedRevision)}::int8[],
        ${all.map(({ wait }) => wait.error?.slice(0, 2_000) ?? null)}::text[],
        ${booleans(all.map(({ wait }) => wait.notFound ?? false))}::text[]::bool[], ${all.map(({ wait }) => wait.seconds)}::float8[])
        as waits(tenant_id, instance_id, jamf_computer_id, holder, revision, error, not_found, seconds)
        ${withLockTimeout(sql, lockWaitMs)}
    ), held as materialized (
      select waits.* from waits join computers c on c.tenant_id = waits.tenant_id and c.instance_id = waits.instance_id
        and c.jamf_computer_id = waits.jamf_computer_id and c.lease_owner = waits.holder
      order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c
    )
    update computers c set lease_until = null, lease_owner = null,
      -- Where nothing was tried, what the last try found still holds.
      last_error = coalesce(held.error, c.last_error),
      attempts = c.attempts + (held.error is not null)::int, updated_at = now(),
      not_found_since = case when held.not_found then coalesce(c.not_found_since, now())
                             when held.error is null then c.not_found_since end,
      -- A record that was pushed while the instance did not answer does not wait for it.
      next_try_at = case when not c.needs_instance and c.wanted_revision > held.revision then now()
                         else now() + held.seconds * interval '1 second' end
    from held where c.tenant_id = held.tenant_id and c.instance_id = held.instance_id
      and c.jamf_computer_id = held.jamf_computer_id
    returning ${columns(sql, scheduleColumns, 'c')}, ${dueInMs(sql)} as "dueInMs"`;
  for (const row of rows) {
    if (row.dueInMs !== null) onDue({ schedule: computerSchedule(row), dueInMs: row.dueInMs });
  }
  return nothings(postponed);
}

/** The lease ends and the row waits: the wanted revision stays above the done one. */
export type Postpone = (row: DueComputer, holder: string, wait: Postponement) => Promise<void>;

export function createPostpone(sql: Sql, onDue: (schedule: DueSchedule) => void): Postpone {
  const write = createGroupCommit<Postponed, undefined>({
    flush: (postponed, lockWaitMs) => postponeComputers(sql, postponed, onDue, lockWaitMs),
    tenantOf: ({ row }) => row.tenantId,
    maxItems: rowsPerWrite,
    flushes: 1,
    gatherMs: 8,
  });
  return (row, holder, wait) => write({ row, holder, wait });
}

/** Locks those of these rows whose lease still stands, until the transaction ends; says which. */
export async function lockHeld(
  tx: Transaction,
  rows: readonly { readonly row: DueComputer; readonly holder: string }[],
): Promise<ReadonlySet<DueComputer>> {
  const ordered = [...rows].sort((a, b) => byKey(a.row, b.row));
  const found = await tx<ComputerKey[]>`
    select ${columns(tx, keyColumns, 'c')}
    from unnest(${ordered.map(({ row }) => row.tenantId)}::uuid[], ${ordered.map(({ row }) => row.instanceId)}::uuid[],
                ${ordered.map(({ row }) => row.jamfComputerId)}::int[], ${ordered.map(({ holder }) => holder)}::uuid[])
      as mine(tenant_id, instance_id, jamf_computer_id, holder)
    join computers c on c.tenant_id = mine.tenant_id and c.instance_id = mine.instance_id
      and c.jamf_computer_id = mine.jamf_computer_id and c.lease_owner = mine.holder
    order by c.tenant_id, c.instance_id, c.jamf_computer_id for update of c`;
  const keyOf = ({ instanceId, jamfComputerId, tenantId }: ComputerKey): string =>
    `${tenantId}/${instanceId}/${jamfComputerId}`;
  const held = new Set(found.map(keyOf));
  return new Set(ordered.flatMap(({ row }) => (held.has(keyOf(row)) ? [row] : [])));
}

export interface SettledComputer {
  readonly row: DueComputer;
  /** The instance's own word satisfies every wish, a pushed record those of pushes (`revisions.ts`). */
  readonly by: 'read' | 'push';
  /** The date of the state that is known from now on, null where it has none; undefined: the known state stays. */
  readonly reportAt: Date | null | undefined;
  readonly udid: string | null;
  readonly serialNumber: string | null;
  /** The instance has deleted it. */
  readonly gone: boolean;
  /** Look again then although this revision is done: the verdict was not there yet. */
  readonly againInSeconds: number | null;
  /** Delay of the next read that is still wished for; 0: now. */
  readonly readInSeconds: number;
}

/** Settles rows that the transaction has locked (`lockHeld`); the schedules in which some are due again. */
export async function settleComputers(
  tx: Transaction,
  settled: readonly SettledComputer[],
): Promise<DueSchedule[]> {
  const readLeft = tx`(not found.by_read and coalesce(c.read_revision > c.done_revision, false))`;
  const rows = await tx<(ScheduleRow & { readonly dueInMs: number | null })[]>`
    with found as (
      select * from unnest(
        ${settled.map(({ row }) => row.tenantId)}::uuid[], ${settled.map(({ row }) => row.instanceId)}::uuid[],
        ${settled.map(({ row }) => row.jamfComputerId)}::int[], ${settled.map(({ row }) => row.wantedRevision)}::int8[],
        ${booleans(settled.map(({ by }) => by === 'read'))}::text[]::bool[],
        ${booleans(settled.map(({ reportAt }) => reportAt !== undefined))}::text[]::bool[],
        ${settled.map(({ reportAt }) => reportAt?.toISOString() ?? null)}::timestamptz[],
        ${settled.map(({ udid }) => udid)}::text[], ${settled.map(({ serialNumber }) => serialNumber)}::text[],
        ${booleans(settled.map(({ gone }) => gone))}::text[]::bool[], ${settled.map(({ againInSeconds }) => againInSeconds)}::float8[],
        ${settled.map(({ readInSeconds }) => readInSeconds)}::float8[],
        ${settled.map(({ row }) => row.leasedAt.toISOString())}::timestamptz[])
        as found(tenant_id, instance_id, jamf_computer_id, revision, by_read, known, report_at, udid, serial_number, gone,
          again, read_in, leased_at)
    )
    update computers c set lease_until = null, lease_owner = null, last_error = null, not_found_since = null,
      updated_at = now(), attempts = case when found.again is not null then c.attempts + 1 when ${readLeft} then c.attempts else 0 end,
      -- Raised past the wish for a read, it would let the next push stand in for that.
      done_revision = case when ${readLeft} then greatest(c.done_revision, least(c.read_revision - 1, found.revision))
                           when found.again is not null then found.revision - 1 else found.revision end,
      next_try_at = case when c.wanted_revision > found.revision then now()
                         when found.again is not null then now() + found.again * interval '1 second'
                         when ${readLeft} then now() + found.read_in * interval '1 second' end,
      report_at = case when found.known then found.report_at else c.report_at end,
      read_at = case when not found.known then c.read_at
                     when found.by_read and ${trustedAt(tx, tx`found.report_at`)} is null then now() end,
      -- By the lease, which is before the read: a check-in after it may tell of more than was read.
      last_read_at = case when not found.by_read then c.last_read_at
                          when found.known and not found.gone then found.leased_at end,
      udid = coalesce(found.udid, c.udid), serial_number = coalesce(found.serial_number, c.serial_number),
      gone_at = case when found.gone then now() end,
      pushed_record = case when c.wanted_revision > found.revision then c.pushed_record end,
      pushed_report_at = case when c.wanted_revision > found.revision then c.pushed_report_at end,
      pushed_revision = case when c.wanted_revision > found.revision then c.pushed_revision end,
      received_at = case when c.wanted_revision > found.revision or ${readLeft} then c.received_at end
    from found where c.tenant_id = found.tenant_id and c.instance_id = found.instance_id
      and c.jamf_computer_id = found.jamf_computer_id
    returning ${columns(tx, scheduleColumns, 'c')}, ${dueInMs(tx)} as "dueInMs"`;
  return rows.flatMap((row) =>
    row.dueInMs === null ? [] : [{ schedule: computerSchedule(row), dueInMs: row.dueInMs }],
  );
}
