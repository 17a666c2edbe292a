import { monotonicMs } from '../clock.ts';
import type { Sharing } from '../joining.ts';
import { namedInBulk, recordBytesTogether } from '../limits.ts';
import { createObservedSemaphore, createSemaphore } from '../semaphore.ts';
import { type ComputerSchedule, computerSchedule } from '../store/computers/leases.ts';
import { markNamed, type NamedWrite } from '../store/computers/named.ts';
import {
  type MarkedRow,
  newerPushed,
  type PushedRow,
  upsertDue,
  upsertRecords,
} from '../store/computers/revisions.ts';
import { intakeConnections } from '../store/connection-budget.ts';
import type { Sql } from '../store/database.ts';
import {
  createGroupCommit,
  type GroupCommit,
  nothings,
  type WriteConnections,
} from '../store/group-commit.ts';
import { withRetries } from '../store/retry.ts';

/** Messages of Jamf Pro are committed here before they are answered (contract section 5). */

export interface PushedRecord {
  readonly jamfComputerId: number;
  /** The part of the record that is kept (`recordText`). */
  readonly text: string;
  readonly reportAt: Date | null;
}

export interface Origin {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly traceparent: string | null;
}

export interface Intake {
  /** Marks computers as due to be read; resolves when it is committed. Very many go another way: `store/computers/named.ts`. */
  markDue(origin: Origin, computerIds: readonly number[]): Promise<void>;
  /**
   * Keeps pushed records, the newest of each computer by `general.reportDate`; resolves when committed. A record
   * older than what is there is accepted without effect (contract section 11), and one that cannot be compared with it
   * makes the computer due to be read (`store/computers/revisions.ts`). Where it rejects, some may be kept already: much
   * text is more than one statement.
   */
  storeRecords(origin: Origin, records: readonly PushedRecord[]): Promise<void>;
  /** Milliseconds for which a tenant has waited for its turn to be written, or a statement for one of the intake's connections; 0: none waits. */
  longestWaitMs(): number;
}

export interface IntakeOptions {
  readonly sql: Sql;
  /** Told after the commit. */
  readonly onDue: (schedule: ComputerSchedule) => void;
  readonly sharing: Sharing;
}

const keyOf = ({ instanceId, jamfComputerId, tenantId }: MarkedRow): string =>
  `${tenantId}/${instanceId}/${String(jamfComputerId).padStart(10, '0')}`;

/** Rows are ordered by their keys, so that two batches with the same computers cannot wait for each other. */
const ordered = <T extends MarkedRow>(rows: ReadonlyMap<string, T>): T[] =>
  [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);

/** Each computer once: what came of it later is put together with what is there. */
function together<T extends MarkedRow>(rows: readonly T[], merge: (known: T, later: T) => T): T[] {
  const all = new Map<string, T>();
  for (const row of rows) {
    const known = all.get(keyOf(row));
    all.set(keyOf(row), known ? merge(known, row) : row);
  }
  return ordered(all);
}

const counted = (rows: readonly MarkedRow[]): MarkedRow[] =>
  together(rows, (known, later) => ({ ...known, count: known.count + later.count }));

const newestPushed = (rows: readonly PushedRow[], nowMs: number): PushedRow[] =>
  together(rows, (known, later) => newerPushed(known, later, nowMs));

/** Rows of one statement, and statements of a kind at the same time: more gain nothing (docs/performance.md). */
const rowsTogether = 128;
const writesAtOnce = 3;
/** Text that weighs as much as a row, in characters: so `rowsTogether` bounds both, whatever shape the records have. */
const rowCharacters = recordBytesTogether / rowsTogether;

const pushedWeight = (rows: readonly PushedRow[]): number =>
  Math.max(rows.length, rows.reduce((sum, { text }) => sum + text.length, 0) / rowCharacters);

/** Records in lots of a statement each. One that is longer than a statement's text is a lot of its own. */
function inLots(records: readonly PushedRecord[]): PushedRecord[][] {
  const lots: PushedRecord[][] = [];
  let characters = 0;
  for (const record of records) {
    const lot = lots.at(-1);
    characters += record.text.length;
    if (lot !== undefined && lot.length < rowsTogether && characters <= recordBytesTogether) lot.push(record);
    else {
      lots.push([record]);
      characters = record.text.length;
    }
  }
  return lots;
}

/** Webhooks and pushes share a part of the connections, whatever is sent: keys are looked up on the others, and delivery works. */
function shareConnections(sql: Sql) {
  const { apart, shared } = intakeConnections(sql.options.max);
  const { longestWaitMs, run } = createObservedSemaphore(shared, monotonicMs);
  const connections: WriteConnections = { shared: run, apart: createSemaphore(apart) };
  return { writes: { connections, flushes: Math.min(writesAtOnce, shared) }, longestWaitMs };
}

type Writes = ReturnType<typeof shareConnections>['writes'];

/** Where requests share nothing, each writes for itself and waits for no turn. */
const alone = <Item, Result>(write: (item: Item) => Promise<Result>): GroupCommit<Item, Result> =>
  Object.assign(write, { longestWaitMs: () => 0 });

interface Named {
  readonly tenantId: string;
  readonly run: NamedWrite;
}

/** Slices of large events are large enough for a statement of their own. */
function createNamedWrites(writes: Writes | undefined): GroupCommit<Named, unknown> {
  if (!writes) return alone(({ run }) => withRetries(() => run()));
  return createGroupCommit<Named, undefined>({
    flush: async (statements, lockWaitMs) => {
      for (const { run } of statements) await withRetries(() => run(lockWaitMs));
      return nothings(statements);
    },
    ...writes,
    maxItems: 1,
    tenantOf: ({ tenantId }) => tenantId,
  });
}

/** Messages of all instances that come together share a statement; each is answered when that is committed. */
export function createIntake({ onDue, sharing, sql }: IntakeOptions): Intake {
  const schedulesOf = (rows: readonly MarkedRow[], needsInstance: boolean, background = false): void => {
    const schedules = new Map(rows.map((row) => [`${row.tenantId}/${row.instanceId}`, row]));
    for (const row of schedules.values()) onDue(computerSchedule({ ...row, background, needsInstance }));
  };
  const connections = sharing === 'process' ? shareConnections(sql) : undefined;
  const gathered = <Row extends MarkedRow>(
    write: (rows: readonly Row[], lockWaitMs?: number) => Promise<void>,
    weight: (rows: readonly Row[]) => number,
  ) => {
    if (!connections) return alone((rows: readonly Row[]) => write(rows));
    return createGroupCommit({
      flush: async (groups: readonly (readonly Row[])[], lockWaitMs) => {
        await write(groups.flat(), lockWaitMs);
        return nothings(groups);
      },
      ...connections.writes,
      maxItems: rowsTogether,
      gatherMs: 1,
      weight,
      tenantOf: ([row]) => row?.tenantId ?? '',
    });
  };
  const mark = gathered<MarkedRow>(
    async (marked, lockWaitMs) => {
      const rows = counted(marked);
      await withRetries(() => upsertDue(sql, rows, lockWaitMs));
      schedulesOf(rows, true);
    },
    ({ length }) => length,
  );
  const push = gathered<PushedRow>(async (pushed, lockWaitMs) => {
    const rows = newestPushed(pushed, Date.now());
    await withRetries(() => upsertRecords(sql, rows, lockWaitMs));
    schedulesOf(rows, false);
  }, pushedWeight);
  const named = createNamedWrites(connections?.writes);
  return {
    longestWaitMs: () =>
      Math.max(connections?.longestWaitMs() ?? 0, ...[mark, push, named].map((one) => one.longestWaitMs())),
    markDue: async (origin, computerIds) => {
      if (computerIds.length === 0) return;
      if (computerIds.length > namedInBulk) {
        await markNamed(sql, origin, computerIds, (run) => named({ tenantId: origin.tenantId, run }));
        schedulesOf([{ ...origin, jamfComputerId: 0, count: 1 }], true, true);
        return;
      }
      await mark(
        [...new Set(computerIds)].map((jamfComputerId) => ({ ...origin, jamfComputerId, count: 1 })),
      );
    },
    storeRecords: async (origin, records) => {
      for (const lot of inLots(records))
        await push(lot.map((record) => ({ ...origin, ...record, count: 1, readToo: false })));
    },
  };
}
