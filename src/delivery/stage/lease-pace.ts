/**
 * The pace of a stage's leases. A row that comes alone is leased at once. Where rows go on coming one by one, the next lease
 * waits until some are there, as do the statements that follow from it: then they are written together. Where more is due
 * than a lease takes, none waits.
 */

export interface LeasePace {
  /** Milliseconds until the next lease may begin; 0: now. */
  restMs(): number;
  /** A lease took all that was due. */
  tookAll(): void;
}

export interface LeasePaceOptions {
  /** Leases that may follow each other without a pause. */
  readonly atOnce: number;
  /** Time after which one more may. */
  readonly gatherMs: number;
  /** Milliseconds of a clock that never goes back. */
  readonly now: () => number;
}

export function createLeasePace({ atOnce, gatherMs, now }: LeasePaceOptions): LeasePace {
  /** Time at which all that were spent may be taken again. */
  let restedAtMs = Number.NEGATIVE_INFINITY;
  return {
    restMs: () => Math.max(0, restedAtMs - (atOnce - 1) * gatherMs - now()),
    tookAll: () => {
      restedAtMs = Math.max(restedAtMs, now()) + gatherMs;
    },
  };
}
