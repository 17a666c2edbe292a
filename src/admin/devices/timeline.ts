import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import {
  commonProblems,
  devicePath,
  instant,
  jsonAnswer,
  type ListColumn,
  listOf,
  paging,
} from '../schemas.ts';
import { unknownDevice } from './unknown-device.ts';

/** `/tenants/{tenantId}/devices/{deviceId}/timeline`: what happened to a device's state on its way. */

const timelineEntry = z
  .object({
    stage: z.string(),
    at: instant,
    instanceId: z.string().optional(),
    messageId: z.string().optional(),
    detail: z.string().optional(),
  })
  .openapi('TimelineEntry');
const timelineTable: readonly ListColumn[] = [
  { field: 'at', importance: 1 },
  { field: 'stage', importance: 2 },
  { field: 'detail', importance: 3 },
  { field: 'messageId', importance: 5 },
  { field: 'instanceId', whole: true, importance: 4 },
];

const timeline = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/timeline',
  operationId: 'getDeviceTimeline',
  tags: ['Devices'],
  summary: "The way of the device's state, newest first",
  request: { params: devicePath, query: paging.omit({ sort: true }) },
  responses: {
    200: jsonAnswer(listOf(timelineEntry, 'Timeline', timelineTable), 'Timeline'),
    ...commonProblems,
  },
});

export function addTimeline(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(timeline, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const { page, 'page-size': pageSize } = c.req.valid('query');
    const [total] = deviceId
      ? await sql<{ count: number; known: boolean }[]>`
          select (select count(*) from timeline where tenant_id = ${tenantId} and device_id = ${deviceId}) as count,
            exists (select 1 from routes where tenant_id = ${tenantId} and device_id = ${deviceId}) as known`
      : [];
    if (!deviceId || !total || (total.count === 0 && !total.known)) throw unknownDevice();
    const events = await sql<
      {
        stage: string;
        at: Date;
        instanceId: string | null;
        messageId: string | null;
        detail: string | null;
      }[]
    >`select stage, at, instance_id as "instanceId", message_id as "messageId", detail from timeline
      where tenant_id = ${tenantId} and device_id = ${deviceId}
      order by sequence desc limit ${pageSize} offset ${page * pageSize}`;
    const results = events.map(({ stage, at, instanceId, messageId, detail }) => ({
      stage,
      at: at.toISOString(),
      ...(instanceId === null ? {} : { instanceId }),
      ...(messageId === null ? {} : { messageId }),
      ...(detail === null ? {} : { detail }),
    }));
    return c.json({ totalCount: total.count, results }, 200);
  });
}
