import { createRoute, z } from '@hono/zod-openapi';
import { requireRole, tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import { commonProblems, instancePath, jsonAnswer, step } from '../schemas.ts';
import { instanceObject } from './instance-schema.ts';
import { instanceOf } from './instances.ts';
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
  },
});
const pausedSchema = z.object({ instanceId: z.string(), paused: z.boolean() }).openapi('InstancePaused');
const pauseRoute = (verb: 'pause' | 'resume') =>
  createRoute({
    method: 'post',
    path: `/api/v1/tenants/{tenantId}/instances/{instanceId}/${verb}`,
    operationId: `${verb}Instance`,
    tags,
    summary:
      verb === 'pause' ? 'Leave the instance alone: calls for it answer 503' : 'Use the instance again',
    request: { params: instancePath },
    responses: { 200: jsonAnswer(pausedSchema, verb), ...commonProblems },
  });

export function addInstanceVerbs(app: AdminApp, services: AdminServices): void {
  const { instances, sql } = services;

  app.openapi(test, async (c) => {
    const instance = await instanceOf(sql, await tenantOf(c, sql), c.req.param('instanceId'));
    requireRole(c, 'operator');
    const steps = await services.testInstance(instance);
    const failed = steps.filter(({ ok }) => !ok).map(({ name }) => name);
    const ok = failed.length === 0;
    const { tenantId } = instance;
    // It changes nothing, but it signs in at the instance: who did that is asked later.
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
      const paused = verb === 'pause';
      await changing(c, sql, async (tx, note) => {
        const [row] = await tx<{ before: boolean }[]>`
          update instances i set paused = ${paused}, version = version + 1, updated_at = now()
          from (select instance_id, paused from instances
                where tenant_id = ${tenantId} and instance_id = ${instanceId} for update) old
          where i.tenant_id = ${tenantId} and i.instance_id = old.instance_id returning old.paused as before`;
        note({
          tenantId,
          action: `instance.${verb}`,
          object: instanceObject(instance),
          before: { paused: row?.before ?? null },
          after: { paused },
        });
      });
      instances.forget(tenantId, instanceId);
      if (!paused) await wakeComputers(sql, tenantId, instanceId);
      return c.json({ instanceId, paused }, 200);
    });
  }
}
