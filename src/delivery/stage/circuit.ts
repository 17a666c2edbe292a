import type { Backoff } from './backoff.ts';

/**
 * Circuits and retry budgets, one per key: a (tenant, service) or an instance. A service that fails is left alone
 * and then tried with one row at a time; a service that works is not flooded with second tries. Memory of one
 * process: every process finds out for itself, which costs a failing service one probe each.
 */
export interface Circuits {
  /** Rows that may be in work for this key now; 0 while it is open or asked for silence. */
  mayTake(key: string): number;
  /** When that will be more than 0; undefined: it is now. */
  closedUntilMs(key: string): number | undefined;
  /** The service answered, whatever it answered. */
  succeeded(key: string): void;
  /** It did not answer, answered 5xx or asked to be left alone. */
  failed(key: string): void;
  /** It asked for silence (`Retry-After`). */
  silence(key: string, untilMs: number): void;
  /** Whether a second try is within the budget; takes it from there. */
  mayRetry(key: string): boolean;
}

export interface CircuitOptions {
  readonly backoff: Backoff;
  readonly now: () => number;
  /** In [0, 1). */
  readonly random?: () => number;
  /** Rows a closed circuit lets through: no bound of its own. */
  readonly unbounded?: number;
}

/** Failures are counted over this long, in two halves. */
const windowMs = 10_000;
/** Fewer exchanges than this say nothing about the service. */
const minimumVolume = 10;
const failureShare = 0.5;
/** Second tries per first success, and how many may be saved up. */
const retriesPerSuccess = 0.2;
const retriesSaved = 50;
/** Also without any success some second tries are made, or nothing would ever come back. */
const retriesPerSecond = 5;
const keysKept = 60_000;

interface Counts {
  startedAtMs: number;
  exchanges: number;
  failures: number;
}

interface Circuit {
  current: Counts;
  before: Counts;
  /** Open until then; a probe goes after it. */
  openUntilMs: number | undefined;
  /** The last time that it was open for, the base of the next. */
  openForMs: number;
  silentUntilMs: number;
  retries: number;
  retriesAtMs: number;
}

export function createCircuits(options: CircuitOptions): Circuits {
  const { backoff, now, random = Math.random, unbounded = Number.MAX_SAFE_INTEGER } = options;
  const baseMs = backoff.baseSeconds * 1_000;
  const maxMs = backoff.maxSeconds * 1_000;
  const circuits = new Map<string, Circuit>();

  const circuitOf = (key: string): Circuit => {
    const known = circuits.get(key);
    if (known) return known;
    // The oldest goes: what is forgotten is found out again.
    for (const oldest of circuits.keys()) {
      if (circuits.size < keysKept) break;
      circuits.delete(oldest);
    }
    const none = { startedAtMs: now(), exchanges: 0, failures: 0 };
    const made: Circuit = {
      current: { ...none },
      before: { ...none },
      openUntilMs: undefined,
      openForMs: baseMs,
      silentUntilMs: 0,
      retries: retriesSaved,
      retriesAtMs: now(),
    };
    circuits.set(key, made);
    return made;
  };
  const count = (circuit: Circuit, failed: boolean): void => {
    const sinceMs = now() - circuit.current.startedAtMs;
    if (sinceMs >= windowMs / 2) {
      const empty = { startedAtMs: now(), exchanges: 0, failures: 0 };
      circuit.before = sinceMs >= windowMs ? { ...empty } : circuit.current;
      circuit.current = empty;
    }
    circuit.current.exchanges += 1;
    if (failed) circuit.current.failures += 1;
  };
  /** Decorrelated jitter: between the base and three times the last time. */
  const open = (circuit: Circuit): void => {
    circuit.openForMs = Math.min(maxMs, baseMs + random() * Math.max(0, circuit.openForMs * 3 - baseMs));
    circuit.openUntilMs = now() + circuit.openForMs;
  };
  const reset = (circuit: Circuit): void => {
    circuit.openUntilMs = undefined;
    circuit.openForMs = baseMs;
    circuit.current = { startedAtMs: now(), exchanges: 0, failures: 0 };
    circuit.before = { ...circuit.current };
  };
  const refill = (circuit: Circuit): void => {
    const seconds = (now() - circuit.retriesAtMs) / 1_000;
    circuit.retries = Math.min(retriesSaved, circuit.retries + seconds * retriesPerSecond);
    circuit.retriesAtMs = now();
  };

  return {
    mayTake: (key) => {
      const circuit = circuits.get(key);
      if (!circuit) return unbounded;
      if (circuit.silentUntilMs > now()) return 0;
      if (circuit.openUntilMs === undefined) return unbounded;
      if (circuit.openUntilMs > now()) return 0;
      // Half open: a lane that has something in work is given none.
      return 1;
    },
    closedUntilMs: (key) => {
      const circuit = circuits.get(key);
      if (!circuit) return undefined;
      const until = Math.max(circuit.silentUntilMs, circuit.openUntilMs ?? 0);
      return until > now() ? until : undefined;
    },
    succeeded: (key) => {
      const circuit = circuitOf(key);
      if (circuit.openUntilMs !== undefined) reset(circuit);
      count(circuit, false);
      circuit.retries = Math.min(retriesSaved, circuit.retries + retriesPerSuccess);
    },
    failed: (key) => {
      const circuit = circuitOf(key);
      if (circuit.openUntilMs !== undefined) {
        // A row that was on its way when the circuit opened tells nothing new.
        if (circuit.openUntilMs <= now()) open(circuit);
        return;
      }
      count(circuit, true);
      const exchanges = circuit.current.exchanges + circuit.before.exchanges;
      const failures = circuit.current.failures + circuit.before.failures;
      if (exchanges >= minimumVolume && failures / exchanges >= failureShare) open(circuit);
    },
    silence: (key, untilMs) => {
      const circuit = circuitOf(key);
      circuit.silentUntilMs = Math.max(circuit.silentUntilMs, untilMs);
    },
    mayRetry: (key) => {
      const circuit = circuitOf(key);
      refill(circuit);
      if (circuit.retries < 1) return false;
      circuit.retries -= 1;
      return true;
    },
  };
}
