import { z } from '@hono/zod-openapi';
import { and, eq, getTableColumns } from 'drizzle-orm';
import { alias } from 'drizzle-orm/pg-core';
import { reportStates } from '../../store/reports/counts.ts';
import { reports, routes } from '../../store/schema.ts';
import { presentByState } from '../reports/reports.ts';
import { filterOnly } from '../resource/fields.ts';
import { resource } from '../resource/resource.ts';
import { instant, instantOrNull, iso } from '../schemas.ts';
import { isContested } from './contested.ts';

/** A device as the admin API shows it: its route, with the last state sent to Intune. */

const reportSchema = z
  .object({
    state: z.string(),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    revision: z.number().int(),
    confirmedRevision: z.number().int(),
    messageId: z.string().nullable(),
    verification: z.string().nullable(),
    verdict: z.string(),
    reportedAt: instantOrNull,
    sentAt: instantOrNull,
    acceptedAt: instantOrNull,
    completedAt: instantOrNull,
    verifiedAt: instantOrNull,
    updatedAt: instant,
  })
  .openapi('DeviceReport');

/** Named as in the statements that a filter on devices goes into (routing/moves/plan.ts). */
export const r = alias(routes, 'r');
export const p = alias(reports, 'p');
export const reportOfRoute = and(eq(p.tenantId, r.tenantId), eq(p.deviceId, r.deviceId));

const report = {
  state: p.state,
  reason: p.reason,
  detail: p.detail,
  revision: p.revision,
  confirmedRevision: p.confirmedRevision,
  messageId: p.messageId,
  verification: p.verification,
  content: p.content,
  sentAt: p.sentAt,
  acceptedAt: p.acceptedAt,
  completedAt: p.completedAt,
  verifiedAt: p.verifiedAt,
  updatedAt: p.updatedAt,
};

function describeReport({
  content,
  ...row
}: Omit<
  typeof reports.$inferSelect,
  Exclude<keyof typeof reports.$inferSelect, keyof typeof report>
>): z.infer<typeof reportSchema> {
  const stored = JSON.parse(content) as { verdict?: string; reportedAt?: string | null };
  return {
    ...row,
    verdict: stored.verdict ?? 'unknown',
    reportedAt: stored.reportedAt ?? null,
    sentAt: iso(row.sentAt),
    acceptedAt: iso(row.acceptedAt),
    completedAt: iso(row.completedAt),
    verifiedAt: iso(row.verifiedAt),
    updatedAt: row.updatedAt.toISOString(),
  };
}

export const device = resource({
  names: ['Device', 'Devices'],
  from: r,
  joins: [[p, reportOfRoute]],
  rowId: r.deviceId,
  columns: { ...getTableColumns(r), report },
  fields: ({ column, made }) => ({
    id: column('deviceId'),
    deviceId: column('deviceId', { filter: true, sort: true }),
    tenantId: column('tenantId'),
    instanceId: column('instanceId', { filter: true, sort: true }),
    jamfComputerId: column('jamfComputerId', { schema: z.string(), show: String }),
    serialNumber: column('serialNumber', { filter: 'wildcards', sort: true }),
    udid: column('udid'),
    pinned: column('pinned', { filter: true }),
    rule: column('rule'),
    since: column('since', { sort: true }),
    routeVersion: column('version'),
    report: made(reportSchema.nullable(), ['report'], (row) => row.report && describeReport(row.report)),
  }),
  table: [
    { field: 'deviceId', whole: true, importance: 1 },
    { field: 'serialNumber', title: 'serial', importance: 2 },
    { field: 'report.state', title: 'state', importance: 3 },
    { field: 'report.reason', title: 'reason', importance: 4 },
    { field: 'jamfComputerId', title: 'computer', importance: 6 },
    { field: 'instanceId', whole: true, names: 'instance', importance: 5 },
    { field: 'pinned', importance: 7 },
    { field: 'rule', importance: 9 },
    { field: 'since', importance: 8 },
  ],
  filters: {
    state: filterOnly(p.state, { filter: reportStates, present: presentByState(p) }),
    conflict: { type: 'boolean', column: isContested(r) },
  },
  sort: 'deviceId:asc',
  key: [r.deviceId],
});

/** The row of one device. */
export const placeOf = (tenantId: string, deviceId: string) =>
  and(eq(r.tenantId, tenantId), eq(r.deviceId, deviceId));
