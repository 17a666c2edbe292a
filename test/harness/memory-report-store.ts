/**
 * The twin of report-store.ts and set-reports.ts in memory, for simulations: the same rows, the same leases, time as an
 * argument. What PostgreSQL does in one statement happens here in one turn, at a time of its own.
 */

import { leaseMs } from '../../src/limits.ts';
import type { DueSchedule, Held, ScheduleShare } from '../../src/store/due-rows.ts';
import type { DueReport, NewMessage, ReportStore, Settled } from '../../src/store/reports/report-row.ts';
import type { NewReport } from '../../src/store/reports/set-reports.ts';
import { cleared, type MemoryReport, newRow, replaced, settled } from './memory-report-row.ts';

/** The table, which several processes share. */
export interface MemoryReports {
  /** One process's port; `onDue` is told as report-store.ts tells it. */
  store(onDue: (schedule: DueSchedule) => void): ReportStore;
  /** As set-reports.ts does. */
  setReports(tenantId: string, reports: readonly NewReport[]): ReadonlySet<string>;
  rows(): readonly MemoryReport[];
  /** Whatever else writes the rows: an operator, a resync. `nowMs` is the statement's time. */
  update(change: (row: MemoryReport, nowMs: number) => Partial<MemoryReport> | undefined): void;
  /**
   * The database's machine dies: of the statements after the last durable one only the first `kept` (of 1) are left.
   * Leases and findings are written so (report-store.ts).
   */
  crash(kept: number): void;
}

/** PostgreSQL keeps microseconds: two statements do not have the same time. */
const tickMs = 0.001;

/** `between` passes between two statements of one call, in which PostgreSQL lets others in. */
export function createMemoryReports(
  now: () => number,
  between: () => Promise<void> = async () => undefined,
): MemoryReports {
  const table = new Map<string, MemoryReport>();
  const keyOf = (tenantId: string, deviceId: string): string => `${tenantId}/${deviceId}`;
  /** Writes since the last durable statement, to be undone. */
  let journal: { readonly key: string; readonly before: MemoryReport | undefined; readonly atMs: number }[] =
    [];
  const put = (row: MemoryReport): MemoryReport => {
    const key = keyOf(row.tenantId, row.deviceId);
    journal.push({ key, before: table.get(key), atMs: lastMs });
    table.set(key, row);
    return row;
  };
  const madeDurable = <T>(result: T): T => {
    journal = [];
    return result;
  };
  const crash = (kept: number): void => {
    const statements = [...new Set(journal.map(({ atMs }) => atMs))];
    const lost = new Set(statements.slice(Math.floor(statements.length * kept)));
    for (const { atMs, before, key } of journal.reverse()) {
      if (!lost.has(atMs)) continue;
      if (before) table.set(key, before);
      else table.delete(key);
    }
    journal = [];
  };
  const current = ({ deviceId, tenantId }: DueReport): MemoryReport | undefined =>
    table.get(keyOf(tenantId, deviceId));
  const heldBy = (holder: string, rows: readonly DueReport[]): MemoryReport[] =>
    rows.flatMap((row) => {
      const found = current(row);
      return found?.leaseOwner === holder ? [found] : [];
    });

  let lastMs = 0;
  /** The time of one statement. */
  const statement = (): number => {
    lastMs = Math.max(now(), lastMs + tickMs);
    return lastMs;
  };
  const isFree = (row: MemoryReport, nowMs: number): boolean =>
    row.leaseUntilMs === null || row.leaseUntilMs < nowMs;
  const hold = (holder: string, rows: readonly MemoryReport[], nowMs: number): MemoryReport[] =>
    rows.map((row) => put({ ...row, leaseUntilMs: nowMs + leaseMs, leaseOwner: holder }));

  const leaseSchedule = (
    holder: string,
    { schedule, limit }: ScheduleShare,
    nowMs: number,
  ): MemoryReport[] => {
    const due = [...table.values()]
      .filter((row) => row.tenantId === schedule.tenantId && row.background === schedule.background)
      .filter((row) => row.nextTryAtMs !== null && row.nextTryAtMs <= nowMs && isFree(row, nowMs))
      .sort((a, b) => (a.nextTryAtMs ?? 0) - (b.nextTryAtMs ?? 0));
    return hold(holder, due.slice(0, limit), nowMs);
  };
  const siblingsOf = (holder: string, one: MemoryReport, nowMs: number): MemoryReport[] => {
    const others = [...table.values()].filter(
      (row) =>
        row.tenantId === one.tenantId &&
        row.messageId === one.messageId &&
        row.nextTryAtMs === one.nextTryAtMs &&
        row.messageOpen &&
        isFree(row, nowMs),
    );
    return hold(holder, others, nowMs);
  };
  const lease = async (holder: string, shares: readonly ScheduleShare[]): Promise<MemoryReport[]> => {
    const nowMs = statement();
    const leased = shares.flatMap((share) => leaseSchedule(holder, share, nowMs));
    const openOnes = leased.filter((row) => row.messageOpen && row.messageId !== null);
    if (openOnes.length === 0) return leased;
    await between();
    const laterMs = statement();
    return [...leased, ...openOnes.flatMap((row) => siblingsOf(holder, row, laterMs))];
  };

  const look = (): DueSchedule[] => {
    const nowMs = statement();
    const schedules = new Map<string, DueSchedule>();
    for (const { background, nextTryAtMs, tenantId } of table.values()) {
      if (nextTryAtMs === null) continue;
      const key = `${tenantId}/${background}`;
      const dueInMs = Math.min(schedules.get(key)?.dueInMs ?? Infinity, Math.max(0, nextTryAtMs - nowMs));
      schedules.set(key, { schedule: { tenantId, background }, dueInMs });
    }
    return [...schedules.values()];
  };
  const renew = (held: readonly Held<DueReport>[]): void => {
    const nowMs = statement();
    for (const { holder, row } of held) hold(holder, heldBy(holder, [row]), nowMs);
  };
  const storeMessage = (holder: string, { at, messageId, parts }: NewMessage): ReadonlySet<string> => {
    const nowMs = statement();
    const kept = parts.filter(({ row }) =>
      heldBy(holder, [row]).some((found) => found.revision === row.revision),
    );
    for (const { entities, lastUpdateAt, row: leased } of kept) {
      const row = current(leased);
      if (!row) continue;
      put({
        ...row,
        messageId,
        sentRevision: row.revision,
        sentContent: entities,
        messageDevices: kept.length,
        messageAt: at,
        messageOpen: true,
        lastUpdateAt,
        checkInReportedAtMs: row.lastCheckInAtMs,
        state: 'sent',
        reason: null,
        detail: null,
        nextTryAtMs: kept.length > 1 ? nowMs : row.nextTryAtMs,
      });
    }
    return new Set(kept.map(({ row }) => row.deviceId));
  };
  const regroup = (
    one: DueReport,
    holder: string,
    waitSeconds: number,
    onDue: (schedule: DueSchedule) => void,
  ): void => {
    const nextTryAtMs = statement() + waitSeconds * 1_000;
    for (const row of table.values()) {
      if (row.tenantId !== one.tenantId || row.messageId !== one.messageId) continue;
      if (!row.messageOpen || row.nextTryAtMs === null) continue;
      const given = row.leaseOwner === holder ? { leaseUntilMs: null, leaseOwner: null } : {};
      put({ ...row, ...given, nextTryAtMs });
      onDue({
        schedule: { tenantId: row.tenantId, background: row.background },
        dueInMs: waitSeconds * 1_000,
      });
    }
  };
  const settle = (found: readonly Settled[], onDue: (schedule: DueSchedule) => void): void => {
    const nowMs = statement();
    for (const one of found) {
      for (const row of heldBy(one.holder, [one.row])) {
        const { background, nextTryAtMs, tenantId } = put(settled(row, one, nowMs));
        if (nextTryAtMs === null) continue;
        onDue({ schedule: { tenantId, background }, dueInMs: Math.max(0, nextTryAtMs - nowMs) });
      }
    }
  };

  return {
    store: (onDue) => ({
      look: async () => look(),
      // It looks at the rows themselves, and has no table of schedules that could lag behind them.
      settleSchedules: async () => undefined,
      lease,
      renew: async (held) => renew(held),
      storeMessage: async (holder, message) => madeDurable(storeMessage(holder, message)),
      stillHeld: async (holder, rows) => madeDurable(heldBy(holder, rows).length === rows.length),
      settle: async (found) => settle(found, onDue),
      regroup: async (one, holder, waitSeconds) => regroup(one, holder, waitSeconds, onDue),
      release: async (rows, holder) => {
        statement();
        for (const row of heldBy(holder, rows)) put({ ...row, leaseUntilMs: null, leaseOwner: null });
      },
    }),
    setReports: (tenantId, reports) => {
      const nowMs = statement();
      const news = reports.filter((report) => {
        const before = table.get(keyOf(tenantId, report.deviceId));
        const known = before && cleared(before, report);
        if (known) put(known);
        const next = known ? replaced(known, report, nowMs) : newRow(tenantId, report, nowMs);
        if (next) put(next);
        return next !== undefined;
      });
      return madeDurable(new Set(news.map(({ deviceId }) => deviceId)));
    },
    rows: () => [...table.values()],
    update: (change) => {
      const nowMs = statement();
      for (const row of [...table.values()]) {
        const changes = change(row, nowMs);
        if (changes) put({ ...row, ...changes });
      }
      madeDurable(undefined);
    },
    crash,
  };
}
