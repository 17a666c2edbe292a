/** Does to one row in memory as the statements of the report store do. Pure. */

import { checkInReportedEveryMs } from '../../src/limits.ts';
import type { DueReport, Settled } from '../../src/store/reports/report-row.ts';
import type { NewReport } from '../../src/store/reports/set-reports.ts';

/** A row as the table has it; times in milliseconds since the epoch. */
export interface MemoryReport extends DueReport {
  readonly contentHash: string;
  readonly lastCheckInAtMs: number | null;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly dueSinceMs: number | null;
  readonly failedAtMs: number | null;
  readonly verifiedAt: Date | null;
  readonly checkInReportedAtMs: number | null;
  readonly nextTryAtMs: number | null;
  readonly leaseUntilMs: number | null;
  readonly leaseOwner: string | null;
}

/** The part of a content that is worth a new revision, as contentHash of set-reports.ts has it. */
const comparable = ({ content: { lastCheckInAt: _, ...rest } }: NewReport): string => JSON.stringify(rest);

const millis = (time: string | null): number | null => (time === null ? null : Date.parse(time));

export function newRow(tenantId: string, report: NewReport, nowMs: number): MemoryReport {
  return {
    tenantId,
    deviceId: report.deviceId,
    instanceId: report.instanceId,
    content: JSON.stringify(report.content),
    contentHash: comparable(report),
    lastCheckInAtMs: millis(report.content.lastCheckInAt),
    traceparent: report.traceparent,
    revision: 1,
    confirmedRevision: 0,
    state: 'due',
    reason: null,
    detail: null,
    messageId: null,
    sentRevision: null,
    sentContent: null,
    messageDevices: null,
    messageAt: null,
    messageOpen: false,
    alone: false,
    readAgain: false,
    retracted: false,
    holdId: null,
    background: false,
    dueSinceMs: nowMs,
    failedAtMs: null,
    lastUpdateAt: null,
    acceptedAt: null,
    completedAt: null,
    verifiedAt: null,
    verification: null,
    checkInReportedAtMs: null,
    nextTryAtMs: nowMs,
    leaseUntilMs: null,
    leaseOwner: null,
    attempts: 0,
  };
}

const undelivered: ReadonlySet<string> = new Set(['due', 'held', 'sent']);

/**
 * What was to be read again and is told already is as it was: nothing has to be told. Nor where only the instance is
 * another one.
 */
export const cleared = (row: MemoryReport, report: NewReport): MemoryReport =>
  row.contentHash === comparable(report)
    ? {
        ...row,
        instanceId: report.instanceId,
        readAgain: row.readAgain && undelivered.has(row.state),
      }
    : row;

/** Undefined: it is no news. */
export function replaced(row: MemoryReport, report: NewReport, nowMs: number): MemoryReport | undefined {
  const contentHash = comparable(report);
  const lastCheckInAtMs = millis(report.content.lastCheckInAt);
  const toldAtMs = row.checkInReportedAtMs ?? row.lastCheckInAtMs ?? Number.NEGATIVE_INFINITY;
  const news =
    row.contentHash !== contentHash ||
    row.readAgain ||
    (lastCheckInAtMs !== null && lastCheckInAtMs > toldAtMs + checkInReportedEveryMs);
  if (!news) return undefined;
  const waits = row.messageOpen || (row.state === 'due' && row.attempts > 0);
  return {
    ...row,
    instanceId: report.instanceId,
    content: JSON.stringify(report.content),
    contentHash,
    lastCheckInAtMs,
    traceparent: report.traceparent,
    revision: row.revision + 1,
    state: 'due',
    reason: null,
    detail: null,
    verification: null,
    nextTryAtMs: waits ? (row.nextTryAtMs ?? nowMs) : nowMs,
    attempts: row.messageOpen || row.state === 'due' ? row.attempts : 0,
    dueSinceMs: row.dueSinceMs ?? nowMs,
    failedAtMs: null,
    background: false,
    readAgain: false,
  };
}

export function settled(row: MemoryReport, { found, row: leased }: Settled, nowMs: number): MemoryReport {
  const newest = row.revision === (found.revision ?? leased.revision);
  const messageOpen = found.messageOpen ?? row.messageOpen;
  const failedAtMs = found.state === 'failed' ? nowMs : found.state === undefined ? row.failedAtMs : null;
  return {
    ...row,
    leaseUntilMs: null,
    leaseOwner: null,
    confirmedRevision: Math.max(row.confirmedRevision, found.confirmedRevision ?? 0),
    acceptedAt: found.acceptedAt ?? row.acceptedAt,
    completedAt: found.completedAt ?? row.completedAt,
    verifiedAt: found.verifiedAt ?? row.verifiedAt,
    messageOpen,
    attempts: newest || row.messageOpen ? found.attempts : row.attempts,
    alone: found.alone ?? row.alone,
    ...(newest
      ? {
          state: found.state ?? row.state,
          reason: found.reason ?? null,
          detail: found.detail ?? null,
          verification: found.verification ?? row.verification,
          dueSinceMs: found.state === 'completed' ? null : row.dueSinceMs,
          failedAtMs,
        }
      : {}),
    nextTryAtMs:
      newest || messageOpen ? (found.waitSeconds === null ? null : nowMs + found.waitSeconds * 1_000) : nowMs,
  };
}
