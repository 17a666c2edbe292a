import { createRoute } from '@hono/zod-openapi';
import { eq, getTableColumns } from 'drizzle-orm';
import { routeChanges } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { filterOnly } from '../resource/fields.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, jsonAnswer, tenantPath } from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/changes`: every change of a route, who made it and why. */

const change = resource({
  names: ['RouteChange', 'RouteChanges'],
  from: routeChanges,
  columns: getTableColumns(routeChanges),
  fields: ({ column, made }) => ({
    version: column('version', { filter: true, sort: true }),
    deviceId: column('deviceId', { filter: true, sort: true }),
    changedAt: column('changedAt', { filter: true, sort: true }),
    author: column('author', { filter: 'wildcards' }),
    reason: column('reason'),
    rule: column('rule', { filter: true }),
    pinned: column('pinned', { filter: true }),
    /** Null: the device had no route. */
    from: made(computerSchema.nullable(), ['fromInstanceId', 'fromJamfComputerId'], (row) =>
      computerOrNull(row.fromInstanceId, row.fromJamfComputerId),
    ),
    /** Null: its route ended. */
    to: made(computerSchema.nullable(), ['toInstanceId', 'toJamfComputerId'], (row) =>
      computerOrNull(row.toInstanceId, row.toJamfComputerId),
    ),
  }),
  table: [
    { field: 'version', importance: 1 },
    { field: 'changedAt', title: 'at', importance: 4 },
    { field: 'deviceId', whole: true, importance: 2 },
    { field: 'from.instanceId', title: 'from', names: 'instance', importance: 5 },
    { field: 'to.instanceId', title: 'to', names: 'instance', importance: 3 },
    { field: 'to.jamfComputerId', title: 'computer', importance: 8 },
    { field: 'author', importance: 6 },
    { field: 'reason', importance: 7 },
  ],
  filters: {
    fromInstanceId: filterOnly(routeChanges.fromInstanceId),
    toInstanceId: filterOnly(routeChanges.toInstanceId),
  },
  sort: 'version:desc',
  key: [routeChanges.deviceId],
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/changes',
  operationId: 'listRouteChanges',
  tags: ['Routes'],
  summary: 'Every change of a route with author, reason and version, newest first',
  request: { params: tenantPath, query: change.query },
  responses: {
    200: jsonAnswer(change.list, 'Changes'),
    ...commonProblems,
  },
});

export function addRouteChanges(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    return answerList(
      c,
      await change.page(services, c.req.valid('query'), eq(routeChanges.tenantId, tenantId)),
    );
  });
}
