import { AsyncLocalStorage } from 'node:async_hooks';
import type { After } from '../../joining.ts';
import {
  connectWithinRequestSeconds,
  type DatabaseOptions,
  openDatabase,
  type Sql,
} from '../../store/database.ts';
import type { Log } from '../../telemetry/log.ts';

/**
 * What belongs to one request of a Worker. A socket is the request's that opened it, and work ends with the request that
 * began it, while what is composed (caches, rate limits) lives as long as the isolate. So the composition holds one `sql`
 * and one `after`, which always mean those of the request in which they are called.
 */
export interface Scopes {
  readonly sql: Sql;
  /** The request in which it is called has a connection to the database. */
  readonly asksDatabase: () => boolean;
  /** The request in which it is called counts as one that asks the database, for something does so behind its answer. */
  readonly willAskDatabase: () => void;
  /** The platform lets the work go on for a while after the answer. */
  readonly after: After;
  /** Opens another client of the request, with one connection, for what keeps it for long; whoever opens it ends it. */
  readonly openBulk: () => Sql;
  /** Runs `work` as a request; it is finished even when the caller goes away. */
  within<T>(request: ScopeOptions, work: () => Promise<T>): Promise<T>;
}

export interface ScopeOptions {
  readonly databaseUrl: string;
  readonly waitUntil: (work: Promise<unknown>) => void;
}

interface Scope {
  /** Opened with the first query, closed with the last work of the request. */
  readonly sql: () => Sql;
  readonly isOpen: () => boolean;
  readonly openBulk: () => Sql;
  readonly hold: (work: Promise<unknown>) => void;
}

/** One for the queries, and one to spare for a query beside a transaction. */
const connectionsPerRequest = 2;
const closeWithinSeconds = 5;

const openClient = (
  url: string,
  more: Pick<DatabaseOptions, 'applicationName' | 'connections' | 'withinRequest'>,
): Sql =>
  openDatabase(url, {
    ...more,
    connectTimeoutSeconds: connectWithinRequestSeconds,
    pooled: true,
  });

function openScope({ databaseUrl, waitUntil }: ScopeOptions): Scope {
  let client: Sql | undefined;
  let inWork = 0;
  const settle = async (work: Promise<unknown>): Promise<void> => {
    await Promise.allSettled([work]);
    inWork -= 1;
    if (inWork > 0) return;
    const open = client;
    client = undefined;
    await open?.end({ timeout: closeWithinSeconds });
  };
  return {
    sql: () => {
      client ??= openClient(databaseUrl, {
        connections: connectionsPerRequest,
        applicationName: 'espalier-worker',
        withinRequest: true,
      });
      return client;
    },
    isOpen: () => client !== undefined,
    openBulk: () => openClient(databaseUrl, { connections: 1, applicationName: 'espalier-bulk' }),
    hold: (work) => {
      inWork += 1;
      waitUntil(settle(work));
    },
  };
}

export function createScopes(log: Log): Scopes {
  const scopes = new AsyncLocalStorage<Scope>();
  const current = (): Scope => {
    const scope = scopes.getStore();
    if (scope === undefined) throw new Error('there is no request around this work');
    return scope;
  };
  // An arrow function has no properties that a proxy would have to keep.
  const target = (() => undefined) as unknown as Sql;
  return {
    sql: new Proxy(target, {
      apply: (_target, _self, argumentList) => Reflect.apply(current().sql(), undefined, argumentList),
      get: (_target, name) => Reflect.get(current().sql(), name),
    }),
    asksDatabase: () => current().isOpen(),
    willAskDatabase: () => {
      current().sql();
    },
    openBulk: () => current().openBulk(),
    after: (work) =>
      current().hold(work.catch((error: unknown) => log.error('request.unawaited-failed', { error }))),
    within: (request, work) => {
      const scope = openScope(request);
      const result = scopes.run(scope, work);
      scope.hold(result);
      return result;
    },
  };
}
