/**
 * Both Workers with the listeners of `espalier serve`, configured by the same environment, so that whatever starts a
 * gateway can start this one: workerd by Miniflare, the cron trigger, and a Hyperdrive binding to `DATABASE_URL` or to
 * an embedded PostgreSQL. Migrations are run first, as an operator does from Node.
 */

import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer, type RequestListener } from 'node:http';
import { createServer } from 'node:https';
import { join, resolve } from 'node:path';
import type { TlsOptions } from 'node:tls';
import { workers } from '../../.ci/worker-bundles.ts';
import { developmentCertificate } from '../../src/runtime/node-certificate.ts';
import { startEmbeddedPostgres } from '../../src/runtime/node-embedded-postgres.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { bundleWorker } from './bundles.ts';
import { handTo, listenOn } from './front.ts';
import { measuredVariable, watchMemory } from './memory.ts';
import { type DelivererStub, objectNamed, openWorkerd } from './workerd.ts';

/** Of the process, and not of the Workers. */
const ofListeners =
  /^(?:ESPALIER_(?:DATA_DIR|TLS.*|.*_LISTEN|DRAIN_DELAY_SECONDS|LOG_FORMAT)|NODE_.*|DATABASE_URL)$/;
const cronEveryMs = 60_000;

/** What a storm asks for. */
interface Message {
  /** Names of objects to end, as the platform may at any time. */
  readonly abort: readonly string[];
}

/** What on Node lies in a file is the text of the variable here. */
function bindingsOf(environment: NodeJS.ProcessEnv): Record<string, string> {
  const given = Object.entries(environment).filter(
    (entry): entry is [string, string] =>
      entry[0].startsWith('ESPALIER_') && entry[1] !== undefined && !ofListeners.test(entry[0]),
  );
  return Object.fromEntries(
    given.map(([name, value]) => [name, name.includes('_FILE') ? readFileSync(value, 'utf8') : value]),
  );
}

/** With a database of its own it makes its own key, as a Node process does. */
function secretsKeyIn(dataDir: string): string {
  const file = join(dataDir, 'workers-secrets-key');
  if (!existsSync(file)) writeFileSync(file, randomBytes(32).toString('base64'), { mode: 0o600 });
  return readFileSync(file, 'utf8');
}

function required(name: string): string {
  const value = process.env[name];
  if (value === undefined || value === '') throw new Error(`${name} is not set`);
  return value;
}

/** Of the listener for instances: whose certificates are taken is set at Cloudflare, which hands on what it found. */
function clientCertificates(): TlsOptions {
  const file = process.env.ESPALIER_CLIENT_CA_FILE;
  return file === undefined ? {} : { ca: readFileSync(file), requestCert: true, rejectUnauthorized: false };
}

async function start() {
  const measured = process.env[measuredVariable];
  const dataDir = resolve(required('ESPALIER_DATA_DIR'));
  const publicUrl = required('ESPALIER_PUBLIC_URL');
  mkdirSync(dataDir, { recursive: true, mode: 0o700 });
  const bundling = Promise.all((['data', 'admin'] as const).map(bundleWorker));
  bundling.catch(() => undefined);
  const embedded =
    process.env.DATABASE_URL === undefined
      ? await startEmbeddedPostgres(dataDir, { serverSettings: ['max_connections=400'] })
      : undefined;
  const hyperdrive = embedded?.url ?? required('DATABASE_URL');
  await migrateDatabase(hyperdrive);
  const { ESPALIER_TLS_CERT_FILE: givenCert, ESPALIER_TLS_KEY_FILE: givenKey } = process.env;
  const { certFile, keyFile } =
    givenCert === undefined || givenKey === undefined
      ? await developmentCertificate(dataDir, publicUrl)
      : { certFile: givenCert, keyFile: givenKey };
  const certificate = { cert: readFileSync(certFile), key: readFileSync(keyFile) };

  const fronts = {
    data: createServer({ ...certificate, ...clientCertificates() }),
    admin: createServer(certificate),
    ops: createPlainServer(),
  };
  const { port } = await listenOn(fronts.admin, process.env.ESPALIER_ADMIN_LISTEN ?? '127.0.0.1:0');
  const adminUrl = process.env.ESPALIER_ADMIN_URL ?? `https://localhost:${port}`;
  const [data = '', admin = ''] = await bundling;
  const workerd = await openWorkerd({
    workers: [
      { which: 'data', bundle: data, delivers: true },
      { which: 'admin', bundle: admin, delivers: true },
    ],
    bindings: {
      ...(embedded === undefined ? {} : { ESPALIER_SECRETS_KEY: secretsKeyIn(dataDir) }),
      ...bindingsOf(process.env),
      ESPALIER_ADMIN_URL: adminUrl,
    },
    hyperdrive,
    trustFile: required('NODE_EXTRA_CA_CERTS'),
    inspected: measured !== undefined,
    // A storm starts it again and again, and the platform keeps what objects store.
    keptIn: process.connected ? join(dataDir, 'objects') : undefined,
    onLine: (_level, line) => process.stdout.write(`${line}\n`),
  });
  const endMeasuring =
    measured === undefined ? undefined : await watchMemory(await workerd.getInspectorURL(), measured);
  const behind = Number((await workerd.ready).port);
  const toData = handTo({ port: behind, worker: workers.data.name, origin: publicUrl });
  const toHealth: RequestListener = (incoming, outgoing) => {
    if (incoming.url?.startsWith('/health/')) toData(incoming, outgoing);
    else outgoing.writeHead(404).end();
  };
  fronts.data.on('request', toData);
  fronts.admin.on('request', handTo({ port: behind, worker: workers.admin.name, origin: adminUrl }));
  fronts.ops.on('request', toHealth);
  const listening = await listenOn(fronts.data, process.env.ESPALIER_DATA_LISTEN ?? '127.0.0.1:0');
  const ops = await listenOn(fronts.ops, process.env.ESPALIER_OPS_LISTEN ?? '127.0.0.1:0');
  const deployed = (await workerd.getWorker(workers.data.name)) as unknown as {
    scheduled(): Promise<unknown>;
  };
  // Where it is deployed the alarms of its objects outlive everything; here they are forgotten with the process.
  await deployed.scheduled();
  let cron: NodeJS.Timeout;
  // At full minutes, as the platform does, whenever this process began.
  const atNextMinute = (): void => {
    cron = setTimeout(
      () => {
        void deployed.scheduled();
        atNextMinute();
      },
      cronEveryMs - (Date.now() % cronEveryMs),
    );
  };
  atNextMinute();
  const abort = async (name: string): Promise<void> =>
    (await objectNamed<DelivererStub>(workerd, 'DELIVERER', name)).abortNow();
  process.on('message', (message: Message) => {
    // Its own call ends with it.
    for (const name of message.abort) void abort(name).catch(() => undefined);
  });
  const urls = {
    data: `https://127.0.0.1:${listening.port}`,
    admin: `https://127.0.0.1:${port}`,
    ops: `http://127.0.0.1:${ops.port}`,
  };
  const stop = async (): Promise<void> => {
    clearTimeout(cron);
    endMeasuring?.();
    for (const server of Object.values(fronts)) {
      server.close();
      server.closeAllConnections();
    }
    await workerd.dispose();
    await embedded?.stop();
  };
  return { urls, stop };
}

const { stop, urls } = await start();
for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
  process.once(signal, () => void stop().then(() => process.exit(0)));
process.stdout.write(
  `${JSON.stringify({ time: new Date().toISOString(), level: 'info', event: 'ready', ...urls })}\n`,
);
