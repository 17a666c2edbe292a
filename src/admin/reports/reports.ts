import { createRoute, z } from '@hono/zod-openapi';
import type { Sql } from '../../store/database.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { type Condition, requireFilter } from '../filter.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  filteredPaging,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  type SortKey,
} from '../schemas.ts';
import { inScope, reportFields } from './fields.ts';

/** `/reports`: how far the state of each device is on its way to Intune, over all tenants of the operator. */

const reportSchema = z
  .object({
    tenantId: z.string(),
    deviceId: z.string(),
    instanceId: z.string(),
    state: z.string(),
    reason: z.string().nullable(),
    detail: z.string().nullable(),
    revision: z.number().int(),
    confirmedRevision: z.number().int(),
    messageId: z.string().nullable(),
    attempts: z.number().int(),
    dueSince: instantOrNull,
    failedAt: instantOrNull,
    sentAt: instantOrNull,
    acceptedAt: instantOrNull,
    completedAt: instantOrNull,
    verifiedAt: instantOrNull,
    verification: z.string().nullable(),
    nextTryAt: instantOrNull,
    background: z.boolean(),
    updatedAt: instant,
  })
  .openapi('Report');

const reportsTable: readonly ListColumn[] = [
  { field: 'tenantId', whole: true, importance: 2 },
  { field: 'deviceId', whole: true, importance: 1 },
  { field: 'state', importance: 3 },
  { field: 'reason', importance: 4 },
  { field: 'detail', importance: 5 },
  { field: 'attempts', importance: 7 },
  { field: 'updatedAt', importance: 6 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/reports',
  operationId: 'listReports',
  tags: ['Reports'],
  summary: 'Reports of all tenants, dead letters with the filter state==failed',
  request: { query: filteredPaging(reportFields) },
  responses: { 200: jsonAnswer(listOf(reportSchema, 'Reports', reportsTable), 'Reports'), ...commonProblems },
});

interface ReportRow {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly instanceId: string;
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly revision: number;
  readonly confirmedRevision: number;
  readonly messageId: string | null;
  readonly attempts: number;
  readonly dueSince: Date | null;
  readonly failedAt: Date | null;
  readonly sentAt: Date | null;
  readonly acceptedAt: Date | null;
  readonly completedAt: Date | null;
  readonly verifiedAt: Date | null;
  readonly verification: string | null;
  readonly nextTryAt: Date | null;
  readonly background: boolean;
  readonly updatedAt: Date;
}

const describe = (row: ReportRow): z.infer<typeof reportSchema> => ({
  ...row,
  dueSince: iso(row.dueSince),
  failedAt: iso(row.failedAt),
  sentAt: iso(row.sentAt),
  acceptedAt: iso(row.acceptedAt),
  completedAt: iso(row.completedAt),
  verifiedAt: iso(row.verifiedAt),
  nextTryAt: iso(row.nextTryAt),
  updatedAt: row.updatedAt.toISOString(),
});

const sortColumns = {
  updatedAt: 'updated_at',
  tenantId: 'tenant_id',
  deviceId: 'device_id',
  state: 'state',
  dueSince: 'due_since',
};

interface Page {
  readonly number: number;
  readonly size: number;
  readonly order: readonly SortKey[];
}

const readPage = (sql: Sql, operator: Operator, filter: Condition | undefined, page: Page) => sql<
  ReportRow[]
>`
  select tenant_id as "tenantId", device_id as "deviceId", instance_id as "instanceId", state, reason, detail, revision,
    confirmed_revision as "confirmedRevision", message_id as "messageId", attempts, due_since as "dueSince",
    failed_at as "failedAt", sent_at as "sentAt", accepted_at as "acceptedAt", completed_at as "completedAt",
    verified_at as "verifiedAt", verification, next_try_at as "nextTryAt", background, updated_at as "updatedAt"
  from reports where ${inScope(sql, operator)} and ${conditionSql(sql, filter)}
  order by ${sql.unsafe(orderBy(page.order))}, tenant_id, device_id
  limit ${page.size} offset ${page.number * page.size}`;

export function addReports(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const operator = c.get('operator');
    const { filter: text, page, 'page-size': size, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, reportFields);
    // The primary key's order unless asked: no index is kept on what changes while a report is on its way.
    const order = parseSort(sort, sortColumns, 'tenantId:asc,deviceId:asc');
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from reports where ${inScope(sql, operator)} and ${conditionSql(sql, filter)}`;
    const found = await readPage(sql, operator, filter, { number: page, size, order });
    return c.json({ totalCount: total?.count ?? 0, results: found.map(describe) }, 200);
  });
}
