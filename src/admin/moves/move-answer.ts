import { z } from '@hono/zod-openapi';
import { ProblemError, problem } from '../../problems.ts';
import { comparisonsNeeded, differingShare } from '../../routing/moves/advance.ts';
import { type Move, type MoveKey, moveStates, readMove } from '../../routing/moves/move.ts';
import { type MoveNumbers, numbersOf } from '../../routing/moves/numbers.ts';
import type { Sql } from '../../store/database.ts';
import { guid, instant, instantOrNull, iso, tenantPath } from '../schemas.ts';

/** A move as the admin API shows it. */

export const movePath = tenantPath.extend({ moveId: z.string().openapi({ format: 'uuid' }) });

const count = z.number().int();

const skippedSchema = z.array(z.object({ reason: z.string(), count })).openapi({
  description:
    'pinned: pins stay. not-claimed: the target does not claim the device (unclaimed=true finds it by UDID or serial number). ' +
    'not-found-at-target, ambiguous: none or several computers of the target have that UDID or serial number. ' +
    'left: the route went elsewhere meanwhile.',
});

export const planSchema = z
  .object({ dryRun: z.literal(true), devices: count, planned: count, skipped: skippedSchema })
  .openapi('MovePlan');

export const moveSchema = z
  .object({
    id: z.string(),
    moveId: z.string(),
    tenantId: z.string(),
    from: guid,
    to: guid,
    filter: z.string().nullable(),
    unclaimed: z.boolean(),
    shadow: z.boolean(),
    threshold: z.number(),
    stepPercent: count,
    state: z.enum(moveStates),
    paused: z.boolean(),
    percent: count.openapi({ description: 'Of the devices, by a hash of their ids: these are to be moved.' }),
    devices: z.object({ total: count, planned: count, moved: count, rolledBack: count, skipped: count }),
    skipped: skippedSchema,
    pending: count.openapi({ description: 'Devices whose routes are still being written.' }),
    shadowing: z.object({
      startedAt: instantOrNull,
      compared: count,
      differed: count,
      share: z.number(),
      needed: count,
    }),
    author: z.string(),
    reason: z.string(),
    createdAt: instant,
    updatedAt: instant,
  })
  .openapi('Move');

/** What was wanted of a move, and how far it is. */
export const moveSettings = (move: Move) => ({
  from: move.fromInstanceId,
  to: move.toInstanceId,
  filter: move.filter,
  unclaimed: move.unclaimed,
  shadow: move.shadow,
  // Stored with seven digits.
  threshold: Number(move.threshold.toPrecision(6)),
  stepPercent: move.stepPercent,
  state: move.state,
  paused: move.paused,
  percent: move.percent,
});

export const describeMove = (move: Move, numbers: MoveNumbers): z.infer<typeof moveSchema> => {
  const { moved, planned, 'rolled-back': rolledBack, skipped } = numbers.devices;
  const total = moved + planned + rolledBack + skipped;
  return {
    id: move.moveId,
    moveId: move.moveId,
    tenantId: move.tenantId,
    ...moveSettings(move),
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
    author: move.author,
    reason: move.reason,
    createdAt: move.createdAt.toISOString(),
    updatedAt: move.updatedAt.toISOString(),
  };
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

export const moveWithDifferences = moveSchema
  .extend({ differences: z.array(differenceSchema) })
  .openapi('MoveWithDifferences');

async function differencesOf(
  sql: Sql,
  { moveId, tenantId }: MoveKey,
): Promise<z.infer<typeof differenceSchema>[]> {
  const rows = await sql<
    { kind: string; call: string; count: number; deviceId: string; example: string; lastAt: Date }[]
  >`
    select kind, call, count, example_device_id as "deviceId", example, last_at as "lastAt" from move_differences
    where tenant_id = ${tenantId} and move_id = ${moveId} order by count desc, kind, call`;
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
  const numbers = await numbersOf(sql, key.tenantId, [key.moveId]);
  const differences = await differencesOf(sql, key);
  return { move, body: { ...describeMove(move, numbers(key.moveId)), differences } };
}
