/** The simulated world's time: real time plus an offset that the control API can move forward. */
export interface Clock {
  /** Milliseconds since the epoch. */
  now(): number;
  /** Moves the clock; negative values are refused by the control API, not here. */
  advance(ms: number): void;
}

export function createClock(real: () => number = Date.now): Clock {
  let offsetMs = 0;
  return {
    now: () => real() + offsetMs,
    advance: (ms) => {
      offsetMs += ms;
    },
  };
}

export const dayMs = 86_400_000;
