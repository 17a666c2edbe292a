/**
 * The requests of one connection one after the other (RFC 9112, 9.3 and 9.6). Node's server hands over every request that
 * its parser finds, however many come in one write, and reports a bad one at once. Here a request is begun when the
 * answer before it is complete; so answers come in the order of their requests, `100 Continue` overtakes none, what is bad
 * is answered after what was good before it, and nothing is begun behind an answer that closes the connection.
 */

import { type IncomingMessage, type Server, type ServerResponse, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import { ChurningSet } from '../churn.ts';
import type { AnswerHeaders } from '../gateway/answer-headers.ts';
import { tooSlow } from '../gateway/body.ts';
import { answerAfterBodyBytes, answerAfterBodyMs, lingerMs, requestsAhead } from '../limits.ts';
import { ProblemError, problem, problemKinds, problemTypeBase } from '../problems.ts';
import type { Activity } from './node-connections.ts';
import type { RefusalTurns } from './node-refusal-turns.ts';
import { requestFault } from './node-request-fault.ts';

type Handle = (incoming: IncomingMessage, outgoing: ServerResponse) => void;

interface Turn {
  readonly incoming: IncomingMessage;
  readonly outgoing: ServerResponse;
  readonly begin: Handle;
}

/** Reason why no byte of a connection can be read any more. */
interface Fault {
  readonly status: number;
  readonly detail: string;
  /** The request was a HEAD: its answer has no body. */
  readonly isToHead?: boolean;
}

/** Faults of bodies that are not valid HTTP or came too late: Node reports nothing of it to their readers. */
const brokenBodies = new WeakMap<IncomingMessage, ProblemError>();
const bodyWatchers = new WeakMap<IncomingMessage, (error: ProblemError) => void>();

/** Reason why this body will never be complete; undefined: it may. */
export const brokenBody = (incoming: IncomingMessage): ProblemError | undefined => brokenBodies.get(incoming);

/** Reports a body's fault to its one reader. */
export function watchBody(incoming: IncomingMessage, onBroken: (error: ProblemError) => void): void {
  bodyWatchers.set(incoming, onBroken);
}

const problemOf = ({ detail, status }: Fault): ProblemError =>
  status === 408 ? tooSlow() : new ProblemError(problem('invalid-request', detail));

/** A problem from before there is a request that could have an id. */
function problemBody({ detail, status }: Fault): string {
  return JSON.stringify({
    type: `${problemTypeBase}invalid-request`,
    title: problemKinds['invalid-request'].title,
    status,
    detail,
    owner: 'caller',
    httpStatus: status,
    errors: [{ code: 'INVALID_HTTP', description: detail, id: '0', field: null }],
  });
}

function closingAnswer(fault: Fault, headerLines: string): string {
  const body = problemBody(fault);
  const head =
    `HTTP/1.1 ${fault.status} ${STATUS_CODES[fault.status]}\r\nconnection: close\r\n${headerLines}` +
    `content-type: application/problem+json\r\ncontent-length: ${Buffer.byteLength(body)}\r\n\r\n`;
  return fault.isToHead ? head : head + body;
}

/** Gives a last answer, if any, and closes; what is still being sent is read for a moment, or a reset would take the answer with it. */
function closeWith(socket: Duplex, answer: string | undefined): void {
  if (!socket.writable) {
    if (!socket.writableEnded) socket.destroy();
    return;
  }
  socket.end(answer);
  const late = setTimeout(() => socket.destroy(), lingerMs);
  socket.once('close', () => clearTimeout(late));
}

interface LineOptions {
  readonly activity: Activity;
  readonly headerLines: string;
  readonly refusals: RefusalTurns | undefined;
}

class Line {
  readonly #socket: Duplex;
  readonly #activity: Activity;
  readonly #headerLines: string;
  #current: Turn | undefined;
  #waiting: Turn[] = [];
  #fault: Fault | undefined;
  #isFaultReported = false;
  #isPaused = false;
  /** Undefined where nothing waits for others. */
  readonly #refusals: RefusalTurns | undefined;
  #wasRefused = false;
  #wasServed = false;

  constructor(socket: Duplex, { activity, headerLines, refusals }: LineOptions) {
    this.#refusals = refusals;
    this.#socket = socket;
    this.#activity = activity;
    this.#headerLines = headerLines;
    // Node reads on after every answer: it passes over what is left of the request's body.
    socket.on('resume', () => {
      if (this.#isPaused) socket.pause();
    });
  }
  add(turn: Turn): void {
    // What follows a fault is not begun, nor is more of it read before the fault is told.
    if (this.#fault !== undefined) {
      if (this.#current !== undefined) this.#pause();
      return;
    }
    this.#waiting.push(turn);
    if (this.#current === undefined) this.#next();
    else if (this.#waiting.length >= requestsAhead) this.#pause();
  }
  #pause(): void {
    if (this.#isPaused) return;
    this.#isPaused = true;
    this.#socket.pause();
  }
  fail(fault: Fault): void {
    if (this.#fault !== undefined) return;
    this.#fault = fault;
    const last = this.#waiting.at(-1) ?? this.#current;
    if (last !== undefined && !last.incoming.complete) {
      // It is the one that is bad.
      if (last === this.#current) this.#failBody(last, fault);
      else this.#waiting.pop();
    }
    if (this.#current === undefined) this.#next();
  }
  /** Its own answer reports the fault, unless that is on its way already. */
  #failBody({ incoming }: Turn, fault: Fault): void {
    this.#isFaultReported = true;
    const error = problemOf(fault);
    brokenBodies.set(incoming, error);
    bodyWatchers.get(incoming)?.(error);
  }
  #next(): void {
    this.#current = undefined;
    const socket = this.#socket;
    if (socket.destroyed || socket.writableEnded) {
      this.#waiting = [];
      return;
    }
    const turn = this.#waiting.shift();
    if (this.#isPaused && this.#waiting.length < requestsAhead / 2) {
      this.#isPaused = false;
      socket.resume();
    }
    if (turn === undefined) {
      const fault = this.#fault;
      if (fault === undefined) return;
      closeWith(socket, this.#isFaultReported ? undefined : closingAnswer(fault, this.#headerLines));
      return;
    }
    this.#current = turn;
    this.#activity.begins();
    turn.outgoing.once('close', () => {
      this.#activity.ends();
      this.#wasRefused = turn.outgoing.statusCode >= 400;
      this.#wasServed ||= !this.#wasRefused;
      this.#next();
    });
    this.#begin(turn);
  }
  /** Behind a refusal there is likely another one: of these a turn of the event loop does only so many. */
  #begin(turn: Turn): void {
    if (this.#refusals === undefined || !this.#wasRefused) {
      turn.begin(turn.incoming, turn.outgoing);
      return;
    }
    this.#refusals.add(this.#wasServed ? 'customer' : 'stranger', () => {
      // It may have broken off meanwhile.
      if (this.#current === turn) turn.begin(turn.incoming, turn.outgoing);
    });
  }
}

const faults: Readonly<Record<string, Fault>> = {
  ERR_HTTP_REQUEST_TIMEOUT: { status: 408, detail: 'The request did not arrive in time.' },
  HPE_HEADER_OVERFLOW: { status: 431, detail: 'The header section is too large.' },
};
const notHttp: Fault = { status: 400, detail: 'The request is not valid HTTP.' };

/** Without a body that is still to come, the connection goes on. */
function refuse({ incoming, outgoing }: Omit<Turn, 'begin'>, fault: Fault): void {
  const body = problemBody(fault);
  outgoing.writeHead(fault.status, {
    'content-type': 'application/problem+json',
    'content-length': Buffer.byteLength(body),
    ...(hasBody(incoming) ? { connection: 'close' } : {}),
  });
  outgoing.end(incoming.method === 'HEAD' ? undefined : body);
}

export const hasBody = ({ headers }: IncomingMessage): boolean =>
  headers['transfer-encoding'] !== undefined || Number(headers['content-length'] ?? 0) > 0;

export interface TurnOptions {
  readonly handle: Handle;
  /** True where the request under way on this connection may take longer than Node's `requestTimeout`. */
  readonly isUnhurried: (socket: Duplex) => boolean;
  readonly activityOf: (socket: Duplex) => Activity;
  readonly answerHeaders: AnswerHeaders;
  readonly refusals: RefusalTurns;
  readonly forProbes?: boolean;
}

export interface Turns {
  /** From now on each answer says that it closes its connection, also those under way that have not begun. */
  closeAfterAnswers(): void;
}

export function serveInTurn(server: Server, options: TurnOptions): Turns {
  const { activityOf, answerHeaders, forProbes, handle, isUnhurried, refusals } = options;
  const underWay = new ChurningSet<ServerResponse>();
  let isClosing = false;
  const close = (outgoing: ServerResponse): void => {
    if (!outgoing.headersSent) outgoing.setHeader('connection', 'close');
  };
  const lines = new WeakMap<Duplex, Line>();
  const lineOf = (socket: Duplex): Line => {
    let line = lines.get(socket);
    if (line === undefined) {
      line = new Line(socket, {
        activity: activityOf(socket),
        headerLines: answerHeaders.lines,
        // Probes are never kept waiting.
        refusals: forProbes ? undefined : refusals,
      });
      lines.set(socket, line);
    }
    return line;
  };
  const arriving = (answer: Handle): Handle => {
    const begin: Handle = (incoming, outgoing) => {
      underWay.add(outgoing);
      outgoing.once('close', () => underWay.delete(outgoing));
      if (isClosing) close(outgoing);
      answer(incoming, outgoing);
    };
    return (incoming, outgoing) => {
      const line = lineOf(incoming.socket);
      const detail = requestFault(incoming, forProbes);
      if (detail === undefined) {
        for (const [name, value] of answerHeaders.entries) outgoing.setHeader(name, value);
        line.add({ incoming, outgoing, begin });
        return;
      }
      // Read past its body, so that the answer is not lost to a reset.
      incoming.resume();
      line.fail({ status: 400, detail, isToHead: incoming.method === 'HEAD' });
    };
  };
  server.on('request', arriving(handle));
  server.on(
    'checkContinue',
    arriving((incoming, outgoing) => {
      outgoing.writeContinue();
      handle(incoming, outgoing);
    }),
  );
  server.on(
    'checkExpectation',
    arriving((incoming, outgoing) =>
      refuse({ incoming, outgoing }, { status: 417, detail: 'Only 100-continue can be expected.' }),
    ),
  );
  server.on('connect', (_request, socket: Duplex) => {
    // Node's parser has left the connection to this listener.
    socket.on('error', () => socket.destroy());
    socket.resume();
    lineOf(socket).fail({ status: 400, detail: 'CONNECT is not offered.' });
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    if (error.code === 'ERR_HTTP_REQUEST_TIMEOUT' && isUnhurried(socket)) return;
    if (error.code === 'ECONNRESET' || socket.destroyed) socket.destroy();
    else lineOf(socket).fail(faults[error.code ?? ''] ?? notHttp);
  });
  // A peer that has not finished the handshake cannot be answered. This runs before the server's own listener, which
  // emits `clientError`.
  server.prependListener('tlsClientError', (_error: Error, socket: Duplex) => socket.destroy());
  return {
    closeAfterAnswers: () => {
      isClosing = true;
      for (const outgoing of underWay) close(outgoing);
    },
  };
}

/**
 * Before an answer is begun: waits a moment for what is left of the request's body, and reads past it. Where that does not
 * end, the answer says that it closes the connection, for then it does.
 */
export function passBody(incoming: IncomingMessage, outgoing: ServerResponse): Promise<void> | undefined {
  if (incoming.complete || incoming.destroyed || !hasBody(incoming)) return undefined;
  return new Promise((resolve) => {
    let bytes = 0;
    const end = (): void => {
      clearTimeout(late);
      incoming.off('data', count).off('end', end).off('close', end).off('error', end);
      if (!incoming.complete && !outgoing.headersSent) outgoing.setHeader('connection', 'close');
      resolve();
    };
    const count = (chunk: Uint8Array): void => {
      bytes += chunk.byteLength;
      if (bytes > answerAfterBodyBytes) end();
    };
    const late = setTimeout(end, brokenBody(incoming) ? 0 : answerAfterBodyMs);
    watchBody(incoming, end);
    incoming.on('data', count).on('end', end).on('close', end).on('error', end);
    incoming.resume();
  });
}
