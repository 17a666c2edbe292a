import { createRoute, z } from '@hono/zod-openapi';
import { and, desc, eq, getTableColumns } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import { timeline as events } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, devicePath, jsonAnswer, paging } from '../schemas.ts';
import { device, placeOf } from './device.ts';
import { unknownDevice } from './unknown-device.ts';

/** `/tenants/{tenantId}/devices/{deviceId}/timeline`: what happened to a device's state on its way. */

const ifAny = { schema: z.string().optional(), show: (text: string | null) => text ?? undefined };

const entry = resource({
  names: ['TimelineEntry', 'Timeline'],
  from: events,
  columns: getTableColumns(events),
  fields: ({ column }) => ({
    stage: column('stage'),
    at: column('at'),
    instanceId: column('instanceId', ifAny),
    messageId: column('messageId', ifAny),
    detail: column('detail', ifAny),
  }),
  table: [
    { field: 'at', importance: 1 },
    { field: 'stage', importance: 2 },
    { field: 'detail', importance: 3 },
    { field: 'messageId', importance: 5 },
    { field: 'instanceId', whole: true, names: 'instance', importance: 4 },
  ],
  sort: '',
  key: [desc(events.sequence)],
});

const timeline = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/timeline',
  operationId: 'getDeviceTimeline',
  tags: ['Devices'],
  summary: "The way of the device's state, newest first",
  request: { params: devicePath, query: paging.omit({ sort: true }) },
  responses: { 200: jsonAnswer(entry.list, 'Timeline'), ...commonProblems },
});

export function addTimeline(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(timeline, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    if (deviceId === undefined) throw unknownDevice();
    const scope = and(eq(events.tenantId, tenantId), eq(events.deviceId, deviceId));
    const found = await entry.page(services, c.req.valid('query'), scope);
    // A device without a route is known as long as something is told of it.
    if (found.totalCount === 0 && !(await device.read(sql, placeOf(tenantId, deviceId))))
      throw unknownDevice();
    return answerList(c, found);
  });
}
