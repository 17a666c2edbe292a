import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { workers } from '../../.ci/worker-bundles.ts';
import type { DelivererState } from '../../src/runtime/worker/deliverer.ts';
import type { Directory } from '../../src/runtime/worker/directory-port.ts';
import type { Bucket } from '../../src/runtime/worker/snapshot/vault.ts';

/** The Worker as it would be deployed: bundled by wrangler, run by workerd through Miniflare, on real sockets. */

const root = fileURLToPath(new URL('../..', import.meta.url));

export interface WorkerAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly text: string;
}

export interface WorkerCall {
  readonly method?: string;
  readonly headers?: Record<string, string>;
  readonly body?: string | Uint8Array;
  /** As Cloudflare would describe the connection, `tlsClientAuth` among it. */
  readonly cf?: Record<string, unknown>;
  readonly signal?: AbortSignal;
  /** The isolate of that name; default: the first. */
  readonly isolate?: string;
}

/** The object as the test's main module makes it. */
export interface DelivererStub {
  state(): Promise<DelivererState>;
  /** Ends it at once, as the platform may at any time. */
  abortNow(): Promise<void>;
}

/** The same of the object that says what still holds. */
export type DirectoryStub = Directory & Pick<DelivererStub, 'abortNow'>;

export interface RunningWorker {
  /** `url` as the caller sees it; whatever its host, the Worker gets it. Redirects are not followed. */
  fetch(url: string, call?: WorkerCall): Promise<WorkerAnswer>;
  /** A method of an object of the class that delivers. */
  deliverer(name: string): Promise<DelivererStub>;
  directory(name: string): Promise<DirectoryStub>;
  /** The bucket of the snapshot. */
  bucket(): Promise<Bucket>;
  /** What isolates of all Workers share. */
  caches(): Promise<Pick<CacheStorage, 'open'>>;
  /** As the cron trigger does. */
  scheduled(): Promise<void>;
  /** What the Worker and workerd wrote. */
  output(): string;
  close(): Promise<void>;
}

/** The flags that the deployed Worker has, so that the test runs on the same platform. */
function compatibility(): { date: string; flags: string[] } {
  const text = readFileSync(join(root, 'wrangler.toml'), 'utf8');
  const date = /^compatibility_date = "([\d-]+)"$/m.exec(text)?.[1];
  const flags = /^compatibility_flags = (\[.*\])$/m.exec(text)?.[1];
  if (date === undefined || flags === undefined) throw new Error('wrangler.toml names no compatibility');
  return { date, flags: JSON.parse(flags) as string[] };
}

/** What the platform is given of a bundle: the admin Worker's as it is, the other's with objects that can be ended. */
const adminModule = (bundle: string) => ({
  manifest: {
    mainModule: 'worker-admin.js',
    modules: { 'worker-admin.js': { type: 'esm' as const, contents: bundle } },
  },
});
const dataModule = (bundle: string) => ({
  manifest: {
    mainModule: 'main.js',
    modules: {
      'main.js': { type: 'esm' as const, contents: mainModule },
      'worker.js': { type: 'esm' as const, contents: bundle },
    },
  },
  exports: { Deliverer: objectClass, Directory: objectClass },
});
const objectClass = { type: 'durable-object', storage: 'sqlite' } as const;
const mainModule = `
import worker, * as deployed from './worker.js';
export default worker;
export class Deliverer extends deployed.Deliverer {
  abortNow() { this.ctx.abort('ended by a test'); }
}
export class Directory extends deployed.Directory {
  abortNow() { this.ctx.abort('ended by a test'); }
}`;

const require = createRequire(import.meta.url);

/**
 * Miniflare reads the authorities that workerd trusts once, when it is loaded: each world has its own, and several files of
 * tests share a process.
 */
function loadMiniflare(trust: string): typeof import('miniflare').Miniflare {
  const { NODE_EXTRA_CA_CERTS: given } = process.env;
  process.env.NODE_EXTRA_CA_CERTS = trust;
  delete require.cache[require.resolve('miniflare')];
  const { Miniflare } = require('miniflare') as typeof import('miniflare');
  if (given === undefined) delete process.env.NODE_EXTRA_CA_CERTS;
  else process.env.NODE_EXTRA_CA_CERTS = given;
  return Miniflare;
}

interface LocalWorker {
  readonly which: keyof typeof workers;
  /** Default: the name that it is deployed under. */
  readonly name?: string;
  readonly bundle: string;
  /** With the objects that deliver, which are the data plane's. */
  readonly delivers?: boolean;
  /** Default: with the objects that say what still holds. */
  readonly follows?: boolean;
}

interface WorkerdOptions {
  readonly workers: readonly LocalWorker[];
  readonly bindings: Readonly<Record<string, string>>;
  /** File of one more authority for the Workers' `fetch`. */
  readonly trustFile: string;
  /** Database URL behind a Hyperdrive binding. */
  readonly hyperdrive?: string;
  /** Rate limits, which all Workers of the same name share: requests in a minute. */
  readonly rates?: { readonly RATE_TENANT?: number; readonly RATE_INSTANCE?: number };
  /** Folder of a bucket for the snapshot, which stays with the storage of objects when the Worker ends. */
  readonly keptIn?: string | undefined;
  readonly onLine: (level: string, line: string) => void;
  /** Default: false. */
  readonly inspected?: boolean;
}

const objectOf = (exportName: 'Deliverer' | 'Directory') =>
  ({ type: 'durable-object', worker: workers.data.name, exportName }) as const;

function configOf(
  { bundle, delivers = false, which, follows = which === 'data', name = workers[which].name }: LocalWorker,
  options: WorkerdOptions,
) {
  const { bindings, hyperdrive, keptIn, rates = {} } = options;
  const { date, flags } = compatibility();
  const texts = Object.entries(bindings).map(([key, value]) => [key, { type: 'text' as const, value }]);
  const pool = { type: 'hyperdrive' as const, id: 'local', dev: { connectionString: hyperdrive ?? '' } };
  const limits = Object.entries(rates).map(([namespace, limit]) => [
    namespace,
    { type: 'rate-limit' as const, namespace, simple: { limit, period: 60 as const } },
  ]);
  return {
    name,
    compatibilityDate: date,
    compatibilityFlags: flags,
    ...(which === 'admin' ? adminModule : dataModule)(bundle),
    env: {
      ...Object.fromEntries([...texts, ...limits]),
      ...(delivers ? { DELIVERER: objectOf('Deliverer') } : {}),
      ...(follows ? { DIRECTORY: objectOf('Directory') } : {}),
      ...(hyperdrive === undefined ? {} : { HYPERDRIVE: pool }),
      ...(keptIn === undefined || !follows ? {} : { SNAPSHOT: { type: 'r2' as const, name: 'snapshot' } }),
    },
  };
}

/** The platform ends an isolate with a larger heap; without it V8 would not collect before it has some hundred MiB. */
const isolateHeap = '--max-heap-size=128';

export async function openWorkerd(options: WorkerdOptions) {
  process.env.MINIFLARE_WORKERD_V8_FLAGS = isolateHeap;
  const Miniflare = loadMiniflare(options.trustFile);
  const miniflare = new Miniflare({
    handleStructuredLogs: ({ level, message }) => options.onLine(level, message),
    handleUncaughtError: (error) => options.onLine('uncaught', error.stack ?? error.message),
    cf: false,
    ...(options.inspected ? { inspectorPort: 0 } : {}),
    ...(options.keptIn === undefined ? {} : { resourcePersistencePath: options.keptIn }),
    workers: options.workers.map((worker) => ({ config: configOf(worker, options) })),
  });
  await miniflare.ready;
  return miniflare;
}

/** An object of the Worker of the data plane. */
export async function objectNamed<Stub>(
  miniflare: Awaited<ReturnType<typeof openWorkerd>>,
  binding: 'DELIVERER' | 'DIRECTORY',
  name: string,
): Promise<Stub> {
  // Its types are those of a package that is not installed.
  const namespace = (await miniflare.getDurableObjectNamespace(binding, workers.data.name)) as unknown as {
    idFromName(of: string): unknown;
    get(id: unknown): Stub;
  };
  return namespace.get(namespace.idFromName(name));
}

/** `trust`: PEM of one more authority for the Worker's `fetch`. */
export async function startWorker(
  options: Pick<WorkerdOptions, 'bindings' | 'hyperdrive' | 'keptIn' | 'rates'> &
    Pick<LocalWorker, 'bundle' | 'delivers' | 'follows'> & {
      readonly trust: string;
      /** Default: the Worker of the data plane. */
      readonly which?: LocalWorker['which'];
      /** Names of more isolates of the same Worker, which are called by `isolate`. */
      readonly twins?: readonly string[];
    },
): Promise<RunningWorker> {
  const { bindings, hyperdrive, keptIn, rates, trust, twins = [], which = 'data', ...worker } = options;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-workerd-'));
  const trustFile = join(dir, 'ca.crt');
  writeFileSync(trustFile, trust);
  const lines: string[] = [];
  const miniflare = await openWorkerd({
    ...{ bindings, keptIn, trustFile },
    ...(hyperdrive === undefined ? {} : { hyperdrive }),
    ...(rates === undefined ? {} : { rates }),
    workers: [{ ...worker, which }, ...twins.map((name) => ({ ...worker, which, name }))],
    onLine: (level, line) => lines.push(`${level} ${line}`),
  });
  return {
    fetch: async (url, { isolate, ...call } = {}) => {
      const headers = { ...call.headers, ...(isolate === undefined ? {} : { 'MF-Route-Override': isolate }) };
      const answer = await miniflare.dispatchFetch(url, { redirect: 'manual', ...call, headers });
      return { status: answer.status, headers: new Headers([...answer.headers]), text: await answer.text() };
    },
    deliverer: (name) => objectNamed<DelivererStub>(miniflare, 'DELIVERER', name),
    directory: (name) => objectNamed<DirectoryStub>(miniflare, 'DIRECTORY', name),
    bucket: async () => (await miniflare.getR2Bucket('SNAPSHOT')) as unknown as Bucket,
    caches: async () => (await miniflare.getCaches()) as unknown as CacheStorage,
    scheduled: async () => {
      const running = (await miniflare.getWorker()) as unknown as { scheduled(): Promise<unknown> };
      await running.scheduled();
    },
    output: () => lines.join('\n'),
    close: async () => {
      await miniflare.dispose();
      rmSync(dir, { recursive: true, force: true });
    },
  };
}
