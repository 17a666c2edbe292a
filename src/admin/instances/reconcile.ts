import { createRoute, z } from '@hono/zod-openapi';
import { askReconciliation, rebuildRoutes } from '../../delivery/computers/ask.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing, recordChange } from '../recording.ts';
import { commonProblems, instancePath, instant, jsonAnswer, tenantPath } from '../schemas.ts';
import { instanceObject } from './instance-schema.ts';
import { instanceOf } from './instances.ts';

/** Asking for all of an instance, or of every instance of a tenant. */

const reconcile = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}/reconcile',
  operationId: 'reconcileInstance',
  tags: ['Instances'],
  summary: 'List every computer of the instance now and read what differs from what is known',
  request: { params: instancePath },
  responses: {
    202: jsonAnswer(
      z
        .object({ tenantId: z.string(), instanceId: z.string(), requestedAt: instant })
        .openapi('Reconciliation'),
      'Asked for; the instance tells how it went in `reading`',
    ),
    ...commonProblems,
  },
});

const rebuild = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/routes/rebuild',
  operationId: 'rebuildRoutes',
  tags: ['Devices'],
  summary: 'Make all routes and reports anew from the instances alone: every computer is listed and read',
  request: { params: tenantPath },
  responses: {
    202: jsonAnswer(
      z
        .object({ tenantId: z.string(), instances: z.number().int(), requestedAt: instant })
        .openapi('RoutesRebuild'),
      'Asked for; the status of the tenant tells how many computers wait',
    ),
    ...commonProblems,
  },
});

export function addReconciliation(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(reconcile, async (c) => {
    const tenant = await tenantOf(c, sql);
    const instance = await instanceOf(sql, tenant, c.req.param('instanceId'));
    requireRole(c, 'operator');
    const { instanceId, tenantId } = instance;
    const requestedAt = await changing(c, sql, async (tx, note) => {
      const askedAt = await askReconciliation(tx, { tenantId, instanceId });
      const after = { requestedAt: askedAt };
      note({ tenantId, action: 'instance.reconcile', object: instanceObject(instance), after });
      return askedAt;
    });
    return c.json({ tenantId, instanceId, requestedAt: requestedAt.toISOString() }, 202);
  });
  app.openapi(rebuild, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    const { instances, requestedAt } = await rebuildRoutes(sql, tenantId, (tx, count) =>
      recordChange(c, tx, {
        tenantId,
        action: 'routes.rebuild',
        object: { kind: 'routes', id: tenantId },
        after: { instances: count },
      }),
    );
    return c.json({ tenantId, instances, requestedAt: requestedAt.toISOString() }, 202);
  });
}
