import { checkInLeaseMs, checkInSweepMs } from '../../limits.ts';
import type { Origin } from '../intake.ts';

/**
 * Takes check-ins that say nothing new. One within `ESPALIER_CHECK_IN_SECONDS` of the last read of its computer is folded
 * into one read at the end of that period; every other one makes its computer due, as any event does.
 */
export interface CheckIns {
  /** Resolves when all of them are certain to be followed by a read. */
  take(origin: Origin, computerIds: readonly number[]): Promise<void>;
}

/** Interval at which marks that were left are looked for; also where this process folds nothing (0), for others may. */
export const sweepMs = (periodSeconds: number): number =>
  periodSeconds === 0 ? checkInSweepMs : Math.min(checkInSweepMs, (periodSeconds * 1_000) / 16);

/** Length of the lease under which a process remembers check-ins. */
export const leaseMsOf = (periodSeconds: number): number =>
  Math.min(checkInLeaseMs, (periodSeconds * 1_000) / 4);

/** Somebody acts on what a process has left so long after its end, at the latest. */
export const recoveredAfterMs = (periodSeconds: number): number =>
  leaseMsOf(periodSeconds) + sweepMs(periodSeconds);
