/** Carries a call to the instance that manages the Mac and brings its answer back as it comes. */

import type { JamfFailure } from '../jamf/failure.ts';
import type { Upstream, UpstreamBody, UpstreamTarget } from '../outbound/upstream.ts';
import { type Problem, problem } from '../problems.ts';
import type { Instance } from '../store/instances/instance.ts';
import { inExchangeSpan } from '../telemetry/http-spans.ts';
import { currentTraceparent } from '../telemetry/tracing.ts';
import { type Begun, beginExchange } from './begin-exchange.ts';
import { type ReadyBody, readyBody } from './caller-body.ts';
import { type DeviceCall, type InstanceRequest, instanceRequest } from './calls.ts';
import { checkDeviceAnswer, checkPassThroughAnswer, isTokenRefused } from './check-answer.ts';
import { answerHeaders, deviceCallLines, passThroughLines } from './headers.ts';
import { problemOfInstance, problemOfPause, problemOfUpstream } from './problem-of-instance.ts';

/** The instance's own API token: the caller's never reaches it. */
export interface InstanceAuthorization {
  /** A bearer token, another one than `refused` (after a 401), or why there is none. */
  token(refused: string | undefined): Promise<{ ok: true; token: string } | JamfFailure>;
  /** Newest inventory version of the instance, 1 to 4. */
  inventoryVersion(): Promise<{ ok: true; inventoryVersion: number } | JamfFailure>;
  /** These answer from memory; undefined: somebody would have to be asked. */
  peek(): string | undefined;
  peekInventoryVersion(): number | undefined;
}

/** A call that goes to the instance as it is; the list has been looked at (pass-through.ts). */
export interface PassThroughCall {
  readonly method: string;
  /** Path at the instance, with the query. */
  readonly path: string;
  /** Its chunks may throw `ProblemError`. */
  readonly body: UpstreamBody | undefined;
}

export interface ForwardRequest {
  readonly call: DeviceCall | PassThroughCall;
  readonly instance: Instance;
  readonly jamfComputerId: number;
  readonly headers: Headers;
  readonly requestId: string;
  readonly signal?: AbortSignal;
}

export interface ForwardAnswer {
  readonly status: number;
  readonly headers: Headers;
  /** Breaks off with `BodyInterrupted` when the instance does; a reader that stops ends the exchange. */
  readonly body: AsyncIterable<Uint8Array>;
}

export type ForwardResult =
  | { readonly ok: true; readonly answer: ForwardAnswer }
  | { readonly ok: false; readonly problem: Problem };

export interface ForwardOptions {
  readonly upstream: Upstream;
  readonly targetOf: (instance: Instance) => UpstreamTarget;
  readonly authorizationOf: (instance: Instance) => InstanceAuthorization;
}

const failed = (found: Problem): ForwardResult => ({ ok: false, problem: found });

/** The inventory alone has versions, so any serves here. */
const anyVersion = { ok: true, inventoryVersion: 1 } as const;

const cannotReplay = (): Problem =>
  problem(
    'instance-error',
    "The instance refused Espalier's token in the middle of the body; send the request again.",
  );

/** Request to the instance, without the token. */
type Asked = { readonly ok: true; readonly ask: InstanceRequest } | JamfFailure;

async function askedOf(
  { call, jamfComputerId }: ForwardRequest,
  authorization: InstanceAuthorization,
): Promise<Asked> {
  if (typeof call !== 'string') return { ok: true, ask: call };
  const version = call === 'inventory' ? await authorization.inventoryVersion() : anyVersion;
  return version.ok
    ? { ok: true, ask: instanceRequest(call, jamfComputerId, version.inventoryVersion) }
    : version;
}

export function createForward({ authorizationOf, targetOf, upstream }: ForwardOptions) {
  const exchange = (
    request: ForwardRequest,
    ask: InstanceRequest,
    token: string,
    body: ReadyBody | undefined,
  ): Promise<Begun> => {
    const { call, headers, instance, requestId } = request;
    const target = targetOf(instance);
    const lines = typeof call === 'string' ? deviceCallLines : passThroughLines;
    const path = target.basePath + ask.path;
    const headerOf = (name: string): string | null =>
      (name === 'traceparent' ? currentTraceparent() : null) ?? headers.get(name);
    return inExchangeSpan(
      { peer: 'jamf-pro', method: ask.method, url: target.origin + path },
      () => {
        const headerLines = lines(headerOf, { token, requestId });
        const upstreamCall = { target, method: ask.method, path, headerLines, body: body?.next() };
        return beginExchange(upstream, upstreamCall, request.signal);
      },
      (begun) => (begun.ok ? { status: begun.head.status } : { failure: begun.failure.kind }),
    );
  };

  /** One call; the token is taken anew once when the instance refuses it. */
  return async (request: ForwardRequest): Promise<ForwardResult> => {
    const { call, instance, requestId } = request;
    const pause = problemOfPause(instance);
    if (pause) return failed(pause);
    const authorization = authorizationOf(instance);
    const ready = await readyBody(typeof call === 'string' ? undefined : call.body);
    if (!ready.ok) return failed(ready.problem);
    const { body } = ready;
    let refused: string | undefined;
    for (;;) {
      const token = await authorization.token(refused);
      if (!token.ok) return failed(problemOfInstance(token));
      const asked = await askedOf(request, authorization);
      if (!asked.ok) return failed(problemOfInstance(asked));
      const begun = await exchange(request, asked.ask, token.token, body);
      if (!begun.ok) return failed(body?.problem() ?? problemOfUpstream(begun.failure));
      const { head } = begun;
      if (isTokenRefused(head) && refused === undefined) {
        begun.discard();
        refused = token.token;
        if (body && !body.canReplay) {
          // The same call, sent again, meets a new token.
          await authorization.token(refused);
          return failed(cannotReplay());
        }
        continue;
      }
      const wrong = typeof call === 'string' ? checkDeviceAnswer(head) : checkPassThroughAnswer(head);
      if (wrong) {
        begun.discard();
        return failed(wrong);
      }
      const headers = answerHeaders(head, requestId);
      return { ok: true, answer: { status: head.status, headers, body: begun.body } };
    }
  };
}

export type Forward = ReturnType<typeof createForward>;
