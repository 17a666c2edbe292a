/**
 * A circuit decides whether one service is left alone: it is open for a decorrelated random time once half of at least
 * ten exchanges of the last ten seconds failed. Memory of one process: every process finds out for itself.
 */
export interface Circuit {
  /** Time until which it is open, milliseconds of the clock, and after which it is half open; undefined: closed. */
  openUntilMs(): number | undefined;
  /** The service answered: closes it. */
  succeeded(): void;
  failed(): void;
}

export interface CircuitOptions {
  /** Bounds of the time that it is open for. */
  readonly baseMs: number;
  readonly maxMs: number;
  readonly now: () => number;
  /** Random number in [0, 1). */
  readonly random?: () => number;
}

/** Failures are counted over this long, in two halves. */
const windowMs = 10_000;
/** Fewer exchanges than this say nothing about the service. */
const minimumVolume = 10;
const failureShare = 0.5;

interface Counts {
  startedAtMs: number;
  exchanges: number;
  failures: number;
}

export function createCircuit({ baseMs, maxMs, now, random = Math.random }: CircuitOptions): Circuit {
  const none = (): Counts => ({ startedAtMs: now(), exchanges: 0, failures: 0 });
  let current = none();
  let before = none();
  /** Open until then; a probe goes after it. */
  let openUntilMs: number | undefined;
  /** The last time that it was open for, the base of the next. */
  let openForMs = baseMs;

  const count = (failed: boolean): void => {
    const sinceMs = now() - current.startedAtMs;
    if (sinceMs >= windowMs / 2) {
      before = sinceMs >= windowMs ? none() : current;
      current = none();
    }
    current.exchanges += 1;
    if (failed) current.failures += 1;
  };
  /** Decorrelated jitter: between the base and three times the last time. */
  const open = (): void => {
    openForMs = Math.min(maxMs, baseMs + random() * Math.max(0, openForMs * 3 - baseMs));
    openUntilMs = now() + openForMs;
  };

  return {
    openUntilMs: () => openUntilMs,
    succeeded: () => {
      if (openUntilMs !== undefined) {
        openUntilMs = undefined;
        openForMs = baseMs;
        current = none();
        before = none();
      }
      count(false);
    },
    failed: () => {
      if (openUntilMs !== undefined) {
        // A call that was on its way when the circuit opened says nothing new.
        if (openUntilMs <= now()) open();
        return;
      }
      count(true);
      const exchanges = current.exchanges + before.exchanges;
      const failures = current.failures + before.failures;
      if (exchanges >= minimumVolume && failures / exchanges >= failureShare) open();
    },
  };
}
