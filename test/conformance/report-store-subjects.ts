import { newId } from '../../src/ids.ts';
import type { Sql } from '../../src/store/database.ts';
import type { DueSchedule } from '../../src/store/due-rows.ts';
import { createReportStore } from '../../src/store/reports/report-store.ts';
import { setReports } from '../../src/store/reports/set-reports.ts';
import type { TimelineWriter } from '../../src/store/timeline.ts';
import type { MemoryReport } from '../harness/memory-report-row.ts';
import { createMemoryReports } from '../harness/memory-report-store.ts';
import {
  contentWith,
  instanceId,
  type ReportStoreSubject,
  type SeenReport,
} from './report-store.conformance.ts';

/** The two stores, each with the hands that the suite needs beside the port. */

const tens = (ms: number | null): number | null =>
  ms === null ? null : Math.max(0, Math.round(ms / 10_000) * 10);

const noTimeline: TimelineWriter = {
  add: () => undefined,
  trim: () => undefined,
  idle: async () => undefined,
};

export function memorySubject(): ReportStoreSubject {
  let nowMs = Date.UTC(2026, 0, 5);
  const reports = createMemoryReports(() => {
    nowMs += 1;
    return nowMs;
  });
  const due: DueSchedule[] = [];
  const change = (
    tenantId: string,
    of: (row: MemoryReport, ms: number) => Partial<MemoryReport> | undefined,
  ): void => reports.update((row, ms) => (row.tenantId === tenantId ? of(row, ms) : undefined));
  return {
    due,
    store: reports.store((schedule) => due.push(schedule)),
    newTenant: async () => newId(),
    set: async (tenantId, deviceIds, content) =>
      reports.setReports(
        tenantId,
        deviceIds.map((deviceId) => ({
          deviceId,
          instanceId,
          content: contentWith(content),
          traceparent: null,
        })),
      ),
    makeDue: async (tenantId, deviceIds, together = false) =>
      change(tenantId, ({ deviceId }, ms) => {
        const index = deviceIds.indexOf(deviceId);
        return index < 0 ? undefined : { nextTryAtMs: ms - 1_000 + (together ? 0 : index) };
      }),
    endLeases: async (tenantId) =>
      change(tenantId, ({ leaseOwner }, ms) => (leaseOwner === null ? undefined : { leaseUntilMs: ms - 1 })),
    change: async (tenantId, deviceId, changes) =>
      change(tenantId, (row) => (row.deviceId === deviceId ? changes : undefined)),
    rows: async (tenantId) =>
      reports
        .rows()
        .filter((row) => row.tenantId === tenantId)
        .sort((a, b) => (a.deviceId < b.deviceId ? -1 : 1))
        .map((row): SeenReport => {
          const { alone, attempts, background, confirmedRevision, detail, deviceId, leaseOwner } = row;
          const { messageDevices, messageId, messageOpen, readAgain, reason, revision } = row;
          const { sentContent, sentRevision, state, verification } = row;
          return {
            alone,
            attempts,
            background,
            confirmedRevision,
            detail,
            deviceId,
            leaseOwner,
            messageDevices,
            messageId,
            messageOpen,
            readAgain,
            reason,
            revision,
            sentContent,
            sentRevision,
            state,
            verification,
            leased: row.leaseUntilMs !== null && row.leaseUntilMs >= nowMs,
            isDue: row.dueSinceMs !== null,
            isFailed: row.failedAtMs !== null,
            nextTry: tens(row.nextTryAtMs === null ? null : row.nextTryAtMs - nowMs),
            lastUpdateAt: row.lastUpdateAt?.toISOString() ?? null,
          };
        }),
  };
}

export function postgresSubject(sql: Sql): ReportStoreSubject {
  const due: DueSchedule[] = [];
  return {
    due,
    store: createReportStore({ sql, timeline: noTimeline, onDue: (schedule) => due.push(schedule) }),
    newTenant: async () => {
      const tenantId = newId();
      await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
        values (${tenantId}, 'public', 't', 'device-compliance', 'cloud-connector', '{}')`;
      return tenantId;
    },
    set: (tenantId, deviceIds, content) =>
      sql.begin((tx) =>
        setReports(
          tx,
          tenantId,
          deviceIds.map((deviceId) => ({
            deviceId,
            instanceId,
            content: contentWith(content),
            traceparent: null,
          })),
        ),
      ) as Promise<ReadonlySet<string>>,
    makeDue: async (tenantId, deviceIds, together = false) => {
      await sql`
        update reports r set next_try_at = now() - interval '1 second'
          + ${together ? 0 : 1} * (asked.position - 1) * interval '1 millisecond'
        from unnest(${deviceIds as string[]}::uuid[]) with ordinality as asked(device_id, position)
        where r.tenant_id = ${tenantId} and r.device_id = asked.device_id`;
    },
    endLeases: async (tenantId) => {
      await sql`update reports set lease_until = now() - interval '1 second'
        where tenant_id = ${tenantId} and lease_owner is not null`;
    },
    change: async (tenantId, deviceId, { background, readAgain }) => {
      await sql`update reports set background = coalesce(${background ?? null}, background),
        read_again = coalesce(${readAgain ?? null}, read_again)
        where tenant_id = ${tenantId} and device_id = ${deviceId}`;
    },
    rows: async (tenantId) => {
      const rows = await sql<(SeenReport & { nextTryInMs: number | null })[]>`
        select device_id as "deviceId", revision, confirmed_revision as "confirmedRevision", state, reason, detail,
          message_id as "messageId", sent_revision as "sentRevision", sent_content as "sentContent",
          message_devices as "messageDevices", message_open as "messageOpen", alone, read_again as "readAgain",
          background, attempts, verification, lease_owner as "leaseOwner",
          coalesce(lease_until >= now(), false) as leased, due_since is not null as "isDue",
          failed_at is not null as "isFailed", last_update_at as "lastUpdateAt",
          (extract(epoch from next_try_at - now()) * 1000)::float8 as "nextTryInMs"
        from reports where tenant_id = ${tenantId} order by device_id`;
      return rows.map(({ lastUpdateAt, nextTryInMs, ...row }) => ({
        ...row,
        lastUpdateAt: lastUpdateAt === null ? null : new Date(lastUpdateAt).toISOString(),
        nextTry: tens(nextTryInMs),
      }));
    },
  };
}
