import { createRoute, z } from '@hono/zod-openapi';
import { trimmedHistory } from '../../routing/history.ts';
import { rollBackRoutes } from '../../routing/rollback.ts';
import { retractReports } from '../../store/reports/due.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { recordChange } from '../recording.ts';
import { commonProblems, dryRunQuery, jsonAnswer, problemAnswer, tenantPath } from '../schemas.ts';
import { computerOrNull, computerSchema } from './computer.ts';
import { requireVersion } from './versions.ts';

/** `/tenants/{tenantId}/routes/rollback`: the table as it was, as a new version. */

const rollbackSchema = z
  .object({
    dryRun: z.boolean(),
    toVersion: z.number().int(),
    /** Null in a dry run, and where nothing is different. */
    version: z.number().int().nullable(),
    changed: z.number().int(),
    placed: z.number().int(),
    ended: z.number().int(),
    /** Placed on computers that do not claim the device now. */
    unclaimed: z.number().int(),
    /** Devices of which Intune is told that they are not managed any more. */
    retracted: z.number().int(),
    /** The first 100. */
    devices: z.array(
      z.object({
        deviceId: z.string(),
        from: computerSchema.nullable(),
        to: computerSchema.nullable(),
        pinned: z.boolean(),
      }),
    ),
    skippedCount: z.number().int(),
    /** The first 100 that are left as they are. */
    skipped: z.array(z.object({ deviceId: z.string(), reason: z.string() })),
  })
  .openapi('RouteRollback');

const rollback = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/routes/rollback',
  operationId: 'rollBackRoutes',
  tags: ['Routes'],
  summary: 'Put every route of the tenant where it was at a version, as a new version; pins as they were',
  request: {
    params: tenantPath,
    query: dryRunQuery,
    body: {
      required: true,
      content: {
        'application/json': {
          schema: z
            .object({
              toVersion: z.number().int().min(0).max(Number.MAX_SAFE_INTEGER),
              reason: z.string().trim().min(1).max(500),
            })
            .strict()
            .openapi('RouteRollbackRequest'),
        },
      },
    },
  },
  responses: {
    200: jsonAnswer(rollbackSchema, 'What was changed, or would be'),
    ...commonProblems,
    415: problemAnswer('unsupported-media-type'),
  },
});

export function addRouteRollback(app: AdminApp, { routesChanged, sql }: AdminServices): void {
  app.openapi(rollback, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { name } = requireRole(c, 'operator');
    const { reason, toVersion } = c.req.valid('json');
    requireVersion(await trimmedHistory(sql, tenantId), 'toVersion', toVersion);
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    const done = await rollBackRoutes(sql, {
      tenantId,
      toVersion,
      dryRun,
      by: { author: name, reason: `rolled back to version ${toVersion}: ${reason}` },
      retract: retractReports,
      note: (tx, { ended, placed, retracted, skipped, version }) =>
        recordChange(c, tx, {
          tenantId,
          action: 'routes.rollback',
          object: { kind: 'routes', id: tenantId },
          after: { toVersion, version: version ?? null, placed, ended, retracted, skipped },
          reason,
        }),
    });
    if (!dryRun) routesChanged();
    return c.json(
      {
        dryRun,
        toVersion,
        version: done.version ?? null,
        changed: done.placed + done.ended,
        placed: done.placed,
        ended: done.ended,
        unclaimed: done.unclaimed,
        retracted: done.retracted,
        devices: done.devices.map(({ deviceId, from, pinned, to }) => ({
          deviceId,
          from: computerOrNull(from?.instanceId, from?.jamfComputerId),
          to: computerOrNull(to?.instanceId, to?.jamfComputerId),
          pinned,
        })),
        skippedCount: done.skipped,
        skipped: done.skippedDevices.map((one) => ({ ...one })),
      },
      200,
    );
  });
}
