/**
 * What the gateway refuses while it has more to do than it can, and in which order (docs/overload.md). Three signals make one
 * level: how late the event loop is, how full the heap is, and how long the database's connections are waited for. The
 * decisions are pure; a runtime that can measure itself calls `observe` (runtime/node-pressure.ts).
 *
 * A request is refused before anything of it is read, so that refusing is cheap. Probes, metrics, and what an operator reads
 * or writes one by one have no class and are never refused: somebody has to be able to act.
 */

import { type Problem, ProblemError, problem } from '../problems.ts';

/** 0: nothing is refused. Each level refuses what the one below it does, and more. */
export type PressureLevel = 0 | 1 | 2 | 3 | 4 | 5;

/** The level from which requests of a class are refused. */
export const shedFrom = {
  // An inventory push is found by the next poll, and Graph sends a notification again for hours.
  push: 1,
  notification: 1,
  export: 1,
  import: 1,
  // Lists that grow with the fleet.
  list: 1,
  // A person waits and tries again.
  page: 2,
  // Jamf Pro never repeats a webhook: its instance is marked and polled later (delivery/missed-events.ts).
  webhook: 3,
  // Every second one, and from the last level on seven of eight: an answer to some is worth more than none to all.
  call: 4,
} as const satisfies Record<string, PressureLevel>;

export type RequestClass = keyof typeof shedFrom;

export interface Signals {
  /** Delay of the event loop, median of the last moment: one long turn is no overload. */
  readonly loopDelayMs: number;
  /** Used part of the heap that V8 may have, 0 to 1. */
  readonly heapShare: number;
  /** Time for which the first in the queue has waited for a connection to the database. */
  readonly poolWaitMs: number;
}

export type Signal = keyof Signals;

/**
 * Where each level begins. A process that shares its processors with much other work waits 100 ms for its turn and serves
 * everybody in good time. V8 collects when the heap is halfway from what lived through the last collection to its limit,
 * so 0.85 in use means that 0.7 are needed. Waiting for the database refuses no device calls and no landing pages: what is
 * in memory answers them, also while the database is away.
 */
const begins: Readonly<Record<Signal, readonly number[]>> = {
  loopDelayMs: [250, 400, 700, 1_200, 2_000],
  heapShare: [0.85, 0.9, 0.93, 0.96, 0.98],
  poolWaitMs: [1_000, 1_500, 2_000],
};
/** A level ends below this part of where it began: what was refused is the reason why it is calmer. */
const endsBelow: Readonly<Record<Signal, number>> = { loopDelayMs: 0.5, heapShare: 0.95, poolWaitMs: 0.5 };

/** Observations in a row that must be calmer before one level is left. */
const calmObservations = 4;

export interface PressureState {
  readonly level: PressureLevel;
  /** Observations in a row that were calmer than the level. */
  readonly calm: number;
  /** The signal that demands most. */
  readonly cause: Signal;
}

export const noPressure: PressureState = { level: 0, calm: 0, cause: 'loopDelayMs' };

const signals = Object.keys(begins) as Signal[];

/** The level that a signal demands, with its bounds multiplied by `part`. */
const demanded = (signal: Signal, value: number, part = 1): number =>
  begins[signal].filter((bound) => value >= bound * part).length;

/**
 * The state after one more observation. It rises by one level at most, so that what is refused first can help before more is,
 * and falls by one when it was calmer for a while. `steps`: the observations that one stands for that came late, for a
 * process that is held up for seconds must not take minutes to notice.
 */
export function nextPressure(state: PressureState, observed: Signals, steps = 1): PressureState {
  let highest = 0;
  let kept = 0;
  let { cause } = state;
  for (const signal of signals) {
    const level = demanded(signal, observed[signal]);
    if (level > highest) {
      highest = level;
      cause = signal;
    }
    kept = Math.max(kept, demanded(signal, observed[signal], endsBelow[signal]));
  }
  const { level } = state;
  if (highest > level) return { level: Math.min(highest, level + steps) as PressureLevel, calm: 0, cause };
  if (level === 0 || kept >= level) return { level, calm: 0, cause: state.cause };
  const calm = state.calm + 1;
  return calm < calmObservations
    ? { level, calm, cause: state.cause }
    : { level: (level - 1) as PressureLevel, calm: 0, cause: state.cause };
}

const lower = (one: Signals, other: Signals): Signals => ({
  loopDelayMs: Math.min(one.loopDelayMs, other.loopDelayMs),
  heapShare: Math.min(one.heapShare, other.heapShare),
  poolWaitMs: Math.min(one.poolWaitMs, other.poolWaitMs),
});

/** Seconds after which a caller may find the pressure gone. */
const retrySeconds = 5;

export const shedProblem: Problem = problem(
  'overloaded',
  'Espalier has more to do than it can and refuses what can wait; try again.',
  { retryAfterSeconds: retrySeconds },
);

/** One call of so many is answered. */
const answeredOf: Readonly<Partial<Record<PressureLevel, number>>> = { 4: 2, 5: 8 };

export interface PressureOptions {
  readonly onShed?: (of: RequestClass) => void;
  readonly onChange?: (state: PressureState, before: PressureLevel, observed: Signals) => void;
}

/** The pressure of this process. `level` is a field, for the lane looks at it at every call. */
export class Pressure {
  level: PressureLevel = 0;
  /** The level by event loop and heap alone, for what needs no database. */
  ownLevel: PressureLevel = 0;
  #state = noPressure;
  #own = noPressure;
  #last: Signals = { loopDelayMs: 0, heapShare: 0, poolWaitMs: 0 };
  #calls = 0;
  readonly #options: PressureOptions;

  constructor(options: PressureOptions = {}) {
    this.#options = options;
  }
  observe(observed: Signals, steps?: number): void {
    const before = this.level;
    // What one look alone saw is a pause, of the machine or of one turn: it is over, and refusing would help nobody.
    const lasting = lower(this.#last, observed);
    this.#last = observed;
    this.#state = nextPressure(this.#state, lasting, steps);
    this.level = this.#state.level;
    this.#own = nextPressure(this.#own, { ...lasting, poolWaitMs: 0 }, steps);
    this.ownLevel = this.#own.level;
    if (this.level !== before) this.#options.onChange?.(this.#state, before, observed);
  }
  /** True where this request is to be refused, which is counted. */
  sheds(of: RequestClass): boolean {
    if ((of === 'page' ? this.ownLevel : this.level) < shedFrom[of]) return false;
    if (of === 'call') {
      this.#calls += 1;
      if (this.#calls % (answeredOf[this.level] ?? 1) === 0) return false;
    }
    this.#options.onShed?.(of);
    return true;
  }
  /** Throws the problem of a request that is refused. */
  admit(of: RequestClass): void {
    if (this.sheds(of)) throw new ProblemError(shedProblem);
  }
}
