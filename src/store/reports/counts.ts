/**
 * The numbers of reports by tenant and state, known without reading reports. Triggers (migration 0027) insert what each
 * statement changes, in its own transaction, so the sum of counts and changes agrees with the reports in every snapshot.
 * `addUpChanges` moves changes into the counts. Whoever writes here holds `lockCounting`.
 */

import { columns, pick, type Row } from '../columns.ts';
import type { Queries, Sql, Transaction } from '../database.ts';
import type { ReportState } from '../row-types.ts';
import { reportCounts, reports } from '../schema.ts';

export type ReportCounts = Readonly<Record<ReportState, number>>;

const countColumns = pick(reportCounts, 'due', 'held', 'sent', 'accepted', 'completed', 'verified', 'failed');

export const noReports: ReportCounts = {
  due: 0,
  held: 0,
  sent: 0,
  accepted: 0,
  completed: 0,
  verified: 0,
  failed: 0,
};

/** Every state, in the order of a report's life. */
export const reportStates = Object.keys(noReports) as readonly ReportState[];

export const totalOf = (counts: ReportCounts): number =>
  reportStates.reduce((sum, state) => sum + counts[state], 0);

export const undeliveredOf = ({ accepted, due, held, sent }: ReportCounts): number =>
  due + held + sent + accepted;

interface Known {
  readonly counts: ReportCounts;
  /** False while a tenant's reports of before the counters have not been counted yet. */
  readonly isComplete: boolean;
}

/** What counters and changes say of these tenants, or of all. */
async function readKnown(sql: Queries, tenantIds: readonly string[] | undefined): Promise<Known> {
  const [row] = await sql<(Row<typeof countColumns> & { isComplete: boolean })[]>`
    select coalesce(sum(due), 0)::int8 as due, coalesce(sum(held), 0)::int8 as held, coalesce(sum(sent), 0)::int8 as sent,
      coalesce(sum(accepted), 0)::int8 as accepted, coalesce(sum(completed), 0)::int8 as completed,
      coalesce(sum(verified), 0)::int8 as verified, coalesce(sum(failed), 0)::int8 as failed,
      coalesce(bool_and(is_complete), true) as "isComplete"
    from (
      select tenant_id, due, held, sent, accepted, completed, verified, failed, is_complete from report_counts
      union all
      select tenant_id, due, held, sent, accepted, completed, verified, failed, true from report_count_changes
    ) known
    where ${tenantIds === undefined ? sql`true` : sql`tenant_id = any(${[...tenantIds]}::uuid[])`}`;
  const { isComplete = true, ...counts } = row ?? {};
  return { counts: { ...noReports, ...counts }, isComplete };
}

/** Exact, at the cost of the tenants' number; undefined while some were not counted since the counters came. */
export async function readReportCounts(
  sql: Queries,
  tenantIds: readonly string[] | undefined,
): Promise<ReportCounts | undefined> {
  const { counts, isComplete } = await readKnown(sql, tenantIds);
  return isComplete ? counts : undefined;
}

/** The same of one tenant at any time: where the counters do not know it yet, its reports are read. */
export async function countReports(sql: Sql, tenantId: string): Promise<ReportCounts> {
  const known = await readReportCounts(sql, [tenantId]);
  return known ?? sql.begin('isolation level repeatable read read only', (tx) => readAll(tx, tenantId));
}

/** Rows of one statement, so that none takes long. */
const rowsPerCount = 5_000;

/** Counts by reading every report of the tenant; exact within one snapshot only. */
async function readAll(tx: Transaction, tenantId: string): Promise<ReportCounts> {
  const counts: Record<ReportState, number> = { ...noReports };
  let last: string | undefined;
  let read: number;
  do {
    const rows = await tx<{ state: ReportState; count: number; last: string }[]>`
      with page as materialized (
        select device_id, state from reports
        where tenant_id = ${tenantId} and ${last === undefined ? tx`true` : tx`device_id > ${last}`}
        order by device_id limit ${rowsPerCount}
      )
      select ${columns(tx, pick(reports, 'state'))}, count(*) as count,
        (select device_id from page order by device_id desc limit 1) as last
      from page group by state`;
    read = 0;
    for (const row of rows) {
      counts[row.state] += row.count;
      read += row.count;
      last = row.last;
    }
  } while (read === rowsPerCount);
  return counts;
}

/** Any fixed number: one process at a time writes the counts. */
const countingLock = 7_276_154_023;

/** True where this transaction has it now, until it ends. */
export async function lockCounting(tx: Transaction): Promise<boolean> {
  const [lock] = await tx<{ taken: boolean }[]>`
    select pg_try_advisory_xact_lock(${countingLock}::bigint) as taken`;
  return lock?.taken ?? false;
}

/** Tenants without reports have no row: so nothing is left of one that was deleted. */
const forgetEmpty = (tx: Transaction, tenantIds: readonly string[]) => tx`
  delete from report_counts where tenant_id = any(${[...tenantIds]}::uuid[]) and is_complete
    and (due, held, sent, accepted, completed, verified, failed) = (0, 0, 0, 0, 0, 0, 0)`;

/** Moves up to `limit` changes into the counts; says how many there were. */
export async function addUpChanges(tx: Transaction, limit: number): Promise<number> {
  const added = await tx<{ tenantId: string; taken: number }[]>`
    with taken as (
      delete from report_count_changes where ctid = any(array(select ctid from report_count_changes limit ${limit}))
      returning tenant_id, due, held, sent, accepted, completed, verified, failed
    )
    insert into report_counts (tenant_id, due, held, sent, accepted, completed, verified, failed)
    select tenant_id, sum(due), sum(held), sum(sent), sum(accepted), sum(completed), sum(verified), sum(failed)
    from taken group by tenant_id order by tenant_id
    on conflict (tenant_id) do update set due = report_counts.due + excluded.due,
      held = report_counts.held + excluded.held, sent = report_counts.sent + excluded.sent,
      accepted = report_counts.accepted + excluded.accepted, completed = report_counts.completed + excluded.completed,
      verified = report_counts.verified + excluded.verified, failed = report_counts.failed + excluded.failed
    returning ${columns(tx, pick(reportCounts, 'tenantId'))}, (select count(*) from taken) as taken`;
  const tenantIds = added.map(({ tenantId }) => tenantId);
  if (tenantIds.length > 0) await forgetEmpty(tx, tenantIds);
  return added[0]?.taken ?? 0;
}

export interface Counted {
  readonly counts: ReportCounts;
  /** By how much the counters were wrong; null: they agreed, or had not been complete before. */
  readonly mended: ReportCounts | null;
}

/**
 * Counts the reports of a tenant, and mends its counters where they differ. `tx` is a repeatable read: reports, counts and
 * changes are then of one moment, and who goes on writing reports meanwhile neither waits nor is missed.
 */
export async function recountTenant(tx: Transaction, tenantId: string): Promise<Counted> {
  const known = await readKnown(tx, [tenantId]);
  const counts = await readAll(tx, tenantId);
  const wrongBy = { ...noReports, ...differenceOf(counts, known.counts) };
  const agrees = reportStates.every((state) => wrongBy[state] === 0);
  if (agrees && known.isComplete) return { counts, mended: null };
  const { accepted, completed, due, failed, held, sent, verified } = wrongBy;
  await tx`
    insert into report_counts (tenant_id, due, held, sent, accepted, completed, verified, failed)
    values (${tenantId}, ${due}, ${held}, ${sent}, ${accepted}, ${completed}, ${verified}, ${failed})
    on conflict (tenant_id) do update set is_complete = true, due = report_counts.due + excluded.due,
      held = report_counts.held + excluded.held, sent = report_counts.sent + excluded.sent,
      accepted = report_counts.accepted + excluded.accepted, completed = report_counts.completed + excluded.completed,
      verified = report_counts.verified + excluded.verified, failed = report_counts.failed + excluded.failed`;
  await forgetEmpty(tx, [tenantId]);
  return { counts, mended: known.isComplete ? wrongBy : null };
}

const differenceOf = (counts: ReportCounts, known: ReportCounts): Partial<ReportCounts> =>
  Object.fromEntries(reportStates.map((state) => [state, counts[state] - known[state]]));

/** A tenant whose reports of before the counters were not counted yet; undefined: there is none. */
export async function nextUncounted(tx: Transaction): Promise<string | undefined> {
  const [row] = await tx<{ tenantId: string }[]>`
    select ${columns(tx, pick(reportCounts, 'tenantId'))} from report_counts where not is_complete
    order by tenant_id limit 1`;
  return row?.tenantId;
}

/** The next tenant behind this one that there is, or of which there are still counts. */
export async function nextTenant(tx: Transaction, after: string): Promise<string | undefined> {
  const [row] = await tx<{ tenantId: string }[]>`
    select tenant_id as "tenantId" from (
      (select tenant_id from tenants where tenant_id > ${after} order by tenant_id limit 1)
      union all
      (select tenant_id from report_counts where tenant_id > ${after} order by tenant_id limit 1)
    ) found order by tenant_id limit 1`;
  return row?.tenantId;
}
