import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';

/** Two gateways remember routes of one database: both follow it, and go on answering without it. */
describe('routes in memory', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-cache-'));
  let scene: Scene;
  let database: OwnPostgres;
  let sql: Sql;
  let other: GatewayProcess;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let token: string;
  let device: { deviceId: string; jamfComputerId: number };

  beforeAll(async () => {
    database = await startOwnPostgres(dir);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 4 },
              { name: 'paris', macs: 1 },
            ],
          },
        ],
      },
    });
    await scene.startOn({ url: database.url, sql, drop: () => sql.end() });
    other = await scene.another();
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
    token = await callerToken(scene, tenantId);
    device = scene.world.fleet.truth().find((one) => one.instance === 'berlin')!;
  }, 120_000);
  afterAll(async () => {
    await database?.start();
    await other?.stop();
    await scene?.close();
    await sql?.end({ timeout: 2 });
    await database?.stop('fast');
    rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const ask = (gateway: GatewayProcess, deviceId = device.deviceId) =>
    call(`${gateway.data}/t/${tenantId}/devices/${deviceId}/compliance`, {
      ca: scene.trust,
      headers: { authorization: `Bearer ${token}` },
    });
  const both = (check: (gateway: GatewayProcess) => Promise<void>) =>
    Promise.all([scene.gateway, other].map((gateway) => eventually(() => check(gateway))));
  /** The other instance could not answer. */
  const answeredBy = async (name: 'berlin' | 'paris'): Promise<void> => {
    const service = `jamf:${name === 'berlin' ? 'paris' : 'berlin'}`;
    scene.world.faults.add({
      service,
      path: 'device-compliance-information',
      status: 200,
      body: 'not JSON',
      contentType: 'text/plain',
    });
    await both(async (gateway) => expect((await ask(gateway)).status).toBe(200));
    scene.world.faults.clear();
  };
  const convergence = async () => (await scene.api('GET', `/tenants/${tenantId}/routes/convergence`)).json;

  it('a new device is found although it was unknown a moment ago', async () => {
    await both(async (gateway) => expect((await ask(gateway)).status).toBe(404));
    await sendWebhook(scene, berlin, device.jamfComputerId);
    await answeredBy('berlin');
  });

  it('both follow a Mac that moves, and the report says so', async () => {
    scene.world.fleet.moveTo(scene.world.fleet.findByDevice(device.deviceId)!, 'paris');
    const there = scene.world.fleet.truth().find((one) => one.deviceId === device.deviceId)!;
    await sendWebhook(scene, paris, there.jamfComputerId);
    await answeredBy('paris');
    await eventually(async () => {
      const { processes, version } = await convergence();
      expect(version).toBeGreaterThanOrEqual(2);
      expect(processes).toHaveLength(2);
      for (const process of processes) expect(process).toMatchObject({ version, current: true });
    });
  });

  it("404 for the convergence of another tenant's routes", async () => {
    const path = `/tenants/${crypto.randomUUID()}/routes/convergence`;
    expect((await scene.api('GET', path)).status).toBe(404);
  });

  it('a paused or renamed instance is known to both at once', async () => {
    const path = `/tenants/${tenantId}/instances/${paris.id}`;
    expect((await scene.api('POST', `${path}/pause`)).status).toBe(200);
    await both(async (gateway) => expect((await ask(gateway)).status).toBe(503));
    expect((await scene.api('POST', `${path}/resume`)).status).toBe(200);
    await both(async (gateway) => expect((await ask(gateway)).status).toBe(200));
  });

  it('without the database what is known is answered, the rest is refused, and health says so', async () => {
    await both(async (gateway) => expect((await ask(gateway)).status).toBe(200));
    await database.stop('immediate');
    for (const gateway of [scene.gateway, other]) {
      expect((await ask(gateway)).status).toBe(200);
      const unknown = await ask(gateway, crypto.randomUUID());
      expect(unknown.status).toBe(503);
      expect(unknown.json.type).toBe('https://espalier.dev/problems/store-unavailable');
      const ready = await fetch(`${gateway.ops}/health/ready`);
      expect(ready.status).toBe(200);
      expect(await ready.json()).toMatchObject({ degraded: ['database'], age: expect.any(Number) });
    }
    expect((await sendWebhook(scene, paris, 1)).status).toBe(503);
    // Longer than anything is kept without a living feed.
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    for (const gateway of [scene.gateway, other]) expect((await ask(gateway)).status).toBe(200);
  });

  it('when the database is back, changes are heard of again', async () => {
    await database.start();
    await both(async (gateway) => {
      const ready = await fetch(`${gateway.ops}/health/ready`);
      expect(await ready.json()).toEqual({ status: 'ready' });
    });
    scene.world.fleet.moveTo(scene.world.fleet.findByDevice(device.deviceId)!, 'berlin');
    const back = scene.world.fleet.truth().find((one) => one.deviceId === device.deviceId)!;
    await sendWebhook(scene, berlin, back.jamfComputerId);
    await answeredBy('berlin');
  });

  it('a process that starts reads all routes beforehand', async () => {
    await scene.restart('stop');
    await eventually(() => expect(scene.gateway.output()).toContain('"event":"routes.preloaded"'));
    await eventually(async () => {
      // The other one may hold none: what it knew of a tenant whose beginning it has not seen goes when the tenant changes.
      const processes: { startedAt: string; cachedRoutes: number }[] = (await convergence()).processes;
      const newest = processes.toSorted((a, b) => (a.startedAt < b.startedAt ? -1 : 1)).at(-1);
      expect(newest?.cachedRoutes).toBeGreaterThanOrEqual(1);
    });
  });
});
