import { createRoute, z } from '@hono/zod-openapi';
import type { Sql } from '../../store/database.ts';
import { pauseInstance } from '../../store/instances/settings.ts';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import {
  checkIfMatch,
  commonProblems,
  dryRunQuery,
  etag,
  instancePath,
  jsonAnswer,
  step,
  versionProblem,
} from '../schemas.ts';
import { instanceObject } from './instance-schema.ts';
import { instanceOf, unknownInstance } from './instances.ts';
import { wakeComputers } from './wake.ts';

/** `/test`, `/pause` and `/resume` of an instance. */

const tags = ['Instances'];

const test = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/instances/{instanceId}/test',
  operationId: 'testInstance',
  tags,
  summary: 'Test the API client, the version and the privileges of an instance',
  request: { params: instancePath },
  responses: {
    200: jsonAnswer(
      z.object({ ok: z.boolean(), steps: z.array(step) }).openapi('InstanceTest'),
      'Every step',
    ),
    ...commonProblems,
    ...versionProblem,
  },
});
/** `computers`: that waited for the instance and are read at once when it is resumed. */
const pausedSchema = z
  .object({
    instanceId: z.string(),
    paused: z.boolean(),
    dryRun: z.boolean(),
    computers: z.number().int().optional(),
  })
  .openapi('InstancePaused');
const pauseRoute = (verb: 'pause' | 'resume') =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/instances/{instanceId}/${verb}`,
    operationId: `${verb}Instance`,
    tags,
    summary:
      verb === 'pause' ? 'Leave the instance alone: calls for it answer 503' : 'Use the instance again',
    request: { params: instancePath, query: dryRunQuery },
    responses: { 200: jsonAnswer(pausedSchema, verb), ...commonProblems, ...versionProblem },
  });

async function countWaiting(sql: Sql, tenantId: string, instanceId: string): Promise<number> {
  const [row] = await sql<{ count: number }[]>`
    select count(*) as count from computers
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and wanted_revision > done_revision`;
  return row?.count ?? 0;
}

export function addInstanceVerbs(app: AdminApp, services: AdminServices): void {
  const { instances, sql } = services;

  app.openapi(test, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'operator');
    checkIfMatch(c.req.header('if-match'), instance.version);
    const steps = [...(await services.testInstance(instance))];
    const failed = steps.filter(({ ok }) => !ok).map(({ name }) => name);
    const ok = failed.length === 0;
    const { tenantId } = instance;
    // It changes no setting, but it signs in at the instance: who did that is asked later.
    await changing(c, sql, async (_tx, note) =>
      note({ tenantId, action: 'instance.test', object: instanceObject(instance), after: { ok, failed } }),
    );
    return c.json({ ok, steps }, 200);
  });

  for (const verb of ['pause', 'resume'] as const) {
    app.openapi(pauseRoute(verb), async (c) => {
      const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
      requireRole(c, 'operator');
      const { instanceId, tenantId } = instance;
      checkIfMatch(c.req.header('if-match'), instance.version);
      const dryRun = c.req.valid('query')['dry-run'] === 'true';
      const paused = verb === 'pause';
      const computers = paused ? {} : { computers: await countWaiting(sql, tenantId, instanceId) };
      if (dryRun) return c.json({ instanceId, paused: instance.paused, dryRun, ...computers }, 200);
      const version = await changing(c, sql, async (tx, note) => {
        const row = await pauseInstance(tx, instance, paused);
        if (!row) throw unknownInstance();
        note({
          tenantId,
          action: `instance.${verb}`,
          object: instanceObject(instance),
          before: { paused: row.before },
          after: { paused },
        });
        return row.version;
      });
      instances.forget(tenantId, instanceId);
      if (!paused) await wakeComputers(sql, tenantId, instanceId);
      return c.json({ instanceId, paused, dryRun, ...computers }, 200, { etag: etag(version) });
    });
  }
}
