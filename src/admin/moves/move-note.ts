import type { Context } from 'hono';
import type { MoveNote } from '../../routing/moves/operate.ts';
import type { AdminEnv } from '../context.ts';
import { differing, recordChange } from '../recording.ts';
import { moveResource } from './move-answer.ts';

/** A move in the history: what was wanted of it. How its devices follow is in the history of the routes. */
export const moveNote =
  (c: Context<AdminEnv>, action: string): MoveNote =>
  (tx, move, before) =>
    recordChange(c, tx, {
      tenantId: move.tenantId,
      action,
      object: { kind: 'move', id: move.moveId },
      ...(before
        ? differing(moveResource.settings(before), moveResource.settings(move))
        : { after: moveResource.settings(move) }),
      // Its own goes on until another is given.
      reason: move.reason,
    });
