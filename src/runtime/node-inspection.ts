/**
 * The gateway's own parts for looking at it from beside: the same way to tokens, Graph and instances, without listeners and
 * without the background. Nothing is written.
 */

import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { within } from '../deadline.ts';
import { createAddressPolicy } from '../outbound/addresses.ts';
import { createNodeSend } from '../outbound/node.ts';
import { timedOut } from '../outbound/node-probe.ts';
import { createNodeUpstream } from '../outbound/node-upstream.ts';
import type { Send } from '../outbound/port.ts';
import { createOutgoingProxies } from '../outbound/proxies.ts';
import { createSealer, type Sealer } from '../secrets/seal.ts';
import { openDatabase, type Sql } from '../store/database.ts';
import { describeDatabaseUrl } from '../store/database-url.ts';
import { appliedMigration } from '../store/migration-journal.ts';
import { sharesSessions } from '../store/pooler.ts';
import { createLog } from '../telemetry/log.ts';
import { createMetrics } from '../telemetry/metrics.ts';
import type { Config } from './config.ts';
import { composeGateway, type Gateway } from './gateway.ts';
import { nodeSha256 } from './node-digest.ts';
import { startEmbeddedPostgres } from './node-embedded-postgres.ts';
import { nodeRequestFacts, respondOnNode } from './node-http.ts';
import { newestMigration } from './node-migrate.ts';
import { createReferenceReader } from './node-secret-references.ts';
import { openSealer } from './node-secrets.ts';
import { createNodeSignatureCheck } from './node-signature.ts';

export interface Inspection {
  readonly gateway: Gateway;
  readonly sql: Sql;
  readonly send: Send;
  readonly sealer: Sealer;
  readonly readReference: (reference: string) => Promise<string>;
  /** Without user and password. */
  readonly where: string;
  readonly database:
    | { readonly state: 'away'; readonly code: string }
    | { readonly state: 'absent' }
    | {
        readonly state: 'there';
        readonly version: number;
        readonly applied: number;
        readonly newest: number;
        /** A pooler gives each transaction another session. */
        readonly sharesSessions: boolean;
        /** Connections that this role may have to this database, and how many it has now without this process's. */
        readonly allowed: number;
        readonly used: number;
      };
  close(): Promise<void>;
}

const connections = 4;

/** The key that the gateway made for itself, if it did; unlike the gateway this makes none. */
async function existingSealer(config: Config): Promise<Sealer> {
  const made = existsSync(join(config.dataDir, 'secrets-key'));
  return config.secretsKey.length > 0 || made ? openSealer(config) : createSealer([]);
}

interface Store {
  readonly where: string;
  /** Undefined: there is none yet, or it does not start. */
  readonly url: string | undefined;
  readonly code?: string;
  close(): Promise<void>;
}

/** Joins the embedded database that a gateway runs, or starts it for the while; one that is not there is not made. */
async function openExisting(config: Config): Promise<Store> {
  if (config.databaseUrl !== undefined) {
    return {
      where: describeDatabaseUrl(config.databaseUrl),
      url: config.databaseUrl,
      close: async () => undefined,
    };
  }
  const where = join(config.dataDir, 'postgres');
  const nothing = { where, url: undefined, close: async () => undefined };
  if (!existsSync(join(config.dataDir, 'postgres', 'data', 'PG_VERSION'))) return nothing;
  try {
    const embedded = await startEmbeddedPostgres(config.dataDir, { join: true });
    return { where, url: embedded.url, close: embedded.stop };
  } catch (error) {
    return { ...nothing, code: (error as Error).name };
  }
}

interface DatabaseFacts {
  readonly version: number;
  readonly applied: number;
  readonly allowed: number;
  readonly used: number;
}

/** -1 as a limit says that there is none; ordinary roles do not get the reserved ones. */
async function readFacts(sql: Sql): Promise<DatabaseFacts> {
  const [server] = await sql<Omit<DatabaseFacts, 'applied'>[]>`
    select current_setting('server_version_num')::int as version,
      least(
        current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int
          - coalesce(current_setting('reserved_connections', true)::int, 0),
        nullif((select rolconnlimit from pg_catalog.pg_roles where rolname = session_user), -1),
        nullif((select datconnlimit from pg_catalog.pg_database where datname = current_database()), -1)) as allowed,
      (select count(*)::int from pg_catalog.pg_stat_activity
        where backend_type = 'client backend' and application_name not like '%-doctor'
          and application_name not like '%-pooler') as used`;
  const { allowed, used, version } = server ?? { version: 0, allowed: 0, used: 0 };
  return { version, allowed, used, applied: await appliedMigration(sql) };
}

async function stateOf(
  store: Store,
  sql: Sql,
  shares: boolean,
  timeoutMs: number,
): Promise<Inspection['database']> {
  if (store.url === undefined)
    return store.code === undefined ? { state: 'absent' } : { state: 'away', code: store.code };
  try {
    const found = await within(readFacts(sql), timeoutMs, timedOut);
    return { state: 'there', ...found, newest: await newestMigration(), sharesSessions: shares };
  } catch (error) {
    const { code, name } = error as { code?: string; name: string };
    return { state: 'away', code: code ?? name };
  }
}

/** `timeoutMs`: for each request to anybody. Never throws for a database that is away. */
export async function openInspection(whole: Config, timeoutMs: number): Promise<Inspection> {
  const config = {
    ...whole,
    microsoftTimeoutSeconds: timeoutMs / 1_000,
    forwardTimeoutSeconds: timeoutMs / 1_000,
  };
  const policy = createAddressPolicy(config.upstreamAllow);
  const proxies = createOutgoingProxies(config);
  const store = await openExisting(config);
  // Away: it is said below, where the database is asked for its state.
  const shares =
    store.url !== undefined &&
    (await within(sharesSessions(store.url), timeoutMs, timedOut).catch(() => false));
  // An address at which nothing listens, where there is no database: a query that is made all the same fails at once.
  const sql = openDatabase(store.url ?? 'postgres://127.0.0.1:1/absent', {
    connections,
    applicationName: 'espalier-doctor',
    statementTimeoutMs: timeoutMs,
    pooled: shares,
  });
  const outbound = createNodeSend(policy, proxies);
  const upstream = createNodeUpstream({ policy, proxies, timeoutMs });
  const sealer = await existingSealer(config);
  const readReference = createReferenceReader(config.secretsDir);
  const gateway = composeGateway({
    config,
    sql,
    send: outbound.send,
    upstream: upstream.upstream,
    sealer,
    // The findings are lines already; the log of the parts would report them a second time.
    log: createLog({ level: 'error', format: 'json', write: () => undefined }),
    metrics: createMetrics(),
    signature: createNodeSignatureCheck(),
    facts: nodeRequestFacts,
    respond: respondOnNode,
    sharing: 'process',
    intake: { onDue: () => undefined },
    readReference,
    sha256: nodeSha256,
  });
  return {
    gateway,
    sql,
    send: outbound.send,
    sealer,
    readReference,
    where: store.where,
    database: await stateOf(store, sql, shares, timeoutMs),
    close: async () => {
      await sql.end({ timeout: 1 });
      upstream.close();
      await outbound.close();
      await store.close();
    },
  };
}
