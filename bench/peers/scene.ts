import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import { freePort } from '../../test/harness/ports.ts';
import { ownSettings } from '../admin-api.ts';
import { callerToken } from '../caller-token.ts';
import { type Database, startDatabase } from '../database.ts';
import { type Device, instanceCount, maxDevices, sampleOf, writeRoutes } from './devices.ts';
import { secretVariable, seedTenant } from './seed.ts';
import { loadCore, startServer, stayOn } from './server.ts';
import { fillTemplate } from './template.ts';
import type { LoadFiles } from './wrk.ts';

/** What every peer has before it: one tenant, its Jamf Pro servers, its routes and a caller with a token of Entra's. */

export interface UpstreamInstance {
  readonly port: number;
  readonly origin: string;
  /** The API token that it alone accepts. */
  readonly token: string;
}

/** What a verifier of the caller's token knows beforehand. */
export interface Trust {
  /** PEM. */
  readonly publicKey: string;
  readonly keyId: string;
  readonly issuer: string;
  readonly audience: string;
}

/** Tokens of the caller: one that is good, and those that each gateway has to refuse. */
export interface CallerTokens {
  readonly good: string;
  readonly wrongSignature: string;
  readonly expired: string;
  readonly otherAudience: string;
}

export interface PeerScene {
  /** PEM of the authority of the instances' certificate; undefined: they speak without TLS. */
  readonly instancesCa: string | undefined;
  /** Answers every call as it answers the one of `plainComputer`, for what passes bytes on as they are. */
  readonly any: { readonly port: number };
  readonly dir: string;
  readonly world: World;
  readonly database: Database;
  readonly tenantId: string;
  readonly instances: readonly UpstreamInstance[];
  readonly devices: number;
  /** The devices that are called. */
  readonly called: readonly Device[];
  /** Lines `tenant/devices/device instance:computer`. */
  readonly routesFile: string;
  readonly load: LoadFiles;
  readonly trust: Trust;
  readonly tokens: CallerTokens;
  /** Of `espalier serve`, without its listeners. */
  readonly environment: Readonly<Record<string, string>>;
}

export const answerBytes = 300;
/** So many of the devices are called, so that a gateway that keeps what it learned has learned them all. */
const calledDevices = 100_000;

/** Spaces behind JSON are JSON. `computer` is as long in every answer. */
export const answerOf = (computer: string, instance: number, computerCharacters: number): string =>
  `[{"deviceId":"${computer}","applicable":true,"complianceState":"COMPLIANT","complianceVendor":"Microsoft Intune","instance":"i${instance}"}]`.padEnd(
    answerBytes - computerCharacters + computer.length,
  );

export const devicePath = (tenantId: string, deviceId: string): string =>
  `/t/${tenantId}/devices/${deviceId}/compliance`;

/** Whose answer those bring that look nothing up. */
export const plainComputer = { instance: 0, computerId: 1_000_000 } as const;

interface UpstreamFiles {
  readonly certFile: string;
  readonly keyFile: string;
}

const listenLines = (port: number, files: UpstreamFiles | undefined): string =>
  files === undefined
    ? `listen 127.0.0.1:${port} backlog=1024;`
    : `listen 127.0.0.1:${port} backlog=1024 ssl;
    ssl_certificate ${files.certFile};
    ssl_certificate_key ${files.keyFile};
    ssl_protocols TLSv1.2 TLSv1.3;`;

/** One server block of the upstream's configuration. */
const serverBlock = ({ port, token }: UpstreamInstance, index: number, files?: UpstreamFiles): string =>
  `  server {
    ${listenLines(port, files)}
    location ~ "^/api/v1/conditional-access/device-compliance-information/computer/([0-9]{7})$" {
      if ($http_authorization != "Bearer ${token}") { return 401; }
      return 200 '${answerOf('$1', index, 7)}';
    }
    location = /api/v1/oauth/token {
      return 200 '{"access_token":"${token}","token_type":"Bearer","expires_in":86400}';
    }
    location / { return 404; }
  }
`;

/** What traces are sent to. */
const collectorBlock = (port: number): string => `  server {
    listen 127.0.0.1:${port};
    location / { return 200; }
  }
`;

const anyBlock = (port: number, files?: UpstreamFiles): string => `  server {
    ${listenLines(port, files)}
    location / { return 200 '${answerOf(String(plainComputer.computerId), plainComputer.instance, 7)}'; }
  }
`;

interface UpstreamPorts {
  readonly instances: readonly UpstreamInstance[];
  readonly any: { readonly port: number };
  readonly collector: string;
}

async function startUpstream(
  stack: AsyncDisposableStack,
  dir: string,
  certificate: { readonly certificatePem: string; readonly keyPem: string } | undefined,
): Promise<UpstreamPorts> {
  const instances: UpstreamInstance[] = [];
  const origin = certificate === undefined ? 'http://127.0.0.1' : 'https://localhost';
  for (let index = 0; index < instanceCount; index += 1) {
    const port = await freePort();
    instances.push({ port, origin: `${origin}:${port}`, token: `i${index}.${crypto.randomUUID()}` });
  }
  const any = { port: await freePort() };
  const collectorPort = await freePort();
  const files = certificate && {
    certFile: join(dir, 'instances.crt'),
    keyFile: join(dir, 'instances.key'),
  };
  if (files) {
    writeFileSync(files.certFile, certificate.certificatePem);
    writeFileSync(files.keyFile, certificate.keyPem, { mode: 0o600 });
  }
  const file = join(dir, 'upstream.conf');
  const servers = [
    ...instances.map((instance, index) => serverBlock(instance, index, files)),
    anyBlock(any.port, files),
    collectorBlock(collectorPort),
  ];
  fillTemplate('nginx-upstream.conf', file, { dir, servers: servers.join('') });
  const args = ['-c', file];
  const port = instances[0]!.port;
  await startServer(stack, {
    ...{ name: 'the upstream (nginx)', core: loadCore, command: 'nginx', args, port, startTimeoutMs: 5_000 },
  });
  return { instances, any, collector: `http://127.0.0.1:${collectorPort}` };
}

/** The payload of a token, to make others like it. */
const claimsOf = (token: string): Record<string, unknown> =>
  JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString('utf8')) as Record<string, unknown>;

async function makeTokens(world: World, tenantId: string): Promise<CallerTokens> {
  const good = await callerToken(world, tenantId);
  const { keys } = world.cloud('public');
  const claims = claimsOf(good);
  const nowSeconds = Math.floor(Date.now() / 1_000);
  const past = { iat: nowSeconds - 7_200, nbf: nowSeconds - 7_200, exp: nowSeconds - 3_600 };
  const another = await keys.sign({ ...claims, uti: crypto.randomUUID() });
  return {
    good,
    // Another token's: as long, and genuine elsewhere.
    wrongSignature: `${good.slice(0, good.lastIndexOf('.'))}${another.slice(another.lastIndexOf('.'))}`,
    expired: await keys.sign({ ...claims, ...past }),
    otherAudience: await keys.sign({ ...claims, aud: crypto.randomUUID() }),
  };
}

function trustOf(world: World, good: string): Trust {
  const { iss, aud } = claimsOf(good);
  const key = world.cloud('public').keys.current();
  return {
    publicKey: key.publicKey.export({ type: 'spki', format: 'pem' }).toString(),
    keyId: key.kid,
    issuer: String(iss),
    audience: String(aud),
  };
}

function writeLoadFiles(dir: string, tenantId: string, token: string, called: readonly Device[]): LoadFiles {
  const files = { paths: join(dir, 'paths.txt'), headers: join(dir, 'headers.txt') };
  const paths = called.map(({ deviceId }) => `${devicePath(tenantId, deviceId)}\n`);
  writeFileSync(files.paths, paths.join(''));
  const headers = ['Host: localhost', `Authorization: Bearer ${token}`, 'Accept: application/json'];
  writeFileSync(files.headers, `${headers.join('\r\n')}\r\n\r\n`, { mode: 0o600 });
  return files;
}

/** All that production has: traces are sent away every few seconds, of device calls one in a hundred. */
const tracing = (upstream: string): Record<string, string> => ({
  OTEL_TRACES_EXPORTER: 'otlp',
  OTEL_METRICS_EXPORTER: 'none',
  OTEL_LOGS_EXPORTER: 'none',
  OTEL_EXPORTER_OTLP_ENDPOINT: upstream,
});

function environmentIn(dir: string, world: World, databaseUrl: string, upstream: string) {
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  return {
    ...gatewayEnvironment(world, pathOf),
    ...ownSettings(dir, databaseUrl, 0),
    ...tracing(upstream),
    [secretVariable]: 'bench-secret',
    // The upstream has no computers to read.
    ESPALIER_POLL_SECONDS: '0',
    ESPALIER_RECONCILE_SECONDS: '0',
  };
}

/** `isSecure`: the instances speak TLS. */
export async function startPeerScene(
  stack: AsyncDisposableStack,
  devices: number,
  isSecure = false,
): Promise<PeerScene> {
  if (devices > maxDevices) throw new RangeError(`at most ${maxDevices} devices`);
  stayOn(stack, loadCore);
  const dir = mkdtempSync(join(tmpdir(), 'espalier-bench-'));
  stack.defer(() => rmSync(dir, { recursive: true, force: true }));
  const world = await createWorld({
    clouds: ['public'],
    tenants: [{ displayName: 'Bench', instances: [] }],
    publicUrl: 'https://localhost:8443',
  });
  stack.defer(() => world.close());
  const certificate = isSecure ? await world.authority.issue(['localhost', '127.0.0.1']) : undefined;
  const { any, collector, instances } = await startUpstream(stack, dir, certificate);
  const database = await startDatabase(stack, dir);
  const tenantId = world.tenants[0]!.tenantId;
  await migrateDatabase(database.url);
  await seedTenant(
    database.sql,
    tenantId,
    instances.map(({ origin }) => origin),
    devices,
  );
  const routesFile = join(dir, 'routes.map');
  writeRoutes(routesFile, tenantId, devices);
  const called = sampleOf(devices, calledDevices);
  const tokens = await makeTokens(world, tenantId);
  return {
    ...{ any, dir, world, database, tenantId, instances, devices, called, routesFile, tokens },
    instancesCa: isSecure ? world.authority.certificatePem : undefined,
    load: writeLoadFiles(dir, tenantId, tokens.good, called),
    trust: trustOf(world, tokens.good),
    environment: environmentIn(dir, world, database.url, collector),
  };
}
