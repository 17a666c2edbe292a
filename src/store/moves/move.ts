import { getTableColumns } from 'drizzle-orm';
import { columns } from '../columns.ts';
import type { Queries, Transaction } from '../database.ts';
import type { MoveState } from '../row-types.ts';
import { moves } from '../schema.ts';

/** A move of devices from one instance of a tenant to another: what was asked for, and how far it is. */

export const openStates = ['planned', 'shadowing', 'moving'] as const satisfies readonly MoveState[];

export const moveDeviceStates = ['planned', 'moved', 'rolled-back', 'skipped'] as const;
export type MoveDeviceState = (typeof moveDeviceStates)[number];

/**
 * Reason why a device is not moved, or not moved back. `left`: its route is at neither place where the move would take
 * it from: it went elsewhere meanwhile.
 */
export type SkipReason = 'pinned' | 'not-claimed' | 'not-found-at-target' | 'ambiguous' | 'left';

export interface MoveKey {
  readonly tenantId: string;
  readonly moveId: string;
}

export type Move = Readonly<typeof moves.$inferSelect>;

/** The columns of `Move`, for the queries that return one. */
export const moveColumns = (queries: Queries) => columns(queries, getTableColumns(moves));

export async function readMove(queries: Queries, key: MoveKey): Promise<Move | undefined> {
  const [move] = await queries<Move[]>`
    select ${moveColumns(queries)} from moves where tenant_id = ${key.tenantId} and move_id = ${key.moveId}`;
  return move;
}

/**
 * Takes the move's row until the transaction ends: one transaction at a time works on a move. `wait: false` answers
 * undefined when another one does; so does a move that is not there.
 */
export async function lockMove(tx: Transaction, key: MoveKey, wait: boolean): Promise<Move | undefined> {
  const [move] = await tx<Move[]>`
    select ${moveColumns(tx)} from moves where tenant_id = ${key.tenantId} and move_id = ${key.moveId}
    for no key update ${wait ? tx`` : tx`skip locked`}`;
  return move;
}

/** A move needs both of its instances enabled. */
export async function isEnabled(queries: Queries, tenantId: string, instanceId: string): Promise<boolean> {
  const [row] = await queries<{ enabled: boolean }[]>`
    select enabled from instances where tenant_id = ${tenantId} and instance_id = ${instanceId}`;
  return row?.enabled === true;
}

type NewMove = Omit<
  Move,
  | 'state'
  | 'paused'
  | 'percent'
  | 'shadowStartedAt'
  | 'compared'
  | 'differed'
  | 'version'
  | 'createdAt'
  | 'updatedAt'
>;

/** Fails on a unique index where another open move leaves the same instance. */
export async function insertMove(tx: Transaction, move: NewMove): Promise<void> {
  await tx`
    insert into moves (tenant_id, move_id, from_instance_id, to_instance_id, filter, unclaimed, step_percent, shadow,
      threshold, author, reason)
    values (${move.tenantId}, ${move.moveId}, ${move.fromInstanceId}, ${move.toInstanceId}, ${move.filter},
      ${move.unclaimed}, ${move.stepPercent}, ${move.shadow}, ${move.threshold}, ${move.author}, ${move.reason})`;
}

/** Stores what an operator wants of a move now; what shadowing found before it begins anew does not count. */
export async function writeOperation(
  tx: Transaction,
  move: Move,
  to: Pick<Move, 'state' | 'percent' | 'paused' | 'author' | 'reason'>,
): Promise<void> {
  const begins = to.state === 'shadowing' && move.state !== 'shadowing';
  await tx`
    update moves set state = ${to.state}, percent = ${to.percent}, paused = ${to.paused}, author = ${to.author},
      reason = ${to.reason}, version = version + 1, updated_at = now()
      ${begins ? tx`, shadow_started_at = now(), compared = 0, differed = 0` : tx``}
    where tenant_id = ${move.tenantId} and move_id = ${move.moveId}`;
}

export async function finishMove(tx: Transaction, move: MoveKey): Promise<void> {
  await tx`update moves set state = 'done', version = version + 1, updated_at = now()
    where tenant_id = ${move.tenantId} and move_id = ${move.moveId}`;
}

/** Adds to how many answers were compared; false: the move is gone. */
export async function addCompared(
  tx: Transaction,
  { compared, differed, moveId, tenantId }: Pick<Move, 'tenantId' | 'moveId' | 'compared' | 'differed'>,
): Promise<boolean> {
  const known = await tx`
    update moves set compared = compared + ${compared}, differed = differed + ${differed}
    where tenant_id = ${tenantId} and move_id = ${moveId} returning 1`;
  return known.length > 0;
}
