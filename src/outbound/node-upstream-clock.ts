/**
 * Time for deadlines, coarse and in one timer for all connections: a timer for each call costs more than parsing it.
 * Deadlines are met up to two steps late. Time in which the process stood still does not count: what has arrived
 * meanwhile waits to be read, and nobody was silent.
 */
export interface SweepClock {
  /** Milliseconds that the process has lived, rounded up to the next step: a deadline from here is never early. */
  now(): number;
  /** Has to be called when there is something to sweep; it stops by itself when `sweep` says that nothing is left. */
  start(): void;
  stop(): void;
}

/** `sweep` is called at every step and answers whether anything is left to watch. */
export function createSweepClock(stepMs: number, sweep: (nowMs: number) => boolean): SweepClock {
  let nowMs = 0;
  let lastMs = 0;
  let timer: NodeJS.Timeout | undefined;
  const stop = (): void => {
    clearInterval(timer);
    timer = undefined;
  };
  // After the sockets had their turn: an answer that has come in time must not lose against this timer.
  const step = (): void => {
    setImmediate(() => {
      if (timer === undefined) return;
      const realMs = performance.now();
      nowMs += Math.min(realMs - lastMs, 2 * stepMs);
      lastMs = realMs;
      if (!sweep(nowMs)) stop();
    });
  };
  return {
    now: () => nowMs + stepMs,
    start: () => {
      if (timer !== undefined) return;
      lastMs = performance.now();
      timer = setInterval(step, stepMs).unref();
    },
    stop,
  };
}
