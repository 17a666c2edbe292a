import { newId } from '../../ids.ts';
import { columns, pick } from '../../store/columns.ts';
import { isUniqueViolation, type Sql, type Transaction } from '../../store/database.ts';
import {
  insertMove,
  isEnabled,
  lockMove,
  type Move,
  type MoveKey,
  openStates,
  writeOperation,
} from '../../store/moves/move.ts';
import { inTransaction } from '../../store/retry.ts';
import { moves } from '../../store/schema.ts';
import { type Advance, type AdvanceRequest, nextStep } from './advance.ts';
import { type MoveScope, writePlan } from './plan.ts';

/** Operators' actions on moves are here. Each is one transaction that stores what is wanted; `work.ts` makes it so. */

export interface NewMove
  extends Pick<Move, 'filter' | 'stepPercent' | 'shadow' | 'threshold' | 'author' | 'reason'> {
  readonly scope: MoveScope;
}

/** The open move that already leaves an instance. */
export async function openMoveFrom(
  sql: Sql,
  tenantId: string,
  fromInstanceId: string,
): Promise<string | undefined> {
  const [row] = await sql<Pick<Move, 'moveId'>[]>`
    select ${columns(sql, pick(moves, 'moveId'))} from moves where tenant_id = ${tenantId} and from_instance_id = ${fromInstanceId}
      and state = any(${[...openStates]})`;
  return row?.moveId;
}

/** The last that the transaction does: `before` is undefined for a move that is new. */
export type MoveNote = (tx: Transaction, move: Move, before: Move | undefined) => Promise<void>;

/** Plans a move and stores it. Undefined: another open move leaves the same instance. */
export async function planMove(sql: Sql, given: NewMove, note?: MoveNote): Promise<MoveKey | undefined> {
  const { fromInstanceId, tenantId, toInstanceId, unclaimed } = given.scope;
  const key = { tenantId, moveId: newId() };
  try {
    await inTransaction(sql, async (tx) => {
      await insertMove(tx, { ...given, ...key, fromInstanceId, toInstanceId, unclaimed });
      await writePlan(tx, key, given.scope);
      const planned = note && (await lockMove(tx, key, true));
      if (planned) await note(tx, planned, undefined);
    });
  } catch (error) {
    if (isUniqueViolation(error)) return undefined;
    throw error;
  }
  return key;
}

/** The author and the reason, for the history of the routes that follow. */
export interface Operation {
  readonly author: string;
  /** The move's own reason goes on, unless another is given. */
  readonly reason: string | undefined;
}

export type Refusal =
  | Extract<Advance, { ok: false }>
  | { readonly ok: false; readonly refusal: 'gone' | 'version' };

export type Operated = { readonly ok: true; readonly move: Move } | Refusal;

/** `expects`: refuses a move that is not as the caller has seen it. */
type Expects = (move: Move) => boolean;

/** Runs the transaction: for good, or without a trace (preview.ts). */
export type Run = <T>(sql: Sql, work: (tx: Transaction) => Promise<T>) => Promise<T>;

interface Operating {
  readonly expects: Expects;
  readonly note?: MoveNote;
  readonly run?: Run;
}

async function operate(
  sql: Sql,
  key: MoveKey,
  { expects, note, run = inTransaction }: Operating,
  work: (tx: Transaction, move: Move) => Promise<Operated>,
): Promise<Operated> {
  return run(sql, async (tx) => {
    const move = await lockMove(tx, key, true);
    if (!move) return { ok: false, refusal: 'gone' };
    if (!expects(move)) return { ok: false, refusal: 'version' };
    const operated = await work(tx, move);
    if (operated.ok) await note?.(tx, operated.move, move);
    return operated;
  });
}

async function write(
  tx: Transaction,
  move: Move,
  to: Pick<Move, 'state' | 'percent' | 'paused'>,
  { author, reason }: Operation,
): Promise<Operated> {
  await writeOperation(tx, move, { ...to, author, reason: reason ?? move.reason });
  const changed = await lockMove(tx, move, true);
  return changed ? { ok: true, move: changed } : { ok: false, refusal: 'gone' };
}

const stateRefusal = (detail: string): Operated => ({ ok: false, refusal: 'state', detail });

/** `scopeOf`: the move's devices as they are to be planned now. */
export function advanceMove(
  sql: Sql,
  key: MoveKey,
  request: AdvanceRequest & Operation,
  options: Operating & { readonly scopeOf: (move: Move) => MoveScope },
): Promise<Operated> {
  return operate(sql, key, options, async (tx, move) => {
    const { toInstanceId, tenantId } = move;
    const open = move.state !== 'done' && move.state !== 'rolled-back';
    if (open && !(await isEnabled(tx, tenantId, toInstanceId)))
      return stateRefusal('The instance that the devices go to is disabled.');
    if (open) await writePlan(tx, move, options.scopeOf(move));
    const [row] = await tx<{ planned: number }[]>`
      select count(*) as planned from move_devices
      where tenant_id = ${tenantId} and move_id = ${move.moveId} and state = 'planned'`;
    const next = nextStep(move, row?.planned ?? 0, request);
    return next.ok ? write(tx, move, { ...next, paused: false }, request) : next;
  });
}

export function pauseMove(
  sql: Sql,
  key: MoveKey,
  operation: Operation,
  operating: Operating,
): Promise<Operated> {
  return operate(sql, key, operating, async (tx, move) => {
    if (move.state === 'done' || move.state === 'rolled-back')
      return stateRefusal(`The move is ${move.state}: there is nothing to pause.`);
    return move.paused ? { ok: true, move } : write(tx, move, { ...move, paused: true }, operation);
  });
}

/** Every device that is still where the move put it is to go back; a move that has not begun is given up. */
export function rollBackMove(
  sql: Sql,
  key: MoveKey,
  operation: Operation,
  operating: Operating,
): Promise<Operated> {
  return operate(sql, key, operating, async (tx, move) => {
    if (move.state === 'rolled-back') return { ok: true, move };
    const [moved] = await tx`
      select 1 from move_devices where tenant_id = ${move.tenantId} and move_id = ${move.moveId} and state = 'moved' limit 1`;
    if (moved && !(await isEnabled(tx, move.tenantId, move.fromInstanceId)))
      return stateRefusal('The instance that the devices came from is disabled or removed.');
    return write(tx, move, { state: 'rolled-back', percent: 0, paused: false }, operation);
  });
}
