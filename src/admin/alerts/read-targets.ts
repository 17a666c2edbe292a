import { createRoute, z } from '@hono/zod-openapi';
import { and, eq } from 'drizzle-orm';
import { alertTargets } from '../../store/operator-schema.ts';
import { requireRole } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { changing } from '../recording.ts';
import { answerList } from '../resource/resource.ts';
import { commonProblems, etag, jsonAnswer } from '../schemas.ts';
import { targetOf, targetPath, targetResource, targetsVisibleTo, unknownTarget } from './target.ts';

/** `/alerts/targets`: the webhooks that are told what needs a person, and a test of one. */

const tags = ['Alerts'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/alerts/targets',
  operationId: 'listAlertTargets',
  tags,
  summary: 'Webhooks that are told what needs a person',
  request: { query: targetResource.query },
  responses: { 200: jsonAnswer(targetResource.list, 'Targets'), ...commonProblems },
});
const read = createRoute({
  method: 'get',
  path: '/api/v1/alerts/targets/{targetId}',
  operationId: 'getAlertTarget',
  tags,
  summary: 'One target, without its address and secret',
  request: { params: targetPath },
  responses: { 200: jsonAnswer(targetResource.schema, 'Target'), ...commonProblems },
});
const test = createRoute({
  method: 'post',
  path: '/api/v1/alerts/targets/{targetId}/test',
  operationId: 'testAlertTarget',
  tags,
  summary: 'Send a test to a target, now',
  request: { params: targetPath },
  responses: {
    200: jsonAnswer(
      z
        .object({
          ok: z.boolean(),
          status: z.number().int().nullable().openapi({ description: 'null: there was no answer' }),
          detail: z.string().nullable(),
        })
        .openapi('AlertTargetTest'),
      'What came of it',
    ),
    ...commonProblems,
  },
});

export function addAlertTargets(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) =>
    answerList(
      c,
      await targetResource.page(services, c.req.valid('query'), targetsVisibleTo(c.get('operator'))),
    ),
  );
  app.openapi(read, async (c) => {
    const { targetId } = await targetOf(c, sql);
    const row = await targetResource.read(
      sql,
      and(eq(alertTargets.targetId, targetId), targetsVisibleTo(c.get('operator'))),
    );
    if (!row) throw unknownTarget();
    return c.json(targetResource.show(row), 200, { etag: etag(row.version) });
  });
  app.openapi(test, async (c) => {
    const target = await targetOf(c, sql);
    requireRole(c, 'operator');
    const posted = await services.testAlertTarget(target);
    const { ok, status = null } = posted;
    const detail = posted.ok ? null : posted.detail;
    // It changes no setting, but it calls an address outside: who did that is asked later.
    await changing(c, sql, async (_tx, note) =>
      note({
        tenantId: undefined,
        action: 'alert-target.test',
        object: { kind: 'alert-target', id: target.targetId, name: target.name },
        after: { ok, status, detail },
      }),
    );
    return c.json({ ok, status, detail }, 200);
  });
}
