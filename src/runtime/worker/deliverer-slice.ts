import { monotonicMs } from '../../clock.ts';
import { within } from '../../deadline.ts';
import type { Delivery } from '../delivery.ts';
import type { Budget } from './budget.ts';

/**
 * Delivery where nothing may run for ever: an event begins a slice, which ends when there is nothing to do or its budget is
 * used up. Delivery is stopped when there is nothing to do; else it goes on, so that a target that hangs delays nobody else,
 * and the next event gives it a budget.
 */

/**
 * Delivery that was looked for in vain for so long has nothing to do. Longer than the second between two turns of a work, so
 * that each was done once more after a wake, and after what came with it (waker.ts).
 */
const quietMs = 1_500;
/** Between two looks at whether the slice is over. */
const lookMs = 100;
/** Until the next slice where nothing is known to be due. */
export const idleMs = 10_000;

export interface SliceBounds {
  /** A stop waits for what is in work, which is a statement or two where nothing is due. */
  readonly stopMs: number;
  /** Longer than anything outside may take to answer. */
  readonly silentMs: number;
  /** A slice with its start and its stop. */
  readonly wholeMs: number;
}

export const sliceBounds: SliceBounds = { stopMs: 10_000, silentMs: 120_000, wholeMs: 60_000 };

/** Delivery waits for what does not answer any more, a connection to the database that is gone without a word. */
export class DeliveryStuck extends Error {
  override readonly name = 'DeliveryStuck';
}

export interface SliceEnd {
  /** The next slice is to begin then. */
  readonly nextInMs: number;
}

export interface Slices {
  /**
   * One slice at a time. Rejects when delivery cannot begin, or is stuck and given up: then its connections are to be closed,
   * with which it ends.
   */
  run(): Promise<SliceEnd>;
  /** Something may be due; says whether a slice that is under way looks. */
  wake(): boolean;
  delivering(): boolean;
}

export function createSlices(
  start: () => Promise<Delivery>,
  budget: Budget,
  { silentMs, stopMs, wholeMs }: SliceBounds = sliceBounds,
  now: () => number = monotonicMs,
): Slices {
  let delivery: Delivery | undefined;
  let beganAtMs: number | undefined;
  let woken = false;

  const stop = async (quiet: Delivery): Promise<SliceEnd> => {
    const nextInMs = Math.min(idleMs, Math.max(0, quiet.nextInMs()));
    delivery = undefined;
    await within(quiet.stop(), stopMs, () => {
      throw new DeliveryStuck(`delivery did not stop within ${stopMs} ms`);
    });
    // Delivery that is stopping no longer hears a wake, so the next slice has to begin at once.
    return { nextInMs: woken ? 0 : nextInMs };
  };
  const giveUpWhenSilent = (busy: Delivery): void => {
    if (Math.min(busy.sinceEndMs(), budget.sinceEndMs()) < silentMs) return;
    delivery = undefined;
    // It begins nothing any more, and what it waits for fails when its connections are closed.
    busy.stop().catch(() => undefined);
    throw new DeliveryStuck(`nothing came to an end for ${silentMs} ms`);
  };
  const slice = async (): Promise<SliceEnd> => {
    budget.begin();
    woken = false;
    delivery ??= await start();
    while (!budget.isOver()) {
      if (delivery.idleMs() >= quietMs) return stop(delivery);
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    giveUpWhenSilent(delivery);
    return { nextInMs: 0 };
  };
  return {
    run: async () => {
      beganAtMs = now();
      try {
        return await slice();
      } finally {
        beganAtMs = undefined;
      }
    },
    wake: () => {
      woken = true;
      delivery?.wake();
      // The platform may have ended an event without a word.
      return beganAtMs !== undefined && now() - beganAtMs < wholeMs;
    },
    delivering: () => delivery !== undefined,
  };
}
