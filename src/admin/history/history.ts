import { createRoute, z } from '@hono/zod-openapi';
import type { Fragment, Sql } from '../../store/database.ts';
import { type ChainedRow, historyColumns, noTenant } from '../../store/history.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices, Operator } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import { preferredType } from '../negotiate.ts';
import {
  commonProblems,
  filteredPaging,
  instant,
  invalidField,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
} from '../schemas.ts';
import { streamLines } from './stream-lines.ts';

/** `/history`: who did what, newest first; as text the lines of JAMFChangeManagement.log, oldest first. */

const authorKinds = ['bootstrap', 'gateway', 'key', 'user'] as const;

const historyFields: FilterFields = {
  tenantId: { type: 'uuid', column: 'history.tenant_id' },
  recordedAt: { type: 'timestamp', column: 'history.recorded_at' },
  authorKind: { type: 'enum', column: 'history.author_kind', values: authorKinds },
  authorId: { type: 'text', column: 'history.author_id' },
  author: { type: 'text', column: 'history.author', wildcards: true },
  action: { type: 'text', column: 'history.action', wildcards: true },
  objectKind: { type: 'text', column: 'history.object_kind' },
  objectId: { type: 'text', column: 'history.object_id' },
  requestId: { type: 'text', column: 'history.request_id' },
};

const json = z.record(z.string(), z.unknown()).nullable();

const entrySchema = z
  .object({
    id: z.string().openapi({ description: 'Tenant and sequence, joined by a colon.' }),
    tenantId: z.string().nullable().openapi({ description: 'Null: it belongs to no tenant.' }),
    sequence: z.number().int().openapi({ description: 'In the chain of the tenant, from 1.' }),
    recordedAt: instant,
    authorKind: z.enum(authorKinds).openapi({
      description: 'gateway: what Espalier did by itself, such as on what Microsoft said.',
    }),
    authorId: z.string().nullable(),
    author: z.string(),
    action: z.string().openapi({ example: 'connection.disconnect' }),
    objectKind: z.string(),
    objectId: z.string(),
    objectName: z.string().nullable(),
    before: json.openapi({ description: 'What changed, as it was. Secrets show as set or changed only.' }),
    after: json.openapi({ description: 'What changed, as it is since; or what came of it.' }),
    reason: z.string().nullable(),
    requestId: z.string().nullable(),
    source: z.string().nullable().openapi({ description: 'Address that the request came from.' }),
    approvedBy: z.string().nullable(),
    previousHash: z.string(),
    hash: z.string(),
  })
  .openapi('HistoryEntry');

const path = '/api/v1/history';

const historyTable: readonly ListColumn[] = [
  { field: 'recordedAt', title: 'at', importance: 1 },
  { field: 'author', importance: 2 },
  { field: 'action', importance: 3 },
  { field: 'objectName', title: 'object', importance: 4 },
  { field: 'objectId', importance: 6 },
  { field: 'reason', importance: 5 },
  { field: 'tenantId', whole: true, importance: 7 },
  { field: 'requestId', importance: 8 },
];

const list = createRoute({
  method: 'get',
  path,
  operationId: 'listHistory',
  tags: ['History'],
  summary:
    'Who did what, newest first; with Accept: text/plain all that the filter matches as lines of JAMFChangeManagement.log, oldest first',
  request: { query: filteredPaging(historyFields) },
  responses: {
    200: {
      description: 'Entries',
      content: {
        'application/json': { schema: listOf(entrySchema, 'History', historyTable) },
        'text/plain': { schema: z.string() },
      },
    },
    ...commonProblems,
  },
});

const parsed = (text: string | null): Record<string, unknown> | null =>
  text === null ? null : JSON.parse(text);

const describe = (row: ChainedRow): z.infer<typeof entrySchema> => ({
  id: `${row.tenantId}:${row.sequence}`,
  tenantId: row.tenantId === noTenant ? null : row.tenantId,
  sequence: row.sequence,
  recordedAt: row.recordedAt.toISOString(),
  authorKind: row.authorKind as (typeof authorKinds)[number],
  authorId: row.authorId,
  author: row.author,
  action: row.action,
  objectKind: row.objectKind,
  objectId: row.objectId,
  objectName: row.objectName,
  before: parsed(row.before),
  after: parsed(row.after),
  reason: row.reason,
  requestId: row.requestId,
  source: row.source,
  approvedBy: row.approvedBy,
  previousHash: row.previousHash,
  hash: row.hash,
});

const sortColumns = {
  recordedAt: 'recorded_at',
  tenantId: 'tenant_id',
  sequence: 'sequence',
  author: 'author',
  action: 'action',
  objectKind: 'object_kind',
};

/** The chains of its tenants, whether these are still here or not. */
const visible = (sql: Sql, { tenantIds }: Operator): Fragment =>
  tenantIds === undefined ? sql`true` : sql`tenant_id = any(${tenantIds as string[]}::uuid[])`;

export function addHistory(app: AdminApp, { sql }: AdminServices): void {
  app.get(path, async (c, next) => {
    if (preferredType(c.req.header('accept'), ['application/json', 'text/plain']) !== 'text/plain')
      return next();
    const operator = requireRole(c, 'viewer');
    const { filter: text, ...others } = c.req.query();
    const [paged] = Object.keys(others);
    if (paged !== undefined)
      throw invalidField(paged, 'does not go with text/plain, which is all that the filter matches');
    const filter = text === undefined ? undefined : requireFilter(text, historyFields);
    const lines = streamLines(sql, sql`${visible(sql, operator)} and ${conditionSql(sql, filter)}`);
    return c.body(lines, 200, { 'content-type': 'text/plain; charset=utf-8', vary: 'accept' });
  });

  app.openapi(list, async (c) => {
    const operator = requireRole(c, 'viewer');
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, historyFields);
    const where = sql`${visible(sql, operator)} and ${conditionSql(sql, filter)}`;
    const order = orderBy(parseSort(sort, sortColumns, 'recordedAt:desc')).replaceAll(' nulls last', '');
    const [total] = await sql<{ count: number }[]>`select count(*) as count from history where ${where}`;
    const rows = await sql<ChainedRow[]>`
      select ${historyColumns(sql)} from history where ${where}
      order by ${sql.unsafe(order)}, tenant_id desc, sequence desc limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: rows.map(describe) }, 200, { vary: 'accept' });
  });
}
