import type { Socket } from 'node:net';
import { performance } from 'node:perf_hooks';
import { isTokenRefused } from '../../forwarding/check-answer.ts';
import { problemOfUpstream } from '../../forwarding/problem-of-instance.ts';
import { type ReadyCall, type RefusedCall, tokenFaults } from '../../gateway/device-call.ts';
import { shedFrom, shedProblem } from '../../gateway/pressure.ts';
import type { SocketReads } from '../../outbound/node-sockets.ts';
import type { UpstreamFailure, UpstreamHandler, UpstreamHead } from '../../outbound/upstream.ts';
import { type Problem, problemKinds } from '../../problems.ts';
import { withRequestId } from '../../telemetry/work-context.ts';
import type { Activity } from '../node-connections.ts';
import { laneAnswerOf, problemText } from './answer.ts';
import { LaneCall } from './call.ts';
import { createInstanceLines } from './lines.ts';
import { createLaneReader } from './reader.ts';
import { hasPlainToken } from './request.ts';
import type { ConnectionServices } from './services.ts';
import { createLaneWriter } from './writer.ts';

/**
 * One connection in the fast lane: one request at a time, from its bytes to the last byte of its answer. Whatever is
 * not the lane's goes to Node's parser with every byte that was read, and the connection with it.
 *
 * | State | Waits for | Then |
 * |---|---|---|
 * | `first` | the first request | `deciding`, `left` |
 * | `next` | another request | `deciding`, `left`, `ending` |
 * | `deciding` | caches, or the database and Entra; a refusal its turn | `asking`, `next` with a problem, `left` |
 * | `asking` | the head of the instance's answer | `answering`, `next` with a problem, `left` where the token is refused |
 * | `answering` | the rest of it | `next` |
 * | `ending` | what was sent to be taken; nothing is begun | `left` |
 * | `left` | nothing: closed, or handed over | |
 *
 * The caller's end or a drain leads to `ending`, a broken connection to `left`, from everywhere.
 */
export type LaneState = 'first' | 'next' | 'deciding' | 'asking' | 'answering' | 'ending' | 'left';

/** Requests are mostly the token; a larger one is read in parts, and so by Node. */
const readBytes = 8_192;
/** Upper bound on bytes a caller may pipeline before its current answer is complete. */
const maxLaterBytes = 16_384;

export interface LaneExits {
  /** Gets the bytes that were read. */
  handOver(read: Buffer): void;
  /** Exactly once: it is closed or handed over. */
  left(): void;
}

export class LaneConnection {
  readonly socket: Socket;
  readonly #services: ConnectionServices;
  readonly #exits: LaneExits;
  readonly #activity: Activity;
  readonly #reader;
  readonly #linesOf = createInstanceLines();
  readonly #writer;
  readonly #reads: SocketReads;
  #state: LaneState = 'first';
  #waitingSinceMs: number | undefined = performance.now();
  /** The next answer is the last one. */
  #isLast = false;
  #saidClose = false;
  #isDraining = false;
  /** Bytes that came after the request under way. */
  #later: Buffer[] = [];
  #laterBytes = 0;
  #call: LaneCall | undefined;
  /** Problem of the call under way that waits for its turn to be told. */
  #waitingProblem: Problem | undefined;
  /** The last request was refused, and so the next one waits for its turn where it is not known to be good. */
  #wasRefused = false;
  /** A request was let in here before. */
  #isCustomer = false;

  constructor(socket: Socket, services: ConnectionServices, exits: LaneExits) {
    this.socket = socket;
    this.#services = services;
    this.#exits = exits;
    this.#activity = services.activityOf(socket);
    this.#reader = createLaneReader(services.calls.hashToken);
    this.#writer = createLaneWriter(socket);
    this.#reads = services.sockets.read(socket, readBytes, this.#onData);
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onError)
      .on('close', this.#onClose)
      .on('drain', this.#onDrain);
  }

  state(): LaneState {
    return this.#state;
  }
  /** Time since which it waits for a request, or for the caller to take bytes; undefined: for neither. */
  waitingSinceMs(): number | undefined {
    return this.#waitingSinceMs;
  }
  /** True while the caller has not taken all of what it was sent. */
  hasUnsent(): boolean {
    return this.#writer.hasUnsent();
  }
  /** Keeps nothing of what was read, unless a request is under way. */
  forget(): void {
    if (this.#call === undefined && this.#reader.forget()) this.#reads.wipe();
  }
  /** Lets the next answer say that it closes the connection, which is kept until then. */
  closeAfterAnswer(): void {
    this.#isLast = true;
  }
  /** Closes it, at once when idle, else after the answer. */
  drain(): void {
    this.#isLast = true;
    this.#isDraining = true;
    if (this.#state === 'first' || this.#state === 'next') this.#endSoon();
  }

  // Bytes of the caller.

  readonly #onData = (chunk: Buffer): void => {
    // The last answer has been given: one more would break off what of it has not left yet (RFC 9112, 9.6).
    if (this.#state === 'ending') return;
    if (this.#call !== undefined || this.socket.writableNeedDrain) {
      this.#keepForLater(chunk);
      return;
    }
    if (!this.socket.writable) return;
    const request = this.#reader.read(chunk);
    if (request === undefined) {
      this.#later.unshift(Buffer.from(chunk));
      this.#giveUp();
    } else this.#begin(new LaneCall(this.#services, request));
  };

  /** The connection is still read for a while: only a read shows that the caller went away. */
  #keepForLater(chunk: Buffer): void {
    this.#later.push(Buffer.from(chunk));
    this.#laterBytes += chunk.length;
    if (this.#laterBytes >= maxLaterBytes) this.socket.pause();
  }
  /** Nothing is taken while the caller takes no bytes, or its answers would pile up here. */
  #takeLater(): void {
    if (this.socket.writableNeedDrain) return;
    const next = this.#later.shift();
    if (next === undefined) return;
    this.#laterBytes -= next.length;
    if (this.#laterBytes < maxLaterBytes) this.socket.resume();
    this.#onData(next);
  }

  // A request: deciding, then asking.

  #begin(call: LaneCall): void {
    const { calls, pressure } = this.#services;
    const { request } = call;
    this.#call = call;
    this.#state = 'deciding';
    this.#waitingSinceMs = undefined;
    this.#activity.begins();
    if (pressure.level >= shedFrom.call && pressure.sheds('call')) {
      this.#refuse(call, shedProblem);
      return;
    }
    if (request.tokenFault !== undefined) {
      this.#refuse(call, tokenFaults[request.tokenFault]);
      return;
    }
    const decision = calls.warm(request);
    if (decision.kind === 'ready') this.#forward(call, decision);
    else if (decision.kind === 'refuse') this.#refuseDecided(call, decision);
    else if (decision.kind === 'elsewhere' || !hasPlainToken(request)) this.#giveUp();
    else if (this.#wasRefused) this.#inTurn(() => this.#isUnderWay(call) && this.#prepare(call));
    else this.#prepare(call);
  }
  #isUnderWay(call: LaneCall): boolean {
    return this.#call === call && !this.socket.destroyed;
  }
  #inTurn(run: () => void): void {
    this.#services.refusals.add(this.#isCustomer ? 'customer' : 'stranger', run);
  }
  #prepare(call: LaneCall): void {
    const { callerOf, calls } = this.#services;
    const { request } = call;
    const source = callerOf(this.socket, () => request);
    withRequestId(call.requestId, () => calls.prepare(request, source)).then(
      (prepared) => {
        if (!this.#isUnderWay(call)) {
          if (prepared.kind === 'ready') calls.done(prepared);
        } else if (prepared.kind === 'ready') this.#forward(call, prepared);
        else if (prepared.kind === 'elsewhere') this.#giveUp();
        else this.#refuseDecided(call, prepared);
      },
      () => {
        // The database is away, or it is a fault of ours: the ordinary way meets the same and knows the answer.
        if (this.#isUnderWay(call)) this.#giveUp();
      },
    );
  }
  #forward(call: LaneCall, ready: ReadyCall): void {
    this.#wasRefused = false;
    this.#isCustomer = true;
    this.#state = 'asking';
    call.forward(ready, this.#linesOf, this.#handler);
  }
  #refuseDecided(call: LaneCall, { isStranger = false, problem, routed }: RefusedCall): void {
    this.#isCustomer ||= !isStranger;
    if (routed) call.failed(problem.slug);
    this.#refuse(call, problem);
  }
  /** Tells a problem that cost nothing yet, in its turn: there may be thousands of them at the same moment. */
  #refuse(call: LaneCall, problem: Problem): void {
    this.#wasRefused = true;
    this.#waitingProblem = problem;
    this.#inTurn(() => this.#isUnderWay(call) && this.#tellWaiting());
  }
  #tellWaiting(): void {
    const [call, problem] = [this.#call, this.#waitingProblem];
    if (call === undefined || problem === undefined) return;
    this.#waitingProblem = undefined;
    this.#answerProblem(call, problem);
  }

  // The answer.

  readonly #handler: UpstreamHandler = {
    head: (head) => this.#onHead(head),
    data: (chunk) => {
      this.#call?.chunk(chunk);
      const isFlowing = this.#writer.data(chunk);
      if (!isFlowing) this.#waitingSinceMs = performance.now();
      return isFlowing;
    },
    text: (body) => {
      this.#call?.text(body);
      this.#writer.text(body);
    },
    end: () => {
      const call = this.#call;
      if (call === undefined) return;
      this.#writer.end();
      call.ended();
      this.#finish(call);
    },
    fail: (failure) => this.#onFailure(failure),
  };

  #onHead(head: UpstreamHead): void {
    const call = this.#call;
    if (call === undefined) return;
    if (isTokenRefused(head)) {
      // The instance did nothing: the ordinary way takes a new token, or says what is wrong.
      call.abort(String(head.status));
      this.#giveUp();
      return;
    }
    const answer = laneAnswerOf(head, this.#services.commonLines);
    if (answer.problem !== undefined) {
      call.failed(answer.problem.slug);
      this.#answerProblem(call, answer.problem);
      return;
    }
    this.#state = 'answering';
    call.begun(head.status);
    this.#writer.begin(answer.head(call.requestId, this.#keepAliveSeconds()), answer.bodyBytes);
  }
  #onFailure(failure: UpstreamFailure): void {
    const call = this.#call;
    if (call === undefined) return;
    if (this.#state === 'asking') {
      const found = problemOfUpstream(failure);
      call.failed(found.slug);
      this.#answerProblem(call, found);
      return;
    }
    // Half an answer is on its way: a broken connection is the only honest end.
    call.abort(failure.kind);
    call.answered();
    this.#endCall();
    this.socket.destroy();
  }
  #answerProblem(call: LaneCall, found: Problem): void {
    const { status, text } = problemText(found, call.requestId, {
      commonLines: this.#services.commonLines,
      keepAliveSeconds: this.#keepAliveSeconds(),
    });
    this.#writer.whole(text);
    this.#finish(call, status);
  }
  /** Undefined: the connection closes after this answer. */
  #keepAliveSeconds(): number | undefined {
    this.#saidClose = this.#isLast;
    return this.#isLast ? undefined : this.#services.keepAliveSeconds;
  }
  #finish(call: LaneCall, status?: number): void {
    call.answered(status);
    this.#endCall();
    this.#state = 'next';
    this.#waitingSinceMs = performance.now();
    if (this.#isDraining || this.#saidClose) this.#endSoon();
    else this.#takeLater();
  }
  #endCall(): void {
    if (this.#call !== undefined) this.#activity.ends();
    this.#call = undefined;
    this.#waitingProblem = undefined;
  }

  // The ways out.

  #endSoon(): void {
    this.#state = 'ending';
    this.socket.destroySoon();
  }
  /** Hands the connection to Node's parser. */
  #giveUp(): void {
    const bytes = Buffer.concat(this.#call ? [this.#reader.last(), ...this.#later] : this.#later);
    this.#leave();
    this.#exits.handOver(bytes);
  }
  #leave(): void {
    this.#state = 'left';
    this.#reads.stop();
    this.#reads.wipe();
    this.#reader.forget();
    this.socket
      .off('data', this.#onData)
      .off('end', this.#onEnd)
      .off('error', this.#onError)
      .off('close', this.#onClose)
      .off('drain', this.#onDrain);
    this.#endCall();
    this.#later = [];
    this.#exits.left();
  }
  /** The caller went away; counted as the ordinary way counts it. */
  #abandon(): void {
    const call = this.#call;
    if (call === undefined) return;
    const refused = this.#waitingProblem;
    if (this.#state === 'asking') call.countForward('instance-unreachable');
    call.abort('aborted');
    if (refused) call.answered(problemKinds[refused.slug].status);
    else call.answered(this.#state === 'answering' ? undefined : 502);
    this.#endCall();
  }
  /** The end is treated as by Node's server: a caller that sends no more wants no answer. */
  readonly #onEnd = (): void => {
    // It may have come in one packet with the request.
    this.#tellWaiting();
    this.#abandon();
    this.#state = 'ending';
    this.#waitingSinceMs = performance.now();
    this.socket.end();
  };
  readonly #onError = (): void => {
    this.socket.destroy();
  };
  readonly #onClose = (): void => {
    this.#abandon();
    this.#leave();
  };
  readonly #onDrain = (): void => {
    if (this.#call !== undefined) {
      this.#waitingSinceMs = undefined;
      this.#call.resume();
      return;
    }
    this.#waitingSinceMs = performance.now();
    this.#takeLater();
  };
}
