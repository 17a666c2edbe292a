/**
 * Refusals in small pieces of time. Each costs little, but callers that send again at once can have thousands of them ready in
 * one turn of the event loop, and everybody else would wait for all of these. So what is refused, or comes on a connection whose
 * last request was refused, waits here: a turn of the loop does `refusalSliceMs` of it, and then goes round.
 *
 * A connection has one request here at most, so their number is that of the connections. Whoever was served before on its
 * connection waits beside strangers and not behind them.
 */

import { refusalSliceMs } from '../limits.ts';

/** `stranger`: nothing says yet that this caller is a customer. */
export type Refused = 'customer' | 'stranger';

export interface RefusalTurns {
  /** Runs it in a coming turn of the event loop. It looks itself whether it is still wanted. */
  add(of: Refused, run: () => void): void;
  /** Number of those that wait. */
  waiting(): number;
}

/** Most that one turn begins: each is a callback of the loop, between which the promises of the one before go on. */
const maxOfTurn = 32;

/** So many that ran are forgotten together, for a line that is never empty must not keep them. */
const forgottenTogether = 1_024;

/** First in, first out. */
class Line {
  #runs: ((() => void) | undefined)[] = [];
  #next = 0;
  get size(): number {
    return this.#runs.length - this.#next;
  }
  push(run: () => void): void {
    this.#runs.push(run);
  }
  shift(): (() => void) | undefined {
    const run = this.#runs[this.#next];
    // What ran holds a request and its connection.
    this.#runs[this.#next] = undefined;
    this.#next += 1;
    const isEmpty = this.#next >= this.#runs.length;
    if (isEmpty || (this.#next >= forgottenTogether && this.#next * 2 >= this.#runs.length)) {
      this.#runs = this.#runs.slice(this.#next);
      this.#next = 0;
    }
    return run;
  }
}

/** `sliceMs` of a turn; `now` is a monotonic clock in milliseconds. */
export function createRefusalTurns(
  sliceMs = refusalSliceMs,
  now: () => number = () => performance.now(),
): RefusalTurns {
  const lines: Readonly<Record<Refused, Line>> = { customer: new Line(), stranger: new Line() };
  let turn: Refused = 'customer';
  let isPlanned = false;
  let beganMs: number | undefined;

  const waiting = (): number => lines.customer.size + lines.stranger.size;
  const takeNext = (): (() => void) | undefined => {
    const own = turn;
    turn = own === 'customer' ? 'stranger' : 'customer';
    return lines[own].size > 0 ? lines[own].shift() : lines[turn].shift();
  };
  const step = (): void => {
    const atMs = now();
    beganMs ??= atMs;
    // The first of a turn is always done, so that a slow clock or a long one before it cannot hold the others for ever.
    if (atMs !== beganMs && atMs - beganMs >= sliceMs) return;
    takeNext()?.();
  };
  const plan = (): void => {
    isPlanned = true;
    beganMs = undefined;
    for (let count = Math.min(waiting(), maxOfTurn); count > 0; count -= 1) setImmediate(step);
    setImmediate(() => {
      isPlanned = false;
      if (waiting() > 0) plan();
    });
  };
  return {
    waiting,
    add: (of, run) => {
      lines[of].push(run);
      if (!isPlanned) plan();
    },
  };
}

/** Those of this process: all its listeners share one event loop. */
export const refusalTurns: RefusalTurns = createRefusalTurns();
