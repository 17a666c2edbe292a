import { createRoute, z } from '@hono/zod-openapi';
import type { Sql } from '../../store/database.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { type Condition, requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  filteredPaging,
  instant,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/changes`: every change of a route, who made it and why. */

const changeSchema = z
  .object({
    version: z.number().int(),
    deviceId: z.string(),
    changedAt: instant,
    author: z.string(),
    reason: z.string(),
    rule: z.string(),
    pinned: z.boolean(),
    /** Null: the device had no route. */
    from: computerSchema.nullable(),
    /** Null: its route ended. */
    to: computerSchema.nullable(),
  })
  .openapi('RouteChange');

const filterFields: FilterFields = {
  deviceId: { type: 'uuid', column: 'c.device_id' },
  version: { type: 'integer', column: 'c.version' },
  author: { type: 'text', column: 'c.author', wildcards: true },
  rule: { type: 'text', column: 'c.rule' },
  pinned: { type: 'boolean', column: 'c.pinned' },
  fromInstanceId: { type: 'uuid', column: 'c.from_instance_id' },
  toInstanceId: { type: 'uuid', column: 'c.to_instance_id' },
  changedAt: { type: 'timestamp', column: 'c.changed_at' },
};

const routeChangesTable: readonly ListColumn[] = [
  { field: 'version', importance: 1 },
  { field: 'changedAt', title: 'at', importance: 4 },
  { field: 'deviceId', whole: true, importance: 2 },
  { field: 'from.instanceId', title: 'from', importance: 5 },
  { field: 'to.instanceId', title: 'to', importance: 3 },
  { field: 'to.jamfComputerId', title: 'computer', importance: 8 },
  { field: 'author', importance: 6 },
  { field: 'reason', importance: 7 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/changes',
  operationId: 'listRouteChanges',
  tags: ['Routes'],
  summary: 'Every change of a route with author, reason and version, newest first',
  request: { params: tenantPath, query: filteredPaging(filterFields) },
  responses: {
    200: jsonAnswer(listOf(changeSchema, 'RouteChanges', routeChangesTable), 'Changes'),
    ...commonProblems,
  },
});

interface ChangeRow {
  readonly version: number;
  readonly deviceId: string;
  readonly changedAt: Date;
  readonly author: string;
  readonly reason: string;
  readonly rule: string;
  readonly pinned: boolean;
  readonly fromInstanceId: string | null;
  readonly fromJamfComputerId: number | null;
  readonly toInstanceId: string | null;
  readonly toJamfComputerId: number | null;
}

const describe = (row: ChangeRow): z.infer<typeof changeSchema> => ({
  version: row.version,
  deviceId: row.deviceId,
  changedAt: row.changedAt.toISOString(),
  author: row.author,
  reason: row.reason,
  rule: row.rule,
  pinned: row.pinned,
  from: computerOrNull(row.fromInstanceId, row.fromJamfComputerId),
  to: computerOrNull(row.toInstanceId, row.toJamfComputerId),
});

const sortColumns = { version: 'c.version', changedAt: 'c.changed_at', deviceId: 'c.device_id' };

const readChanges = (
  sql: Sql,
  tenantId: string,
  filter: Condition | undefined,
  page: { readonly size: number; readonly number: number; readonly order: string },
) => sql<ChangeRow[]>`
  select c.version, c.device_id as "deviceId", c.changed_at as "changedAt", c.author, c.reason, c.rule, c.pinned,
    c.from_instance_id as "fromInstanceId", c.from_jamf_computer_id as "fromJamfComputerId",
    c.to_instance_id as "toInstanceId", c.to_jamf_computer_id as "toJamfComputerId"
  from route_changes c where c.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}
  order by ${sql.unsafe(page.order)}, c.device_id limit ${page.size} offset ${page.number * page.size}`;

export function addRouteChanges(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': size, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, filterFields);
    const order = orderBy(parseSort(sort, sortColumns, 'version:desc')).replaceAll(' nulls last', '');
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from route_changes c where c.tenant_id = ${tenantId} and ${conditionSql(sql, filter)}`;
    const found = await readChanges(sql, tenantId, filter, { size, number: page, order });
    return c.json({ totalCount: total?.count ?? 0, results: found.map(describe) }, 200);
  });
}
