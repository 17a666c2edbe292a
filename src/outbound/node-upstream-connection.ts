/**
 * One connection to an instance: one exchange at a time, never two at once.
 *
 * | State | Waits for | Then |
 * |---|---|---|
 * | `connecting` | the socket, with the exchange that it is opened for | `carrying`, `gone` |
 * | `idle` | another exchange; bytes that nobody asked for end it | `carrying`, `gone` |
 * | `carrying` | the answer's end | `idle` where both sides keep the connection, else `gone` |
 * | `gone` | nothing: closed, or about to be | |
 *
 * An exchange that is aborted takes its connection with it: what is still to come of its answer must meet no other.
 */

import { Socket } from 'node:net';
import type { SocketAccess } from './node-sockets.ts';
import { AnswerReader, type AnswerSink } from './node-upstream-answer.ts';
import { type DialledDirectly, type DialledThrough, explainConnect } from './node-upstream-dial.ts';
import type { AnswerHead } from './node-upstream-head.ts';
import { type BodyEvents, requestHead, sendBody } from './node-upstream-request.ts';
import type { UpstreamCall, UpstreamFailure, UpstreamHandler } from './upstream.ts';

/** A call on its way through the pool and a connection. */
export interface Exchange {
  readonly call: UpstreamCall;
  readonly handler: UpstreamHandler;
  /** Connections that it was tried on. */
  attempts: number;
  connection: Connection | undefined;
  /** True after its end, its failure or its abort. */
  over: boolean;
  waitsUntilMs: number;
}

/** Knowledge of the connection about a failed exchange. */
export interface Broken {
  readonly failure: UpstreamFailure;
  /** The connection had carried another exchange before, and no byte of an answer came to this one. */
  readonly stale: boolean;
}

/** All in milliseconds. */
export interface ConnectionTimeouts {
  readonly connectMs: number;
  readonly firstByteMs: number;
  readonly idleMs: number;
  readonly bodyStallMs: number;
  readonly slowReaderMs: number;
  readonly keepAliveMs: number;
}

export interface ConnectionOptions {
  readonly dialled: DialledDirectly | DialledThrough;
  readonly timeouts: ConnectionTimeouts;
  readonly sockets: SocketAccess;
  readonly now: () => number;
  /** It can carry another exchange. */
  readonly onFree: (connection: Connection) => void;
  /** It is closed, or about to be. Exactly once. */
  readonly onGone: (connection: Connection) => void;
  readonly onBroken: (exchange: Exchange, broken: Broken) => void;
}

/** Most answers come in one read. */
const readBytes = 16_384;

type Deadline =
  | 'connect-timeout'
  | 'first-byte-timeout'
  | 'idle-timeout'
  | 'body-stall'
  | 'slow-reader'
  | 'keep-alive';

const explainDeadline: Readonly<Record<Exclude<Deadline, 'keep-alive'>, Omit<UpstreamFailure, 'sent'>>> = {
  'connect-timeout': { kind: 'connect-timeout', detail: 'no connection in time' },
  'first-byte-timeout': { kind: 'first-byte-timeout', detail: 'no answer in time' },
  'idle-timeout': { kind: 'idle-timeout', detail: 'the answer stopped in the middle' },
  'body-stall': { kind: 'aborted', detail: "the caller's body stopped in the middle" },
  'slow-reader': { kind: 'aborted', detail: 'the caller did not take the answer' },
};

type ConnectionState = 'connecting' | 'idle' | 'carrying' | 'gone';

/** Begins to connect and carries `first` as soon as it can. */
export class Connection {
  readonly #options: ConnectionOptions;
  #socket: Socket;
  /** Ends what is being opened. */
  readonly #opening = new AbortController();
  readonly #reader: AnswerReader;
  #state: ConnectionState = 'connecting';
  /** Undefined while idle, and once nobody waits for the answer any more. */
  #exchange: Exchange | undefined;
  /** Exchanges so far. */
  #carried = 0;
  #deadline: Deadline = 'connect-timeout';
  #deadlineMs: number;
  /** True once all of the request has been given to the socket. */
  #isSent = false;
  #stopBody: (() => void) | undefined;
  #isPaused = false;
  /** Bytes that came after the handler wanted no more. */
  #held: Buffer | undefined;
  /** True once the server has closed its side. */
  #hasEnded = false;

  constructor(options: ConnectionOptions, first: Exchange) {
    const { dialled, now, timeouts } = options;
    this.#options = options;
    // One that is never connected stands in until there is one.
    this.#socket = 'socket' in dialled ? dialled.socket : new Socket();
    this.#reader = new AnswerReader(this.#sink);
    this.#exchange = first;
    this.#deadlineMs = now() + timeouts.connectMs;
    if ('socket' in dialled) this.#listen(dialled.socket.once(dialled.readyEvent, this.#onReady));
    else dialled.open(this.#opening.signal).then(this.#onOpened, this.#onError);
  }
  /** Carries an exchange; the connection must be idle. */
  carry(exchange: Exchange): void {
    this.#state = 'carrying';
    this.#exchange = exchange;
    exchange.connection = this;
    this.#carried += 1;
    this.#reader.begin(exchange.call.method === 'HEAD');
    this.#send(exchange);
  }
  resume(): void {
    if (!this.#isPaused || this.#isGone()) return;
    this.#isPaused = false;
    this.#watch('idle-timeout', this.#options.timeouts.idleMs);
    const rest = this.#held;
    this.#held = undefined;
    if (rest) this.#onData(rest);
    if (this.#isPaused || this.#isGone() || this.#held !== undefined) return;
    this.#socket.resume();
    if (this.#hasEnded) this.#onEnd();
  }
  /** The exchange that it carries hears nothing any more. */
  destroy(): void {
    this.#exchange = undefined;
    this.#close();
  }
  sweep(nowMs: number): void {
    if (this.#isGone() || nowMs < this.#deadlineMs) return;
    if (this.#deadline === 'keep-alive') this.#close();
    else this.#fail({ ...explainDeadline[this.#deadline], sent: this.#isReady() });
  }

  #listen(socket: Socket): void {
    socket
      .on('data', this.#onData)
      .on('end', this.#onEnd)
      .on('error', this.#onError)
      .on('close', this.#onClose);
  }
  readonly #onOpened = (socket: Socket): void => {
    if (this.#isGone()) {
      socket.on('error', () => undefined).destroy();
      return;
    }
    this.#socket = socket;
    this.#listen(socket);
    this.#onReady();
  };
  #isReady(): boolean {
    return this.#state === 'idle' || this.#state === 'carrying';
  }
  #isGone(): boolean {
    return this.#state === 'gone';
  }
  #watch(what: Deadline, ms: number): void {
    this.#deadline = what;
    this.#deadlineMs = this.#options.now() + ms;
  }

  // The request.

  readonly #onReady = (): void => {
    if (this.#isGone()) return;
    const { onFree, sockets } = this.#options;
    sockets.read(this.#socket, readBytes, this.#onData);
    if (this.#exchange) this.carry(this.#exchange);
    else {
      this.#state = 'idle';
      onFree(this);
    }
  };
  #send(exchange: Exchange): void {
    const { body } = exchange.call;
    const text = requestHead(exchange.call);
    if (body) {
      this.#isSent = false;
      this.#stopBody = sendBody(this.#socket, text, body, this.#bodyEventsOf(exchange));
      return;
    }
    this.#socket.write(text, 'latin1');
    this.#isSent = true;
    this.#watch('first-byte-timeout', this.#options.timeouts.firstByteMs);
  }
  #bodyEventsOf(exchange: Exchange): BodyEvents {
    const { bodyStallMs, firstByteMs } = this.#options.timeouts;
    // The answer's deadlines begin with its first part, which may come before the request is whole.
    const waitFor = (what: Deadline, ms: number): void => {
      if (this.#exchange === exchange && this.#reader.head() === undefined) this.#watch(what, ms);
    };
    return {
      waitsForCaller: () => waitFor('body-stall', bodyStallMs),
      waitsForServer: () => waitFor('first-byte-timeout', firstByteMs),
      onSent: () => {
        this.#stopBody = undefined;
        this.#isSent = true;
        waitFor('first-byte-timeout', firstByteMs);
      },
      onFault: (detail) => {
        this.#stopBody = undefined;
        this.#fail({ kind: 'aborted', sent: true, detail });
      },
    };
  }

  // The answer.

  readonly #sink: AnswerSink = {
    head: (head) => {
      this.#watch('idle-timeout', this.#options.timeouts.idleMs);
      this.#exchange?.handler.head(head);
    },
    data: (chunk) => {
      this.#watch('idle-timeout', this.#options.timeouts.idleMs);
      // An exchange that was aborted a moment ago takes nothing.
      if (this.#exchange === undefined) return false;
      // The next read is going to be where this one is.
      this.#isPaused = !this.#exchange.handler.data(Buffer.from(chunk));
      return !this.#isPaused;
    },
    text: (body) => {
      if (this.#exchange?.handler.text === undefined) return false;
      this.#exchange.handler.text(body);
      return true;
    },
  };
  readonly #onData = (bytes: Buffer): void => {
    const exchange = this.#exchange;
    if (!exchange || !this.#isReady()) {
      // Nobody asked: an answer to nothing could become the answer to the next call.
      this.#close();
      return;
    }
    const reader = this.#reader;
    const stopped = reader.read(bytes);
    if (this.#exchange !== exchange) return;
    if (stopped < 0) this.#fail({ kind: 'invalid-answer', sent: true, detail: reader.fault() });
    else if (reader.isComplete()) this.#finish(stopped < bytes.length);
    else if (this.#isPaused) {
      this.#socket.pause();
      this.#watch('slow-reader', this.#options.timeouts.slowReaderMs);
      if (stopped < bytes.length) this.#held = Buffer.from(bytes.subarray(stopped));
    }
  };
  /** The answer is whole; `hasSurplus`: more came than it is. */
  #finish(hasSurplus: boolean): void {
    const exchange = this.#exchange;
    const head = this.#reader.head();
    if (!exchange || !head) return;
    const isReusable = !hasSurplus && this.#isReusableAfter(head);
    this.#exchange = undefined;
    exchange.over = true;
    exchange.connection = undefined;
    if (isReusable) {
      this.#state = 'idle';
      this.#watch('keep-alive', this.#keepAliveMs(head));
      if (this.#isPaused) this.#socket.resume();
      this.#isPaused = false;
      this.#options.onFree(this);
    } else this.#close();
    exchange.handler.end();
  }
  #isReusableAfter(head: AnswerHead): boolean {
    const isQuiet = this.#socket.readableLength === 0 && !this.#hasEnded;
    const isSent = this.#isSent && this.#socket.writableLength === 0;
    return isSent && isQuiet && !head.closes && this.#keepAliveMs(head) > 0;
  }
  /** A second less than the server says: its clock began before ours. */
  #keepAliveMs({ keepAliveSeconds }: AnswerHead): number {
    const { keepAliveMs } = this.#options.timeouts;
    return keepAliveSeconds === undefined
      ? keepAliveMs
      : Math.min(keepAliveMs, (keepAliveSeconds - 1) * 1_000);
  }

  // The ways out.

  readonly #onEnd = (): void => {
    this.#hasEnded = true;
    if (this.#held !== undefined) return;
    const reader = this.#reader;
    if (!this.#exchange) this.#close();
    else if (reader.finish()) this.#finish(false);
    else this.#broke(`the connection closed${reader.hasBegun() ? ' in the middle of the answer' : ''}`);
  };
  readonly #onError = (error: NodeJS.ErrnoException): void => {
    if (this.#isGone()) return;
    if (this.#isReady()) this.#broke(`the connection broke (${error.code ?? error.name})`);
    else this.#fail(explainConnect(error));
  };
  readonly #onClose = (): void => {
    if (!this.#isGone()) this.#broke('the connection closed');
  };
  #broke(detail: string): void {
    const sent = this.#isReady();
    // Half a head is an answer of a kind: the server is there and does not keep to HTTP.
    const isHalf =
      this.#exchange !== undefined && this.#reader.hasBegun() && this.#reader.head() === undefined;
    const kind = !sent ? 'connect' : isHalf ? 'invalid-answer' : 'reset';
    this.#fail({ kind, sent, detail });
  }
  #fail(failure: UpstreamFailure): void {
    const exchange = this.#exchange;
    const stale = this.#carried > 1 && !this.#reader.hasBegun();
    this.#exchange = undefined;
    this.#close();
    if (exchange) this.#options.onBroken(exchange, { failure, stale });
  }
  #close(): void {
    if (this.#isGone()) return;
    this.#state = 'gone';
    this.#reader.stop();
    this.#held = undefined;
    this.#stopBody?.();
    this.#opening.abort();
    this.#socket.destroy();
    this.#options.onGone(this);
  }
}
