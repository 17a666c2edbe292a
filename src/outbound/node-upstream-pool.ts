import type { SocketAccess } from './node-sockets.ts';
import {
  type Broken,
  type Connection,
  type ConnectionTimeouts,
  type Exchange,
  openConnection,
} from './node-upstream-connection.ts';
import type { Dial } from './node-upstream-dial.ts';
import type { UpstreamFailure, UpstreamTarget } from './upstream.ts';

/** The connections to one instance, and the calls that wait for one. */

export interface PoolOptions {
  readonly target: UpstreamTarget;
  readonly dial: Dial;
  readonly timeouts: ConnectionTimeouts;
  readonly sockets: SocketAccess;
  readonly now: () => number;
  readonly connections: number;
  readonly waiting: number;
  /** Whether the process may have one more connection; it makes room if it can. */
  readonly mayOpen: () => boolean;
}

export interface Pool {
  carry(exchange: Exchange): void;
  /** Takes it out of the queue, or ends the connection that carries it. */
  abort(exchange: Exchange): void;
  /** Ends one idle connection; false: there is none. */
  giveWay(): boolean;
  /** Connections, and whether something is left to watch. */
  size(): number;
  isEmpty(): boolean;
  sweep(nowMs: number): void;
  close(): void;
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

export function createPool(options: PoolOptions): Pool {
  const { target, timeouts } = options;
  const all = new Set<Connection>();
  /** The one used last is used next: the others get old and go. */
  const idle: Connection[] = [];
  const waiting: Exchange[] = [];

  const fail = (exchange: Exchange, failure: UpstreamFailure): void => {
    if (exchange.over) return;
    exchange.over = true;
    exchange.connection = undefined;
    exchange.handler.fail(failure);
  };
  /** Handlers are never called while their call begins. */
  const failLater = (exchange: Exchange, failure: UpstreamFailure): void =>
    queueMicrotask(() => fail(exchange, failure));

  const open = (exchange: Exchange): void => {
    const dialled = options.dial(target);
    if (!('socket' in dialled)) {
      failLater(exchange, dialled);
      return;
    }
    exchange.attempts += 1;
    const connection = openConnection(
      {
        ...dialled,
        timeouts,
        sockets: options.sockets,
        now: options.now,
        onFree: free,
        onGone: gone,
        onBroken: (broken, how) => {
          if (mayRetry(broken, how)) place(broken);
          else fail(broken, how.failure);
        },
      },
      exchange,
    );
    exchange.connection = connection;
    all.add(connection);
  };
  const free = (connection: Connection): void => {
    const next = waiting.shift();
    if (!next) {
      idle.push(connection);
      return;
    }
    next.attempts += 1;
    connection.carry(next);
  };
  const gone = (connection: Connection): void => {
    all.delete(connection);
    const at = idle.indexOf(connection);
    if (at >= 0) idle.splice(at, 1);
    // One that waits may have the place, unless it is taken by the time.
    if (waiting.length === 0 || all.size >= options.connections || !options.mayOpen()) return;
    const next = waiting.shift();
    if (next) open(next);
  };
  /** On a new connection, or into the queue. */
  const place = (exchange: Exchange): void => {
    exchange.connection = undefined;
    if (all.size < options.connections && options.mayOpen()) open(exchange);
    else if (waiting.length >= options.waiting) {
      failLater(exchange, tooMany('too many calls wait for this instance'));
    } else {
      exchange.waitsUntilMs = options.now() + timeouts.firstByteMs;
      waiting.push(exchange);
    }
  };

  return {
    carry: (exchange) => {
      const connection = idle.pop();
      if (connection) {
        exchange.attempts += 1;
        connection.carry(exchange);
      } else place(exchange);
    },
    abort: (exchange) => {
      exchange.over = true;
      const at = waiting.indexOf(exchange);
      if (at >= 0) waiting.splice(at, 1);
      exchange.connection?.destroy();
      exchange.connection = undefined;
    },
    giveWay: () => {
      const oldest = idle[0];
      oldest?.destroy();
      return oldest !== undefined;
    },
    size: () => all.size,
    isEmpty: () => all.size === 0 && waiting.length === 0,
    sweep: (nowMs) => {
      for (const connection of [...all]) connection.sweep(nowMs);
      // Oldest first; one that is placed again by a retry waits anew.
      while (waiting[0] && waiting[0].waitsUntilMs <= nowMs) {
        const late = waiting.shift();
        if (late) fail(late, tooMany('no connection to this instance became free in time'));
      }
    },
    close: () => {
      const waited = waiting.splice(0);
      for (const connection of [...all]) connection.destroy();
      for (const exchange of waited) exchange.over = true;
    },
  };
}
