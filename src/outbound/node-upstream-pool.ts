/** The connections to one instance, and the calls that wait for one. */

import type { SocketAccess } from './node-sockets.ts';
import {
  type Broken,
  Connection,
  type ConnectionOptions,
  type ConnectionTimeouts,
  type Exchange,
} from './node-upstream-connection.ts';
import type { Dial } from './node-upstream-dial.ts';
import type { UpstreamFailure, UpstreamTarget } from './upstream.ts';

export interface PoolOptions {
  readonly target: UpstreamTarget;
  readonly dial: Dial;
  readonly timeouts: ConnectionTimeouts;
  readonly sockets: SocketAccess;
  readonly now: () => number;
  readonly connections: number;
  readonly waiting: number;
  /** Decides whether the process may have one more connection; it makes room if it can. */
  readonly mayOpen: () => boolean;
}

const tooMany = (detail: string): UpstreamFailure => ({
  kind: 'overloaded',
  sent: false,
  detail,
  retryAfterSeconds: 1,
});

/** Asking twice does no harm (RFC 9110, 9.2.1), and there is no body to send twice. */
const isSafe = ({ call }: Exchange): boolean =>
  call.body === undefined && (call.method === 'GET' || call.method === 'HEAD');

/** Once, and only where the server cannot have acted, or closed a connection that lay idle as the call came. */
const mayRetry = (exchange: Exchange, { failure, stale }: Broken): boolean =>
  exchange.attempts === 1 &&
  isSafe(exchange) &&
  ((failure.kind === 'connect' && !failure.sent) || (failure.kind === 'reset' && stale));

function fail(exchange: Exchange, failure: UpstreamFailure): void {
  if (exchange.over) return;
  exchange.over = true;
  exchange.connection = undefined;
  exchange.handler.fail(failure);
}
/** Handlers are never called while their call begins. */
const failLater = (exchange: Exchange, failure: UpstreamFailure): void =>
  queueMicrotask(() => fail(exchange, failure));

export class Pool {
  readonly #options: PoolOptions;
  readonly #all = new Set<Connection>();
  /** The one used last is used next: the others get old and go. */
  readonly #idle: Connection[] = [];
  readonly #waiting: Exchange[] = [];
  readonly #connection: Omit<ConnectionOptions, 'dialled'>;

  constructor(options: PoolOptions) {
    this.#options = options;
    this.#connection = {
      timeouts: options.timeouts,
      sockets: options.sockets,
      now: options.now,
      onFree: (connection) => this.#free(connection),
      onGone: (connection) => this.#gone(connection),
      onBroken: (exchange, broken) => {
        if (mayRetry(exchange, broken)) this.#place(exchange);
        else fail(exchange, broken.failure);
      },
    };
  }
  carry(exchange: Exchange): void {
    const connection = this.#idle.pop();
    if (connection) this.#carryOn(connection, exchange);
    else this.#place(exchange);
  }
  /** Takes it out of the queue, or ends the connection that carries it. */
  abort(exchange: Exchange): void {
    exchange.over = true;
    const at = this.#waiting.indexOf(exchange);
    if (at >= 0) this.#waiting.splice(at, 1);
    exchange.connection?.destroy();
    exchange.connection = undefined;
  }
  /** Ends one idle connection; false: there is none. */
  makeRoom(): boolean {
    const oldest = this.#idle[0];
    oldest?.destroy();
    return oldest !== undefined;
  }
  /** Connections. */
  size(): number {
    return this.#all.size;
  }
  /** True when nothing is left to watch. */
  isEmpty(): boolean {
    return this.#all.size === 0 && this.#waiting.length === 0;
  }
  sweep(nowMs: number): void {
    for (const connection of [...this.#all]) connection.sweep(nowMs);
    // Oldest first; one that is placed again by a retry waits anew.
    const waiting = this.#waiting;
    while (waiting[0] && waiting[0].waitsUntilMs <= nowMs) {
      const late = waiting.shift();
      if (late) fail(late, tooMany('no connection to this instance became free in time'));
    }
  }
  close(): void {
    const waited = this.#waiting.splice(0);
    for (const connection of [...this.#all]) connection.destroy();
    for (const exchange of waited) exchange.over = true;
  }

  #carryOn(connection: Connection, exchange: Exchange): void {
    exchange.attempts += 1;
    connection.carry(exchange);
  }
  /** Starts the exchange on a new connection, or queues it. */
  #place(exchange: Exchange): void {
    exchange.connection = undefined;
    const { now, timeouts, waiting } = this.#options;
    if (this.#mayOpen()) this.#open(exchange);
    else if (this.#waiting.length >= waiting) {
      failLater(exchange, tooMany('too many calls wait for this instance'));
    } else {
      exchange.waitsUntilMs = now() + timeouts.firstByteMs;
      this.#waiting.push(exchange);
    }
  }
  #mayOpen(): boolean {
    const { connections, mayOpen } = this.#options;
    return this.#all.size < connections && mayOpen();
  }
  #open(exchange: Exchange): void {
    const dialled = this.#options.dial(this.#options.target);
    if ('kind' in dialled) {
      failLater(exchange, dialled);
      return;
    }
    exchange.attempts += 1;
    const connection = new Connection({ ...this.#connection, dialled }, exchange);
    exchange.connection = connection;
    this.#all.add(connection);
  }
  #free(connection: Connection): void {
    const next = this.#waiting.shift();
    if (next) this.#carryOn(connection, next);
    else this.#idle.push(connection);
  }
  #gone(connection: Connection): void {
    this.#all.delete(connection);
    const at = this.#idle.indexOf(connection);
    if (at >= 0) this.#idle.splice(at, 1);
    // One that waits may have the place, unless it is taken by the time.
    if (this.#waiting.length === 0 || !this.#mayOpen()) return;
    const next = this.#waiting.shift();
    if (next) this.#open(next);
  }
}
