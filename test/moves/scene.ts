import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import postgres from 'postgres';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import { createGateway, type StormGateway } from '../faults/gateways.ts';
import { addInstance, bootstrapKey, type Connecting, callerToken, consent } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { startOwnPostgres } from '../harness/own-postgres.ts';
import { freePort } from '../harness/ports.ts';
import type { MoveOptions } from './options.ts';
import type { MoveScene } from './run.ts';
import { manyCalls, names, prepareTwins, smartGroups, twinWorld } from './twin-world.ts';

/** The simulated world, a database of its own and gateways on it. */

async function environmentOf(dir: string, world: World, databaseUrl: string) {
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  const { certificatePem, keyPem } = await world.authority.issue(['localhost', '127.0.0.1']);
  writeFileSync(pathOf('gateway.crt'), certificatePem);
  writeFileSync(pathOf('gateway.key'), keyPem, { mode: 0o600 });
  return {
    ...gatewayEnvironment(world, pathOf),
    DATABASE_URL: databaseUrl,
    ESPALIER_TLS_CERT_FILE: pathOf('gateway.crt'),
    ESPALIER_TLS_KEY_FILE: pathOf('gateway.key'),
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ESPALIER_POLL_SECONDS: '0',
    ESPALIER_RECONCILE_SECONDS: '0',
    ESPALIER_UPLOAD_MAX_DEVICES: '50',
    ESPALIER_UPLOAD_STATUS_SECONDS: '1',
    ...manyCalls,
  };
}

async function connect(scene: Connecting, tenantId: string) {
  await consent(scene, tenantId);
  const from = await addInstance(scene, tenantId, names.from, smartGroups);
  const to = await addInstance(scene, tenantId, names.to, smartGroups);
  const confirmed = await scene.api('POST', `/tenants/${tenantId}/confirm`);
  if (!confirmed.json?.ok) throw new Error(`confirm: ${confirmed.text}`);
  return { from: { name: names.from, instance: from }, to: { name: names.to, instance: to } };
}

/** Puts all that it starts on `stack`. `keep` leaves the directory with the gateways' logs. */
export async function startScene(
  options: MoveOptions,
  stack: AsyncDisposableStack,
): Promise<MoveScene & { readonly dir: string; keep(): void }> {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-moves-'));
  let kept = false;
  stack.defer(() => {
    if (!kept) rmSync(dir, { recursive: true, force: true });
  });
  const database = await startOwnPostgres(dir);
  stack.defer(() => database.stop('fast'));
  const ports: number[] = [];
  while (ports.length < options.gateways) ports.push(await freePort());
  const world = await createWorld({
    ...twinWorld(options.macs),
    publicUrl: `https://localhost:${ports[0]}`,
  });
  stack.defer(() => world.close());
  const twins = prepareTwins(world);
  const environment = await environmentOf(dir, world, database.url);
  const gateways: StormGateway[] = [];
  // One after the other: the first makes the schema.
  for (const [index, port] of ports.entries()) {
    const gateway = await createGateway(`gateway-${index + 1}`, environment, dir, port);
    stack.defer(() => gateway.stop());
    await gateway.start();
    gateways.push(gateway);
  }
  const trust = world.authority.certificatePem;
  const { admin } = gateways[0]!;
  const api: Connecting['api'] = (method, path, body, key = bootstrapKey) =>
    call(`${admin}/api/v1${path}`, {
      method,
      ca: trust,
      headers: {
        authorization: `Bearer ${key}`,
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  const [{ tenantId } = { tenantId: '' }] = world.tenants;
  const places = await connect({ world, trust, api }, tenantId);
  const sql = postgres(database.url, { max: 2, onnotice: () => undefined });
  stack.defer(() => sql.end({ timeout: 2 }));
  return {
    ...{ dir, world, api, sql, trust, tenantId, twins, ...places },
    origins: gateways.map(({ data }) => data),
    token: await callerToken({ world }, tenantId),
    keep: () => {
      kept = true;
    },
  };
}
