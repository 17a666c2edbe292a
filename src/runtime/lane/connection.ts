import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import type { Duplex } from 'node:stream';
import { instanceRequest } from '../../forwarding/calls.ts';
import { isTokenRefused } from '../../forwarding/check-answer.ts';
import { problemOfUpstream } from '../../forwarding/problem-of-instance.ts';
import type { ShadowEar } from '../../forwarding/shadow/shadow.ts';
import type { DeviceCalls, ReadyCall, RefusedCall } from '../../gateway/device-call.ts';
import { requestIdOf } from '../../gateway/request-id.ts';
import type { SocketAccess } from '../../outbound/node-sockets.ts';
import type { Upstream, UpstreamExchange, UpstreamHandler, UpstreamTarget } from '../../outbound/upstream.ts';
import type { Problem } from '../../problems.ts';
import type { Instance } from '../../store/instances.ts';
import type { CallSpan } from '../../telemetry/tracing.ts';
import type { Activity } from '../node-connections.ts';
import { laneAnswerOf, problemText } from './answer.ts';
import { createInstanceLines } from './lines.ts';
import { createLaneReader } from './reader.ts';
import { hasPlainToken, type LaneRequest } from './request.ts';
import { createLaneWriter } from './writer.ts';

/**
 * One connection in the fast lane: one request at a time, from its bytes to the last byte of its answer. Whatever is
 * not the lane's goes to Node's parser with every byte that was read, and the connection with it.
 */

export interface LaneServices {
  readonly calls: Pick<DeviceCalls, 'warm' | 'prepare'>;
  readonly upstream: Upstream;
  readonly targetOf: (instance: Instance) => UpstreamTarget;
  /** A span for the share of calls that are traced. */
  readonly traced: (request: LaneRequest, instance: Instance) => CallSpan | undefined;
  /** Once for each answered request. */
  readonly onAnswer: (request: LaneRequest, status: number, requestId: string, seconds: number) => void;
  /** Hears the answer, where a move compares it with another instance's. */
  readonly listen: (request: LaneRequest, instance: Instance) => ShadowEar | undefined;
  readonly onForward: (outcome: string, seconds: number) => void;
  readonly keepAliveSeconds: number;
  readonly sockets: SocketAccess;
  /** Is told when a request begins and ends. */
  readonly activityOf: (socket: Duplex) => Activity;
}

export interface LaneConnection {
  readonly socket: Socket;
  /** Since when it waits for a request, or for the caller to take bytes; undefined: for neither. */
  waitingSinceMs(): number | undefined;
  /** `first`: no request came yet. `next`: between two. `busy`: a request is under way. */
  phase(): 'first' | 'next' | 'busy';
  /** Whether the caller has not taken all of what it was sent. */
  hasUnsent(): boolean;
  /** Keeps nothing of what was read, unless a request is under way. */
  forget(): void;
  /** Closes it, at once when idle, else after the answer. */
  drain(): void;
}

/** Requests are mostly the token; a larger one is read in parts, and so by Node. */
const readBytes = 8_192;
/** Upper bound on bytes a caller may pipeline before its current answer is complete. */
const laterMost = 16_384;

/** `handOver` gets the bytes that were read. */
export function openLaneConnection(
  socket: Socket,
  services: LaneServices,
  handOver: (read: Buffer) => void,
  onClose: () => void,
): LaneConnection {
  let phase: 'first' | 'next' | 'busy' = 'first';
  let waitingSinceMs: number | undefined = performance.now();
  let isDraining = false;
  let isForgotten = true;
  /** What came after the request under way, piece by piece. */
  let later: Buffer[] = [];
  let laterBytes = 0;
  let request: LaneRequest | undefined;
  let requestId = '';
  let startedMs = 0;
  let span: CallSpan | undefined;
  let exchange: UpstreamExchange | undefined;
  let ear: ShadowEar | undefined;
  let status = 0;
  const activity = services.activityOf(socket);
  const reader = createLaneReader();
  const linesOf = createInstanceLines();
  const writer = createLaneWriter(socket, services.sockets);

  const secondsSinceStart = (): number => (performance.now() - startedMs) / 1_000;

  const giveUp = (): void => {
    const bytes = Buffer.concat(request === undefined ? later : [reader.last(), ...later]);
    leave();
    handOver(bytes);
  };
  const leave = (): void => {
    reads.stop();
    reads.wipe();
    reader.forget();
    socket
      .off('data', onData)
      .off('end', onEnd)
      .off('error', onError)
      .off('close', onClosed)
      .off('drain', onDrain);
    endRequest();
    later = [];
    laterBytes = 0;
    onClose();
  };
  /** The exchange is over, or will be no answer. */
  const endSpan = (outcome: string): void => {
    span?.end(outcome);
    span = undefined;
    ear?.drop();
    ear = undefined;
  };

  const endRequest = (): void => {
    if (request !== undefined) activity.ends();
    request = undefined;
  };

  /** The answer is complete. */
  const finish = (): void => {
    const nowMs = performance.now();
    if (request !== undefined) services.onAnswer(request, status, requestId, (nowMs - startedMs) / 1_000);
    exchange = undefined;
    endRequest();
    phase = 'next';
    waitingSinceMs = nowMs;
    if (isDraining) socket.destroySoon();
    else takeNext();
  };

  /** What was sent before the answer; not while the caller takes no bytes, or its answers would pile up here. */
  const takeNext = (): void => {
    if (socket.writableNeedDrain) return;
    const next = later.shift();
    if (next === undefined) return;
    laterBytes -= next.length;
    if (laterBytes < laterMost) socket.resume();
    onData(next);
  };

  const keepAliveSeconds = (): number | undefined => (isDraining ? undefined : services.keepAliveSeconds);

  const answerProblem = (found: Problem): void => {
    const { status: code, text } = problemText(found, requestId, keepAliveSeconds());
    status = code;
    writer.whole(text);
    finish();
  };

  const failExchange = (found: Problem): void => {
    services.onForward(found.slug, secondsSinceStart());
    endSpan(found.slug);
    answerProblem(found);
  };

  const handler: UpstreamHandler = {
    head: (head) => {
      if (isTokenRefused(head)) {
        // The instance did nothing: the ordinary way takes a new token, or says what is wrong.
        exchange?.abort();
        endSpan(String(head.status));
        giveUp();
        return;
      }
      const answer = laneAnswerOf(head);
      if (answer.problem !== undefined) {
        exchange?.abort();
        failExchange(answer.problem);
        return;
      }
      status = head.status;
      services.onForward(String(status), secondsSinceStart());
      writer.begin(answer.head(requestId, keepAliveSeconds()), answer.bodyBytes);
    },
    data: (chunk) => {
      ear?.chunk(chunk);
      const isFlowing = writer.data(chunk);
      if (!isFlowing) waitingSinceMs = performance.now();
      return isFlowing;
    },
    text: (body) => {
      ear?.text(body);
      writer.text(body);
    },
    end: () => {
      writer.end();
      ear?.end(status);
      ear = undefined;
      endSpan(String(status));
      finish();
    },
    fail: (failure) => {
      exchange = undefined;
      if (!writer.hasBegun()) {
        failExchange(problemOfUpstream(failure));
        return;
      }
      // Half an answer is on its way: a broken connection is the only honest end.
      endSpan(failure.kind);
      if (request !== undefined) services.onAnswer(request, status, requestId, secondsSinceStart());
      endRequest();
      socket.destroy();
    },
  };

  const forward = (ready: ReadyCall, from: LaneRequest): void => {
    const { instance, instanceToken, inventoryVersion, target } = ready;
    span = services.traced(from, instance);
    ear = services.listen(from, instance);
    const { method, path } = instanceRequest(from.call, target.jamfComputerId, inventoryVersion);
    const upstreamTarget = services.targetOf(instance);
    exchange = services.upstream(
      {
        target: upstreamTarget,
        method,
        path: upstreamTarget.basePath + path,
        headerLines: linesOf(from, instanceToken, requestId, span),
        body: undefined,
      },
      handler,
    );
  };

  const settle = (decision: ReadyCall | RefusedCall): void => {
    if (request === undefined || socket.destroyed) return;
    if (decision.kind === 'ready') forward(decision, request);
    else if (decision.routed) failExchange(decision.problem);
    else answerProblem(decision.problem);
  };

  const begin = (taken: LaneRequest): void => {
    phase = 'busy';
    isForgotten = false;
    waitingSinceMs = undefined;
    startedMs = performance.now();
    writer.reset();
    request = taken;
    activity.begins();
    requestId = requestIdOf(taken.requestId);
    const decision = services.calls.warm(taken);
    if (decision.kind !== 'cold') {
      settle(decision);
      return;
    }
    if (!hasPlainToken(taken)) {
      giveUp();
      return;
    }
    services.calls.prepare(taken).then(settle, () => {
      // The database is away, or it is a fault of ours: the ordinary way meets the same and knows the answer.
      if (request !== undefined && !socket.destroyed) giveUp();
    });
  };

  const onData = (chunk: Buffer): void => {
    if (phase === 'busy' || socket.writableNeedDrain) {
      // Sent before the last answer was taken: looked at after it.
      later.push(Buffer.from(chunk));
      laterBytes += chunk.length;
      // For a while it is read on: only who reads hears that the caller goes away.
      if (laterBytes >= laterMost) socket.pause();
      return;
    }
    // The last answer has been given: one more would break off what of it has not left yet (RFC 9112, 9.6).
    if (!socket.writable) return;
    const taken = reader.read(chunk);
    if (taken === undefined) {
      later.unshift(Buffer.from(chunk));
      giveUp();
    } else begin(taken);
  };

  /** The caller went away; counted as the ordinary way counts it. */
  const abandon = (): void => {
    if (request === undefined) return;
    const seconds = secondsSinceStart();
    const isAnswered = writer.hasBegun();
    if (exchange !== undefined && !isAnswered) services.onForward('instance-unreachable', seconds);
    services.onAnswer(request, isAnswered ? status : 502, requestId, seconds);
    exchange?.abort();
    exchange = undefined;
    endSpan('aborted');
    endRequest();
  };
  /** As Node's server does: who sends no more wants no answer. */
  const onEnd = (): void => {
    abandon();
    socket.end();
  };
  const onError = (): void => {
    socket.destroy();
  };
  const onClosed = (): void => {
    abandon();
    leave();
  };
  const onDrain = (): void => {
    if (phase === 'busy') {
      waitingSinceMs = undefined;
      exchange?.resume();
      return;
    }
    waitingSinceMs = performance.now();
    takeNext();
  };

  const reads = services.sockets.read(socket, readBytes, onData);
  socket.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClosed).on('drain', onDrain);
  return {
    socket,
    waitingSinceMs: () => waitingSinceMs,
    phase: () => phase,
    hasUnsent: () => writer.hasUnsent(),
    forget: () => {
      if (phase === 'busy' || isForgotten) return;
      isForgotten = true;
      reader.forget();
      reads.wipe();
    },
    drain: () => {
      isDraining = true;
      if (phase !== 'busy') socket.destroySoon();
    },
  };
}
