import { createRoute } from '@hono/zod-openapi';
import { type Approval, approvalColumns, approvalStates, approvalsNow } from '../../store/approvals.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  etag,
  filteredPaging,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
} from '../schemas.ts';
import { approvalOf, approvalPath, approvalSchema, describeApproval } from './approval.ts';

/** `/approvals`: what waits for a second operator, and what became of it. */

const tags = ['Approvals'];

const filterFields: FilterFields = {
  tenantId: { type: 'uuid', column: 'a.tenant_id' },
  state: { type: 'enum', column: 'a.state', values: approvalStates },
  action: { type: 'text', column: 'a.action', wildcards: true },
  createdAt: { type: 'timestamp', column: 'a.created_at' },
};

const sortColumns = {
  createdAt: 'a.created_at',
  tenantId: 'a.tenant_id',
  state: 'a.state',
  action: 'a.action',
  devices: 'a.devices',
};

const approvalsTable: readonly ListColumn[] = [
  { field: 'id', whole: true, importance: 1 },
  { field: 'state', importance: 2 },
  { field: 'summary', importance: 3 },
  { field: 'devices', importance: 4 },
  { field: 'requestedBy.name', title: 'requested by', importance: 5 },
  { field: 'expiresAt', importance: 6 },
  { field: 'action', importance: 7 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/approvals',
  operationId: 'listApprovals',
  tags,
  summary: 'Requests that wait for a second operator or did, newest first',
  request: { query: filteredPaging(filterFields) },
  responses: {
    200: jsonAnswer(listOf(approvalSchema, 'Approvals', approvalsTable), 'Approvals'),
    ...commonProblems,
  },
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/approvals/{approvalId}',
  operationId: 'getApproval',
  tags,
  summary: 'One approval, with what came of the request',
  request: { params: approvalPath },
  responses: { 200: jsonAnswer(approvalSchema, 'Approval'), ...commonProblems },
});

export function addApprovals(app: AdminApp, { sql }: Pick<AdminServices, 'sql'>): void {
  app.openapi(list, async (c) => {
    const { tenantIds } = c.get('operator');
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const order = orderBy(parseSort(sort, sortColumns, 'createdAt:desc'));
    const scope = tenantIds === undefined ? sql`true` : sql`tenant_id = any(${tenantIds}::uuid[])`;
    const where = sql`${scope} and ${conditionSql(sql, filter)}`;
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from ${approvalsNow(sql)} where ${where}`;
    const rows = await sql<Approval[]>`
      select ${approvalColumns(sql)} from ${approvalsNow(sql)} where ${where}
      order by ${sql.unsafe(order)}, approval_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: rows.map(describeApproval) }, 200);
  });

  app.openapi(read, async (c) => {
    const row = await approvalOf(c, sql);
    return c.json(describeApproval(row), 200, { etag: etag(row.version) });
  });
}
