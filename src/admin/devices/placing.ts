import { createRoute, z } from '@hono/zod-openapi';
import { and, eq } from 'drizzle-orm';
import { maxComputerId, parseGuid } from '../../ids.ts';
import { ProblemError, problem } from '../../problems.ts';
import { placeDevice, removeDevice } from '../../routing/place-device.ts';
import type { Queries, Sql } from '../../store/database.ts';
import { query } from '../../store/query.ts';
import { retractReports } from '../../store/reports/due.ts';
import type { Route } from '../../store/routes/routes.ts';
import { reports } from '../../store/schema.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { differing, recordChange } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  created,
  devicePath,
  dryRunQuery,
  etag,
  guid,
  invalidField,
  jsonAnswer,
  problemAnswer,
} from '../schemas.ts';
import { device, placeOf } from './device.ts';
import { unknownDevice } from './unknown-device.ts';

/** Writing `/tenants/{tenantId}/devices/{deviceId}`: an operator's word on where a device belongs. */

const jamfComputerId = z
  .union([z.string().regex(/^\d{1,10}$/, 'must be the number of a computer'), z.number()])
  .transform(Number)
  .pipe(z.number().int().min(1).max(maxComputerId))
  .openapi({ type: 'string', example: '42' });

/** PostgreSQL has no text with NUL. */
const text = z
  .string()
  .trim()
  .min(1)
  .max(100)
  .refine((value) => !value.includes('\0'), 'holds a NUL character');

const place = createRoute({
  method: 'put',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}',
  operationId: 'placeDevice',
  tags: ['Devices'],
  summary:
    'Put a device on a computer. pinned=true holds whatever instances claim; otherwise it holds until the Mac enrols elsewhere later',
  request: {
    params: devicePath,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({
              instanceId: guid,
              jamfComputerId,
              serialNumber: text.optional(),
              udid: text.optional(),
              pinned: z.boolean().default(false),
              /** The reason is for the history. */
              reason: text.max(500).optional(),
            })
            .strict()
            .openapi('DevicePlace'),
        },
      },
    },
  },
  responses: {
    200: jsonAnswer(device.schema, 'The device where it is now'),
    201: jsonAnswer(created, 'The device was not known before'),
    ...commonProblems,
    412: problemAnswer('precondition-failed'),
    415: problemAnswer('unsupported-media-type'),
  },
});

const removal = z
  .object({
    dryRun: z.literal(true),
    instanceId: z.string().openapi({ description: 'The instance that has the device now.' }),
    jamfComputerId: z.string(),
    claims: z.number().int().openapi({ description: 'Claims of instances that would be forgotten.' }),
    told: z.boolean().openapi({
      description: 'Whether Intune would be told that the device is not managed and not compliant.',
    }),
  })
  .openapi('DeviceRemoval');

const remove = createRoute({
  method: 'delete',
  path: '/api/v1/tenants/{tenantId}/devices/{deviceId}',
  operationId: 'deleteDevice',
  tags: ['Devices'],
  summary:
    'End a route and tell Intune that the device is not managed; it comes back when an instance claims it again',
  request: { params: devicePath, query: dryRunQuery },
  responses: {
    200: jsonAnswer(removal, 'A dry run: what would be done'),
    204: { description: 'Ended' },
    ...commonProblems,
    412: problemAnswer('precondition-failed'),
  },
});

/** Another tenant's instance is as unknown as one that does not exist. */
async function requireInstance(sql: Sql, tenantId: string, instanceId: string): Promise<void> {
  const [row] = await sql`
    select 1 from instances where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  if (row) return;
  const description = 'the tenant has no such instance';
  throw new ProblemError(
    problem('instance-unknown', `instanceId: ${description}`, {
      errors: [{ code: 'UNKNOWN_INSTANCE', field: 'instanceId', description }],
    }),
  );
}

/** Any version is none of a device that is not there. */
function checkMatch(header: string | undefined, version: number | undefined): void {
  if (version !== undefined) checkIfMatch(header, version);
  else if (header !== undefined) {
    throw new ProblemError(
      problem('precondition-failed', 'If-Match names a version of a device without a route.'),
    );
  }
}

const routeShown = (route: Route) => ({
  instanceId: route.instanceId,
  jamfComputerId: String(route.jamfComputerId),
  pinned: route.pinned,
  rule: route.rule,
});

/** Intune is told of the end of what it was told about, once. */
async function wouldBeTold(queries: Queries, tenantId: string, deviceId: string): Promise<boolean> {
  const [row] = await query(queries)
    .select({ sentRevision: reports.sentRevision, retracted: reports.retracted })
    .from(reports)
    .where(and(eq(reports.tenantId, tenantId), eq(reports.deviceId, deviceId)));
  return row !== undefined && row.sentRevision !== null && !row.retracted;
}

export function addPlacing(app: AdminApp, { routesChanged, sql }: AdminServices): void {
  app.openapi(place, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { name } = requireRole(c, 'operator');
    const deviceId = parseGuid(c.req.param('deviceId'));
    if (deviceId === undefined) throw invalidField('deviceId', 'must be a GUID');
    const { reason = c.get('reason'), ...wanted } = c.req.valid('json');
    await requireInstance(sql, tenantId, wanted.instanceId);
    const said = wanted.pinned ? 'pinned' : 'placed';
    const { before, route } = await placeDevice(
      sql,
      tenantId,
      deviceId,
      wanted,
      { author: name, reason: reason ?? `${said} by ${name}` },
      (known) => checkMatch(c.req.header('if-match'), known?.version),
      (tx, done) =>
        recordChange(c, tx, {
          tenantId,
          action: 'device.place',
          object: { kind: 'device', id: deviceId },
          ...(done.before
            ? differing(routeShown(done.before), routeShown(done.route))
            : { after: routeShown(done.route) }),
          reason,
        }),
    );
    routesChanged();
    const headers = { etag: etag(route.version) };
    if (!before) {
      const href = `/api/v1/tenants/${tenantId}/devices/${deviceId}`;
      return c.json({ id: deviceId, href }, 201, { ...headers, location: href });
    }
    const row = await device.read(sql, placeOf(tenantId, deviceId));
    if (!row) throw unknownDevice();
    return c.json(device.show(row), 200, headers);
  });

  app.openapi(remove, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { name } = requireRole(c, 'operator');
    const deviceId = parseGuid(c.req.param('deviceId'));
    if (deviceId === undefined) throw unknownDevice();
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    let told = false;
    const removed = await removeDevice(
      sql,
      tenantId,
      deviceId,
      { author: name, reason: c.get('reason') ?? `deleted by ${name}` },
      {
        dryRun,
        expect: (known) => checkMatch(c.req.header('if-match'), known?.version),
        retract: async (tx, ...devices) => {
          told = await wouldBeTold(tx, tenantId, deviceId);
          return retractReports(tx, ...devices);
        },
        note: (tx, before) =>
          recordChange(c, tx, {
            tenantId,
            action: 'device.delete',
            object: { kind: 'device', id: deviceId },
            before: routeShown(before),
          }),
      },
    );
    if (!removed) throw unknownDevice();
    if (dryRun) {
      const { instanceId, jamfComputerId } = routeShown(removed.before);
      return c.json({ dryRun: true as const, instanceId, jamfComputerId, claims: removed.claims, told }, 200);
    }
    routesChanged();
    return c.body(null, 204);
  });
}
