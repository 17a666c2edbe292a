import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import { explainRoute } from '../../routing/explain-route.ts';
import { readWinners } from '../../store/computers/due.ts';
import { makeDue } from '../../store/reports/due.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import { commonProblems, devicePath, instant, jsonAnswer } from '../schemas.ts';
import { unknownDevice } from './unknown-device.ts';

/** `…/devices/{deviceId}/refresh`: everything that names the device is read again now. */

const refresh = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}/refresh',
  operationId: 'refreshDevice',
  tags: ['Devices'],
  summary: 'Read every computer that names the device now, and try again what was held or failed',
  request: { params: devicePath },
  responses: {
    202: jsonAnswer(
      z
        .object({
          deviceId: z.string(),
          computers: z.array(z.object({ instanceId: z.string(), jamfComputerId: z.string() })),
          reportTriedAgain: z.boolean(),
          requestedAt: instant,
        })
        .openapi('DeviceRefresh'),
      'Asked for: the timeline of the device tells how it went',
    ),
    ...commonProblems,
  },
});

/** More records than that name no Mac: a clone's, of which the first ones are read. */
const computersAtOnce = 20;

export function addRefresh(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(refresh, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    const deviceId = parseGuid(c.req.param('deviceId'));
    const known = deviceId && (await explainRoute(sql, tenantId, deviceId));
    if (!deviceId || !known) throw unknownDevice();
    const { claims, instanceId, jamfComputerId } = known;
    const route = instanceId === null || jamfComputerId === null ? [] : [{ instanceId, jamfComputerId }];
    const named = new Map(
      [...route, ...claims].map((one) => [`${one.instanceId}/${one.jamfComputerId}`, one] as const),
    );
    const computers = [...named.values()].slice(0, computersAtOnce).map((one) => ({
      instanceId: one.instanceId,
      jamfComputerId: one.jamfComputerId,
    }));
    const { at, reportTriedAgain } = await changing(c, sql, async (tx, note) => {
      const [now] = await tx<{ at: Date }[]>`select now() as at`;
      await readWinners(
        tx,
        tenantId,
        computers.map((one) => ({ ...one, jamfComputerId: Number(one.jamfComputerId) })),
      );
      const { taken } = await makeDue(tx, tenantId, {
        which: (queries) => queries`device_id = ${deviceId} and state in ('held', 'failed')`,
        reason: 'replay',
        background: false,
        retracted: true,
        dueSince: 'keep',
      });
      note({
        tenantId,
        action: 'device.refresh',
        object: { kind: 'device', id: deviceId },
        after: { computers, reportTriedAgain: taken > 0 },
      });
      return { at: now?.at ?? new Date(), reportTriedAgain: taken > 0 };
    });
    return c.json({ deviceId, computers, reportTriedAgain, requestedAt: at.toISOString() }, 202);
  });
}
