/** The real `espalier serve` in its own process, configured by its environment only, between simulators. */

import { type ChildProcess, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { verdictIn } from '../../src/runtime/lane/socket-choice.ts';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { clientSecretOf, createWorld, type World, type WorldOptions } from '../../src/simulator/world.ts';
import { childrenOf } from './children.ts';
import { createTestDatabase, type TestDatabase } from './database.ts';
import { type Answer, type Call, call, read } from './http.ts';
import { ownEnvironment } from './own-environment.ts';
import { freePort } from './ports.ts';
import { gatewayProgram, program } from './program.ts';
import { testedLane } from './sockets.ts';

export const bootstrapKey = 'esp_bootstrap-key-of-the-tests';

export interface GatewayProcess {
  readonly data: string;
  readonly admin: string;
  readonly ops: string;
  readonly process: ChildProcess;
  /** Everything it wrote so far. */
  output(): string;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL: no time for anything. */
  kill(): Promise<void>;
}

export async function startProcess(
  environment: Record<string, string>,
  command = 'serve',
  entry = command === 'serve' ? gatewayProgram() : program(),
  /** Hears all that was written, each time that there is more, until the process is ready. */
  onOutput: (output: string) => void = () => undefined,
): Promise<GatewayProcess> {
  const child = spawn(process.execPath, [entry, command], {
    env: { ...ownEnvironment(), ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let output = '';
  const exited = new Promise<number | null>((resolve) => child.on('exit', (code) => resolve(code)));
  const ready = await new Promise<{ data: string; admin: string; ops: string }>((resolve, reject) => {
    const look = (chunk: Buffer): void => {
      output += chunk.toString('utf8');
      onOutput(output);
      const line = output.split('\n').find((one) => one.includes('"event":"ready"'));
      if (line !== undefined) resolve(JSON.parse(line));
    };
    child.stdout.on('data', look);
    child.stderr.on('data', look);
    void exited.then((code) => reject(new Error(`espalier ${command} ended with ${code}:\n${output}`)));
  });
  return {
    ...ready,
    process: child,
    output: () => output,
    stop: async () => {
      child.kill('SIGTERM');
      return exited;
    },
    kill: async () => {
      // A gateway on Workers has workerd as a process of its own, which must not go on without it.
      const others = program() === gatewayProgram() ? [] : childrenOf(child.pid ?? 0);
      child.kill('SIGKILL');
      for (const pid of others) process.kill(pid, 'SIGKILL');
      await exited;
    },
  };
}

export interface Scene {
  readonly world: World;
  readonly database: TestDatabase;
  readonly gateway: GatewayProcess;
  /** PEM of the gateway's certificate. */
  readonly trust: string;
  /** On the admin API, as the bootstrap admin unless another key is given. */
  api(method: string, path: string, body?: unknown, key?: string): Promise<Answer>;
  /** On the data listener. */
  data(path: string, options?: Call): Promise<Answer>;
  /** Kills or ends the gateway's process and starts another on the same database and ports. */
  restart(how: 'kill' | 'stop'): Promise<void>;
  /** Brings an ended one back, from now on with these variables over the others. */
  start(more?: Record<string, string>): Promise<void>;
  /** The environment that the gateway is started with. */
  readonly environment: Readonly<Record<string, string>>;
  /** Ends the gateway's process, if it still runs, and starts another on this database. */
  startOn(database: TestDatabase): Promise<void>;
  /** A second `serve` on the same database, at addresses of its own; with other settings where they are given. */
  another(settings?: Record<string, string>): Promise<GatewayProcess>;
  /** A second process on the same database that only delivers. */
  worker(settings?: Record<string, string>): Promise<GatewayProcess>;
  close(): Promise<void>;
}

/** The part of a scene that connecting a tenant needs. */
export type Connecting = Pick<Scene, 'api' | 'trust' | 'world'>;

export interface SceneOptions {
  readonly world?: Omit<WorldOptions, 'publicUrl'>;
  /** What the gateway finds when it starts; by default a database with today's schema and nothing in it. */
  readonly database?: (world: World) => Promise<TestDatabase>;
  readonly environment?: Record<string, string>;
  /** The command line that the first gateway is; default: this checkout's. */
  readonly entry?: string;
}

/** Fast enough for a test, otherwise the defaults. */
const quick = {
  ESPALIER_UPLOAD_STATUS_SECONDS: '0.2',
  ESPALIER_RETRY_BASE_SECONDS: '0.2',
  ESPALIER_RETRY_MAX_SECONDS: '1',
  ESPALIER_HOLD_RECHECK_SECONDS: '1',
  ESPALIER_VERIFY_SAMPLE: '1',
  // A test's devices come from the webhooks and pushes that it sends; polling.test.ts and recovery.test.ts set these.
  ESPALIER_POLL_SECONDS: '0',
  ESPALIER_RECONCILE_SECONDS: '0',
  ESPALIER_LOG_LEVEL: 'debug',
  ESPALIER_FAST_LANE: testedLane,
};

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-scene-'));
  const dataPort = await freePort();
  const publicUrl = `https://localhost:${dataPort}`;
  const adminPort = await freePort();
  const adminUrl = `https://localhost:${adminPort}`;
  const world = await createWorld({ ...options.world, publicUrl, adminUrl });
  const database = await (options.database ?? createTestDatabase)(world);
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  const environment = {
    ...gatewayEnvironment(world, pathOf),
    DATABASE_URL: database.servingUrl ?? database.url,
    ESPALIER_DATA_DIR: join(dir, 'data'),
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ESPALIER_DATA_LISTEN: `127.0.0.1:${dataPort}`,
    ESPALIER_ADMIN_LISTEN: `127.0.0.1:${adminPort}`,
    ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    ...quick,
    ...options.environment,
  };
  // The self-test of the fast lane has its own cases (src/runtime/lane/self-test.test.ts).
  mkdirSync(environment.ESPALIER_DATA_DIR, { mode: 0o700 });
  verdictIn(environment.ESPALIER_DATA_DIR).pass(process.versions.node);
  let gateway = await startProcess(environment, 'serve', options.entry);
  const trust = read(join(dir, 'data', 'tls.crt'));
  for (const instance of world.instances.values()) instance.webhooks.trust(trust);
  for (const { settings } of world.clouds) settings.browserTrustPem = trust;
  let untold: string | undefined;
  const notice = (): void => {
    untold ??= gateway.output().match(/^.*"event":"history\.missing".*$/m)?.[0];
  };
  return {
    world,
    database,
    get gateway() {
      return gateway;
    },
    trust,
    api: (method, path, body, key = bootstrapKey) =>
      call(`${gateway.admin}/api/v1${path}`, {
        method,
        ca: trust,
        headers: {
          authorization: `Bearer ${key}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      }),
    data: (path, more = {}) => call(`${publicUrl}${path}`, { ca: trust, ...more }),
    restart: async (how) => {
      await (how === 'kill' ? gateway.kill() : gateway.stop());
      notice();
      gateway = await startProcess(environment);
    },
    environment,
    start: async (more = {}) => {
      Object.assign(environment, more);
      gateway = await startProcess(environment);
    },
    startOn: async (other) => {
      if (gateway.process.exitCode === null && gateway.process.signalCode === null) await gateway.stop();
      environment.DATABASE_URL = other.servingUrl ?? other.url;
      gateway = await startProcess(environment);
    },
    another: (settings = {}) =>
      startProcess({
        ...environment,
        ESPALIER_DATA_LISTEN: '127.0.0.1:0',
        ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
        ...settings,
      }),
    worker: (settings = {}) => startProcess({ ...environment, ...settings }, 'worker'),
    close: async () => {
      await gateway.stop();
      notice();
      await world.close();
      await database.drop();
      rmSync(dir, { recursive: true, force: true });
      // src/admin/recording.ts: whatever a test asked for, a write that succeeded has its entry.
      if (untold) throw new Error(`a write left no trace in the history: ${untold}`);
    },
  };
}

/** Creates the tenant and gives its consents as its administrator's browser would. */
export async function consent(scene: Connecting, tenantId: string): Promise<Answer> {
  const { cloud, displayName } = scene.world.tenants.find((tenant) => tenant.tenantId === tenantId)!;
  await scene.api('POST', '/tenants', { tenantId, cloud, displayName });
  const connected = await scene.api('POST', `/tenants/${tenantId}/connect`);
  return browse(scene, connected.json.consentUrls[0].url);
}

/** Follows redirects between Microsoft's consent pages and the gateway, as a browser does. */
export async function browse(scene: Connecting, url: string): Promise<Answer> {
  const ca = [scene.trust, scene.world.authority.certificatePem];
  let next = url;
  for (let hop = 0; hop < 10; hop += 1) {
    const answer = await call(next, { ca });
    if (answer.status !== 302) return answer;
    next = new URL(String(answer.headers.location), next).href;
  }
  throw new Error('the redirects do not end');
}

export interface AddedInstance {
  readonly id: string;
  readonly key: string;
}

/** Adds a simulated instance to its tenant with a key for its webhooks. */
export async function addInstance(
  scene: Connecting,
  tenantId: string,
  name: string,
  more: object = {},
): Promise<AddedInstance> {
  const instance = scene.world.instance(name);
  const made = await scene.api('POST', `/tenants/${tenantId}/instances`, {
    name,
    url: instance.url,
    apiClient: { clientId: instance.clientId, clientSecret: clientSecretOf(instance) },
    ...more,
  });
  if (made.status !== 201) throw new Error(`adding ${name}: ${made.text}`);
  const key = await scene.api('POST', `/tenants/${tenantId}/instances/${made.json.id}/keys`, {});
  return { id: made.json.id, key: key.json.key };
}

/** A tenant with all its instances, connected and confirmed. */
export async function connectTenant(
  scene: Connecting,
  tenantId: string,
): Promise<Map<string, AddedInstance>> {
  const { instances } = scene.world.tenants.find((tenant) => tenant.tenantId === tenantId)!;
  await consent(scene, tenantId);
  const added = new Map<string, AddedInstance>();
  for (const name of instances) added.set(name, await addInstance(scene, tenantId, name));
  const confirmed = await scene.api('POST', `/tenants/${tenantId}/confirm`);
  if (!confirmed.json?.ok) throw new Error(`confirm: ${confirmed.text}`);
  return added;
}

/** A webhook as Jamf Pro sends it. */
export const webhookBody = (event: string, jssID: number): string =>
  JSON.stringify({
    webhook: { id: 1, name: `${event} webhook`, webhookEvent: event, eventTimestamp: Date.now() },
    event: { jssID, udid: '', deviceName: 'a Mac', serialNumber: '' },
  });

export const sendWebhook = (
  scene: Scene,
  instance: AddedInstance,
  jssID: number,
  event = 'ComputerInventoryCompleted',
): Promise<Answer> =>
  scene.data(`/jamf/${instance.id}/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': instance.key },
    body: webhookBody(event, jssID),
  });

/** A token of the simulated Entra for the Microsoft side's callers. */
export async function callerToken(scene: Pick<Scene, 'world'>, tenantId: string): Promise<string> {
  const { cloud } = scene.world.tenants.find((tenant) => tenant.tenantId === tenantId)!;
  const { caller, connector } = scene.world.applications.get(cloud)!;
  const answer = await call(`${scene.world.cloud(cloud).origins.entra}/${tenantId}/oauth2/v2.0/token`, {
    method: 'POST',
    ca: scene.world.authority.certificatePem,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: caller.clientId,
      client_secret: caller.clientSecret,
      scope: `${connector.clientId}/.default`,
    }).toString(),
  });
  if (answer.status !== 200) throw new Error(answer.text);
  return answer.json.access_token;
}
