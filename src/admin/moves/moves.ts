import { createRoute, z } from '@hono/zod-openapi';
import { and, eq, getTableColumns } from 'drizzle-orm';
import { parseGuid } from '../../ids.ts';
import type { Sql } from '../../store/database.ts';
import { type Move, type MoveDeviceState, moveDeviceStates, readMove } from '../../store/moves/move.ts';
import { moveDevices, moves } from '../../store/schema.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { answerList, resource } from '../resource/resource.ts';
import { commonProblems, etag, jsonAnswer, tenantPath } from '../schemas.ts';
import { visibleTo } from '../scope.ts';
import {
  answerMove,
  answerMoves,
  movePath,
  moveResource,
  movesOfTenants,
  moveWithDifferences,
  unknownMove,
} from './move-answer.ts';

/** `/moves` and `/tenants/{tenantId}/moves`: moves of all tenants, those of one, and the devices of a move. */

const tags = ['Moves'];

const skipReasons = ['pinned', 'not-claimed', 'not-found-at-target', 'ambiguous', 'left'] as const;

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/moves',
  operationId: 'listMoves',
  tags,
  summary: 'The moves of a tenant, newest first',
  request: { params: tenantPath, query: moveResource.query },
  responses: { 200: jsonAnswer(moveResource.list, 'Moves'), ...commonProblems },
});

const listAll = createRoute({
  method: 'get',
  path: '/api/v1/moves',
  operationId: 'listAllMoves',
  tags,
  summary: 'The moves of all tenants, newest first',
  request: { query: moveResource.query },
  responses: { 200: jsonAnswer(movesOfTenants, 'Moves'), ...commonProblems },
});

const read = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/moves/{moveId}',
  operationId: 'getMove',
  tags,
  summary: 'One move: its devices by state, why some are not moved, how the answers of both instances differ',
  request: { params: movePath },
  responses: { 200: jsonAnswer(moveWithDifferences, 'Move'), ...commonProblems },
});

const device = resource({
  names: ['MoveDevice', 'MoveDevices'],
  from: moveDevices,
  columns: getTableColumns(moveDevices),
  fields: ({ column }) => ({
    deviceId: column('deviceId', { filter: true, sort: true }),
    state: column('state', {
      schema: z.enum(moveDeviceStates),
      show: (state) => state as MoveDeviceState,
      filter: moveDeviceStates,
      sort: true,
    }),
    reason: column('reason', { filter: skipReasons }),
    bucket: column('bucket', { description: 'Moved when the percent of the move is above it.', sort: true }),
    fromJamfComputerId: column('fromJamfComputerId', { schema: z.string(), show: String }),
    toJamfComputerId: column('toJamfComputerId', {
      schema: z.string().nullable(),
      show: (id) => (id === null ? null : String(id)),
    }),
    movedVersion: column('movedVersion'),
    updatedAt: column('updatedAt', { sort: true }),
  }),
  table: [
    { field: 'deviceId', whole: true, importance: 1 },
    { field: 'state', importance: 2 },
    { field: 'reason', importance: 3 },
    { field: 'fromJamfComputerId', title: 'computer', importance: 4 },
    { field: 'toJamfComputerId', title: 'new computer', importance: 5 },
    { field: 'movedVersion', title: 'version', importance: 7 },
    { field: 'updatedAt', importance: 6 },
  ],
  sort: 'deviceId:asc',
  key: [moveDevices.deviceId],
});

const devices = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/moves/{moveId}/devices',
  operationId: 'listMoveDevices',
  tags,
  summary: 'The devices of a move',
  request: { params: movePath, query: device.query },
  responses: { 200: jsonAnswer(device.list, 'Devices'), ...commonProblems },
});

export const moveOf = async (sql: Sql, tenantId: string, id: string | undefined): Promise<Move> => {
  const moveId = parseGuid(id);
  const move = moveId && (await readMove(sql, { tenantId, moveId }));
  if (!move) throw unknownMove();
  return move;
};

export function addMoves(app: AdminApp, services: AdminServices): void {
  const { sql } = services;
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    return c.json(await answerMoves(services, c.req.valid('query'), eq(moves.tenantId, tenantId)), 200);
  });

  app.openapi(listAll, async (c) => {
    const scope = visibleTo(c.get('operator'), moves.tenantId);
    return c.json(await answerMoves(services, c.req.valid('query'), scope), 200);
  });

  app.openapi(read, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { moveId } = await moveOf(sql, tenantId, c.req.param('moveId'));
    const { body, move } = await answerMove(sql, { tenantId, moveId });
    return c.json(body, 200, { etag: etag(move.version) });
  });

  app.openapi(devices, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { moveId } = await moveOf(sql, tenantId, c.req.param('moveId'));
    const scope = and(eq(moveDevices.tenantId, tenantId), eq(moveDevices.moveId, moveId));
    return answerList(c, await device.page(services, c.req.valid('query'), scope));
  });
}
