/** Node's listeners and what only Node knows of a request. */

import {
  createServer as createHttpServer,
  type IncomingMessage,
  type Server,
  type ServerResponse,
} from 'node:http';
import { createServer as createHttpsServer } from 'node:https';
import { type AddressInfo, createServer as createNetServer } from 'node:net';
import { type Duplex, Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { TLSSocket } from 'node:tls';
import { getRequestListener, type HttpBindings, RequestError } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import type { Context } from 'hono';
import type { ForwardAnswer } from '../forwarding/forward.ts';
import { type AnswerHeaders, createAnswerHeaders } from '../gateway/answer-headers.ts';
import { readBody, tooLarge, tooSlow, wentAway } from '../gateway/body.ts';
import type { RequestFacts } from '../gateway/listener.ts';
import { newId } from '../ids.ts';
import {
  bodyIdleMs,
  bodyTotalMs,
  callerIdleMs,
  connectionsInAll,
  connectionsPerAddress,
  headersTimeoutMs,
} from '../limits.ts';
import { type Problem, ProblemError, problem, problemResponse } from '../problems.ts';
import { type Lane, putLaneBefore } from './lane/listener.ts';
import type { LaneServices } from './lane/services.ts';
import type { CertificateSource } from './node-certificate-source.ts';
import { boundConnections, type ConnectionBounds, type Connections } from './node-connections.ts';
import { checkFirstBytes } from './node-first-bytes.ts';
import { brokenBody, hasBody, passBody, serveInTurn, type Turns, watchBody } from './node-in-turn.ts';
import { refusalTurns } from './node-refusal-turns.ts';
import { type ListenerTickets, tlsServerOptions } from './node-tls.ts';
import type { ListenAddress } from './settings.ts';

const alreadySent = RESPONSE_ALREADY_SENT.headers;

const bindingsOf = (c: Context): HttpBindings => c.env as HttpBindings;

/**
 * The body straight from the socket: a web stream costs as much as the rest of a small request. Node's own
 * `requestTimeout` bounds it in all (`bodyTotalMs`); here is the bound on silence and on size.
 */
function readIncoming(incoming: IncomingMessage, limitBytes: number): Promise<Uint8Array> {
  if (Number(incoming.headers['content-length'] ?? 0) > limitBytes)
    return Promise.reject(tooLarge(limitBytes));
  const broken = brokenBody(incoming);
  if (broken) return Promise.reject(broken);
  if (incoming.destroyed) return Promise.reject(wentAway());
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    let size = 0;
    const idle = setTimeout(() => end(() => reject(tooSlow())), bodyIdleMs);
    const end = (settle: () => void): void => {
      clearTimeout(idle);
      incoming.off('data', take).off('end', finish).off('error', fail).off('close', left);
      settle();
    };
    const take = (chunk: Buffer): void => {
      size += chunk.byteLength;
      if (size > limitBytes) end(() => reject(tooLarge(limitBytes)));
      else {
        chunks.push(chunk);
        idle.refresh();
      }
    };
    const finish = (): void =>
      end(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks)));
    const fail = (error: Error): void =>
      end(() => reject(error instanceof ProblemError ? error : wentAway()));
    const left = (): void => end(() => reject(wentAway()));
    incoming.on('data', take).on('end', finish).on('error', fail).on('close', left);
    watchBody(incoming, fail);
  });
}

/** The body as it comes. Leaving it early breaks nothing: a stream that is destroyed would take the socket with it, and the answer. */
async function* chunksOf(incoming: IncomingMessage): AsyncGenerator<Uint8Array> {
  const broken = brokenBody(incoming);
  if (broken) throw broken;
  const breaks = Promise.withResolvers<never>();
  breaks.promise.catch(() => undefined);
  watchBody(incoming, breaks.reject);
  const chunks = incoming.iterator({ destroyOnReturn: false });
  try {
    for (;;) {
      const { done, value } = await Promise.race([chunks.next(), breaks.promise]);
      if (done) return;
      yield value;
    }
  } finally {
    // It may wait for bytes that never come.
    chunks.return?.().catch(() => undefined);
  }
}

/** Connections with a request whose body may take longer than Node's `requestTimeout` allows. */
const unhurried = new WeakSet<Duplex>();

/** Key among the bindings of a request that was made inside this process and has a body of its own. */
const ownBody: unique symbol = Symbol('a request that was made inside this process');

/** The bindings of a person's request, for one that is made on his behalf. */
export const bindingsWithOwnBody = (bindings: unknown): object => ({
  ...(bindings as object),
  [ownBody]: true,
});

/** Made inside this process: on a person's behalf, or long after the request of an operator that a colleague approved. */
const hasOwnBody = (c: Context): boolean => ownBody in c.env || !('incoming' in c.env);

export const nodeRequestFacts: RequestFacts = {
  headerCount: (c, name) => {
    const { rawHeaders } = bindingsOf(c).incoming;
    let count = 0;
    for (let index = 0; index < rawHeaders.length; index += 2) {
      if (rawHeaders[index]?.toLowerCase() === name) count += 1;
    }
    return count;
  },
  readBody: (c, limitBytes) =>
    hasOwnBody(c) ? readBody(c.req.raw, limitBytes) : readIncoming(bindingsOf(c).incoming, limitBytes),
  target: (c) => bindingsOf(c).incoming.url ?? '',
  body: (c) => {
    if (hasOwnBody(c)) {
      const { body } = c.req.raw;
      return body ? { length: undefined, chunks: body } : undefined;
    }
    const { incoming } = bindingsOf(c);
    const { 'content-length': length, 'transfer-encoding': encoding } = incoming.headers;
    if (encoding === undefined && (length === undefined || Number(length) === 0)) return undefined;
    return {
      length: length === undefined ? undefined : Number(length),
      chunks: { [Symbol.asyncIterator]: () => chunksOf(incoming) },
    };
  },
  allowTime: (c) => {
    const { incoming, outgoing } = bindingsOf(c);
    const { socket } = incoming;
    unhurried.add(socket);
    outgoing.once('close', () => unhurried.delete(socket));
  },
  breakOff: (c) => {
    bindingsOf(c).outgoing.destroy();
  },
  clientCertificateSha256: (c) => {
    const { socket } = bindingsOf(c).incoming;
    if (!(socket instanceof TLSSocket) || !socket.authorized) return undefined;
    return socket.getPeerCertificate().fingerprint256?.replaceAll(':', '').toLowerCase();
  },
  remoteAddress: (c) => bindingsOf(c).incoming.socket.remoteAddress,
};

/** Streams a forwarded answer straight to the socket: web streams cost most of a call on Node (design D8). */
export async function respondOnNode(c: Context, answer: ForwardAnswer): Promise<Response> {
  const outgoing = bindingsOf(c).outgoing as ServerResponse;
  await passBody(bindingsOf(c).incoming as IncomingMessage, outgoing);
  const headers: Record<string, string | string[]> = {};
  answer.headers.forEach((value, name) => {
    headers[name] = value;
  });
  outgoing.writeHead(answer.status, headers);
  try {
    await pipeline(Readable.from(answer.body, { objectMode: false }), outgoing);
  } catch {
    // The instance or the caller went away in the middle: a broken connection is the only honest end.
    outgoing.destroy();
  }
  // The marker of @hono/node-server for an answer that is already written, with the status for the metrics.
  return new Response(null, { status: answer.status, headers: alreadySent });
}

export interface Listener {
  /** With the port of the address until it listens. */
  readonly origin: string;
  /** Begins to listen, where `isLate` said so; else it does already. */
  begin(): Promise<void>;
  /** From now on each answer says that it closes its connection; connections are taken and kept as before. */
  closeAfterAnswers(): void;
  /** Takes no new connection, and goes on serving those that are there. */
  closeToNew(): void;
  /** Takes no new connection and waits for the requests in flight, `graceMs` at most. */
  drain(graceMs: number): Promise<void>;
  /** Puts the fast lane before it; connections that are there already stay where they are. */
  addLane(lane: LaneServices): void;
}

export interface ListenOptions {
  /** Serves HTTP/1.0 without a host too, as a balancer asks for its server's health. */
  readonly forProbes?: boolean;
  readonly address: ListenAddress;
  /** It does not listen before `begin` is called. */
  readonly isLate?: boolean;
  readonly fetch: (request: Request, bindings: HttpBindings) => Response | Promise<Response>;
  /** Absent: plain HTTP. */
  readonly certificates?: CertificateSource;
  /** PEM: ask for client certificates of this authority. */
  readonly clientCa?: string;
  /** Keys of session tickets; default: OpenSSL's own, for as long as the process lives. */
  readonly tickets?: ListenerTickets;
  /** Puts the fast lane before this listener. */
  readonly lane?: LaneServices;
  /** Default: those of limits.ts. */
  readonly connections?: ConnectionBounds;
  /** Default: those of plain HTTP. */
  readonly answerHeaders?: AnswerHeaders;
  /** Timeout for tests; default: that of limits.ts. */
  readonly callerIdleMs?: number;
}

const answerHeadersOf = ({ answerHeaders }: ListenOptions): AnswerHeaders =>
  answerHeaders ?? createAnswerHeaders();

/** A `RequestError` is about a host or target that `requestFault` lets through and a URL cannot hold. */
const problemOfUnread = (error: unknown): Problem =>
  error instanceof RequestError
    ? problem('invalid-request', 'The request target or the Host header cannot be read.')
    : problem('internal-error', 'An error inside Espalier.');

function createServerFor(options: ListenOptions): { server: Server; connections: Connections; turns: Turns } {
  const handle = getRequestListener(
    (request, bindings) =>
      afterBody(options.fetch(request, bindings as HttpBindings), bindings as HttpBindings),
    {
      overrideGlobalObjects: false,
      ...(options.forProbes ? { hostname: 'localhost' } : {}),
      errorHandler: (error) => problemResponse(problemOfUnread(error), newId()),
    },
  ) as (request: IncomingMessage, response: ServerResponse) => void;
  const limits = {
    headersTimeout: headersTimeoutMs,
    requestTimeout: bodyTotalMs,
    keepAliveTimeout: options.callerIdleMs ?? callerIdleMs,
    connectionsCheckingInterval: 1_000,
    // It is answered in its turn.
    requireHostHeader: false,
  };
  const serve = (server: Server) => {
    const bounds = options.connections ?? { inAll: connectionsInAll, perAddress: connectionsPerAddress };
    const isTls = options.certificates !== undefined;
    checkFirstBytes(server, isTls);
    const connections = boundConnections(server, bounds, {
      isTls,
      // Node and the lane close what is idle sooner; neither knows of a caller that drips bytes of no request.
      idleMs: limits.keepAliveTimeout + 2 * headersTimeoutMs,
    });
    const { activityOf } = connections;
    const turns = serveInTurn(server, {
      handle,
      activityOf,
      isUnhurried: (socket) => unhurried.has(socket),
      answerHeaders: answerHeadersOf(options),
      refusals: refusalTurns,
      ...(options.forProbes ? { forProbes: true } : {}),
    });
    return { server, connections, turns };
  };
  const { certificates, clientCa, tickets } = options;
  if (!certificates) return serve(createHttpServer(limits));
  const tls = tlsServerOptions({
    certificates,
    ...(clientCa === undefined ? {} : { clientCa }),
    ...(tickets === undefined ? {} : { tickets }),
  });
  const server = createHttpsServer({ ...limits, ...tls.options });
  tls.follow(server);
  return serve(server);
}

/** An answer that is not begun yet waits for the rest of its request's body, for a moment. */
function afterBody(
  answer: Response | Promise<Response>,
  { incoming, outgoing }: HttpBindings,
): Response | Promise<Response> {
  if (!hasBody(incoming as IncomingMessage)) return answer;
  const passed = async (): Promise<Response> => {
    const made = await answer;
    const response = outgoing as ServerResponse;
    if (!response.headersSent) await passBody(incoming as IncomingMessage, response);
    return made;
  };
  return passed();
}

/** The end of listening alone, as servers of TCP have it: that of an HTTP server also resets what is idle. */
const closeListening = createNetServer().close;

export async function listen(options: ListenOptions): Promise<Listener> {
  const { connections, server, turns } = createServerFor(options);
  let lane: Lane | undefined;
  const addLane: Listener['addLane'] = (services) => {
    connections.behind(() => {
      lane = putLaneBefore(
        server,
        { ...services, activityOf: connections.activityOf, commonLines: answerHeadersOf(options).lines },
        options.certificates !== undefined,
      );
    });
  };
  if (options.lane) addLane(options.lane);
  const { host, port } = options.address;
  const begin = async (): Promise<void> => {
    if (server.listening) return;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(port, host, resolve);
    });
  };
  if (!options.isLate) await begin();
  const shown = host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host;
  const closeAfterAnswers = (): void => {
    turns.closeAfterAnswers();
    lane?.closeAfterAnswers();
  };
  return {
    get origin() {
      const bound = server.address() as AddressInfo | null;
      return `${options.certificates ? 'https' : 'http'}://${shown}:${bound?.port ?? port}`;
    },
    begin,
    addLane,
    closeAfterAnswers,
    closeToNew: () => void closeListening.call(server),
    drain: async (graceMs) => {
      const force = setTimeout(() => {
        server.closeAllConnections();
        lane?.closeAll();
      }, graceMs);
      closeAfterAnswers();
      // Node's own end of a listener resets what is idle.
      if (graceMs > 0) await connections.endIdle();
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      lane?.drain();
      connections.closeUnused();
      const idle = setInterval(() => server.closeIdleConnections(), 100);
      await closed;
      clearInterval(idle);
      clearTimeout(force);
    },
  };
}
