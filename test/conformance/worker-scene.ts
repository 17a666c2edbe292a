import { randomBytes, randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { hashKey, newKey } from '../../src/secrets/keys.ts';
import { createSealer } from '../../src/secrets/seal.ts';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { grantApplication } from '../../src/simulator/microsoft/grants.ts';
import { clientSecretOf, createWorld, type World } from '../../src/simulator/world.ts';
import { secretAssociation } from '../../src/store/instances/secret.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { callerToken, type Scene } from '../harness/gateway.ts';
import { bundleWorker } from './bundles.ts';
import { type RunningWorker, startWorker } from './workerd.ts';

interface StartOptions
  extends Pick<Parameters<typeof startWorker>[0], 'keptIn' | 'rates' | 'twins' | 'which'> {
  /** Default: the scene's. */
  readonly bundle?: string;
  /** Variables beside the scene's, or in their place. */
  readonly variables?: Readonly<Record<string, string>>;
}

export const publicUrl = 'https://gateway.example.test';

/** The settings of a Node process as a Worker on its database has them, without the database: its files are text here. */
export function bindingsLike({ environment }: Pick<Scene, 'environment'>): Record<string, string> {
  const { DATABASE_URL: _url, NODE_EXTRA_CA_CERTS: _authorities, ...others } = environment;
  const texts = Object.entries(others).map(([name, value]) => [
    name,
    name.includes('_FILE') ? readFileSync(value, 'utf8') : value,
  ]);
  return Object.fromEntries(texts) as Record<string, string>;
}

export type DatabaseWay = { readonly url: string } | { readonly hyperdrive: string };

/** A tenant with an instance and a known device, the simulated outside, and the bundle that serves them. */
export interface WorkerScene {
  readonly world: World;
  readonly database: TestDatabase;
  readonly bundle: string;
  /** Served by the gateway; the other one only exists at Microsoft. */
  readonly tenantId: string;
  readonly strangerId: string;
  readonly instanceId: string;
  readonly instanceKey: string;
  readonly certificateSha256: string;
  readonly device: { readonly deviceId: string; readonly jamfComputerId: number };
  /** Key that seals what is stored. */
  readonly sealingKey: Uint8Array<ArrayBuffer>;
  /** Serves the other tenant, too, with the fleet's second Mac and an instance of its own at the same server. */
  serveStranger(): Promise<Pick<WorkerScene, 'device' | 'instanceId' | 'instanceKey'>>;
  /** An isolate of its own, which has seen nothing yet, with its database behind `DATABASE_URL` or Hyperdrive. */
  start(through?: DatabaseWay, more?: StartOptions): Promise<RunningWorker>;
  /** A token for the connector's API, from the simulated Entra, in a tenant that has consented to the connector. */
  callerToken(inTenant: string): Promise<string>;
  close(): Promise<void>;
}

interface Rows extends Pick<WorkerScene, 'certificateSha256' | 'device' | 'instanceId' | 'instanceKey'> {
  readonly world: World;
  readonly sql: TestDatabase['sql'];
  readonly tenantId: string;
  readonly sealingKey: WorkerScene['sealingKey'];
}

async function insertRows(rows: Rows): Promise<void> {
  const { certificateSha256, device, instanceId, instanceKey, sealingKey, sql, tenantId, world } = rows;
  const berlin = world.instance('berlin');
  const sealer = await createSealer([sealingKey]);
  const sealed = await sealer.seal(clientSecretOf(berlin), secretAssociation({ tenantId, instanceId }));
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
    values (${tenantId}, 'public', 'Contoso', 'device-compliance', 'cloud-connector', ${sql.json({ choice: 'default' })})`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_sealed, compliance,
                           client_certificate_sha256)
    values (${tenantId}, ${instanceId}, 'berlin', ${berlin.url}, ${berlin.clientId}, ${sealed},
            ${sql.json({ source: 'jamf' })}, ${certificateSha256})`;
  await sql`
    insert into instance_keys (tenant_id, instance_id, key_id, name, key_hash, prefix)
    values (${tenantId}, ${instanceId}, ${randomUUID()}, 'webhooks', ${await hashKey(instanceKey)}, 'esp_test')`;
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
    values (${tenantId}, ${device.deviceId}, ${instanceId}, ${device.jamfComputerId}, 'only-claim', 1)`;
}

async function takeCallerToken(world: World, inTenant: string): Promise<string> {
  const cloud = world.cloud('public');
  const { connector } = world.applications.get('public')!;
  grantApplication(world.directory.tenant(inTenant)!, {
    application: cloud.applications.get(connector.clientId)!,
    effectiveAt: world.clock.now(),
    withRoles: true,
    newObjectId: randomUUID,
  });
  return callerToken({ world }, inTenant);
}

const createSceneWorld = (): Promise<World> =>
  createWorld({
    seed: 11,
    clouds: ['public'],
    publicUrl,
    tenants: [
      { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 2 }] },
      { displayName: 'Stranger', instances: [] },
    ],
  });

export async function openWorkerScene(): Promise<WorkerScene> {
  const bundling = bundleWorker();
  const [world, database] = await Promise.all([createSceneWorld(), createTestDatabase()]);
  const sealingKey = new Uint8Array(randomBytes(32));
  const [tenantId = '', strangerId = ''] = world.tenants.map((tenant) => tenant.tenantId);
  const [mac] = world.fleet.truth();
  const rows = {
    ...{ tenantId, strangerId },
    instanceId: randomUUID(),
    instanceKey: newKey(),
    certificateSha256: randomBytes(32).toString('hex'),
    device: { deviceId: mac?.deviceId ?? '', jamfComputerId: Number(mac?.jamfComputerId) },
  };
  await migrateDatabase(database.url);
  await insertRows({ ...rows, world, sealingKey, sql: database.sql });
  const files = gatewayFiles(world);
  // On Workers a variable holds what on Node lies in the file that it names.
  const { NODE_EXTRA_CA_CERTS: _, ...environment } = gatewayEnvironment(
    world,
    (file) => files.get(file)?.content ?? '',
  );
  const bindings = {
    ...environment,
    ESPALIER_SECRETS_KEY: Buffer.from(sealingKey).toString('base64'),
    ESPALIER_LOG_LEVEL: 'debug',
    ESPALIER_PASS_THROUGH: JSON.stringify([
      'GET /api/v1/computers-inventory-detail/{id}',
      'POST /api/v1/computers/{id}/recalculate-smart-groups',
    ]),
  };
  const bundle = await bundling;
  return {
    ...{ ...rows, world, database, bundle, sealingKey },
    serveStranger: async () => {
      const [, mac] = world.fleet.truth();
      const own = {
        device: { deviceId: mac?.deviceId ?? '', jamfComputerId: Number(mac?.jamfComputerId) },
        instanceId: randomUUID(),
        instanceKey: newKey(),
      };
      const { certificateSha256 } = rows;
      await insertRows({
        ...{ ...own, certificateSha256, world, sealingKey },
        ...{ sql: database.sql, tenantId: strangerId },
      });
      return own;
    },
    start: (through = { url: database.url }, { variables = {}, ...more } = {}) =>
      startWorker({
        bundle,
        ...more,
        trust: world.authority.certificatePem,
        bindings: {
          ...bindings,
          ...('url' in through ? { DATABASE_URL: through.url } : {}),
          ...variables,
        },
        ...('hyperdrive' in through ? through : {}),
      }),
    callerToken: (inTenant) => takeCallerToken(world, inTenant),
    close: async () => {
      await database.drop();
      await world.close();
    },
  };
}
