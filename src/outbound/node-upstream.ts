/**
 * Node's own HTTP/1.1 client for forwarded calls: a pool for each instance, an answer read without streams, timeouts
 * by one coarse sweep. It follows no redirect, keeps no cookie and reads no body.
 */

import {
  slowReaderMs,
  upstreamConnections,
  upstreamConnectionsInAll,
  upstreamConnectMs,
  upstreamIdleMs,
  upstreamWaiting,
} from '../limits.ts';
import type { AddressPolicy } from './addresses.ts';
import { publicStreams, type SocketAccess } from './node-sockets.ts';
import { createSweepClock } from './node-upstream-clock.ts';
import type { Connection, Exchange } from './node-upstream-connection.ts';
import { createDial } from './node-upstream-dial.ts';
import { Pool } from './node-upstream-pool.ts';
import type { OutgoingProxies } from './proxies.ts';
import type {
  Upstream,
  UpstreamCall,
  UpstreamExchange,
  UpstreamHandler,
  UpstreamTarget,
} from './upstream.ts';

export interface NodeUpstreamOptions {
  readonly policy: AddressPolicy;
  readonly proxies?: OutgoingProxies | undefined;
  /** Timeout for the answer's head, and again between two parts of its body, and for each part of a request's. */
  readonly timeoutMs: number;
  /** Default: public streams. */
  readonly sockets?: SocketAccess;
  /** The rest is for tests; the defaults are those of limits.ts. */
  readonly connectMs?: number;
  readonly keepAliveMs?: number;
  readonly slowReaderMs?: number;
  readonly connections?: number;
  readonly connectionsInAll?: number;
  readonly waiting?: number;
  /** Between two looks at what is late. */
  readonly sweepMs?: number;
}

export interface NodeUpstream {
  readonly upstream: Upstream;
  /** Connections to all instances. */
  connections(): number;
  /** Ends all connections; the handlers of calls under way are not called any more. */
  close(): void;
}

const defaultSweepMs = 250;

/** Both sides of a call under way: a class, so that it is one object and not four for every call. */
class PooledExchange implements Exchange, UpstreamExchange {
  readonly call: UpstreamCall;
  readonly handler: UpstreamHandler;
  attempts = 0;
  connection: Connection | undefined = undefined;
  over = false;
  waitsUntilMs = 0;
  readonly #pool: Pool;

  constructor(pool: Pool, call: UpstreamCall, handler: UpstreamHandler) {
    this.call = call;
    this.handler = handler;
    this.#pool = pool;
  }
  resume(): void {
    this.connection?.resume();
  }
  abort(): void {
    if (!this.over) this.#pool.abort(this);
  }
}

export function createNodeUpstream(options: NodeUpstreamOptions): NodeUpstream {
  const { timeoutMs } = options;
  const dial = createDial(options.policy, options.proxies);
  const timeouts = {
    connectMs: options.connectMs ?? upstreamConnectMs,
    firstByteMs: timeoutMs,
    idleMs: timeoutMs,
    bodyStallMs: timeoutMs,
    slowReaderMs: options.slowReaderMs ?? slowReaderMs,
    keepAliveMs: options.keepAliveMs ?? upstreamIdleMs,
  };
  const inAll = options.connectionsInAll ?? upstreamConnectionsInAll;
  const pools = new WeakMap<UpstreamTarget, Pool>();
  /** Those with a connection or a waiting call. */
  const live = new Set<Pool>();

  const clock = createSweepClock(options.sweepMs ?? defaultSweepMs, (nowMs) => {
    for (const pool of live) {
      pool.sweep(nowMs);
      if (pool.isEmpty()) live.delete(pool);
    }
    return live.size > 0;
  });
  const total = (): number => {
    let count = 0;
    for (const pool of live) count += pool.size();
    return count;
  };
  const mayOpen = (): boolean => {
    // More pools than connections are never alive, so the sum is only taken where it can matter.
    if (live.size * (options.connections ?? upstreamConnections) < inAll || total() < inAll) return true;
    for (const pool of live) if (pool.makeRoom()) return true;
    return false;
  };
  const poolOf = (target: UpstreamTarget): Pool => {
    let pool = pools.get(target);
    if (!pool) {
      pool = new Pool({
        target,
        dial,
        timeouts,
        sockets: options.sockets ?? publicStreams,
        now: clock.now,
        connections: options.connections ?? upstreamConnections,
        waiting: options.waiting ?? upstreamWaiting,
        mayOpen,
      });
      pools.set(target, pool);
    }
    return pool;
  };

  return {
    upstream: (call, handler) => {
      const pool = poolOf(call.target);
      live.add(pool);
      clock.start();
      const exchange = new PooledExchange(pool, call, handler);
      pool.carry(exchange);
      return exchange;
    },
    connections: total,
    close: () => {
      clock.stop();
      for (const pool of live) pool.close();
      live.clear();
    },
  };
}
