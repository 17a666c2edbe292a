import { createRoute, z } from '@hono/zod-openapi';
import { parseGuid } from '../../ids.ts';
import {
  type Move,
  type MoveDeviceState,
  moveColumns,
  moveDeviceStates,
  moveStates,
  readMove,
} from '../../routing/moves/move.ts';
import { numbersOf } from '../../routing/moves/numbers.ts';
import type { Sql } from '../../store/database.ts';
import { tenantOf } from '../access.ts';
import type { AdminApp, AdminServices } from '../context.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import {
  commonProblems,
  etag,
  filteredPaging,
  instant,
  jsonAnswer,
  type ListColumn,
  listOf,
  orderBy,
  parseSort,
  tenantPath,
} from '../schemas.ts';
import {
  answerMove,
  describeMove,
  movePath,
  moveSchema,
  moveWithDifferences,
  unknownMove,
} from './move-answer.ts';

/** `/tenants/{tenantId}/moves`: the moves of a tenant, and the devices of one. */

const tags = ['Moves'];

const moveFilter: FilterFields = {
  moveId: { type: 'uuid', column: 'moves.move_id' },
  from: { type: 'uuid', column: 'moves.from_instance_id' },
  to: { type: 'uuid', column: 'moves.to_instance_id' },
  state: { type: 'enum', column: 'moves.state', values: moveStates },
  paused: { type: 'boolean', column: 'moves.paused' },
};

const skipReasons = ['pinned', 'not-claimed', 'not-found-at-target', 'ambiguous', 'left'] as const;

const deviceFilter: FilterFields = {
  deviceId: { type: 'uuid', column: 'd.device_id' },
  state: { type: 'enum', column: 'd.state', values: moveDeviceStates },
  reason: { type: 'enum', column: 'd.reason', values: skipReasons },
};

const movesTable: readonly ListColumn[] = [
  { field: 'moveId', whole: true, importance: 1 },
  { field: 'state', importance: 2 },
  { field: 'paused', importance: 5 },
  { field: 'percent', importance: 3 },
  { field: 'devices.moved', title: 'moved', importance: 4 },
  { field: 'devices.total', title: 'of', importance: 4 },
  { field: 'from', whole: true, importance: 7 },
  { field: 'to', whole: true, importance: 8 },
  { field: 'reason', importance: 9 },
  { field: 'updatedAt', importance: 6 },
];

const list = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/moves',
  operationId: 'listMoves',
  tags,
  summary: 'The moves of a tenant, newest first',
  request: { params: tenantPath, query: filteredPaging(moveFilter) },
  responses: { 200: jsonAnswer(listOf(moveSchema, 'Moves', movesTable), 'Moves'), ...commonProblems },
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

const deviceSchema = z
  .object({
    deviceId: z.string(),
    state: z.enum(moveDeviceStates),
    reason: z.string().nullable(),
    bucket: z.number().int().openapi({ description: 'Moved when the percent of the move is above it.' }),
    fromJamfComputerId: z.string(),
    toJamfComputerId: z.string().nullable(),
    movedVersion: z.number().int().nullable(),
    updatedAt: instant,
  })
  .openapi('MoveDevice');

const moveDevicesTable: readonly ListColumn[] = [
  { field: 'deviceId', whole: true, importance: 1 },
  { field: 'state', importance: 2 },
  { field: 'reason', importance: 3 },
  { field: 'fromJamfComputerId', title: 'computer', importance: 4 },
  { field: 'toJamfComputerId', title: 'new computer', importance: 5 },
  { field: 'movedVersion', title: 'version', importance: 7 },
  { field: 'updatedAt', importance: 6 },
];

const devices = createRoute({
  method: 'get',
  path: '/api/v1/tenants/{tenantId}/moves/{moveId}/devices',
  operationId: 'listMoveDevices',
  tags,
  summary: 'The devices of a move',
  request: { params: movePath, query: filteredPaging(deviceFilter) },
  responses: {
    200: jsonAnswer(listOf(deviceSchema, 'MoveDevices', moveDevicesTable), 'Devices'),
    ...commonProblems,
  },
});

const moveOrder = { createdAt: 'moves.created_at', updatedAt: 'moves.updated_at', state: 'moves.state' };
const deviceOrder = {
  deviceId: 'd.device_id',
  bucket: 'd.bucket',
  state: 'd.state',
  updatedAt: 'd.updated_at',
};

export const moveOf = async (sql: Sql, tenantId: string, id: string | undefined): Promise<Move> => {
  const moveId = parseGuid(id);
  const move = moveId && (await readMove(sql, { tenantId, moveId }));
  if (!move) throw unknownMove();
  return move;
};

interface DeviceRow {
  readonly deviceId: string;
  readonly state: MoveDeviceState;
  readonly reason: string | null;
  readonly bucket: number;
  readonly fromJamfComputerId: number;
  readonly toJamfComputerId: number | null;
  readonly movedVersion: number | null;
  readonly updatedAt: Date;
}

const describeDevice = (row: DeviceRow): z.infer<typeof deviceSchema> => ({
  ...row,
  fromJamfComputerId: String(row.fromJamfComputerId),
  toJamfComputerId: row.toJamfComputerId === null ? null : String(row.toJamfComputerId),
  updatedAt: row.updatedAt.toISOString(),
});

export function addMoves(app: AdminApp, { sql }: AdminServices): void {
  app.openapi(list, async (c) => {
    const { tenantId } = await tenantOf(c, sql);
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, moveFilter);
    const order = orderBy(parseSort(sort, moveOrder, 'createdAt:desc'));
    const where = sql`tenant_id = ${tenantId} and ${conditionSql(sql, filter)}`;
    const [total] = await sql<{ count: number }[]>`select count(*) as count from moves where ${where}`;
    const found = await sql<Move[]>`
      select ${moveColumns(sql)} from moves where ${where}
      order by ${sql.unsafe(order)}, move_id limit ${pageSize} offset ${page * pageSize}`;
    const numbers = await numbersOf(
      sql,
      tenantId,
      found.map(({ moveId }) => moveId),
    );
    const results = found.map((move) => describeMove(move, numbers(move.moveId)));
    return c.json({ totalCount: total?.count ?? 0, results }, 200);
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
    const { filter: text, page, 'page-size': pageSize, sort } = c.req.valid('query');
    const filter = text === undefined ? undefined : requireFilter(text, deviceFilter);
    const order = orderBy(parseSort(sort, deviceOrder, 'deviceId:asc'));
    const where = sql`d.tenant_id = ${tenantId} and d.move_id = ${moveId} and ${conditionSql(sql, filter)}`;
    const [total] = await sql<{ count: number }[]>`
      select count(*) as count from move_devices d where ${where}`;
    const found = await sql<DeviceRow[]>`
      select d.device_id as "deviceId", d.state, d.reason, d.bucket, d.from_jamf_computer_id as "fromJamfComputerId",
        d.to_jamf_computer_id as "toJamfComputerId", d.moved_version as "movedVersion", d.updated_at as "updatedAt"
      from move_devices d where ${where}
      order by ${sql.unsafe(order)}, d.device_id limit ${pageSize} offset ${page * pageSize}`;
    return c.json({ totalCount: total?.count ?? 0, results: found.map(describeDevice) }, 200);
  });
}
