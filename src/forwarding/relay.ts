/**
 * Carries a request for a tenant that has moved to the deployment where the tenant lives, and its answer back as it comes
 * (docs/cells.md). The caller's credentials go with it unchanged, and what is answered here was answered there: nothing is
 * taken in. A request is passed on once at most.
 */

import { createBoundedCache } from '../bounded-cache.ts';
import type { Upstream, UpstreamBody, UpstreamFailure, UpstreamTarget } from '../outbound/upstream.ts';
import { type Problem, problem } from '../problems.ts';
import type { Relay } from '../store/placements.ts';
import { inExchangeSpan } from '../telemetry/http-spans.ts';
import { currentTraceparent } from '../telemetry/tracing.ts';
import { beginExchange } from './begin-exchange.ts';
import { readyBody } from './caller-body.ts';
import type { ForwardResult } from './forward.ts';
import { relayedHeader, relayedHeaders, relayLines } from './headers.ts';

export interface RelayRequest {
  readonly tenantId: string;
  readonly relay: Relay;
  /**
   * Whether the caller has shown a credential. Strangers have connections of their own, so that they cannot occupy those of
   * the tenant's instances and services.
   */
  readonly from: 'known' | 'stranger';
  readonly method: string;
  /** Path as it was sent, with the query. */
  readonly path: string;
  readonly headers: Headers;
  /** The caller's address. */
  readonly source: string | undefined;
  readonly requestId: string;
  /** Its chunks may throw `ProblemError`. */
  readonly body: UpstreamBody | undefined;
  readonly signal: AbortSignal;
}

export interface RelaysOptions {
  readonly upstream: Upstream;
  /** Milliseconds since 1970: a relay ends at a date. */
  readonly now: () => number;
}

/** Targets that are kept; a forgotten one gets a new pool, and the old one's connections go when idle. */
const keptTargets = 10_000;

/** Seconds after which to try again where a failure does not say. */
const tryAgainSeconds = 5;

/** Each tenant has a pool of its own, so that none waits behind another one's calls. */
function createTargets(): (request: RelayRequest) => UpstreamTarget {
  const kept = createBoundedCache<string, UpstreamTarget>(keptTargets);
  return ({ from, relay: { to }, tenantId }) => {
    const key = JSON.stringify([tenantId, from, to]);
    let target = kept.get(key);
    if (!target) {
      const { origin, pathname } = new URL(to);
      target = { origin, basePath: pathname.replace(/\/+$/, ''), caCertificate: undefined };
      kept.set(key, target);
    }
    return target;
  };
}

/** Why a request is not passed on. */
function refusalOf({ headers, relay: { to, until } }: RelayRequest, now: number): Problem | undefined {
  if (now >= Date.parse(until))
    return problem(
      'tenant-unknown',
      `The tenant moved to another deployment, and since ${until} nothing is passed on: use the address ${to}.`,
      { owner: 'configuration' },
    );
  if (headers.get(relayedHeader) === null) return undefined;
  return problem(
    'instance-error',
    'The request was passed on once already: two deployments name each other as the one where the tenant lives.',
    { owner: 'configuration' },
  );
}

/** None of them is a 202: what the other deployment has is not known. */
function problemOf({ detail, kind, retryAfterSeconds = tryAgainSeconds }: UpstreamFailure): Problem {
  switch (kind) {
    case 'refused-address':
      return problem('instance-unreachable', `The deployment where the tenant lives: ${detail}.`, {
        owner: 'configuration',
      });
    case 'aborted':
      return problem('invalid-request', 'The request did not arrive whole.', {
        errors: [{ code: 'BODY_INCOMPLETE', field: null, description: 'the body broke off or stopped' }],
      });
    case 'overloaded':
      return problem('overloaded', 'Too many requests wait for the deployment where the tenant lives.', {
        retryAfterSeconds,
      });
    case 'connect':
    case 'connect-timeout':
    case 'reset':
    case 'first-byte-timeout':
    case 'idle-timeout':
    case 'invalid-answer':
    case 'circuit-open':
      return problem(
        'instance-paused',
        'The tenant lives in another deployment, which does not answer now: send it again.',
        { owner: 'espalier', retryAfterSeconds },
      );
  }
}

export function createRelays({ now, upstream }: RelaysOptions) {
  const targetOf = createTargets();
  return async (request: RelayRequest): Promise<ForwardResult> => {
    const { headers, method, requestId, signal, source } = request;
    const refusal = refusalOf(request, now());
    if (refusal !== undefined) return { ok: false, problem: refusal };
    const ready = await readyBody(request.body);
    if (!ready.ok) return ready;
    const { body } = ready;
    const target = targetOf(request);
    const path = target.basePath + request.path;
    const begun = await inExchangeSpan(
      { peer: 'espalier', method, url: target.origin + path },
      () => {
        const headerOf = (name: string): string | null =>
          (name === 'traceparent' ? currentTraceparent() : null) ?? headers.get(name);
        const headerLines = relayLines(headerOf, { requestId, source });
        return beginExchange(upstream, { target, method, path, headerLines, body: body?.next() }, signal);
      },
      (found) => (found.ok ? { status: found.head.status } : { failure: found.failure.kind }),
    );
    if (!begun.ok) return { ok: false, problem: body?.problem() ?? problemOf(begun.failure) };
    const { head } = begun;
    return {
      ok: true,
      answer: { status: head.status, headers: relayedHeaders(head, requestId), body: begun.body },
    };
  };
}

export type Relays = ReturnType<typeof createRelays>;
