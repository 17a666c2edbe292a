import { execFile } from 'node:child_process';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { copyTestDatabase, createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { bootstrapKey, connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';
import { ownEnvironment } from '../harness/own-environment.ts';
import { program } from '../harness/program.ts';

/** The rehearsal of docs/procedures.md: an old database restored, and one that is lost. */

const run = promisify(execFile);

describe('recovery', () => {
  let scene: Scene;
  let tenantId: string;
  const databases: TestDatabase[] = [];
  const kept = (database: TestDatabase): TestDatabase => {
    databases.push(database);
    return database;
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 8, compliantShare: 1 },
              { name: 'paris', macs: 4, compliantShare: 1 },
            ],
          },
        ],
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
  });
  afterAll(async () => {
    await scene?.close();
    for (const database of databases) await database.drop();
  });

  const applied = (deviceId: string) => scene.world.cloud('public').intune.device(tenantId, deviceId).history;
  const last = (deviceId: string) => applied(deviceId).at(-1);
  const report = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json?.report;
  const allVerified = (deviceIds: readonly string[]) =>
    eventually(async () => {
      for (const deviceId of deviceIds) expect((await report(deviceId))?.state).toBe('verified');
    }, 40_000);

  it('never sends an old state of a restored database as new', async () => {
    const berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const { faults, fleet } = scene.world;
    const devices = fleet.truth().filter(({ instance }) => instance === 'berlin');
    for (const { jamfComputerId } of devices) await sendWebhook(scene, berlin, jamfComputerId);
    const deviceIds = devices.map(({ deviceId }) => deviceId);
    await allVerified(deviceIds);

    // At the time of the dump three are on their way, `sent` without a known outcome, and three are held.
    const [sent, held] = [devices.slice(0, 3), devices.slice(3, 6)];
    const break_ = async (some: typeof devices) => {
      for (const { deviceId, jamfComputerId } of some) {
        fleet.setCompliant(fleet.findByDevice(deviceId)!, false);
        await sendWebhook(scene, berlin, jamfComputerId);
      }
    };
    faults.add({ service: 'intune', path: 'DataUploadMessages', method: 'PUT', reset: 'before' });
    await break_(sent);
    await eventually(async () => {
      for (const { deviceId } of sent) expect((await report(deviceId)).state).toBe('sent');
    });
    await scene.api('POST', `/tenants/${tenantId}/pause`);
    await break_(held);
    await eventually(async () => {
      for (const { deviceId } of held) expect((await report(deviceId)).state).toBe('held');
    });
    await scene.gateway.kill();
    const restored = kept(await copyTestDatabase(scene.database));

    // Life goes on: all of it is told, then the Macs are repaired, and that is told too.
    faults.clear();
    await scene.start();
    await scene.api('POST', `/tenants/${tenantId}/resume`);
    await eventually(() => {
      for (const { deviceId } of [...sent, ...held])
        expect(last(deviceId)).toMatchObject({ complianceStatus: 'notCompliant' });
    }, 40_000);
    for (const { deviceId, jamfComputerId } of [...sent, ...held]) {
      fleet.setCompliant(fleet.findByDevice(deviceId)!, true);
      await sendWebhook(scene, berlin, jamfComputerId);
    }
    await eventually(() => {
      for (const deviceId of deviceIds)
        expect(last(deviceId)).toMatchObject({ complianceStatus: 'compliant' });
    });
    await allVerified(deviceIds);
    await scene.gateway.stop();
    const told = new Map(deviceIds.map((deviceId) => [deviceId, applied(deviceId).length]));

    // The old database comes back an hour later, and the instance does not answer at first.
    await restored.sql`update watch set watched_at = now() - interval '1 hour'`;
    faults.add({ service: 'jamf:berlin', status: 503, body: '{}', contentType: 'application/json' });
    await scene.startOn(restored);
    expect(scene.gateway.output()).toContain('recovery.gap');
    await scene.api('POST', `/tenants/${tenantId}/resume`);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    for (const deviceId of deviceIds) expect(applied(deviceId)).toHaveLength(told.get(deviceId)!);

    faults.clear();
    await allVerified(deviceIds);
    for (const deviceId of deviceIds) {
      const since = applied(deviceId).slice(told.get(deviceId)!);
      expect(since.filter(({ complianceStatus }) => complianceStatus !== 'compliant')).toEqual([]);
    }
  }, 180_000);

  const espalier = (args: readonly string[], environment: Record<string, string> = {}) => {
    const caFile = join(mkdtempSync(join(tmpdir(), 'espalier-ca-')), 'ca.pem');
    writeFileSync(caFile, scene.trust);
    const server = {
      ESPALIER_URL: scene.gateway.admin,
      ESPALIER_API_KEY: bootstrapKey,
      ESPALIER_CA_FILE: caFile,
    };
    return run(process.execPath, [program(), 'routes', 'rebuild', ...args], {
      env: { ...ownEnvironment(), ...server, ...environment },
    }).then(
      ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
      (error: { code: number; stdout: string; stderr: string }) => error,
    );
  };

  it('brings all routes and reports back from the instances alone', async () => {
    scene.world.faults.clear();
    await scene.startOn(kept(await createTestDatabase()));
    const instances = await connectTenant(scene, tenantId);
    const truth = scene.world.fleet.truth();
    const { json: before } = await scene.api('GET', `/tenants/${tenantId}/status`);
    expect(before.devices).toBe(0);

    const { code, stderr, stdout } = await espalier([]);
    expect([code, stderr]).toEqual([0, '']);
    expect(stdout).toContain(`${tenantId}: 2 instances`);
    expect(stdout).toContain(`0 computers wait, ${truth.length} devices routed`);
    for (const { deviceId, instance, jamfComputerId } of truth) {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
      expect(json).toMatchObject({
        instanceId: instances.get(instance)!.id,
        jamfComputerId: String(jamfComputerId),
      });
    }
    await allVerified(truth.map(({ deviceId }) => deviceId));
    for (const { compliant, deviceId } of truth) {
      expect(last(deviceId)).toMatchObject({ complianceStatus: compliant ? 'compliant' : 'notCompliant' });
    }
  }, 120_000);

  it('ends with the exit code that says why it could not', async () => {
    expect((await espalier(['--no-wait', '--tenant', tenantId])).code).toBe(0);
    const unset = await espalier([], { ESPALIER_URL: '' });
    expect([unset.code, unset.stderr]).toEqual([2, expect.stringContaining('ESPALIER_URL')]);
    expect((await espalier([], { ESPALIER_API_KEY: 'esp_wrong' })).code).toBe(3);
    expect((await espalier(['--tenant', crypto.randomUUID()])).code).toBe(4);
    const viewer = await scene.api('POST', '/keys', { name: 'viewer', role: 'viewer' });
    expect((await espalier(['--tenant', tenantId], { ESPALIER_API_KEY: viewer.json.key })).code).toBe(5);
    expect((await espalier(['--colour'])).code).toBe(2);
    const away = await espalier([], { ESPALIER_URL: 'https://127.0.0.1:1' });
    expect([away.code, away.stderr]).toEqual([1, expect.stringContaining('does not answer')]);
  });
});
