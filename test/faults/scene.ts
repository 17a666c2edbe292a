import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { createWorld, type World } from '../../src/simulator/world.ts';
import {
  type AddedInstance,
  addInstance,
  bootstrapKey,
  type Connecting,
  consent,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import type { OwnPostgres } from '../harness/own-postgres.ts';
import { freePort } from '../harness/ports.ts';
import { createGateway, nodeGateway, type StormGateway } from './gateways.ts';
import type { Plan } from './plan.ts';
import { firstVersion } from './versions.ts';
import { workersGateway } from './workers.ts';

/** What a scene needs to know of its database. */
export type SceneDatabase = Pick<OwnPostgres, 'url' | 'isUp'>;

/** The simulated world, a database and the gateways on it, with all tenants connected. */
export interface Scene<Database extends SceneDatabase = OwnPostgres> {
  readonly dir: string;
  readonly world: World;
  readonly database: Database;
  readonly gateways: readonly StormGateway[];
  /** By the instance's name. */
  readonly instances: ReadonlyMap<string, AddedInstance>;
  /** On the admin API of whichever gateway runs. */
  readonly api: Connecting['api'];
  /** Its directory, with the gateways' logs, outlives it. */
  keep(): void;
}

/** Period of heartbeats. */
export const heartbeatSeconds = 10;

/** Everything that waits waits less, so that minutes show what happens in hours; the rates are not the subject. */
const quick = ({ batch, polls }: Pick<Plan, 'batch' | 'polls'>) => ({
  ESPALIER_POLL_SECONDS: polls ? '10' : '0',
  ESPALIER_RECONCILE_SECONDS: polls ? '60' : '0',
  ESPALIER_UPLOAD_MAX_DEVICES: String(batch),
  ESPALIER_UPLOAD_STATUS_SECONDS: '1',
  ESPALIER_HEARTBEAT_SECONDS: String(heartbeatSeconds),
  ESPALIER_RETRY_BASE_SECONDS: '0.2',
  ESPALIER_RETRY_MAX_SECONDS: '5',
  ESPALIER_HOLD_RECHECK_SECONDS: '2',
  ESPALIER_VERIFY_SAMPLE: '0.01',
  ESPALIER_MICROSOFT_TIMEOUT_SECONDS: '5',
  ESPALIER_RATE_PER_INSTANCE: '1000000',
  ESPALIER_RATE_PER_TENANT: '1000000',
});

/** Instances whose verdict comes from smart groups rather than from Jamf's own computation. */
const bySmartGroup: ReadonlySet<string> = new Set(['rome']);
const smartGroups = {
  compliance: {
    source: 'smart-group',
    applicableGroup: 'Device Compliance Applicable',
    complianceGroup: 'Device Compliance',
  },
};

async function environmentOf(dir: string, world: World, database: SceneDatabase, plan: Plan) {
  mkdirSync(join(dir, 'world'));
  const pathOf = (file: string): string => join(dir, 'world', file);
  for (const [name, { content }] of gatewayFiles(world))
    writeFileSync(pathOf(name), content, { mode: 0o600 });
  // One certificate for both, as behind one balancer, and nothing else to trust for anybody.
  const { certificatePem, keyPem } = await world.authority.issue(['localhost', '127.0.0.1']);
  writeFileSync(pathOf('gateway.crt'), certificatePem);
  writeFileSync(pathOf('gateway.key'), keyPem, { mode: 0o600 });
  return {
    ...gatewayEnvironment(world, pathOf),
    DATABASE_URL: database.url,
    ESPALIER_TLS_CERT_FILE: pathOf('gateway.crt'),
    ESPALIER_TLS_KEY_FILE: pathOf('gateway.key'),
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ...quick(plan),
  };
}

async function connectAll(scene: Connecting): Promise<Map<string, AddedInstance>> {
  const instances = new Map<string, AddedInstance>();
  for (const { instances: names, tenantId } of scene.world.tenants) {
    await consent(scene, tenantId);
    for (const name of names) {
      const more = bySmartGroup.has(name) ? smartGroups : {};
      instances.set(name, await addInstance(scene, tenantId, name, more));
    }
    const confirmed = await scene.api('POST', `/tenants/${tenantId}/confirm`);
    if (!confirmed.json?.ok) throw new Error(`confirm: ${confirmed.text}`);
  }
  return instances;
}

/** Where a scene is not as a storm wants it. */
export interface SceneShape {
  /** On Node.js; default: 2. */
  readonly gateways?: 1 | 2;
  /** What the gateways are started with instead of this environment; they work in `dir`, where a `.env` may lie. */
  readonly environment?: (ofStorm: Readonly<Record<string, string>>, dir: string) => Record<string, string>;
}

/** Puts all that it starts on `stack`; whoever owns that stops it, also when this fails half-way. */
export async function startScene<Database extends SceneDatabase>(
  plan: Plan,
  stack: AsyncDisposableStack,
  startDatabase: (dir: string) => Promise<Database>,
  shape: SceneShape = {},
): Promise<Scene<Database>> {
  const dir = mkdtempSync(join(tmpdir(), `espalier-storm-${plan.seed}-`));
  let kept = false;
  stack.defer(() => {
    if (!kept) rmSync(dir, { recursive: true, force: true });
  });
  const database = await startDatabase(dir);
  const firstPort = await freePort();
  const publicUrl = `https://localhost:${firstPort}`;
  const { seed, tenants } = plan;
  const world = await createWorld({ seed, clouds: ['public'], tenants: [...tenants], publicUrl });
  stack.defer(() => world.close());
  // Before anybody looks: a poll may find the Macs before their instances introduce them.
  for (const mac of world.fleet.macs()) world.fleet.updateInventory(mac, { osVersion: firstVersion });
  for (const { tenantId } of world.tenants) {
    // Messages overtake each other on their way through Intune.
    Object.assign(world.cloud('public').settings.tenant(tenantId).intune, { processingJitterMs: 700 });
  }

  const ofStorm = await environmentOf(dir, world, database, plan);
  const environment = shape.environment?.(ofStorm, dir) ?? ofStorm;
  const program = plan.runtime === 'workers' ? await workersGateway(dir) : nodeGateway;
  const gateways = [await createGateway('gateway-1', environment, dir, firstPort, program)];
  if (plan.runtime === 'node' && shape.gateways !== 1)
    gateways.push(await createGateway('gateway-2', environment, dir, await freePort()));
  for (const gateway of gateways) stack.defer(() => gateway.stop());
  // One first: it makes the schema, and two would only wait for each other.
  for (const gateway of gateways) await gateway.start();

  const trust = world.authority.certificatePem;
  const api: Connecting['api'] = (method, path, body, key = bootstrapKey) => {
    const { admin } = gateways.find((gateway) => gateway.isUp()) ?? gateways[0]!;
    const json: Record<string, string> = body === undefined ? {} : { 'content-type': 'application/json' };
    return call(`${admin}/api/v1${path}`, {
      method,
      ca: trust,
      headers: { authorization: `Bearer ${key}`, ...json },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
  };
  const instances = await connectAll({ world, trust, api });
  const keep = (): void => {
    kept = true;
  };
  return { dir, world, database, gateways, instances, api, keep };
}
