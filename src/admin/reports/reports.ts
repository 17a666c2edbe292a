import { createRoute, z } from '@hono/zod-openapi';
import { type AnyColumn, getTableColumns, sql } from 'drizzle-orm';
import { readReportCounts, reportStates, totalOf } from '../../store/reports/counts.ts';
import type { ReportState } from '../../store/row-types.ts';
import { reports } from '../../store/schema.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, jsonAnswer } from '../schemas.ts';
import { visibleTo } from '../scope.ts';

/** `/reports`: how far the state of each device is on its way to Intune, over all tenants of the operator. */

/** docs/data.md, reports_due and reports_failed: they hold only rows with such a time. */
export const presentByState = ({
  failedAt,
  nextTryAt,
}: {
  readonly failedAt: AnyColumn;
  readonly nextTryAt: AnyColumn;
}): Readonly<Record<string, AnyColumn>> => ({
  failed: failedAt,
  due: nextTryAt,
  held: nextTryAt,
  sent: nextTryAt,
  accepted: nextTryAt,
});

export const report = resource({
  names: ['Report', 'Reports'],
  from: reports,
  columns: {
    ...getTableColumns(reports),
    serialNumber: sql<string | null>`(select r.serial_number from routes r
      where r.tenant_id = "reports".tenant_id and r.device_id = "reports".device_id)`,
  },
  fields: ({ column }) => ({
    tenantId: column('tenantId', { filter: true, sort: true }),
    deviceId: column('deviceId', { filter: true, sort: true }),
    serialNumber: column('serialNumber', {
      schema: z.string().nullable(),
      description: 'That of its route; null: it has none, or the serial number is not known.',
    }),
    instanceId: column('instanceId', { filter: true }),
    state: column('state', { filter: reportStates, present: presentByState(reports), sort: true }),
    reason: column('reason', { filter: 'wildcards' }),
    detail: column('detail'),
    revision: column('revision'),
    confirmedRevision: column('confirmedRevision'),
    messageId: column('messageId'),
    attempts: column('attempts'),
    dueSince: column('dueSince', { sort: true }),
    failedAt: column('failedAt', { filter: true }),
    sentAt: column('sentAt'),
    acceptedAt: column('acceptedAt'),
    completedAt: column('completedAt'),
    verifiedAt: column('verifiedAt'),
    verification: column('verification'),
    nextTryAt: column('nextTryAt'),
    background: column('background'),
    updatedAt: column('updatedAt', { filter: true, sort: true }),
  }),
  table: [
    { field: 'tenantId', whole: true, names: 'tenant', importance: 2 },
    { field: 'deviceId', whole: true, importance: 1 },
    { field: 'state', importance: 3 },
    { field: 'reason', importance: 4 },
    { field: 'detail', importance: 5 },
    { field: 'attempts', importance: 7 },
    { field: 'serialNumber', importance: 8 },
    { field: 'updatedAt', importance: 6 },
  ],
  // The primary key's order: no index is kept on what changes while a report is on its way.
  sort: 'tenantId:asc,deviceId:asc',
  key: [reports.tenantId, reports.deviceId],
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/reports',
  operationId: 'listReports',
  tags: ['Reports'],
  summary: 'Reports of all tenants, dead letters with the filter state==failed',
  request: { query: report.query },
  responses: { 200: jsonAnswer(report.list, 'Reports'), ...commonProblems },
});

const onlyState = new RegExp(`^state==(${reportStates.join('|')})$`);

/** The number of all reports, or of those in one state, is kept; other filters are counted. */
async function knownTotal(
  { sql: queries }: AdminServices,
  { tenantIds }: Operator,
  filter: string | undefined,
): Promise<number | undefined> {
  const [, state] = onlyState.exec(filter ?? '') ?? [];
  if (filter !== undefined && state === undefined) return undefined;
  const counts = await readReportCounts(queries, tenantIds);
  if (counts === undefined || state === undefined) return counts && totalOf(counts);
  return counts[state as ReportState];
}

export function addReports(app: AdminApp, services: AdminServices): void {
  app.openapi(list, async (c) => {
    const operator = c.get('operator');
    const asked = c.req.valid('query');
    const scope = visibleTo(operator, reports.tenantId);
    const total = () => knownTotal(services, operator, asked.filter);
    return answerList(c, await report.page(services, asked, scope, undefined, total));
  });
}
