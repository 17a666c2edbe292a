import { createRoute } from '@hono/zod-openapi';
import { eq } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import type { Sql } from '../../store/database.ts';
import { countHeldBy, type HoldKey, readHold } from '../../store/reports/mass-changes.ts';
import { massChanges } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { commonProblems, etag, jsonAnswer, tenantPath } from '../schemas.ts';
import { describeHeld, hold, holdPath, holdWithExamples, unknownHold } from './hold.ts';

/** `/tenants/{tenantId}/holds`: changes for the worse that were too many at once, and what of them waits. */

const tags = ['Holds'];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/holds',
  operationId: 'listHolds',
  tags,
  summary: 'Mass changes of a tenant, newest first',
  request: { params: tenantPath, query: hold.query },
  responses: { 200: jsonAnswer(hold.list, 'Holds'), ...commonProblems },
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/holds/{holdId}',
  operationId: 'getHold',
  tags,
  summary: 'One mass change: what it holds, of which instances, with examples',
  request: { params: holdPath },
  responses: { 200: jsonAnswer(holdWithExamples, 'Hold'), ...commonProblems },
});

/** The whole answer, as it is now. Throws `ProblemError`. */
export async function answerHold(sql: Sql, key: HoldKey) {
  const row = await readHold(sql, key);
  if (!row) throw unknownHold();
  const held = (await countHeldBy(sql, key.tenantId, [key.holdId])).get(key.holdId) ?? 0;
  const body = { ...hold.show(row, { held }), ...(await describeHeld(sql, key)) };
  return { body, headers: { etag: etag(row.version) } };
}

export function addHolds(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const scope = eq(massChanges.tenantId, tenantId);
    const { rows, totalCount } = await hold.readPage(services, c.req.valid('query'), scope);
    const held = await countHeldBy(
      sql,
      tenantId,
      rows.map(({ holdId }) => holdId),
    );
    const results = rows.map((row) => hold.show(row, { held: held.get(row.holdId) ?? 0 }));
    return c.json({ totalCount, results }, 200);
  });

  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const holdId = parseGuid(c.req.param('holdId'));
    if (holdId === undefined) throw unknownHold();
    const { body, headers } = await answerHold(sql, { tenantId, holdId });
    return c.json(body, 200, headers);
  });
}
