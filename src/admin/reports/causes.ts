import { createRoute, z } from '@hono/zod-openapi';
import { remedyOf } from '../../delivery/causes.ts';
import type { Sql } from '../../store/database.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { type Condition, requireFilter } from '../filter.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  filteredPaging,
  instantOrNull,
  iso,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
} from '../schemas.ts';
import { inScope, reportFields } from './fields.ts';

/** `/reports/causes`: why reports failed or are held, so that ten thousand dead letters are a few lines. */

const causeSchema = z
  .object({
    tenantId: z.string(),
    state: z.string(),
    reason: z.string(),
    count: z.number().int(),
    /** When the first of them failed; of held ones since when Intune does not hold the newest state. */
    oldest: instantOrNull,
    newest: instantOrNull,
    /** Of one of them. */
    exampleDetail: z.string().nullable(),
    remedy: z.string().optional(),
  })
  .openapi('ReportCause');

const reportCausesTable: readonly ListColumn[] = [
  { field: 'count', importance: 1 },
  { field: 'state', importance: 4 },
  { field: 'reason', importance: 2 },
  { field: 'remedy', importance: 3 },
  { field: 'tenantId', whole: true, importance: 5 },
  { field: 'oldest', importance: 6 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/reports/causes',
  operationId: 'listReportCauses',
  tags: ['Reports'],
  summary: 'Failed and held reports by cause, with what ends it',
  request: { query: filteredPaging(reportFields) },
  responses: {
    200: jsonAnswer(listOf(causeSchema, 'ReportCauses', reportCausesTable), 'Causes'),
    ...commonProblems,
  },
});

interface CauseRow {
  readonly tenantId: string;
  readonly state: string;
  readonly reason: string;
  readonly count: number;
  readonly oldest: Date | null;
  readonly newest: Date | null;
  readonly exampleDetail: string | null;
  /** Of the hold of the whole tenant, where that is the cause. */
  readonly tenantRemedy: string | null;
  readonly causes: number;
}

const sortColumns = {
  count: 'count',
  tenantId: '"tenantId"',
  state: 'state',
  reason: 'reason',
  oldest: 'oldest',
  newest: 'newest',
};

interface Page {
  readonly number: number;
  readonly size: number;
  readonly order: string;
}

/** The conditions are those of the partial indexes, so that what was delivered is not read. */
const readCauses = (sql: Sql, operator: Operator, filter: Condition | undefined) => sql`
  select reports.tenant_id, reports.state, coalesce(reports.reason, 'unknown') as reason, count(*) as count,
    min(coalesce(reports.failed_at, reports.due_since, reports.updated_at)) as oldest,
    max(coalesce(reports.failed_at, reports.due_since, reports.updated_at)) as newest, max(reports.detail) as detail
  from reports
  where ${inScope(sql, operator)} and ${conditionSql(sql, filter)}
    and ((reports.state = 'failed' and reports.failed_at is not null)
      or (reports.state = 'held' and reports.next_try_at is not null))
  group by reports.tenant_id, reports.state, coalesce(reports.reason, 'unknown')`;

const readPage = (sql: Sql, operator: Operator, filter: Condition | undefined, page: Page) => sql<CauseRow[]>`
  with causes as materialized (${readCauses(sql, operator, filter)})
  select causes.tenant_id as "tenantId", state, reason, count, oldest, newest, detail as "exampleDetail",
    case when hold ->> 'cause' = reason then hold ->> 'remedy' end as "tenantRemedy",
    (select count(*) from causes) as causes
  from causes join tenants on tenants.tenant_id = causes.tenant_id
  order by ${sql.unsafe(page.order)}, causes.tenant_id, state, reason
  limit ${page.size} offset ${page.number * page.size}`;

/** Of a page behind the last one. */
async function countCauses(sql: Sql, operator: Operator, filter: Condition | undefined): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from (${readCauses(sql, operator, filter)}) as causes`;
  return row?.count ?? 0;
}

function describe(row: CauseRow): z.infer<typeof causeSchema> {
  const { count, exampleDetail, newest, oldest, reason, state, tenantId, tenantRemedy } = row;
  const remedy = tenantRemedy ?? remedyOf(reason);
  return {
    tenantId,
    state,
    reason,
    count,
    oldest: iso(oldest),
    newest: iso(newest),
    exampleDetail,
    ...(remedy === undefined ? {} : { remedy }),
  };
}

export function addReportCauses(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const operator = c.get('operator');
    const { filter: text, page, 'page-size': size, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, reportFields);
    const order = orderBy(parseSort(sort, sortColumns, 'count:desc'));
    const found = await readPage(sql, operator, filter, { number: page, size, order });
    const [first] = found;
    const totalCount = first || page === 0 ? (first?.causes ?? 0) : await countCauses(sql, operator, filter);
    return c.json({ totalCount, results: found.map(describe) }, 200);
  });
}
