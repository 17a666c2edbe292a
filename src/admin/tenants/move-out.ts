import { createRoute, z } from '@hono/zod-openapi';
import type { Context } from 'hono';
import {
  beginMoveOut,
  cancelMoveOut,
  checkMoveOut,
  type Departing,
  isDrained,
  readDeparture,
  tenantFile,
} from '../../connection/cells/move-out.ts';
import { newId } from '../../ids.ts';
import { exportMs, exportsAtOnce, slowReaderMs } from '../../limits.ts';
import { createSharedBound } from '../../semaphore.ts';
import type { Sql } from '../../store/database.ts';
import { relayOf } from '../../store/placements.ts';
import { requireRole, requireUnbound, tenantOf } from '../access.ts';
import type { AdminApp, AdminEnv, AdminServices } from '../context.ts';
import { enter } from '../devices/export.ts';
import { nothingChanged, originOf } from '../recording.ts';
import {
  commonProblems,
  dryRunFlag,
  dryRunQuery,
  flag,
  instant,
  instantOrNull,
  iso,
  jsonAnswer,
  problemAnswer,
  tenantPath,
} from '../schemas.ts';
import { fileKeyOf, keyHeader } from './file-key.ts';

/** `/tenants/{tenantId}/move-out`: a tenant leaves for another deployment (docs/cells.md). */

const tags = ['Tenants'];
const path = '/api/v1/tenants/{tenantId}/move-out';

export const relaySchema = z
  .object({ to: z.string(), until: instant })
  .openapi('Relay', { description: 'Where the tenant lives, and until when what comes here is passed on' });
const conflict = { 409: problemAnswer('conflict') };

export const departure = z
  .object({
    tenantId: z.string(),
    dryRun: z.boolean(),
    state: z.enum(['here', 'draining', 'ready']).openapi({
      description: 'draining: what was under way has not ended. ready: the file may be taken',
    }),
    moveId: z.string().nullable(),
    generation: z.number().int().nullable(),
    fencedAt: instantOrNull,
    /** Time at which a file was first given out. */
    sealedAt: instantOrNull,
    relay: relaySchema.nullable(),
    waitsFor: z.object({
      computers: z.number().int(),
      reports: z.number().int(),
      seconds: z.number().int(),
    }),
  })
  .openapi('MoveOut');

const begin = createRoute({
  method: 'post',
  path,
  operationId: 'beginMoveOut',
  tags,
  summary: 'Fence a tenant, so that it can move to another deployment; the same again changes nothing',
  request: { params: tenantPath, query: dryRunQuery },
  responses: { 200: jsonAnswer(departure, 'Where it stands'), ...commonProblems, ...conflict },
});

const read = createRoute({
  method: 'get',
  path,
  operationId: 'getMoveOut',
  tags,
  summary: 'Whether a tenant is leaving, and what its file waits for',
  request: { params: tenantPath },
  responses: { 200: jsonAnswer(departure, 'Where it stands'), ...commonProblems },
});

const cancel = createRoute({
  method: 'delete',
  path,
  operationId: 'cancelMoveOut',
  tags,
  summary:
    'Keep a tenant that was to leave; after a file was made, or while it is relayed, only with force=true',
  request: {
    params: tenantPath,
    query: z
      .object({
        'dry-run': dryRunFlag,
        force: flag('true: no deployment took its file in, and none will'),
      })
      .strict(),
  },
  responses: { 200: jsonAnswer(departure, 'Where it stands'), ...commonProblems, ...conflict },
});

const file = createRoute({
  method: 'get',
  path: `${path}/file`,
  operationId: 'getMoveOutFile',
  tags,
  summary: 'The sealed file of a tenant that is leaving, once its move-out is ready',
  request: { params: tenantPath, headers: keyHeader },
  responses: {
    200: {
      description: 'Lines that only the key opens',
      content: { 'application/octet-stream': { schema: z.string() } },
    },
    ...commonProblems,
    ...conflict,
    503: problemAnswer('overloaded, or store-unavailable'),
  },
});

/** A file holds the tenant's secrets for whoever has its key, so an admin of single tenants moves none of them. */
export function requireMover(c: Context<AdminEnv>): void {
  requireRole(c, 'admin');
  requireUnbound(c);
}

export function describe(
  tenantId: string,
  found: Departing | undefined,
  dryRun = false,
): z.infer<typeof departure> {
  const waitsFor = found?.draining ?? { computers: 0, reports: 0, seconds: 0 };
  const leaving = found?.placement;
  return {
    ...{ tenantId, dryRun },
    state: found === undefined ? 'here' : isDrained(found.draining) ? 'ready' : 'draining',
    moveId: leaving?.moveId ?? null,
    generation: leaving?.generation ?? null,
    fencedAt: iso(leaving?.fencedAt ?? null),
    sealedAt: iso(leaving?.sealedAt ?? null),
    relay: (leaving && relayOf(leaving)) ?? null,
    waitsFor: { ...waitsFor },
  };
}

/** The file as it is taken. A caller that takes nothing for a while holds no snapshot any longer. */
async function* takenChunks(
  chunks: AsyncGenerator<Uint8Array>,
  onStalled: () => void,
): AsyncGenerator<Uint8Array> {
  for await (const chunk of chunks) {
    const patience = setTimeout(onStalled, slowReaderMs);
    try {
      yield chunk;
    } finally {
      clearTimeout(patience);
    }
  }
}

function addFile(app: AdminApp, services: AdminServices): void {
  const { facts, log, openBulk, respond, sealer, sharing, sql } = services;
  const atOnce = createSharedBound({ sharing, limit: exportsAtOnce, maxWaiting: 0, longestMs: exportMs });
  app.openapi(file, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireMover(c);
    const key = fileKeyOf(c.req.valid('header')['x-espalier-file-key']);
    if (c.req.method === 'HEAD') return c.body(null, 200);
    const leave = await enter(atOnce);
    const bulk: Sql = openBulk();
    const onEnd = async (): Promise<void> => {
      leave();
      await bulk.end({ timeout: 0 });
    };
    const options = { ...{ sql, bulk, sealer, tenant, key }, by: originOf(c) };
    const chunks = await tenantFile(options).catch(async (error: unknown) => {
      await onEnd();
      throw error;
    });
    const requestId = c.get('requestId');
    const headers = new Headers({
      'content-type': 'application/octet-stream',
      'content-disposition': `attachment; filename="tenant-${tenant.tenantId}.sealed"`,
      'x-request-id': requestId,
    });
    const body = takenChunks(chunks, () => {
      log.info('export.stalled', { tenantId: tenant.tenantId, requestId });
      facts.breakOff(c);
      void bulk.end({ timeout: 0 });
    });
    return respond(c, { status: 200, headers, body, onEnd });
  });
}

export function addMoveOut(app: AdminApp, services: AdminServices): void {
  const { sql, tenants } = services;
  app.openapi(begin, async (c) => {
    const tenant = await tenantOf(c, sql);
    requireMover(c);
    const { tenantId } = tenant;
    const before = await readDeparture(sql, tenantId);
    const isTrial = c.req.valid('query')['dry-run'] === 'true';
    if (before !== undefined) nothingChanged(c);
    if (before !== undefined || isTrial) {
      if (before === undefined) await checkMoveOut(sql, tenant);
      return c.json(describe(tenantId, before, isTrial), 200);
    }
    await beginMoveOut(sql, tenantId, newId(), originOf(c));
    tenants.forget(tenantId);
    return c.json(describe(tenantId, await readDeparture(sql, tenantId)), 200);
  });
  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    return c.json(describe(tenantId, await readDeparture(sql, tenantId)), 200);
  });
  app.openapi(cancel, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    requireMover(c);
    const { 'dry-run': dryRun, force } = c.req.valid('query');
    const before = await readDeparture(sql, tenantId);
    if (before === undefined) nothingChanged(c);
    if (before === undefined || dryRun === 'true')
      return c.json(describe(tenantId, before, dryRun === 'true'), 200);
    await cancelMoveOut(sql, tenantId, force === 'true', originOf(c));
    tenants.forget(tenantId);
    return c.json(describe(tenantId, undefined), 200);
  });
  addFile(app, services);
}
