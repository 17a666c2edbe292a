import { z } from '@hono/zod-openapi';
import { and, desc, eq, getTableColumns, type SQL } from 'drizzle-orm';
import { ProblemError, problem } from '../../problems.ts';
import { comparisonsNeeded, differingShare } from '../../routing/moves/advance.ts';
import { type MoveNumbers, numbersOf } from '../../routing/moves/numbers.ts';
import type { Sql } from '../../store/database.ts';
import { type Move, type MoveKey, readMove } from '../../store/moves/move.ts';
import { query } from '../../store/query.ts';
import { moveStates } from '../../store/row-types.ts';
import { moveDifferences, moves } from '../../store/schema.ts';
import type { AdminServices } from '../context.ts';
import { resource } from '../resource/resource.ts';
import {
  guid,
  instant,
  instantOrNull,
  iso,
  type ListColumn,
  listOf,
  pathId,
  tenantPath,
} from '../schemas.ts';

/** A move as the admin API shows it. */

export const movePath = tenantPath.extend({ moveId: pathId('The move') });

const count = z.number().int();

const table: readonly ListColumn[] = [
  { field: 'moveId', whole: true, importance: 1 },
  { field: 'state', importance: 2 },
  { field: 'paused', importance: 5 },
  { field: 'percent', importance: 3 },
  { field: 'devices.moved', title: 'moved', importance: 4 },
  { field: 'devices.total', title: 'of', importance: 4 },
  { field: 'from', whole: true, names: 'instance', importance: 7 },
  { field: 'to', whole: true, names: 'instance', importance: 8 },
  { field: 'reason', importance: 9 },
  { field: 'updatedAt', importance: 6 },
];

const skippedSchema = z.array(z.object({ reason: z.string(), count })).openapi({
  description:
    'pinned: pins stay. not-claimed: the target does not claim the device (unclaimed=true finds it by UDID or serial number). ' +
    'not-found-at-target, ambiguous: none or several computers of the target have that UDID or serial number. ' +
    'left: the route went elsewhere meanwhile.',
});

export const planSchema = z
  .object({ dryRun: z.literal(true), devices: count, planned: count, skipped: skippedSchema })
  .openapi('MovePlan');

export const moveResource = resource({
  names: ['Move', 'Moves'],
  from: moves,
  columns: getTableColumns(moves),
  fields: ({ beside, column }) => ({
    id: column('moveId'),
    moveId: column('moveId', { filter: true }),
    tenantId: column('tenantId', { filter: true }),
    from: column('fromInstanceId', { schema: guid, filter: true, setting: true }),
    to: column('toInstanceId', { schema: guid, filter: true, setting: true }),
    filter: column('filter', { setting: true }),
    unclaimed: column('unclaimed', { setting: true }),
    shadow: column('shadow', { setting: true }),
    // Stored with seven digits.
    threshold: column('threshold', {
      schema: z.number(),
      show: (threshold) => Number(threshold.toPrecision(6)),
      setting: true,
    }),
    stepPercent: column('stepPercent', { setting: true }),
    state: column('state', {
      schema: z.enum(moveStates),
      filter: moveStates,
      sort: true,
      setting: true,
    }),
    paused: column('paused', { filter: true, setting: true }),
    percent: column('percent', {
      description: 'Of the devices, by a hash of their ids: these are to be moved.',
      setting: true,
    }),
    devices: beside(
      z.object({ total: count, planned: count, moved: count, rolledBack: count, skipped: count }),
    ),
    skipped: beside(skippedSchema),
    pending: beside(count.openapi({ description: 'Devices whose routes are still being written.' })),
    shadowing: beside(
      z.object({
        startedAt: instantOrNull,
        compared: count,
        differed: count,
        share: z.number(),
        needed: count,
      }),
      ['shadowStartedAt', 'compared', 'differed', 'version'],
    ),
    author: column('author'),
    reason: column('reason'),
    createdAt: column('createdAt', { sort: true }),
    updatedAt: column('updatedAt', { sort: true }),
  }),
  table,
  sort: 'createdAt:desc',
  key: [moves.moveId],
});

/** Of several tenants: with whose each is, and without names of instances, which are asked of one tenant. */
export const movesOfTenants = listOf(moveResource.schema, 'MovesOfTenants', [
  { field: 'tenantId', whole: true, names: 'tenant', importance: 2 },
  ...table.filter(({ names }) => names === undefined),
]);

export const describeMove = (move: Parameters<typeof moveResource.show>[0], numbers: MoveNumbers) => {
  const { moved, planned, 'rolled-back': rolledBack, skipped } = numbers.devices;
  const total = moved + planned + rolledBack + skipped;
  return moveResource.show(move, {
    devices: { total, planned, moved, rolledBack, skipped },
    skipped: numbers.skipped.map((one) => ({ ...one })),
    pending: numbers.pending,
    shadowing: {
      startedAt: iso(move.shadowStartedAt),
      compared: move.compared,
      differed: move.differed,
      share: differingShare(move),
      needed: comparisonsNeeded(planned),
    },
  });
};

export const differenceSchema = z
  .object({
    kind: z.string().openapi({
      description:
        'Of the answer of the new instance against that of the old one: unreachable, not-found, status, verdict, body.',
    }),
    call: z.string(),
    count,
    example: z.object({ deviceId: z.string(), description: z.string() }),
    lastAt: instant,
  })
  .openapi('MoveDifference');

export const moveWithDifferences = moveResource.schema
  .extend({ differences: z.array(differenceSchema) })
  .openapi('MoveWithDifferences');

async function differencesOf(
  sql: Sql,
  { moveId, tenantId }: MoveKey,
): Promise<z.infer<typeof differenceSchema>[]> {
  const { call, count: seen, exampleDeviceId: deviceId, example, kind, lastAt } = moveDifferences;
  const rows = await query(sql)
    .select({ kind, call, count: seen, deviceId, example, lastAt })
    .from(moveDifferences)
    .where(and(eq(moveDifferences.tenantId, tenantId), eq(moveDifferences.moveId, moveId)))
    .orderBy(desc(seen), kind, call);
  return rows.map(({ deviceId, example, lastAt, ...row }) => ({
    ...row,
    example: { deviceId, description: example },
    lastAt: lastAt.toISOString(),
  }));
}

export const unknownMove = (): ProblemError =>
  new ProblemError(problem('not-found', 'The tenant has no such move.'));

/** The whole answer, as it is now. */
export async function answerMove(
  sql: Sql,
  key: MoveKey,
): Promise<{ move: Move; body: z.infer<typeof moveWithDifferences> }> {
  const move = await readMove(sql, key);
  if (!move) throw unknownMove();
  const numbers = await numbersOf(sql, [key]);
  const differences = await differencesOf(sql, key);
  return { move, body: { ...describeMove(move, numbers(key.moveId)), differences } };
}

type MoveQuery = Parameters<typeof moveResource.readPage>[1];

/** A page of the moves that `scope` holds for, with their numbers. */
export async function answerMoves(
  services: Pick<AdminServices, 'sql' | 'turns'>,
  asked: MoveQuery,
  scope: SQL,
) {
  const { rows, totalCount } = await moveResource.readPage(services, asked, scope);
  const numbers = await numbersOf(services.sql, rows);
  return { totalCount, results: rows.map((move) => describeMove(move, numbers(move.moveId))) };
}
