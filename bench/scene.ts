import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type postgres from 'postgres';
import { gatewayEnvironment, gatewayFiles } from '../src/simulator/gateway-settings.ts';
import { createWorld, type World } from '../src/simulator/world.ts';
import { read } from '../test/harness/http.ts';
import { freePort } from '../test/harness/ports.ts';
import { type AdminApi, adminApi, ownSettings } from './admin-api.ts';
import { type AnsweringInstance, startAnsweringInstance } from './answering-instance.ts';
import { startDatabase } from './database.ts';
import { type Gateway, startGateway } from './gateway.ts';
import type { LoadPlan } from './load.ts';
import type { Pace } from './pace.ts';
import type { Run } from './run.ts';
import { startWorker, type Worker } from './worker.ts';

export type LoadGenerator = Worker<LoadPlan, { readonly measured: Pace; readonly before: number }>;

/** A database of its own, a tenant of the simulated Entra, one instance and the gateway between them. */
export interface Scene {
  readonly databaseUrl: string;
  readonly sql: postgres.Sql;
  /** PostgreSQL's first process. */
  readonly postgres: number;
  readonly world: World;
  readonly instance: AnsweringInstance;
  readonly gateway: Gateway;
  /** All settings of the gateway's process. */
  readonly environment: Readonly<Record<string, string>>;
  /** PEM of the gateway's certificate. */
  readonly trust: string;
  /** A server's certificate for localhost that the world's authority issued. */
  readonly certificate: { readonly certificatePem: string; readonly keyPem: string };
  readonly load: LoadGenerator;
  readonly tenantId: string;
  readonly api: AdminApi;
  /** An instance of the tenant, with a key for what it sends. */
  addInstance(name: string): Promise<{ readonly id: string; readonly key: string }>;
}

async function environmentIn(dir: string, world: World, databaseUrl: string, dataPort: number) {
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  return {
    ...gatewayEnvironment(world, pathOf),
    ...ownSettings(dir, databaseUrl, dataPort),
    // Nothing that was put aside wakes during the load.
    ESPALIER_HOLD_RECHECK_SECONDS: '3600',
  };
}

/** `more`: settings of the gateway's process beside its own. */
export async function startScene(
  { stack }: Run,
  more: Readonly<Record<string, string>> = {},
): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const { pid: postgres, sql, url: databaseUrl } = await startDatabase(stack, dir);
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

  const environment = { ...(await environmentIn(dir, world, databaseUrl, dataPort)), ...more };
  const gateway = await startGateway(environment);
  stack.defer(() => gateway.stop());
  const trust = read(join(dir, 'data', 'tls.crt'));
  const api = adminApi(gateway.admin, trust);

  const tenantId = world.tenants[0]!.tenantId;
  await api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'Bench' });
  const addInstance: Scene['addInstance'] = async (name) => {
    const { clientId, clientSecret, url } = instance;
    const path = `/tenants/${tenantId}/instances`;
    const { id } = await api('POST', path, { name, url, apiClient: { clientId, clientSecret } });
    const { key } = await api('POST', `${path}/${id}/keys`, {});
    return { id, key };
  };
  return {
    ...{ databaseUrl, sql, postgres, world, instance, gateway, environment, trust, certificate, load },
    ...{ tenantId, api, addInstance },
  };
}
