import { booleans, type Fragment, type Queries, type Sql } from '../database.ts';
import { withLockTimeout } from '../locked-tenants.ts';
import { trustedAt, trustedDate } from '../trusted-dates.ts';
import { soon } from './due.ts';
import { tombstoneDate } from './gone.ts';

/**
 * This module defines the revisions of a computer, and which of two of its states is the newer one.
 *
 * - `wanted_revision`: how many wishes there were to look at the computer. A webhook, a push, a list, an operator, a
 *   change in the directory: each raises it by one, and it never goes back.
 * - `done_revision`: the wish up to which all are satisfied. The computer is due while it is below the wanted one. It is
 *   above 0 once a state was taken in.
 * - `pushed_revision`: the wanted revision while a pushed record waits to be taken in first, else null. A wish that
 *   does not know of pushes leaves it behind, and then the instance is asked first.
 * - `read_revision`: the newest wish that only a read satisfies among those that `pushed_revision` covers. It matters
 *   while it is above the done revision.
 *
 * A pushed record satisfies the wishes of pushes. A wish of anybody else asks for the instance's own word, whatever
 * the record's date: the clocks of an instance and of this database need not agree, and the webhook may be about a
 * later state. So a record that comes while a read is wished is taken in, for it is newer than what was told, and the
 * read follows. A read satisfies every wish that was made before it began, the pushes among them.
 *
 * Order of states, so that none is told after a newer one. `report_at` is the date of the newest state that is
 * known, `read_at` the time at which a state was read that had no trusted date (`store/trusted-dates.ts`).
 *
 * - A read is ordered by its date; without one by the time of reading, which is now. A read that is older than the
 *   known state (a node of a cluster that lags behind) has no effect, and is asked for again a few times.
 * - A pushed record that is older than the known state has no effect. Where nothing says which is the newer one,
 *   because either has no trusted date, the instance is asked.
 */

/** What orders a computer's known state against a pushed record. */
export interface KnownState {
  readonly reportAt: Date | null;
  readonly readAt: Date | null;
  /** Above 0 once a state was taken in, whatever date it had. */
  readonly doneRevision: number;
}

/**
 * True where a pushed record is certainly not older than the known state; this is decided anew when the record is taken
 * in.
 */
export function standsAfter(pushedAt: Date | null, known: KnownState, nowMs: number): boolean {
  const reportAt = trustedDate(known.reportAt, nowMs);
  const date = trustedDate(pushedAt, nowMs);
  const bounds = [reportAt, known.readAt].filter((bound) => bound instanceof Date);
  if (bounds.length > 0) return date !== null && bounds.every((bound) => date >= bound);
  // A record that waited while another one was taken in may be the older one, unless one clock dates both ahead.
  if (known.doneRevision > 0)
    return date === null && pushedAt !== null && known.reportAt !== null && pushedAt >= known.reportAt;
  return true;
}

/** True where a record that was read is older than the known state. */
export function isLate(
  readAt: Date | null | undefined,
  known: Pick<KnownState, 'reportAt'>,
  nowMs: number,
): boolean {
  const date = trustedDate(readAt, nowMs);
  const reportAt = trustedDate(known.reportAt, nowMs);
  return date !== null && reportAt !== null && date < reportAt;
}

export interface MarkedRow {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: number;
  readonly traceparent: string | null;
  /** Number of messages joined here: each raises the wanted revision by one. */
  readonly count: number;
}

export interface PushedRow extends MarkedRow {
  readonly text: string;
  readonly reportAt: Date | null;
  /** Another record of the computer came with it that cannot be compared with this one. */
  readonly readToo: boolean;
}

const wanted = (sql: Queries) => sql`computers.wanted_revision + excluded.wanted_revision`;

/** A pushed record waits to be taken in first. */
export const pushWaits = (sql: Queries) => sql`not computers.needs_instance`;

/** Marks computers as due to be read; a pushed record that waits is taken in before. */
export const upsertDue = (sql: Sql, rows: readonly MarkedRow[], lockWaitMs?: number) => sql`
  insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, traceparent, received_at)
  select due.tenant_id, due.instance_id, due.id, due.count, due.traceparent, now()
  from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
              ${rows.map((row) => row.jamfComputerId)}::int[], ${rows.map((row) => row.count)}::int[],
              ${rows.map((row) => row.traceparent)}::text[]) as due(tenant_id, instance_id, id, count, traceparent)
    ${withLockTimeout(sql, lockWaitMs)}
  on conflict (tenant_id, instance_id, jamf_computer_id) do update set
    wanted_revision = ${wanted(sql)}, traceparent = excluded.traceparent,
    read_revision = case when ${pushWaits(sql)} then ${wanted(sql)} else computers.read_revision end,
    pushed_revision = case when ${pushWaits(sql)} then ${wanted(sql)} else computers.pushed_revision end,
    updated_at = now(), received_at = coalesce(computers.received_at, now()), background = false,
    next_try_at = ${soon(sql)}`;

/** The newest trusted date that is known, of what was taken in and of what waits. */
const newestKnown = (sql: Queries) => sql`
  greatest(${trustedAt(sql, sql`computers.report_at`)}, ${trustedAt(sql, sql`computers.pushed_report_at`)}, '-infinity')`;

/**
 * Decides the fate of a record (`excluded`) that meets a row:
 *
 * - `take`: it is newer than what is known, and waits to be taken in.
 * - `ask`: nothing says which of the two is newer, and nothing was taken in yet. The instance is asked, and the record serves
 *   where it does not answer.
 * - `read`: a state is known that may be newer, and only the instance's own word can follow it.
 * - `void`: it is older.
 */
const fate = (sql: Queries): Fragment => {
  const date = trustedAt(sql, sql`excluded.pushed_report_at`);
  return sql`
    case when ${date} < ${newestKnown(sql)}
         then case when excluded.read_revision is null then 'void' else 'read' end
         when ${date} >= greatest(${newestKnown(sql)}, computers.read_at)
              and (${newestKnown(sql)} > '-infinity' or computers.read_at is not null) then 'take'
         when ${newestKnown(sql)} > '-infinity' or computers.read_at is not null then 'read'
         -- Nothing is known: neither read, nor taken in before a read that is wished.
         when computers.done_revision = 0 and computers.read_revision is null and computers.pushed_record is null
              and computers.report_at is null then 'take'
         -- A Mac whose clock is ahead agrees with itself.
         when ${date} is null and excluded.pushed_report_at >= greatest(computers.report_at, computers.pushed_report_at)
         then 'take'
         when ${date} is null and excluded.pushed_report_at < greatest(computers.report_at, computers.pushed_report_at)
         then 'read'
         -- What was told already may be newer: then only the instance's word can follow it.
         when computers.done_revision = 0 and computers.report_at is null then 'ask'
         else 'read' end`;
};

/** Keeps pushed records, each computer at most once. */
export const upsertRecords = (sql: Sql, rows: readonly PushedRow[], lockWaitMs?: number) => {
  const take = sql`${fate(sql)} = 'take'`;
  const keep = sql`${fate(sql)} in ('take', 'ask')`;
  return sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, pushed_record, pushed_report_at,
      pushed_revision, read_revision, traceparent, received_at)
    select pushed.tenant_id, pushed.instance_id, pushed.jamf_computer_id, count, record, report_at, count,
      case when read_too then count end, traceparent, now()
    from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
                ${rows.map((row) => row.jamfComputerId)}::int[], ${rows.map((row) => row.count)}::int[],
                ${rows.map((row) => row.text)}::text[],
                ${rows.map((row) => row.reportAt?.toISOString() ?? null)}::timestamptz[],
                ${booleans(rows.map((row) => row.readToo))}::text[]::bool[],
                ${rows.map((row) => row.traceparent)}::text[])
      as pushed(tenant_id, instance_id, jamf_computer_id, count, record, report_at, read_too, traceparent)
      ${withLockTimeout(sql, lockWaitMs)}
    -- A record that is older than a computer's tombstone makes no row of it anew.
    where pushed.read_too or coalesce(pushed.report_at >= ${tombstoneDate(sql, sql`pushed`)}, true)
    on conflict (tenant_id, instance_id, jamf_computer_id) do update set
      wanted_revision = ${wanted(sql)},
      pushed_record = case when ${keep} then excluded.pushed_record else computers.pushed_record end,
      pushed_report_at = case when ${keep} then excluded.pushed_report_at else computers.pushed_report_at end,
      pushed_revision = case when ${fate(sql)} = 'ask' then null
        when ${take} or ${pushWaits(sql)} then ${wanted(sql)} else computers.pushed_revision end,
      read_revision = case
        when not ${take} or excluded.read_revision is not null then ${wanted(sql)}
        -- At least 2: the done revision stays below it, and says that a record was taken in.
        when computers.wanted_revision > computers.done_revision and computers.needs_instance then greatest(computers.wanted_revision, 2)
        else computers.read_revision end,
      traceparent = excluded.traceparent, updated_at = now(), background = false,
      next_try_at = case when ${take} or ${pushWaits(sql)} then now() else ${soon(sql)} end,
      received_at = coalesce(computers.received_at, now())
    where ${fate(sql)} <> 'void'`;
};

/** One of several records of the same computer: the newest, all of them counted. */
export function newerPushed(known: PushedRow, later: PushedRow, nowMs: number): PushedRow {
  const [before, after] = [trustedDate(known.reportAt, nowMs), trustedDate(later.reportAt, nowMs)];
  const count = known.count + later.count;
  const comparable = (before === null) === (after === null);
  const readToo = known.readToo || later.readToo || !comparable;
  const bothAhead = !before && !after && known.reportAt !== null && later.reportAt !== null;
  const keepsKnown = bothAhead
    ? Number(known.reportAt) > Number(later.reportAt)
    : before !== null && (after === null || before > after);
  return { ...(keepsKnown ? known : later), count, readToo };
}
