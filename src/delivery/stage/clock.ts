import { monotonicMs } from '../../clock.ts';
/** Time as the stages see it: an argument, so that a simulation can run years of it in a second. */
export interface Clock {
  /** Milliseconds for durations (clock.ts). */
  now(): number;
  /** Calls `work` once, `ms` milliseconds from now; the answer cancels it. */
  after(ms: number, work: () => void): () => void;
}

export const systemClock: Clock = {
  now: monotonicMs,
  after: (ms, work) => {
    const timer = setTimeout(work, ms);
    return () => clearTimeout(timer);
  },
};
