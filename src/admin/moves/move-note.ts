import type { Context } from 'hono';
import type { Move } from '../../routing/moves/move.ts';
import type { MoveNote } from '../../routing/moves/operate.ts';
import type { AdminEnv } from '../context.ts';
import { differing, recordChange } from '../recording.ts';

/** A move in the history: what was wanted of it. How its devices follow is in the history of the routes. */
const shown = (move: Move) => ({
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

export const moveNote =
  (c: Context<AdminEnv>, action: string): MoveNote =>
  (tx, move, before) =>
    recordChange(c, tx, {
      tenantId: move.tenantId,
      action,
      object: { kind: 'move', id: move.moveId },
      ...(before ? differing(shown(before), shown(move)) : { after: shown(move) }),
      // Its own goes on until another is given.
      reason: move.reason,
    });
