import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { loadSnapshot } from '../../src/runtime/node-snapshot/load.ts';
import { manifestFile, openManifest } from '../../src/runtime/node-snapshot/manifest.ts';
import { deploymentOf } from '../../src/runtime/snapshot/deployment.ts';
import type { SnapshotKey } from '../../src/runtime/snapshot/sealed-file.ts';
import { keyIdOf } from '../../src/secrets/seal.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import type { SnapshotPart } from '../../src/snapshot-part.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  bootstrapKey,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** The snapshot of a gateway that was in use: nothing can be read in it, and opened it holds only what it may. */
describe('the snapshot on disk', { timeout: 120_000 }, () => {
  let scene: Scene;
  let tenantId: string;
  let instances: Map<string, AddedInstance>;
  let token: string;
  let folder: string;
  let devices: string[];
  const hidden: string[] = [];

  const guidBytes = (guid: string): Buffer => Buffer.from(guid.replaceAll('-', ''), 'hex');
  /** As routes have them: words as the machine lays them. */
  const guidWords = (guid: string): Buffer => guidBytes(guid).swap32();

  async function opened(): Promise<Buffer> {
    const secret = new Uint8Array(Buffer.from(scene.environment.ESPALIER_SECRETS_KEY ?? '', 'base64'));
    const keys: SnapshotKey[] = [{ id: await keyIdOf(secret), secret }];
    const found = openManifest(readFileSync(join(folder, manifestFile)), keys);
    if (!('manifest' in found)) throw new Error(found.refused);
    const records: Uint8Array[] = [];
    const parts = found.manifest.parts.map(
      ({ name, version }): SnapshotPart => ({
        name,
        version,
        segments: () => [],
        restore: () => ({
          take: (record) => {
            records.push(Uint8Array.from(record));
          },
          finish: () => undefined,
        }),
      }),
    );
    const { schema } = found.manifest;
    const deployment = deploymentOf(scene.environment.DATABASE_URL ?? '');
    const ages = { maxAgeMs: 3_600_000, maxAheadMs: 0, now: Date.now };
    const loaded = await loadSnapshot({ ...ages, folder, keys, deployment, schema }, parts);
    expect(loaded).toMatchObject({ loaded: true });
    return Buffer.concat(records);
  }

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [{ displayName: 'Contoso of Berlin', instances: [{ name: 'berlin', macs: 2 }] }],
      },
    });
    folder = join(scene.environment.ESPALIER_DATA_DIR ?? '', 'snapshot');
    [tenantId = ''] = scene.world.tenants.map((tenant) => tenant.tenantId);
    instances = await connectTenant(scene, tenantId);
    token = await callerToken(scene, tenantId);
    const berlin = instances.get('berlin');
    if (!berlin) throw new Error('no instance was added');
    const macs = scene.world.fleet.truth();
    devices = macs.map(({ deviceId }) => deviceId);
    for (const mac of macs) await sendWebhook(scene, berlin, mac.jamfComputerId);
    const headers = { authorization: `Bearer ${token}` };
    for (const deviceId of devices)
      await eventually(async () => {
        const answer = await scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, { headers });
        expect(answer.status).toBe(200);
      });
    const { key } = (await scene.api('POST', '/keys', { name: 'a key', role: 'admin' })).json;
    expect((await scene.api('GET', '/tenants', undefined, key)).status).toBe(200);
    const hashes = await scene.database.sql<{ hash: string }[]>`
      select key_hash as hash from instance_keys union all select key_hash from api_keys`;
    hidden.push(key, token, berlin.key, bootstrapKey, clientSecretOf(scene.world.instance('berlin')));
    hidden.push(scene.environment.ESPALIER_SECRETS_KEY ?? '', ...hashes.map(({ hash }) => hash));
    // The last one is written when all of this is over.
    await scene.gateway.stop();
  }, 120_000);
  afterAll(() => scene?.close());

  it('can be entered and read by its owner alone', () => {
    expect(statSync(folder).mode & 0o777).toBe(0o700);
    const modes = readdirSync(folder).map((name) => [name, statSync(join(folder, name)).mode & 0o777]);
    expect(modes.length).toBeGreaterThan(3);
    expect(modes.filter(([, mode]) => mode !== 0o600)).toEqual([]);
  });

  it('shows no name, id, token, key or secret', async () => {
    const [row] = await scene.database.sql<{ sealed: string; url: string }[]>`
      select api_secret_sealed as sealed, url from instances`;
    const texts = [
      ...hidden,
      tenantId,
      ...devices,
      'Contoso',
      'berlin',
      'public',
      row?.sealed ?? '',
      row?.url ?? '',
    ];
    const ids = [tenantId, ...devices].flatMap((id) => [guidBytes(id), guidWords(id)]);
    for (const name of readdirSync(folder)) {
      const bytes = readFileSync(join(folder, name));
      for (const text of texts) {
        expect(text).not.toBe('');
        expect(bytes.includes(text), `${text} in ${name}`).toBe(false);
      }
      for (const id of ids) expect(bytes.includes(id), name).toBe(false);
    }
  });

  it('opened holds what serves, and no token, session, key or readable secret', async () => {
    const bytes = await opened();
    const [row] = await scene.database.sql<{ sealed: string; url: string }[]>`
      select api_secret_sealed as sealed, url from instances`;
    for (const text of [tenantId, 'Contoso of Berlin', row?.sealed ?? '-', row?.url ?? '-'])
      expect(bytes.includes(text), text).toBe(true);
    for (const deviceId of devices) expect(bytes.includes(guidWords(deviceId)), deviceId).toBe(true);
    for (const text of hidden) expect(bytes.includes(text), text).toBe(false);
    const text = bytes.toString('latin1');
    expect(text, 'a token of Entra or of an instance').not.toMatch(/eyJ[\w-]{8,}\.[\w-]{8,}\./);
    expect(text, 'a key').not.toContain('esp_');
    expect(text, 'a private key').not.toMatch(/PRIVATE KEY|"d":/);
  });
});
