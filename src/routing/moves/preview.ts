import type { Move, MoveKey } from '../../store/moves/move.ts';
import { withoutTrace } from '../../store/retry.ts';
import { type MoveNumbers, numbersOf } from './numbers.ts';
import type { Operated, Refusal, Run } from './operate.ts';

export type Previewed = { readonly ok: true; readonly move: Move; readonly numbers: MoveNumbers } | Refusal;

/** Shows the effect that an operation would have on a move, `pending` devices among it: it is done and rolled back. */
export async function previewMove(
  key: MoveKey,
  operate: (run: Run) => Promise<Operated>,
): Promise<Previewed> {
  let numbers: MoveNumbers | undefined;
  const operated = await operate((sql, work) =>
    withoutTrace(sql, async (tx) => {
      const result = await work(tx);
      numbers = (await numbersOf(tx, [key]))(key.moveId);
      return result;
    }),
  );
  if (!operated.ok) return operated;
  if (numbers === undefined) throw new Error('a preview of a move was not run');
  return { ok: true, move: operated.move, numbers };
}
