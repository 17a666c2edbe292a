import { createRoute, z } from '@hono/zod-openapi';
import { type SQL, sql } from 'drizzle-orm';
import { QueryBuilder } from 'drizzle-orm/pg-core';
import { trimmedHistory } from '../../routing/history.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, jsonAnswer, paging, tenantPath } from '../schemas.ts';
import { computerSchema } from './computer.ts';
import { requireVersion } from './versions.ts';

/** `/tenants/{tenantId}/routes/diff`: what is different between two versions of the table, whatever went between. */

const placeSchema = computerSchema
  .extend({
    pinned: z.boolean(),
    rule: z.string(),
    /** Version of the change that put it there. */
    version: z.number().int(),
  })
  .openapi('RoutePlace');

type Place = z.infer<typeof placeSchema> | null;

/** The state that the newest change up to a version left; JSON, so that "no route" is one null. */
const placeAt = (tenantId: string, version: number): SQL => sql`
  select h.to_instance_id as instance_id, h.to_jamf_computer_id as computer_id, h.pinned,
    case when h.to_instance_id is not null then jsonb_build_object('instanceId', h.to_instance_id,
      'jamfComputerId', h.to_jamf_computer_id::text, 'pinned', h.pinned, 'rule', h.rule, 'version', h.version) end as place
  from route_changes h
  where h.tenant_id = ${tenantId} and h.device_id = touched.device_id and h.version <= ${version}
  order by h.version desc limit 1`;

const differences = (tenantId: string, from: number, to: number) =>
  new QueryBuilder()
    .select({
      deviceId: sql<string>`touched.device_id`.as('device_id'),
      from: sql<Place>`a.place`.as('from_place'),
      to: sql<Place>`b.place`.as('to_place'),
    })
    .from(sql`
      (select distinct device_id from route_changes where tenant_id = ${tenantId}
       and version > ${Math.min(from, to)} and version <= ${Math.max(from, to)}) touched
      left join lateral (${placeAt(tenantId, from)}) a on true
      left join lateral (${placeAt(tenantId, to)}) b on true`)
    .where(sql`
      (a.instance_id, a.computer_id, a.place is not null and a.pinned)
        is distinct from (b.instance_id, b.computer_id, b.place is not null and b.pinned)`)
    .as('d');

/** Names the columns; the rows of a request stand in for its rows. */
const none = differences('', 0, 0);

const difference = resource({
  names: ['RouteDifference', 'RouteDifferences'],
  from: none,
  columns: none._.selectedFields,
  fields: ({ column }) => ({
    deviceId: column('deviceId', { schema: z.string(), sort: true }),
    /** Null: the device has no route at that version. */
    from: column('from', { schema: placeSchema.nullable() }),
    to: column('to', { schema: placeSchema.nullable() }),
  }),
  table: [
    { field: 'deviceId', whole: true, importance: 1 },
    { field: 'from.instanceId', title: 'from', names: 'instance', importance: 3 },
    { field: 'from.jamfComputerId', title: 'computer', importance: 5 },
    { field: 'to.instanceId', title: 'to', names: 'instance', importance: 2 },
    { field: 'to.jamfComputerId', title: 'computer', importance: 4 },
    { field: 'to.rule', title: 'rule', importance: 6 },
  ],
  sort: 'deviceId:asc',
  key: [],
});

const versionNumber = (description: string) =>
  z
    .string()
    .regex(/^\d{1,15}$/, 'must be a version: a whole number, not negative')
    .transform(Number)
    .openapi({ type: 'integer', description, example: 12 });

const diff = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/diff',
  operationId: 'diffRoutes',
  tags: ['Routes'],
  summary: 'Devices whose route is another one at the version `to` than at the version `from`',
  request: {
    params: tenantPath,
    query: paging
      .omit({ sort: true })
      .extend({
        from: versionNumber('The version of the table that is compared'),
        to: versionNumber('The version that it is compared with'),
      })
      .strict(),
  },
  responses: {
    200: jsonAnswer(difference.list, 'Differences'),
    ...commonProblems,
  },
});

export function addRouteDiff(app: AdminApp, services: AdminServices): void {
  const { sql: client } = services;
  app.openapi(diff, async (c) => {
    const { tenantId } = await tenantOf(c, client);
    const { from, to, ...asked } = c.req.valid('query');
    const history = await trimmedHistory(client, tenantId);
    requireVersion(history, 'from', from);
    requireVersion(history, 'to', to);
    const rows = differences(tenantId, from, to);
    return answerList(c, await difference.page(services, asked, sql`true`, rows));
  });
}
