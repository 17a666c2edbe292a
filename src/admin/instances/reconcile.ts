import { createRoute, z } from '@hono/zod-openapi';
import { rebuildRoutes } from '../../delivery/computers/ask.ts';
import { askReconciliation } from '../../store/computers/reading.ts';
import type { Sql } from '../../store/database.ts';
import { listInstances } from '../../store/instances/instance.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing, recordChange } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  instancePath,
  instant,
  jsonAnswer,
  tenantPath,
  versionProblem,
} from '../schemas.ts';
import { instanceObject } from './instance-schema.ts';
import { instanceOf } from './instances.ts';

/** Asking for all of an instance, or of every instance of a tenant. */

const reconcile = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}/reconcile',
  operationId: 'reconcileInstance',
  tags: ['Instances'],
  summary: 'List every computer of the instance now and read what differs from what is known',
  request: { params: instancePath, query: dryRunQuery },
  responses: {
    200: jsonAnswer(
      z
        .object({
          tenantId: z.string(),
          instanceId: z.string(),
          dryRun: z.literal(true),
          computers: z.number().int(),
        })
        .openapi('ReconciliationPlan'),
      'A dry run: so many computers are known here, and the list may hold more',
    ),
    202: jsonAnswer(
      z
        .object({ tenantId: z.string(), instanceId: z.string(), requestedAt: instant })
        .openapi('Reconciliation'),
      'Asked for; the instance tells how it went in `reading`',
    ),
    ...commonProblems,
    ...versionProblem,
  },
});

const rebuild = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/routes/rebuild',
  operationId: 'rebuildRoutes',
  tags: ['Devices'],
  summary: 'Make all routes and reports anew from the instances alone: every computer is listed and read',
  request: { params: tenantPath, query: dryRunQuery },
  responses: {
    200: jsonAnswer(
      z
        .object({
          tenantId: z.string(),
          instances: z.number().int(),
          dryRun: z.literal(true),
          computers: z.number().int(),
        })
        .openapi('RoutesRebuildPlan'),
      'A dry run: so many enabled instances would be listed, and so many known computers read',
    ),
    202: jsonAnswer(
      z
        .object({ tenantId: z.string(), instances: z.number().int(), requestedAt: instant })
        .openapi('RoutesRebuild'),
      'Asked for; the status of the tenant tells how many computers wait',
    ),
    ...commonProblems,
    ...versionProblem,
  },
});

const knownComputers = (sql: Sql, tenantId: string, instanceIds: readonly string[]) => sql<
  { computers: number }[]
>`
  select count(*) as computers from computers
  where tenant_id = ${tenantId} and instance_id = any(${instanceIds}::uuid[]) and gone_at is null`;

export function addReconciliation(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(reconcile, async (c) => {
    const tenant = await tenantOf(c, sql);
    const instance = await instanceOf(sql, tenant, c.req.param('instanceId'));
    requireRole(c, 'operator');
    const { instanceId, tenantId } = instance;
    checkIfMatch(c.req.header('if-match'), instance.version);
    if (c.req.valid('query')['dry-run'] === 'true') {
      const [known] = await knownComputers(sql, tenantId, [instanceId]);
      return c.json({ tenantId, instanceId, dryRun: true as const, computers: known?.computers ?? 0 }, 200);
    }
    const requestedAt = await changing(c, sql, async (tx, note) => {
      const askedAt = await askReconciliation(tx, { tenantId, instanceId });
      const after = { requestedAt: askedAt };
      note({ tenantId, action: 'instance.reconcile', object: instanceObject(instance), after });
      return askedAt;
    });
    return c.json({ tenantId, instanceId, requestedAt: requestedAt.toISOString() }, 202);
  });
  app.openapi(rebuild, async (c) => {
    const { tenantId, version } = await tenantOf(c, sql);
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), version);
    if (c.req.valid('query')['dry-run'] === 'true') {
      const enabled = (await listInstances(sql, tenantId)).filter((instance) => instance.enabled);
      const ids = enabled.map(({ instanceId }) => instanceId);
      const [known] = await knownComputers(sql, tenantId, ids);
      const computers = known?.computers ?? 0;
      return c.json({ tenantId, instances: ids.length, dryRun: true as const, computers }, 200);
    }
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
