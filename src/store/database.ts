import postgres from 'postgres';
import { arrayDriverTypes } from './array-types.ts';
import { boundStatements } from './bounded-statements.ts';
import { type Breaker, type BreakerOptions, createBreaker } from './breaker.ts';
import { readDatabaseUrl } from './database-url.ts';
import { guardClient } from './guarded-client.ts';
import { sessionSettings } from './session-settings.ts';
import { storeFailure } from './store-failure.ts';
import { unpipelined } from './unpipelined.ts';

/** The one client of the database; every query of Espalier is a tagged template on it. */
export type Sql = postgres.Sql<{ int8: number }>;
export type Transaction = postgres.TransactionSql<{ int8: number }>;
/** Either: a function that takes it works inside a transaction and outside. */
export type Queries = Sql | Transaction;
/** A part of a query, with its parameters; it is sent only inside of one. */
export type Fragment = postgres.Fragment;

const statementTimeoutMs = 30_000;
const lockTimeoutMs = 10_000;

export interface DatabaseOptions {
  /** Connections of this process, at most. */
  readonly connections: number;
  readonly applicationName: string;
  /**
   * False: a commit does not wait for the disk, and the last of them may be lost when the database's machine fails. For
   * what is no promise: leases, and the timeline.
   */
  readonly durable?: boolean;
  /** Longer than usual for what reads a whole table. */
  readonly statementTimeoutMs?: number;
  /** Connections stay until they are ended, also idle ones: they hold temporary tables. */
  readonly lasting?: boolean;
  /** Waits for locks however long it takes: a migration behind another one. */
  readonly patient?: boolean;
  /**
   * Through a pooler that gives each transaction another connection: nothing is prepared, set for longer, or sent before
   * what went ahead of it is answered. Each transaction sets for itself what every connection must have.
   */
  readonly pooled?: boolean;
  /** What a request of a Worker asks is given up after the time for which others wait for a lock. */
  readonly withinRequest?: boolean;
  /** Shared by all clients of a process that lives on while the database is away. */
  readonly breaker?: Breaker;
  readonly connectTimeoutSeconds?: number;
}

const noTimeoutMs = 0;
const defaultKeepAliveSeconds = 60;
/** A server that takes longer to let anybody in does not serve. */
const defaultConnectTimeoutSeconds = 5;
/** Below what a request may take in all (contract section 7), where nothing but this bounds it. */
export const connectWithinRequestSeconds = 1.5;

const now = (): number => performance.now();

/**
 * Opens no connection yet: postgres.js connects with the first query and reconnects by itself. Throws
 * `DatabaseUrlFault`.
 */
export function openDatabase(url: string, options: DatabaseOptions): Sql {
  const { breaker } = options;
  if (breaker !== undefined) return guardClient(() => connect(url, options), breaker, now);
  const client = connect(url, options);
  return options.withinRequest ? boundStatements(client, lockTimeoutMs) : client;
}

/**
 * The breaker before a database, with a connection of its own for the prober: it needs no free one, and notices a
 * server that hangs.
 */
export function openBreaker(url: string, options: Pick<BreakerOptions, 'awaySince'> = {}): Breaker {
  let client: Sql | undefined;
  const discard = (old: Sql): void => {
    if (client === old) client = undefined;
    // It failed already, or hangs.
    old.end({ timeout: 0 }).catch(() => undefined);
  };
  const probe = async (signal: AbortSignal): Promise<void> => {
    client ??= connect(url, {
      connections: 1,
      applicationName: 'espalier-probe',
      connectTimeoutSeconds: connectWithinRequestSeconds,
    });
    const asking = client;
    signal.addEventListener('abort', () => discard(asking), { once: true });
    try {
      await asking.unsafe('select 1');
    } catch (error) {
      discard(asking);
      throw error;
    }
  };
  const close = (): void => {
    if (client) discard(client);
  };
  return createBreaker({ ...options, probe, close, now });
}

function connect(url: string, options: DatabaseOptions): Sql {
  const target = readDatabaseUrl(url, options.pooled ? { defaultSslMode: 'disable' } : {});
  const {
    connectTimeoutSeconds,
    keepAliveSeconds,
    applicationName,
    serverOptions,
    user,
    database,
    password,
  } = target;
  const needs = {
    // A database that hangs must become an error that callers can be told, not a request that never ends.
    statementTimeoutMs: options.statementTimeoutMs ?? statementTimeoutMs,
    lockTimeoutMs: options.patient ? noTimeoutMs : lockTimeoutMs,
    idleTransactionMs: options.patient ? noTimeoutMs : statementTimeoutMs,
    durable: options.durable !== false,
  };
  const settings = {
    host: target.host,
    port: target.port,
    ...(user === undefined ? {} : { user }),
    ...(password === undefined ? {} : { password }),
    ...(database === undefined ? {} : { database }),
    ssl: target.ssl,
    sslnegotiation: target.sslnegotiation,
    ...(target.target_session_attrs === undefined
      ? {}
      : { target_session_attrs: target.target_session_attrs }),
    max: options.connections,
    ...(options.lasting ? { idle_timeout: 0, max_lifetime: null } : { idle_timeout: 60 }),
    connect_timeout: options.connectTimeoutSeconds ?? connectTimeoutSeconds ?? defaultConnectTimeoutSeconds,
    keep_alive: keepAliveSeconds ?? defaultKeepAliveSeconds,
    ...(options.pooled ? { prepare: false } : { setup: sessionSettings(needs) }),
    connection: {
      application_name: options.applicationName.replace(/^espalier/, applicationName ?? 'espalier'),
      ...(serverOptions === undefined ? {} : { options: serverOptions }),
      // pgbouncer keeps these for each of its clients.
      ...(options.pooled
        ? { DateStyle: 'ISO, MDY', TimeZone: 'UTC', standard_conforming_strings: 'on' }
        : {}),
    },
    fetch_types: false,
    types: {
      ...arrayDriverTypes,
      // Revisions and versions stay far below 2^53.
      int8: {
        to: 20,
        from: [20],
        parse: (text: string) => Number(text),
        serialize: (value: number) => String(value),
      },
    },
    onnotice: () => undefined,
  };
  // `setup` and the objects of `ssl` are what our patch adds to the driver; its types do not know them.
  const sql = postgres(settings as unknown as postgres.Options<{ int8: postgres.PostgresType<number> }>);
  return options.pooled ? settingEachTransaction(unpipelined(sql), sessionSettings(needs, true)) : sql;
}

type Begin = (options: string, work: (tx: Transaction) => unknown) => Promise<unknown>;

/** The same client, whose transactions begin with `settings`; they are sent with the first statement and not awaited. */
function settingEachTransaction(sql: Sql, settings: string): Sql {
  const begin = (...given: readonly unknown[]): Promise<unknown> => {
    const work = given.at(-1) as (tx: Transaction) => unknown;
    const mode = given.length > 1 ? String(given[0]) : 'isolation level read committed';
    return (sql.begin as unknown as Begin)(mode, async (tx) => {
      const settled = tx.unsafe(settings).execute();
      const done = async (): Promise<unknown> => {
        const answer = await work(tx);
        return Array.isArray(answer) ? Promise.all(answer) : answer;
      };
      const [, answer] = await Promise.all([settled, done()]);
      return answer;
    });
  };
  return new Proxy(sql, {
    get: (client, name) => (name === 'begin' ? begin : Reflect.get(client, name)),
  });
}

/** The database is away or refuses work now; the same query may be tried again later. */
export const isStoreUnavailable = (error: unknown): boolean => storeFailure(error) !== undefined;

/** SQLSTATE 42P01: of a temporary table it says that its connection is gone and another one was made. */
export const isUnknownTable = (error: unknown): boolean =>
  (error as { code?: string } | null)?.code === '42P01';

/** SQLSTATE 23505. */
export const isUniqueViolation = (error: unknown): boolean =>
  (error as { code?: string } | null)?.code === '23505';

/** SQLSTATE 23503: a row that another one belongs to was removed meanwhile. */
export const isOwnerGone = (error: unknown): boolean => (error as { code?: string } | null)?.code === '23503';

/** Booleans for `::text[]::bool[]`: the client takes an array of true and false for a single boolean. */
export const booleans = (values: readonly (boolean | null)[]): (string | null)[] =>
  values.map((value) => (value === null ? null : String(value)));
