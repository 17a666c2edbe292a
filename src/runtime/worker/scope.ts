import { AsyncLocalStorage } from 'node:async_hooks';
import { connectWithinRequestSeconds, openDatabase, type Sql } from '../store/database.ts';

/**
 * The database as a Worker must use it: a socket belongs to the request that opened it, while what is composed
 * around it (caches, rate limits) lives as long as the isolate. So the composition holds one `sql` that always
 * means the client of the request in which it is called.
 */
export interface RequestDatabase {
  readonly sql: Sql;
  /** Runs `work` with a client of its own, which opens its first connection with its first query. */
  within<T>(url: string, work: () => Promise<T>): { readonly result: Promise<T>; close(): Promise<void> };
}

/** One for the queries, and one to spare for a query beside a transaction. */
const connectionsPerRequest = 2;
const closeWithinSeconds = 5;

const openClient = (url: string): Sql =>
  openDatabase(url, {
    connections: connectionsPerRequest,
    applicationName: 'espalier-worker',
    connectTimeoutSeconds: connectWithinRequestSeconds,
    pooled: true,
  });

/** `url` only shapes the stand-in, which never connects. */
export function createRequestDatabase(url: string): RequestDatabase {
  const clients = new AsyncLocalStorage<Sql>();
  const current = (): Sql => {
    const client = clients.getStore();
    if (client === undefined) throw new Error('a query outside of every request');
    return client;
  };
  return {
    sql: new Proxy(openClient(url), {
      apply: (_standIn, _self, argumentList) => Reflect.apply(current(), undefined, argumentList),
      get: (_standIn, name) => Reflect.get(current(), name),
    }),
    within: (requestUrl, work) => {
      const client = openClient(requestUrl);
      return {
        result: clients.run(client, work),
        close: () => client.end({ timeout: closeWithinSeconds }),
      };
    },
  };
}
