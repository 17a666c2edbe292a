import type { Sql } from '../store/database.ts';
import { createGroupCommit, nothings } from '../store/group-commit.ts';
import { withRetries } from '../store/retry.ts';
import { type ComputerLane, computerLane } from './computers/computer-store.ts';

/** What comes in from Jamf Pro, committed before it is answered (contract section 5). */

export interface PushedRecord {
  readonly jamfComputerId: number;
  /** What of the record is kept (`recordText`). */
  readonly text: string;
  readonly reportAt: Date | null;
}

export interface Origin {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly traceparent: string | null;
}

export interface Intake {
  /** Marks computers as due to be read; resolves when it is committed. */
  markDue(origin: Origin, computerIds: readonly number[]): Promise<void>;
  /**
   * Keeps pushed records, the newest of each computer by `general.reportDate`; resolves when committed. A record
   * older than what is there is accepted without effect (contract section 11).
   */
  storeRecords(origin: Origin, records: readonly PushedRecord[]): Promise<void>;
}

export interface IntakeOptions {
  readonly sql: Sql;
  /** Told after the commit. */
  readonly onDue: (lane: ComputerLane) => void;
  /** False where requests must not share a query (Workers). */
  readonly together?: boolean;
}

interface Marked extends Origin {
  readonly jamfComputerId: number;
  /** How many messages this is: each raises the wanted revision by one. */
  count: number;
}

interface Pushed extends Marked {
  readonly text: string;
  readonly reportAt: Date | null;
}

const keyOf = ({ instanceId, jamfComputerId, tenantId }: Marked): string =>
  `${tenantId}/${instanceId}/${String(jamfComputerId).padStart(10, '0')}`;

/** In the order of their keys: two batches with the same computers cannot wait for each other. */
const ordered = <T extends Marked>(rows: ReadonlyMap<string, T>): T[] =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);

/** One of several about the same computer: the newest by report date, all of them counted. */
function newestPushed(rows: readonly Pushed[]): Pushed[] {
  const newest = new Map<string, Pushed>();
  for (const row of rows) {
    const known = newest.get(keyOf(row));
    if (!known) newest.set(keyOf(row), { ...row });
    else if ((row.reportAt?.getTime() ?? Infinity) >= (known.reportAt?.getTime() ?? Infinity)) {
      newest.set(keyOf(row), { ...row, count: known.count + 1 });
    }
  }
  return ordered(newest);
}

function counted(rows: readonly Marked[]): Marked[] {
  const all = new Map<string, Marked>();
  for (const row of rows) {
    const known = all.get(keyOf(row));
    if (known) known.count += 1;
    else all.set(keyOf(row), { ...row });
  }
  return ordered(all);
}

const upsertDue = (sql: Sql, rows: readonly Marked[]) => sql`
  insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, traceparent, received_at)
  select due.tenant_id, due.instance_id, due.id, due.count, due.traceparent, now()
  from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
              ${rows.map((row) => row.jamfComputerId)}::int[], ${rows.map((row) => row.count)}::int[],
              ${rows.map((row) => row.traceparent)}::text[]) as due(tenant_id, instance_id, id, count, traceparent)
  on conflict (tenant_id, instance_id, jamf_computer_id) do update set
    wanted_revision = computers.wanted_revision + excluded.wanted_revision, traceparent = excluded.traceparent,
    updated_at = now(), received_at = coalesce(computers.received_at, now()), background = false,
    next_try_at = case when computers.wanted_revision > computers.done_revision and computers.attempts > 0
                       then coalesce(computers.next_try_at, now()) else now() end`;

const upsertRecords = (sql: Sql, rows: readonly Pushed[]) => sql`
  insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, pushed_record, pushed_report_at,
    pushed_revision, traceparent, received_at)
  select pushed.tenant_id, pushed.instance_id, id, count, record, report_at, count, traceparent, now()
  from unnest(${rows.map((row) => row.tenantId)}::uuid[], ${rows.map((row) => row.instanceId)}::uuid[],
              ${rows.map((row) => row.jamfComputerId)}::int[], ${rows.map((row) => row.count)}::int[],
              ${rows.map((row) => row.text)}::text[],
              ${rows.map((row) => row.reportAt?.toISOString() ?? null)}::timestamptz[],
              ${rows.map((row) => row.traceparent)}::text[])
    as pushed(tenant_id, instance_id, id, count, record, report_at, traceparent)
  on conflict (tenant_id, instance_id, jamf_computer_id) do update set
    pushed_record = excluded.pushed_record, pushed_report_at = excluded.pushed_report_at,
    wanted_revision = computers.wanted_revision + excluded.wanted_revision,
    pushed_revision = computers.wanted_revision + excluded.wanted_revision,
    traceparent = excluded.traceparent, updated_at = now(), next_try_at = now(), background = false,
    received_at = coalesce(computers.received_at, now())
  where coalesce(excluded.pushed_report_at, 'infinity') >=
        greatest(computers.report_at, computers.pushed_report_at, '-infinity')`;

/** Rows of one statement, and statements of a kind at the same time: more gain nothing (docs/bench.md). */
const rowsTogether = 128;
const writesAtOnce = 3;

/** Messages of all instances that come together share a statement; each is answered when that is committed. */
export function createIntake({ onDue, sql, together = true }: IntakeOptions): Intake {
  const lanesOf = (rows: readonly Marked[], needsInstance: boolean): void => {
    const lanes = new Map(rows.map((row) => [`${row.tenantId}/${row.instanceId}`, row]));
    for (const row of lanes.values()) onDue(computerLane({ ...row, background: false, needsInstance }));
  };
  const gathered = <Row extends Marked>(write: (rows: readonly Row[]) => Promise<void>) => {
    if (!together) return (rows: readonly Row[]) => write(rows);
    return createGroupCommit({
      flush: async (groups: readonly (readonly Row[])[]) => {
        await write(groups.flat());
        return nothings(groups);
      },
      maxItems: rowsTogether,
      flushes: writesAtOnce,
      gatherMs: 1,
      weight: (rows) => rows.length,
    });
  };
  const mark = gathered<Marked>(async (marked) => {
    const rows = counted(marked);
    await withRetries(() => upsertDue(sql, rows));
    lanesOf(rows, true);
  });
  const push = gathered<Pushed>(async (pushed) => {
    const rows = newestPushed(pushed);
    await withRetries(() => upsertRecords(sql, rows));
    lanesOf(rows, false);
  });
  return {
    markDue: async (origin, computerIds) => {
      if (computerIds.length === 0) return;
      await mark(
        [...new Set(computerIds)].map((jamfComputerId) => ({ ...origin, jamfComputerId, count: 1 })),
      );
    },
    storeRecords: async (origin, records) => {
      if (records.length === 0) return;
      await push(records.map((record) => ({ ...origin, ...record, count: 1 })));
    },
  };
}
