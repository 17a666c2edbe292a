import { minShadowComparisons } from '../../limits.ts';
import type { Move } from '../../store/moves/move.ts';
import type { MoveState } from '../../store/row-types.ts';

/** Computes the effect of `advance` on a move. Pure. */

export interface AdvanceRequest {
  /** Cut over although the two instances were compared too little or differ too much. */
  readonly force: boolean;
  /** Percentage to cut over at once; default: the next step. */
  readonly percent: number | undefined;
}

export type Advance =
  | { readonly ok: true; readonly state: MoveState; readonly percent: number }
  | { readonly ok: false; readonly refusal: 'state' | 'shadow'; readonly detail: string }
  | { readonly ok: false; readonly refusal: 'percent'; readonly detail: string };

type Shadowing = Pick<Move, 'compared' | 'differed' | 'threshold' | 'shadow'>;

/** Number of answers that have to be compared before the first cut over. */
export const comparisonsNeeded = (planned: number): number => Math.min(minShadowComparisons, planned);

export const differingShare = ({ compared, differed }: Pick<Move, 'compared' | 'differed'>): number =>
  compared === 0 ? 0 : differed / compared;

const percentText = (share: number): string => `${Number((share * 100).toFixed(2))} %`;

/** Reason why the comparison of the two instances does not allow a cut over, with its numbers. */
export function shadowRefusal(move: Shadowing, planned: number, moving: boolean): string | undefined {
  if (!move.shadow) return undefined;
  const { compared, differed, threshold } = move;
  const needed = comparisonsNeeded(planned);
  if (!moving && compared < needed) {
    return `Only ${compared} answers of both instances were compared; at least ${needed} have to be. With force it cuts over all the same.`;
  }
  const share = differingShare(move);
  if (share <= threshold) return undefined;
  return `${differed} of ${compared} compared answers differ (${percentText(share)}); at most ${percentText(threshold)} may. The move's differences say how; with force it cuts over all the same.`;
}

/**
 * The state and percent after the next step. A paused move goes on where it was, unless a percent is asked for.
 * `planned`: devices that are still to be cut over.
 */
export function nextStep(move: Move, planned: number, { force, percent }: AdvanceRequest): Advance {
  if (move.state === 'done' || move.state === 'rolled-back') {
    return { ok: false, refusal: 'state', detail: `The move is ${move.state}; make a new one.` };
  }
  if (move.paused && percent === undefined) return { ok: true, state: move.state, percent: move.percent };
  if (move.state === 'planned' && move.shadow && !force) {
    if (percent === undefined) return { ok: true, state: 'shadowing', percent: 0 };
    const detail = 'The move is shadowed first: advance it without a percentage, or with force.';
    return { ok: false, refusal: 'state', detail };
  }
  const wanted = percent ?? Math.min(100, move.percent + move.stepPercent);
  if (percent !== undefined && percent <= move.percent) {
    const detail = `must be above ${move.percent}, where the move is; rollback is the way back`;
    return { ok: false, refusal: 'percent', detail };
  }
  const detail = force ? undefined : shadowRefusal(move, planned, move.state === 'moving');
  return detail === undefined
    ? { ok: true, state: 'moving', percent: wanted }
    : { ok: false, refusal: 'shadow', detail };
}
