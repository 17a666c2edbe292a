import type { Socket } from 'node:net';
import type { SocketAccess } from './node-sockets.ts';
import { createAnswerReader } from './node-upstream-answer.ts';
import { explainConnect } from './node-upstream-dial.ts';
import type { AnswerHead } from './node-upstream-head.ts';
import { requestHead, sendBody } from './node-upstream-request.ts';
import type { UpstreamCall, UpstreamFailure, UpstreamHandler } from './upstream.ts';

/** One connection to an instance: one exchange at a time, never two at once. */

/** A call on its way through the pool and a connection. */
export interface Exchange {
  readonly call: UpstreamCall;
  readonly handler: UpstreamHandler;
  /** Connections that it was tried on. */
  attempts: number;
  connection: Connection | undefined;
  /** By its end, its failure or its abort. */
  over: boolean;
  waitsUntilMs: number;
}

/** What the connection of a failed exchange knows of it. */
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
  readonly socket: Socket;
  readonly readyEvent: string;
  readonly timeouts: ConnectionTimeouts;
  readonly sockets: SocketAccess;
  readonly now: () => number;
  /** It can carry another exchange. */
  readonly onFree: (connection: Connection) => void;
  /** It is closed, or about to be. Exactly once. */
  readonly onGone: (connection: Connection) => void;
  readonly onBroken: (exchange: Exchange, broken: Broken) => void;
}

export interface Connection {
  /** Only while it is free. */
  carry(exchange: Exchange): void;
  resume(): void;
  /** Without a word to whoever it carries. */
  destroy(): void;
  sweep(nowMs: number): void;
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

/** Begins to connect and carries `first` as soon as it can. */
export function openConnection(options: ConnectionOptions, first: Exchange): Connection {
  const { now, socket, timeouts } = options;
  const writer = options.sockets.writer(socket);
  let current: Exchange | undefined = first;
  let isReady = false;
  let isGone = false;
  let carried = 0;
  let head: AnswerHead | undefined;
  /** Whether all of the request has been given to the socket. */
  let isSent = false;
  let isPaused = false;
  /** What came after the handler wanted no more. */
  let held: Buffer | undefined;
  let hasEnded = false;
  let stopBody: (() => void) | undefined;
  let deadline: Deadline = 'connect-timeout';
  let deadlineMs = now() + timeouts.connectMs;

  const watch = (what: Deadline, ms: number): void => {
    deadline = what;
    deadlineMs = now() + ms;
  };
  const reader = createAnswerReader({
    head: (found) => {
      head = found;
      watch('idle-timeout', timeouts.idleMs);
      current?.handler.head(found);
    },
    data: (chunk) => {
      watch('idle-timeout', timeouts.idleMs);
      // An exchange that was aborted a moment ago takes nothing.
      if (current === undefined) return false;
      // The next read is going to be where this one is.
      isPaused = !current.handler.data(Buffer.from(chunk));
      return !isPaused;
    },
    text: (body) => {
      if (current?.handler.text === undefined) return false;
      current.handler.text(body);
      return true;
    },
  });

  const close = (): void => {
    if (isGone) return;
    isGone = true;
    reader.stop();
    held = undefined;
    stopBody?.();
    socket.destroy();
    options.onGone(connection);
  };
  const fail = (failure: UpstreamFailure): void => {
    const exchange = current;
    const stale = carried > 1 && !reader.hasBegun();
    current = undefined;
    close();
    if (exchange) options.onBroken(exchange, { failure, stale });
  };
  const broke = (detail: string): void => {
    // Half a head is an answer of a kind: the server is there and does not keep to HTTP.
    const half = isReady && current !== undefined && reader.hasBegun() && head === undefined;
    fail({ kind: half ? 'invalid-answer' : isReady ? 'reset' : 'connect', sent: isReady, detail });
  };

  /** The answer is whole; `surplus`: more came than it is. */
  const finish = (surplus: boolean): void => {
    const exchange = current;
    if (!exchange || !head) return;
    const isQuiet = !surplus && socket.readableLength === 0 && !hasEnded;
    const reusable = isSent && !writer.hasUnsent() && isQuiet && !head.closes && keepAliveMs(head) > 0;
    current = undefined;
    exchange.over = true;
    exchange.connection = undefined;
    if (reusable) {
      watch('keep-alive', keepAliveMs(head));
      if (isPaused) socket.resume();
      isPaused = false;
      options.onFree(connection);
    } else close();
    exchange.handler.end();
  };
  /** A second less than the server says: its clock began before ours. */
  const keepAliveMs = ({ keepAliveSeconds }: AnswerHead): number =>
    keepAliveSeconds === undefined
      ? timeouts.keepAliveMs
      : Math.min(timeouts.keepAliveMs, (keepAliveSeconds - 1) * 1_000);

  const take = (bytes: Buffer): void => {
    const exchange = current;
    if (!exchange || !isReady) {
      // Nobody asked: an answer to nothing could become the answer to the next call.
      close();
      return;
    }
    const stopped = reader.read(bytes);
    if (current !== exchange) return;
    if (stopped < 0) fail({ kind: 'invalid-answer', sent: true, detail: reader.fault() });
    else if (reader.isComplete()) finish(stopped < bytes.length);
    else if (isPaused) {
      socket.pause();
      watch('slow-reader', timeouts.slowReaderMs);
      if (stopped < bytes.length) held = Buffer.from(bytes.subarray(stopped));
    }
  };
  const ended = (): void => {
    hasEnded = true;
    if (held !== undefined) return;
    if (!current) close();
    else if (reader.finish()) finish(false);
    else
      broke(
        reader.hasBegun() ? 'the connection closed in the middle of the answer' : 'the connection closed',
      );
  };

  const carry = (exchange: Exchange): void => {
    current = exchange;
    exchange.connection = connection;
    carried += 1;
    head = undefined;
    isSent = false;
    const { call } = exchange;
    reader.begin(call.method === 'HEAD');
    const text = requestHead(call);
    if (!call.body) {
      writer.write(text);
      isSent = true;
      watch('first-byte-timeout', timeouts.firstByteMs);
      return;
    }
    // The answer's deadlines begin with its first part, which may come before the request is whole.
    const waitFor = (what: Deadline, ms: number): void => {
      if (current === exchange && head === undefined) watch(what, ms);
    };
    stopBody = sendBody(socket, text, call.body, {
      waitsForCaller: () => waitFor('body-stall', timeouts.bodyStallMs),
      waitsForServer: () => waitFor('first-byte-timeout', timeouts.firstByteMs),
      onSent: () => {
        stopBody = undefined;
        isSent = true;
        waitFor('first-byte-timeout', timeouts.firstByteMs);
      },
      onFault: (detail) => {
        stopBody = undefined;
        fail({ kind: 'aborted', sent: true, detail });
      },
    });
  };

  const connection: Connection = {
    carry,
    destroy: () => {
      current = undefined;
      close();
    },
    resume: () => {
      if (!isPaused || isGone) return;
      isPaused = false;
      watch('idle-timeout', timeouts.idleMs);
      const rest = held;
      held = undefined;
      if (rest) take(rest);
      if (isPaused || isGone || held !== undefined) return;
      socket.resume();
      if (hasEnded) ended();
    },
    sweep: (nowMs) => {
      if (isGone || nowMs < deadlineMs) return;
      if (deadline === 'keep-alive') close();
      else fail({ ...explainDeadline[deadline], sent: isReady });
    },
  };
  socket.once(options.readyEvent, () => {
    if (isGone) return;
    isReady = true;
    options.sockets.read(socket, readBytes, take);
    if (current) carry(current);
    else options.onFree(connection);
  });
  socket.on('data', take);
  socket.on('end', ended);
  socket.on('error', (error) => {
    if (isGone) return;
    if (isReady) broke(`the connection broke (${(error as NodeJS.ErrnoException).code ?? error.name})`);
    else fail(explainConnect(error));
  });
  socket.on('close', () => {
    if (!isGone) broke('the connection closed');
  });
  return connection;
}
