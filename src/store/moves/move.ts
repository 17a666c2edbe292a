import type { Queries, Transaction } from '../database.ts';

/** A move of devices from one instance of a tenant to another: what was asked for, and how far it is. */

/**
 * `planned` → `shadowing` (the new instance is asked too) → `moving` (by percents) → `done`; from each of them to
 * `rolled-back`, which is also how a move that has not begun is given up.
 */
export const moveStates = ['planned', 'shadowing', 'moving', 'done', 'rolled-back'] as const;
export type MoveState = (typeof moveStates)[number];

export const openStates = ['planned', 'shadowing', 'moving'] as const satisfies readonly MoveState[];

export const moveDeviceStates = ['planned', 'moved', 'rolled-back', 'skipped'] as const;
export type MoveDeviceState = (typeof moveDeviceStates)[number];

/**
 * Why a device is not moved, or not moved back. `left`: its route is at neither place where the move would take it
 * from: it went elsewhere meanwhile.
 */
export type SkipReason = 'pinned' | 'not-claimed' | 'not-found-at-target' | 'ambiguous' | 'left';

export interface MoveKey {
  readonly tenantId: string;
  readonly moveId: string;
}

export interface Move extends MoveKey {
  readonly fromInstanceId: string;
  readonly toInstanceId: string;
  /** RSQL on devices; null: all of the instance. */
  readonly filter: string | null;
  /** Also devices that the target does not claim but knows by UDID or serial number. */
  readonly unclaimed: boolean;
  readonly stepPercent: number;
  readonly shadow: boolean;
  readonly state: MoveState;
  readonly paused: boolean;
  /** Devices whose bucket is below this are to be at the target. */
  readonly percent: number;
  readonly threshold: number;
  readonly shadowStartedAt: Date | null;
  readonly compared: number;
  readonly differed: number;
  /** Who operated it last, and why: they stand in the history of the routes that it changes. */
  readonly author: string;
  readonly reason: string;
  readonly version: number;
  readonly createdAt: Date;
  readonly updatedAt: Date;
}

const columns = [
  'tenant_id as "tenantId"',
  'move_id as "moveId"',
  'from_instance_id as "fromInstanceId"',
  'to_instance_id as "toInstanceId"',
  'filter',
  'unclaimed',
  'step_percent as "stepPercent"',
  'shadow',
  'state',
  'paused',
  'percent',
  'threshold',
  'shadow_started_at as "shadowStartedAt"',
  'compared',
  'differed',
  'author',
  'reason',
  'version',
  'created_at as "createdAt"',
  'updated_at as "updatedAt"',
].join(', ');

/** The columns of `Move`, for the queries that return one. */
export const moveColumns = (queries: Queries) => queries.unsafe(columns);

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

/** Where an instance that a move needs stands. */
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
