import { type Circuit, createCircuit } from '../../outbound/circuit.ts';
import type { Backoff } from './backoff.ts';

/**
 * Circuits and retry budgets, one per key: a (tenant, service) or an instance. A service that fails is left alone
 * and then tried with one row at a time; a service that works is not flooded with second tries. Memory of one
 * process: every process finds out for itself, which costs a failing service one probe each.
 */
export interface Circuits {
  /** Rows that may be in work for this key now; 0 while it is open or asked for silence. */
  mayTake(key: string): number;
  /** Milliseconds until that will be more than 0; undefined: it is now. */
  closedForMs(key: string): number | undefined;
  /** The service answered, whatever it answered. */
  succeeded(key: string): void;
  /** It did not answer, answered 5xx or asked to be left alone. */
  failed(key: string): void;
  /** It asked for silence (`Retry-After`), for so long from now. */
  silence(key: string, forMs: number): void;
  /** Takes a second try from the budget; false where none is left. */
  mayRetry(key: string): boolean;
}

export interface CircuitOptions {
  readonly backoff: Backoff;
  readonly now: () => number;
  /** Random number in [0, 1). */
  readonly random?: () => number;
  /** Rows a closed circuit lets through: no bound of its own. */
  readonly unbounded?: number;
}

/** Second tries per first success, and how many may be saved up. */
const retriesPerSuccess = 0.2;
const retriesSaved = 50;
/** Some second tries are made even without any success, or no service would ever be found to have come back. */
const retriesPerSecond = 5;
const keysKept = 60_000;

interface Keyed {
  readonly circuit: Circuit;
  silentUntilMs: number;
  retries: number;
  retriesAtMs: number;
}

export function createCircuits(options: CircuitOptions): Circuits {
  const { backoff, now, random = Math.random, unbounded = Number.MAX_SAFE_INTEGER } = options;
  const bounds = { baseMs: backoff.baseSeconds * 1_000, maxMs: backoff.maxSeconds * 1_000, now, random };
  const keyed = new Map<string, Keyed>();

  const of = (key: string): Keyed => {
    const known = keyed.get(key);
    if (known) return known;
    // The oldest goes: what is forgotten is found out again.
    for (const oldest of keyed.keys()) {
      if (keyed.size < keysKept) break;
      keyed.delete(oldest);
    }
    const made: Keyed = {
      circuit: createCircuit(bounds),
      silentUntilMs: 0,
      retries: retriesSaved,
      retriesAtMs: now(),
    };
    keyed.set(key, made);
    return made;
  };
  const refill = (budget: Keyed): void => {
    const seconds = Math.max(0, now() - budget.retriesAtMs) / 1_000;
    budget.retries = Math.min(retriesSaved, budget.retries + seconds * retriesPerSecond);
    budget.retriesAtMs = now();
  };

  return {
    mayTake: (key) => {
      const found = keyed.get(key);
      if (!found) return unbounded;
      if (found.silentUntilMs > now()) return 0;
      const openUntilMs = found.circuit.openUntilMs();
      if (openUntilMs === undefined) return unbounded;
      // Half open: a schedule that has something in work is given none.
      return openUntilMs > now() ? 0 : 1;
    },
    closedForMs: (key) => {
      const found = keyed.get(key);
      if (!found) return undefined;
      const until = Math.max(found.silentUntilMs, found.circuit.openUntilMs() ?? 0);
      const forMs = until - now();
      return forMs > 0 ? forMs : undefined;
    },
    succeeded: (key) => {
      const found = of(key);
      found.circuit.succeeded();
      found.retries = Math.min(retriesSaved, found.retries + retriesPerSuccess);
    },
    failed: (key) => of(key).circuit.failed(),
    silence: (key, forMs) => {
      const found = of(key);
      found.silentUntilMs = Math.max(found.silentUntilMs, now() + forMs);
    },
    mayRetry: (key) => {
      const found = of(key);
      refill(found);
      if (found.retries < 1) return false;
      found.retries -= 1;
      return true;
    },
  };
}
