import { createRoute, z } from '@hono/zod-openapi';
import { moveIn } from '../../connection/cells/move-in.ts';
import { receivedChunks } from '../../gateway/body.ts';
import { parseGuid } from '../../ids.ts';
import {
  importBodyBytes,
  importsAtOnce,
  importsWaiting,
  importTotalMs,
  pooledImportRows,
} from '../../limits.ts';
import { createSharedBound } from '../../semaphore.ts';
import { maySee, requireRole, requireUnbound, unknownTenant } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { nothingChanged, originOf } from '../recording.ts';
import { commonProblems, dryRunQuery, jsonAnswer, problemAnswer, tenantPath } from '../schemas.ts';
import { fileKeyOf, keyHeader } from './file-key.ts';

/** `/tenants/{tenantId}/move-in`: a tenant arrives from another deployment by its sealed file (docs/cells.md). */

const arrival = z
  .object({
    tenantId: z.string(),
    dryRun: z.boolean(),
    displayName: z.string(),
    moveId: z.string(),
    generation: z.number().int(),
    already: z.boolean().openapi({ description: 'true: this file was taken in before' }),
    rows: z.record(z.string(), z.number().int()).openapi({ description: 'Rows by table' }),
  })
  .openapi('MoveIn');

const route = createRoute({
  method: 'post',
  path: '/api/v1/tenants/{tenantId}/move-in',
  operationId: 'moveIn',
  tags: ['Tenants'],
  summary: 'Take a tenant in by the sealed file of its move-out, all of it or nothing',
  request: {
    params: tenantPath,
    query: dryRunQuery,
    headers: keyHeader,
    body: { required: true, content: { 'application/octet-stream': { schema: z.string() } } },
  },
  responses: {
    200: jsonAnswer(arrival, 'The tenant lives here'),
    ...commonProblems,
    409: problemAnswer('conflict'),
    413: problemAnswer('payload-too-large'),
    503: problemAnswer('overloaded, or store-unavailable'),
  },
});

export function addMoveIn(app: AdminApp, services: AdminServices): void {
  const { facts, openBulk, routesChanged, sealer, sharing, tenants } = services;
  const atOnce = createSharedBound({
    sharing,
    limit: importsAtOnce,
    maxWaiting: importsWaiting,
    longestMs: importTotalMs,
  });
  app.openapi(route, async (c) => {
    const tenantId = parseGuid(c.req.valid('param').tenantId);
    if (tenantId === undefined || !maySee(c.get('operator'), tenantId)) throw unknownTenant();
    requireRole(c, 'admin');
    requireUnbound(c);
    const key = fileKeyOf(c.req.valid('header')['x-espalier-file-key']);
    const dryRun = c.req.valid('query')['dry-run'] === 'true';
    const body = facts.body(c) ?? { length: 0, chunks: (async function* () {})() };
    const chunks = receivedChunks(body, importBodyBytes, importTotalMs);
    facts.allowTime(c);
    const maxRows = sharing === 'process' ? Number.POSITIVE_INFINITY : pooledImportRows;
    const taken = await atOnce(async () => {
      const bulk = openBulk();
      try {
        const options = { ...{ bulk, sealer, tenantId, key, chunks, dryRun, maxRows }, by: originOf(c) };
        return await moveIn(options);
      } finally {
        await bulk.end({ timeout: 1 });
      }
    });
    if (taken.already || dryRun) nothingChanged(c);
    tenants.forget(tenantId);
    routesChanged();
    return c.json({ ...taken, tenantId, dryRun, rows: { ...taken.rows } }, 200);
  });
}
