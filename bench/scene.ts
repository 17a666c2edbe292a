import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { startEmbeddedPostgres } from '../src/runtime/node-embedded-postgres.ts';
import { gatewayEnvironment, gatewayFiles } from '../src/simulator/gateway-settings.ts';
import { createWorld, type World } from '../src/simulator/world.ts';
import { type Answer, call, read } from '../test/harness/http.ts';
import { freePort } from '../test/harness/ports.ts';
import { type AnsweringInstance, startAnsweringInstance } from './answering-instance.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { LoadPlan } from './load.ts';
import type { Pace } from './pace.ts';
import { startWorker, type Worker } from './worker.ts';

export type LoadGenerator = Worker<LoadPlan, { readonly measured: Pace; readonly before: number }>;

/** A database of its own, a tenant of the simulated Entra, one instance and the gateway between them. */
export interface Scene {
  readonly databaseUrl: string;
  readonly sql: postgres.Sql;
  readonly world: World;
  readonly instance: AnsweringInstance;
  readonly gateway: Gateway;
  /** PEM of the gateway's certificate. */
  readonly trust: string;
  /** A server's certificate for localhost that the world's authority issued. */
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  readonly load: LoadGenerator;
  readonly tenantId: string;
  /** On the admin API; throws for an answer that is no success. */
  api(method: string, path: string, body?: unknown): Promise<Answer['json']>;
  /** An instance of the tenant, with a key for what it sends. */
  addInstance(name: string): Promise<{ readonly id: string; readonly key: string }>;
}

const bootstrapKey = 'esp_bootstrap-key-of-the-bench';

/** What is not the default: the limits that would be measured instead, and one that would wake what was put aside. */
export const changedSettings = {
  ESPALIER_RATE_PER_INSTANCE: '1000000',
  ESPALIER_RATE_PER_TENANT: '1000000',
  ESPALIER_HOLD_RECHECK_SECONDS: '3600',
} as const;

async function environmentIn(dir: string, world: World, databaseUrl: string, dataPort: number) {
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  return {
    ...gatewayEnvironment(world, pathOf),
    DATABASE_URL: databaseUrl,
    ESPALIER_DATA_DIR: join(dir, 'data'),
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ESPALIER_DATA_LISTEN: `127.0.0.1:${dataPort}`,
    ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
    ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    ...changedSettings,
  };
}

async function callAdmin(origin: string, ca: string, method: string, path: string, body: unknown) {
  const json = body === undefined ? undefined : JSON.stringify(body);
  const answer = await call(`${origin}/api/v1${path}`, {
    method,
    ca,
    headers: {
      authorization: `Bearer ${bootstrapKey}`,
      ...(json === undefined ? {} : { 'content-type': 'application/json' }),
    },
    ...(json === undefined ? {} : { body: json }),
  });
  if (answer.status >= 300) throw new Error(`${method} ${path} answered ${answer.status}: ${answer.text}`);
  return answer.json;
}

/** What a benchmark is given to work with. */
export interface Run {
  /** Everything that is started is put on it; its owner stops it, also when a start fails half-way. */
  readonly stack: AsyncDisposableStack;
  /** Aborted when nothing more shall be measured. */
  readonly signal: AbortSignal;
}

export async function startScene({ stack }: Run): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const server = await startEmbeddedPostgres(dir);
  stack.defer(() => server.stop());
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  stack.defer(async () => {
    // The server stays up for whoever still uses it, and a process that was killed may seem to for a while.
    await sql`select pg_terminate_backend(pid, 2000) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    await sql.end({ timeout: 2 });
  });

  const dataPort = await freePort();
  const world = await createWorld({
    clouds: ['public'],
    tenants: [{ displayName: 'Bench', instances: [] }],
    publicUrl: `https://localhost:${dataPort}`,
  });
  stack.defer(() => world.close());
  const certificate = await world.authority.issue(['localhost', '127.0.0.1']);
  const instance = await startAnsweringInstance(certificate);
  stack.defer(() => instance.close());
  const load: LoadGenerator = startWorker('./load.ts');
  stack.defer(() => load.stop());

  const gateway = await startGateway(await environmentIn(dir, world, server.url, dataPort));
  stack.defer(() => gateway.stop());
  const trust = read(join(dir, 'data', 'tls.crt'));
  const api: Scene['api'] = (method, path, body) => callAdmin(gateway.admin, trust, method, path, body);

  const tenantId = world.tenants[0]!.tenantId;
  await api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'Bench' });
  const addInstance: Scene['addInstance'] = async (name) => {
    const { clientId, clientSecret, url } = instance;
    const path = `/tenants/${tenantId}/instances`;
    const { id } = await api('POST', path, { name, url, apiClient: { clientId, clientSecret } });
    const { key } = await api('POST', `${path}/${id}/keys`, {});
    return { id, key };
  };
  const databaseUrl = server.url;
  return {
    ...{ databaseUrl, sql, world, instance, gateway, trust, certificate, load, tenantId },
    ...{ api, addInstance },
  };
}
