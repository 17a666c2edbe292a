import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns } from 'drizzle-orm';
import { deviceLinks, routes } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, jsonAnswer, tenantPath } from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';

/** `/tenants/{tenantId}/routes/stale`: Macs that registered with Entra anew, each old registration with the new one. */

/** `previous`: the route that the old registration still has. */
function adviceOf(previous: { readonly pinned: boolean } | null): string {
  if (previous === null) {
    return 'Nothing is routed by the old registration any more. Its device object in Entra can be deleted.';
  }
  if (previous.pinned) {
    return 'The old registration is pinned. Remove the pin, or the device, if the Mac uses the new registration.';
  }
  return (
    'An instance still reports the old registration, and the Mac may still use it. Delete the computer record that names ' +
    'it if the Mac has left that instance; otherwise it is retired when the record has been silent for a day.'
  );
}

const staleRegistration = resource({
  names: ['StaleRegistration', 'StaleRegistrations'],
  from: deviceLinks,
  joins: [
    [
      routes,
      and(eq(routes.tenantId, deviceLinks.tenantId), eq(routes.deviceId, deviceLinks.previousDeviceId)),
    ],
  ],
  columns: {
    ...getTableColumns(deviceLinks),
    previous: {
      instanceId: routes.instanceId,
      jamfComputerId: routes.jamfComputerId,
      pinned: routes.pinned,
    },
  },
  fields: ({ column, made }) => ({
    deviceId: column('deviceId', { filter: true, sort: true }),
    previousDeviceId: column('previousDeviceId', { filter: true, sort: true }),
    /** Attribute that both registrations share. */
    linkedBy: column('linkedBy', { filter: ['computer', 'udid', 'serial-number'] }),
    linkedAt: column('linkedAt', { filter: true, sort: true }),
    /** Time since which the old registration has no route. */
    retiredAt: column('retiredAt', { filter: true, sort: true }),
    /** Computer to which the old registration is still routed. */
    previousRoute: made(computerSchema.nullable(), ['previous'], ({ previous }) =>
      computerOrNull(previous?.instanceId, previous?.jamfComputerId),
    ),
    advice: made(z.string(), ['previous'], ({ previous }) => adviceOf(previous)),
  }),
  table: [
    { field: 'previousDeviceId', whole: true, importance: 1 },
    { field: 'deviceId', whole: true, importance: 2 },
    { field: 'linkedAt', importance: 5 },
    { field: 'retiredAt', importance: 4 },
    { field: 'advice', importance: 3 },
  ],
  sort: 'linkedAt:desc',
  key: [deviceLinks.deviceId, deviceLinks.previousDeviceId],
});

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/routes/stale',
  operationId: 'listStaleRegistrations',
  tags: ['Routes'],
  summary: 'Old registrations of Macs that registered anew, and whether they still have a route',
  request: { params: tenantPath, query: staleRegistration.query },
  responses: {
    200: jsonAnswer(staleRegistration.list, 'Old registrations'),
    ...commonProblems,
  },
});

export function addStaleRegistrations(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const scope = eq(deviceLinks.tenantId, tenantId);
    return answerList(c, await staleRegistration.page(services, c.req.valid('query'), scope));
  });
}
