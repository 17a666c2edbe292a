import type { Delivery } from '../delivery.ts';
import type { Budget } from './budget.ts';

/**
 * Delivery where nothing may run for ever: an event begins a slice, which ends when there is nothing to do or its budget is
 * used up. Delivery is stopped when there is nothing to do; else it goes on, so that a target that hangs delays nobody else,
 * and the next event gives it a budget.
 */

/** Delivery that was looked for in vain for so long has nothing to do. */
const quietMs = 1_000;
/** Between two looks at whether the slice is over. */
const lookMs = 100;
/** Until the next slice where nothing is known to be due. */
export const idleMs = 10_000;

export interface SliceEnd {
  /** The next slice is to begin then. */
  readonly nextInMs: number;
}

export interface Slices {
  /** One slice at a time. Rejects when delivery cannot begin. */
  run(): Promise<SliceEnd>;
  /** Something may be due; says whether a slice that is under way looks. */
  wake(): boolean;
  delivering(): boolean;
}

export function createSlices(start: () => Promise<Delivery>, budget: Budget): Slices {
  let delivery: Delivery | undefined;
  let running = false;
  let woken = false;

  const stop = async (quiet: Delivery): Promise<SliceEnd> => {
    const nextInMs = Math.min(idleMs, Math.max(0, quiet.nextInMs()));
    delivery = undefined;
    await quiet.stop();
    // Who wakes while it stops is not heard by it any more.
    return { nextInMs: woken ? 0 : nextInMs };
  };
  const slice = async (): Promise<SliceEnd> => {
    budget.begin();
    woken = false;
    delivery ??= await start();
    while (!budget.isOver()) {
      if (delivery.idleMs() >= quietMs) return stop(delivery);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    return { nextInMs: 0 };
  };
  return {
    run: async () => {
      running = true;
      try {
        return await slice();
      } finally {
        running = false;
      }
    },
    wake: () => {
      woken = true;
      delivery?.wake();
      return running;
    },
    delivering: () => delivery !== undefined,
  };
}
