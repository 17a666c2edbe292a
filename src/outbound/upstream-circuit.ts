/** An upstream that leaves an instance alone which failed too often just now, and then tries it with one call. */

import { type Circuit, createCircuit } from './circuit.ts';
import type {
  Upstream,
  UpstreamCall,
  UpstreamExchange,
  UpstreamFailure,
  UpstreamHandler,
  UpstreamHead,
  UpstreamTarget,
} from './upstream.ts';

/** Time for which it is left alone; a person waits for the answer, so not for minutes. */
export const circuitOpenMs = { baseMs: 1_000, maxMs: 30_000 } as const;

interface Guard {
  readonly circuit: Circuit;
  /** Start of the call that tries a half-open circuit. */
  probeSinceMs: number | undefined;
}

/**
 * True for a failure that says something about the instance; the rest are faults of callers, of Espalier or of its
 * configuration.
 */
function isFailure({ kind }: UpstreamFailure): boolean {
  switch (kind) {
    case 'connect':
    case 'connect-timeout':
    case 'reset':
    case 'first-byte-timeout':
    case 'idle-timeout':
    case 'invalid-answer':
      return true;
    case 'refused-address':
    case 'aborted':
    case 'circuit-open':
    case 'overloaded':
      return false;
  }
}

/** A 5xx in JSON is Jamf Pro's own answer to this call; without, the server itself is ill (or away, behind a proxy). */
const isIll = (head: UpstreamHead): boolean =>
  head.status >= 500 && !/\bjson\b/i.test(head.header('content-type') ?? '');

/**
 * A call under way, to both sides: a class, so that it is one object, where closures would be nine for every call.
 * It judges by the head: a caller that wants no more of the answer has had one all the same.
 */
class Watched implements UpstreamHandler, UpstreamExchange {
  readonly #guard: Guard;
  readonly #handler: UpstreamHandler;
  readonly #probeSinceMs: number | undefined;
  /** Present where the handler has it. */
  readonly text: UpstreamHandler['text'];
  exchange: UpstreamExchange | undefined;
  #head: UpstreamHead | undefined;
  #over = false;

  constructor(guard: Guard, handler: UpstreamHandler, probeSinceMs: number | undefined) {
    this.#guard = guard;
    this.#handler = handler;
    this.#probeSinceMs = probeSinceMs;
    this.text = handler.text;
  }
  head(found: UpstreamHead): void {
    this.#head = found;
    this.#handler.head(found);
  }
  data(chunk: Uint8Array): boolean {
    return this.#handler.data(chunk);
  }
  end(): void {
    this.#finish();
    this.#judge();
    this.#handler.end();
  }
  fail(failure: UpstreamFailure): void {
    this.#finish();
    if (isFailure(failure)) this.#guard.circuit.failed();
    this.#handler.fail(failure);
  }
  resume(): void {
    this.exchange?.resume();
  }
  abort(): void {
    if (this.#over) return;
    this.#finish();
    this.#judge();
    this.exchange?.abort();
  }
  #judge(): void {
    if (!this.#head) return;
    if (isIll(this.#head)) this.#guard.circuit.failed();
    else this.#guard.circuit.succeeded();
  }
  #finish(): void {
    this.#over = true;
    const guard = this.#guard;
    if (this.#probeSinceMs !== undefined && guard.probeSinceMs === this.#probeSinceMs)
      guard.probeSinceMs = undefined;
  }
}

function begin(upstream: Upstream, call: UpstreamCall, watched: Watched): UpstreamExchange {
  watched.exchange = upstream(call, watched);
  return watched;
}

/** `now` in milliseconds. */
export function withCircuit(
  upstream: Upstream,
  now: () => number,
  random: () => number = Math.random,
): Upstream {
  const guards = new WeakMap<UpstreamTarget, Guard>();
  const guardOf = (target: UpstreamTarget): Guard => {
    let guard = guards.get(target);
    if (!guard) {
      guard = { circuit: createCircuit({ ...circuitOpenMs, now, random }), probeSinceMs: undefined };
      guards.set(target, guard);
    }
    return guard;
  };

  return (call, handler) => {
    const guard = guardOf(call.target);
    const openUntilMs = guard.circuit.openUntilMs();
    if (openUntilMs === undefined) return begin(upstream, call, new Watched(guard, handler, undefined));
    const nowMs = now();
    const waitMs = openUntilMs - nowMs;
    // A probe that is never heard of again (its request was dropped by the platform) must not close the way for good.
    const isProbed = guard.probeSinceMs !== undefined && nowMs - guard.probeSinceMs < circuitOpenMs.maxMs;
    if (waitMs <= 0 && !isProbed) {
      guard.probeSinceMs = nowMs;
      return begin(upstream, call, new Watched(guard, handler, nowMs));
    }
    let over = false;
    queueMicrotask(() => {
      if (over) return;
      handler.fail({
        kind: 'circuit-open',
        sent: false,
        detail: 'the instance failed too often just now',
        retryAfterSeconds: Math.max(1, Math.ceil(waitMs / 1_000)),
      });
    });
    return {
      resume: () => undefined,
      abort: () => {
        over = true;
      },
    };
  };
}
