/**
 * A client of the database behind the breaker, with the same type: what it is asked while the database is away is
 * refused at once, what is in flight when it goes away is refused then, and a query waits a bounded time for a free
 * connection. The pool behind it is made anew with every outage: its connections may hang, and the driver would make
 * callers wait for its own back-off.
 *
 * A connection carries one operation at a time. Queries of others are not sent after one that waits for a lock.
 */

import type postgres from 'postgres';
import type { Asked, Breaker } from './breaker.ts';
import {
  type ConnectionPlaces,
  createConnectionPlaces,
  leaveOnce,
  type Operation,
} from './connection-places.ts';
import { type DriverQuery, isQuery } from './driver-query.ts';
import { isReadOnly } from './store-failure.ts';

type Sql = postgres.Sql<{ int8: number }>;

interface GuardedOperation extends Operation {
  readonly sinceMs: number;
}

interface Pool {
  readonly sql: Sql;
  readonly send: DriverQuery['handler'];
  readonly places: ConnectionPlaces<GuardedOperation>;
}

interface Listening {
  readonly channel: string;
  readonly onNotification: (payload: string) => void;
  readonly onListening: (() => void) | undefined;
  unlisten: () => Promise<void>;
}

/** A server that is read-only for good must not cost new connections all the time. */
const renewEveryMs = 1_000;
/** Statements on connections to a server that became read-only may finish within this time. */
const retireSeconds = 5;

function openPool(connect: () => Sql): Pool {
  const sql = connect();
  const query: unknown = sql.unsafe('');
  if (!isQuery(query)) throw new Error('the driver of the database is not the one that is known here');
  return { sql, send: query.handler, places: createConnectionPlaces(sql.options.max) };
}

/** Puts an operation on a pool; while it waits there, the breaker counts it among those that do. */
function admit({ places }: Pool, asked: Asked, sinceMs: number, go: () => void): void {
  const begin = (): void => {
    asked.waiting = false;
    go();
  };
  if (!places.enter({ sinceMs, isOver: () => asked.over, begin })) asked.waiting = true;
}

/** Gives a pool up, and all that is under way on it within `seconds`. */
function retire(pool: Pool, seconds: number): void {
  // Everybody who asked has their error already; one from ending the pool adds nothing.
  pool.sql.end({ timeout: seconds }).catch(() => undefined);
}

/** The pool in use, which is replaced with every outage, and the channels that each new one listens to. */
function createPools(connect: () => Sql, breaker: Breaker, now: () => number) {
  let pool = openPool(connect);
  let renewedAtMs = Number.NEGATIVE_INFINITY;
  const listens = new Set<Listening>();

  const relisten = (): void => {
    for (const one of listens) {
      pool.sql.listen(one.channel, one.onNotification, one.onListening).then(
        ({ unlisten }) => {
          one.unlisten = unlisten;
        },
        // The driver goes on trying by itself, as it does after every lost connection.
        () => undefined,
      );
    }
  };
  const renew = (seconds: number): void => {
    const old = pool;
    pool = openPool(connect);
    retire(old, seconds);
  };
  const stopObserving = breaker.observe({ away: () => renew(0), back: relisten });
  return {
    current: (): Pool => pool,
    failed: (asked: Asked, error: unknown): void => {
      breaker.failed(asked, error);
      if (!isReadOnly(error) || now() - renewedAtMs < renewEveryMs) return;
      // Another server may be the primary now, behind the same name.
      renewedAtMs = now();
      renew(retireSeconds);
      relisten();
    },
    listen: async (
      channel: string,
      onNotification: (payload: string) => void,
      onListening?: () => void,
    ): Promise<{ state: postgres.State; unlisten: () => Promise<void> }> => {
      if (breaker.isAway) throw breaker.refuse();
      const { state, unlisten } = await pool.sql.listen(channel, onNotification, onListening);
      const one: Listening = { channel, onNotification, onListening, unlisten };
      listens.add(one);
      return {
        state,
        unlisten: async () => {
          listens.delete(one);
          await one.unlisten();
        },
      };
    },
    end: (options?: { timeout?: number }): Promise<void> => {
      stopObserving();
      return pool.sql.end(options);
    },
  };
}

type Pools = ReturnType<typeof createPools>;

/** Stands in for the driver's handler of one query. */
function createSend(pools: Pools, breaker: Breaker, now: () => number): DriverQuery['handler'] {
  return (query) => {
    if (breaker.isAway) {
      query.reject(breaker.refuse());
      return;
    }
    const { reject, resolve } = query;
    const pool = pools.current();
    const asked = breaker.enter(reject);
    const giveBack = leaveOnce(pool.places);
    const answered: DriverQuery['resolve'] = (result) => {
      if (!query.streaming || asked.over) giveBack();
      breaker.answered(asked);
      resolve(result);
    };
    const failed: DriverQuery['reject'] = (error) => {
      giveBack();
      pools.failed(asked, error);
      reject(error);
    };
    query.resolve = answered;
    query.reject = failed;
    admit(pool, asked, now(), () => pool.send(query));
  };
}

/** A transaction has a connection for itself, from when it begins until it ends. */
function createBegin(
  pools: Pools,
  breaker: Breaker,
  now: () => number,
): (...given: unknown[]) => Promise<unknown> {
  return (...given) => {
    if (breaker.isAway) return Promise.reject(breaker.refuse());
    const pool = pools.current();
    return new Promise((resolve, reject) => {
      const asked = breaker.enter(reject);
      const begin = async (): Promise<void> => {
        const giveBack = leaveOnce(pool.places);
        try {
          const result = await (pool.sql.begin as (...inner: unknown[]) => Promise<unknown>)(...given);
          giveBack();
          breaker.answered(asked);
          resolve(result);
        } catch (error) {
          giveBack();
          pools.failed(asked, error);
          reject(error);
        }
      };
      admit(pool, asked, now(), () => void begin());
    });
  };
}

const waits = new WeakMap<Sql, () => number>();

/** Milliseconds for which the first in the queue of a guarded client has waited for a connection; 0: nobody waits. */
export const longestWaitMs = (sql: Sql): number => waits.get(sql)?.() ?? 0;

export function guardClient(connect: () => Sql, breaker: Breaker, now: () => number): Sql {
  const pools = createPools(connect, breaker, now);
  const send = createSend(pools, breaker, now);
  const guard = <T>(made: T): T => {
    if (isQuery(made)) made.handler = send;
    return made;
  };
  const over = {
    unsafe: (...given: Parameters<Sql['unsafe']>) => guard(pools.current().sql.unsafe(...given)),
    file: (...given: Parameters<Sql['file']>) => guard(pools.current().sql.file(...given)),
    notify: (channel: string, payload: string) =>
      guard(pools.current().sql`select pg_notify(${channel}, ${payload})`) as unknown as ReturnType<
        Sql['notify']
      >,
    begin: createBegin(pools, breaker, now),
    // The driver gives a reserved connection that closed to somebody else (docs/upstream/postgres.md).
    reserve: (): Promise<never> => Promise.reject(new Error('begin a transaction instead')),
    listen: pools.listen,
    end: pools.end,
  };
  const standIn = (() => undefined) as unknown as Sql;
  const guarded = new Proxy(standIn, {
    apply: (_standIn, self, given) => guard(Reflect.apply(pools.current().sql, self, given)),
    get: (_standIn, name) => Reflect.get(Object.hasOwn(over, name) ? over : pools.current().sql, name),
  });
  waits.set(guarded, () => {
    // Those that were given up are still in it until their turn comes.
    const first = pools.current().places.waiting.find((operation) => !operation.isOver());
    return first === undefined ? 0 : now() - first.sinceMs;
  });
  return guarded;
}
