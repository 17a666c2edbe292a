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

/** An upstream that leaves an instance alone which failed too often just now, and then tries it with one call. */

/** How long it is left alone; a person waits for the answer, so not for minutes. */
export const circuitOpenMs = { baseMs: 1_000, maxMs: 30_000 } as const;

interface Guard {
  readonly circuit: Circuit;
  /** When the call began that tries a half-open circuit. */
  probeSinceMs: number | undefined;
}

/** What says something about the instance; the rest are faults of callers, of Espalier or of its configuration. */
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

  const watched = (
    guard: Guard,
    call: UpstreamCall,
    handler: UpstreamHandler,
    probeSinceMs: number | undefined,
  ): UpstreamExchange => {
    let head: UpstreamHead | undefined;
    let over = false;
    /** By the head: whoever wants no more of the answer has had one all the same. */
    const judge = (): void => {
      if (!head) return;
      if (isIll(head)) guard.circuit.failed();
      else guard.circuit.succeeded();
    };
    const finish = (): void => {
      over = true;
      if (probeSinceMs !== undefined && guard.probeSinceMs === probeSinceMs) guard.probeSinceMs = undefined;
    };
    const exchange = upstream(call, {
      head: (found) => {
        head = found;
        handler.head(found);
      },
      data: (chunk) => handler.data(chunk),
      end: () => {
        finish();
        judge();
        handler.end();
      },
      fail: (failure) => {
        finish();
        if (isFailure(failure)) guard.circuit.failed();
        handler.fail(failure);
      },
    });
    return {
      resume: exchange.resume,
      abort: () => {
        if (over) return;
        finish();
        judge();
        exchange.abort();
      },
    };
  };

  return (call, handler) => {
    const guard = guardOf(call.target);
    const openUntilMs = guard.circuit.openUntilMs();
    if (openUntilMs === undefined) return watched(guard, call, handler, undefined);
    const nowMs = now();
    const waitMs = openUntilMs - nowMs;
    // A probe that is never heard of again (its request was dropped by the platform) must not close the way for good.
    const isProbed = guard.probeSinceMs !== undefined && nowMs - guard.probeSinceMs < circuitOpenMs.maxMs;
    if (waitMs <= 0 && !isProbed) {
      guard.probeSinceMs = nowMs;
      return watched(guard, call, handler, nowMs);
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
