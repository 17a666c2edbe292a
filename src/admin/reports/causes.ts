import { createRoute, z } from '@hono/zod-openapi';
import { and, count, eq, isNotNull, or, type SQL, sql } from 'drizzle-orm';
import { QueryBuilder } from 'drizzle-orm/pg-core';
import { ownerOf, remedyOf } from '../../delivery/causes.ts';
import { reports, tenants } from '../../store/schema.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, instantOrNull, iso, jsonAnswer } from '../schemas.ts';
import { visibleTo } from '../scope.ts';
import { report } from './reports.ts';

/** `/reports/causes`: why reports failed or are held, so that ten thousand dead letters are a few lines. */

const at = sql`coalesce(${reports.failedAt}, ${reports.dueSince}, ${reports.updatedAt})`;
const reason = sql<string>`coalesce(${reports.reason}, 'unknown')`;

/** The conditions are those of the partial indexes, so that what was delivered is not read. */
const causesOf = (where: SQL | undefined) =>
  new QueryBuilder()
    .select({
      tenantId: reports.tenantId,
      state: reports.state,
      reason: reason.as('reason'),
      count: count().as('count'),
      oldest: sql<Date | null>`min(${at})`.as('oldest'),
      newest: sql<Date | null>`max(${at})`.as('newest'),
      detail: sql<string | null>`max(${reports.detail})`.as('detail'),
    })
    .from(reports)
    .where(
      and(
        where,
        or(
          and(eq(reports.state, 'failed'), isNotNull(reports.failedAt)),
          and(eq(reports.state, 'held'), isNotNull(reports.nextTryAt)),
        ),
      ),
    )
    .groupBy(reports.tenantId, reports.state, reason)
    .as('causes');

const causes = causesOf(undefined);

const cause = resource({
  names: ['ReportCause', 'ReportCauses'],
  from: causes,
  joins: [[tenants, eq(tenants.tenantId, causes.tenantId)]],
  columns: {
    ...causes._.selectedFields,
    /** Remedy of the hold of the whole tenant, where that is the cause. */
    tenantRemedy: sql<string | null>`
      case when ${tenants.hold} ->> 'cause' = ${causes.reason} then ${tenants.hold} ->> 'remedy' end`,
    tenantOwner: sql<string | null>`
      case when ${tenants.hold} ->> 'cause' = ${causes.reason} then ${tenants.hold} ->> 'owner' end`,
  },
  fields: ({ column, made }) => ({
    tenantId: column('tenantId', { sort: true }),
    state: column('state', { sort: true }),
    reason: column('reason', { schema: z.string(), sort: true }),
    count: column('count', { schema: z.number().int(), sort: true }),
    /** Time at which the first of them failed; for held ones since when Intune does not hold the newest state. */
    oldest: column('oldest', { schema: instantOrNull, show: iso, sort: true }),
    newest: column('newest', { schema: instantOrNull, show: iso, sort: true }),
    /** Detail of one of them. */
    exampleDetail: column('detail', { schema: z.string().nullable() }),
    owner: made(
      z.string().openapi({
        description: 'Who has to act: caller (an operator), configuration, instance, microsoft or espalier.',
      }),
      ['tenantOwner', 'reason'],
      (row) => row.tenantOwner ?? ownerOf(row.reason),
    ),
    remedy: made(
      z.string().optional(),
      ['tenantRemedy', 'reason'],
      (row) => row.tenantRemedy ?? remedyOf(row.reason),
    ),
  }),
  table: [
    { field: 'count', importance: 1 },
    { field: 'state', importance: 4 },
    { field: 'reason', importance: 2 },
    { field: 'remedy', importance: 3 },
    { field: 'tenantId', whole: true, names: 'tenant', importance: 5 },
    { field: 'oldest', importance: 6 },
  ],
  sort: 'count:desc',
  key: [causes.tenantId, causes.state, sql`${causes.reason}`],
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/reports/causes',
  operationId: 'listReportCauses',
  tags: ['Reports'],
  summary: 'Failed and held reports by cause, with what ends it',
  request: { query: report.query },
  responses: { 200: jsonAnswer(cause.list, 'Causes'), ...commonProblems },
});

export function addReportCauses(app: AdminApp, services: AdminServices): void {
  app.openapi(list, async (c) => {
    const { filter, ...asked } = c.req.valid('query');
    const scope = visibleTo(c.get('operator'), reports.tenantId);
    const found = causesOf(and(scope, filter === undefined ? undefined : report.matching(filter)));
    return answerList(c, await cause.page(services, asked, sql`true`, found));
  });
}
