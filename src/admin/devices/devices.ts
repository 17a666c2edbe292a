import { createRoute } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { rememberedAnswer } from '../outage/remembered.ts';
import { answerList } from '../resource/resource.ts';
import { commonProblems, devicePath, etag, jsonAnswer, tenantPath } from '../schemas.ts';
import { device, placeOf, r } from './device.ts';
import { unknownDevice } from './unknown-device.ts';

/** `/tenants/{tenantId}/devices`: the routing table with what Intune was told; placing.ts writes it. */

const tags = ['Devices'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices',
  operationId: 'listDevices',
  tags,
  summary: 'The devices of a tenant, each with its route and its report',
  request: { params: tenantPath, query: device.query },
  responses: { 200: jsonAnswer(device.list, 'Devices'), ...commonProblems },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}',
  operationId: 'getDevice',
  tags,
  summary: 'One device',
  request: { params: devicePath },
  responses: { 200: rememberedAnswer(device.schema, 'Device'), ...commonProblems },
});
export function addDevices(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    return answerList(c, await device.page(services, c.req.valid('query'), eq(r.tenantId, tenantId)));
  });

  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const deviceId = parseGuid(c.req.param('deviceId'));
    const row = deviceId && (await device.read(sql, placeOf(tenantId, deviceId)));
    if (!row) throw unknownDevice();
    return c.json(device.show(row), 200, { etag: etag(row.version) });
  });
}
