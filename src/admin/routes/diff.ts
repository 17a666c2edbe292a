import { createRoute, z } from '@hono/zod-openapi';
import { trimmedHistory } from '../../routing/history.ts';
import { columns, pick } from '../../store/columns.ts';
import type { Fragment, Sql } from '../../store/database.ts';
import { routeChanges } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, jsonAnswer, type ListColumn, listOf, paging, tenantPath } from '../schemas.ts';
import { computerSchema } from './computer.ts';
import { requireVersion } from './versions.ts';

/** `/tenants/{tenantId}/routes/diff`: what is different between two versions of the table, whatever went between. */

const placeSchema = computerSchema
  .extend({
    pinned: z.boolean(),
    rule: z.string(),
    /** Of the change that put it there. */
    version: z.number().int(),
  })
  .openapi('RoutePlace');

const differenceSchema = z
  .object({
    deviceId: z.string(),
    /** Null: the device has no route at that version. */
    from: placeSchema.nullable(),
    to: placeSchema.nullable(),
  })
  .openapi('RouteDifference');

const versionNumber = z
  .string()
  .regex(/^\d{1,15}$/, 'must be a version: a whole number, not negative')
  .transform(Number)
  .openapi({ type: 'integer', example: 12 });

const routeDifferencesTable: readonly ListColumn[] = [
  { field: 'deviceId', whole: true, importance: 1 },
  { field: 'from.instanceId', title: 'from', names: 'instance', importance: 3 },
  { field: 'from.jamfComputerId', title: 'computer', importance: 5 },
  { field: 'to.instanceId', title: 'to', names: 'instance', importance: 2 },
  { field: 'to.jamfComputerId', title: 'computer', importance: 4 },
  { field: 'to.rule', title: 'rule', importance: 6 },
];

const diff = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/diff',
  operationId: 'diffRoutes',
  tags: ['Routes'],
  summary: 'Devices whose route is another one at the version `to` than at the version `from`',
  request: {
    params: tenantPath,
    query: paging.omit({ sort: true }).extend({ from: versionNumber, to: versionNumber }).strict(),
  },
  responses: {
    200: jsonAnswer(listOf(differenceSchema, 'RouteDifferences', routeDifferencesTable), 'Differences'),
    ...commonProblems,
  },
});

/** The state that the newest change up to a version left; JSON, so that "no route" is one null. */
const placeAt = (sql: Sql, tenantId: string, version: number): Fragment => sql`
  select h.to_instance_id as instance_id, h.to_jamf_computer_id as computer_id, h.pinned,
    case when h.to_instance_id is not null then jsonb_build_object('instanceId', h.to_instance_id,
      'jamfComputerId', h.to_jamf_computer_id::text, 'pinned', h.pinned, 'rule', h.rule, 'version', h.version) end as place
  from route_changes h
  where h.tenant_id = ${tenantId} and h.device_id = touched.device_id and h.version <= ${version}
  order by h.version desc limit 1`;

const differing = (sql: Sql, tenantId: string, from: number, to: number): Fragment => sql`
  (select distinct device_id from route_changes where tenant_id = ${tenantId}
   and version > ${Math.min(from, to)} and version <= ${Math.max(from, to)}) touched
  left join lateral (${placeAt(sql, tenantId, from)}) a on true
  left join lateral (${placeAt(sql, tenantId, to)}) b on true
  where (a.instance_id, a.computer_id, a.place is not null and a.pinned)
    is distinct from (b.instance_id, b.computer_id, b.place is not null and b.pinned)`;

export function addRouteDiff(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(diff, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { from, page, 'page-size': pageSize, to } = c.req.valid('query');
    const history = await trimmedHistory(sql, tenantId);
    requireVersion(history, 'from', from);
    requireVersion(history, 'to', to);
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from ${differing(sql, tenantId, from, to)}`;
    const results = await sql<z.infer<typeof differenceSchema>[]>`
      select ${columns(sql, pick(routeChanges, 'deviceId'), 'touched')}, a.place as "from", b.place as "to"
      from ${differing(sql, tenantId, from, to)}
      order by touched.device_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results }, 200);
  });
}
