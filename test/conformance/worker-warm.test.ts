import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryName } from '../../src/runtime/worker/waker.ts';
import { shardOf } from '../../src/store/tenant-scope.ts';
import { type DatabaseDoor, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { bundleWorker } from './bundles.ts';
import { bindingsLike, openWorkerScene, type WorkerScene } from './worker-scene.ts';
import { type RunningWorker, startWorker } from './workerd.ts';

/** What Workers remember, and how they hear that it does not hold any more. */

const shards = 4;

describe('the object that says what still holds', () => {
  let scene: WorkerScene;
  let worker: RunningWorker;

  beforeAll(async () => {
    scene = await openWorkerScene();
    worker = await scene.start();
  });
  afterAll(async () => {
    await worker?.close();
    await scene?.close();
  });

  const directory = () => {
    const scope = { shard: shardOf(scene.tenantId, shards), of: shards };
    return worker.directory(directoryName(scope));
  };
  const versions = async (routesFrom?: number) => {
    const { tenants } = await (await directory()).versions([{ tenantId: scene.tenantId, routesFrom }]);
    return tenants[0]!;
  };

  it('names what was changed in the database, whoever wrote it', async () => {
    const before = await versions();
    await scene.database.sql`
      update instances set paused = not paused where tenant_id = ${scene.tenantId}`;
    await eventually(async () => expect((await versions()).served).toBeGreaterThan(before.served));
    expect(await versions(before.routes)).toMatchObject({ routes: before.routes, moved: [] });
    const [deviceId, version] = [randomUUID(), before.routes + 1];
    await scene.database.sql.begin(async (tx) => {
      await tx`
        insert into route_changes (tenant_id, version, device_id, pinned, rule, author, reason)
        values (${scene.tenantId}, ${version}, ${deviceId}, false, 'no-claim', 'test', 'test')`;
      await tx`
        insert into route_versions (tenant_id, version) values (${scene.tenantId}, ${version})
        on conflict (tenant_id) do update set version = excluded.version`;
    });
    await eventually(async () =>
      expect(await versions(before.routes)).toMatchObject({ routes: version, moved: [deviceId] }),
    );
  });

  it('knows nothing of a tenant that is not there, and goes on after its end', async () => {
    const tenantId = randomUUID();
    const asked = [{ tenantId, routesFrom: undefined }];
    const nothing = { served: 0, routes: 0 };
    expect(await (await directory()).versions(asked)).toMatchObject({ tenants: [nothing] });
    await (await directory()).abortNow().catch(() => undefined);
    expect(await (await directory()).versions(asked)).toMatchObject({ tenants: [nothing] });
  });

  it('reads while it is asked, and lets its connection go when nobody asks any more', async () => {
    await versions();
    const connections = async () => {
      const rows = await scene.database.sql`
        select 1 from pg_stat_activity
        where application_name = 'espalier-directory' and datname = current_database()`;
      return rows.length;
    };
    expect(await connections()).toBe(1);
    await eventually(async () => expect(await connections()).toBe(0), 30_000);
  });
});

/** A change is seen within this time, wherever it was made. */
const boundMs = 2_000;
const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

describe('what a Node process changed', () => {
  let scene: Scene;
  let door: DatabaseDoor;
  let worker: RunningWorker;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let token: string;

  beforeAll(async () => {
    const bundling = bundleWorker();
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 2 },
              { name: 'paris', macs: 1 },
            ],
          },
        ],
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
    token = await callerToken(scene, tenantId);
    door = await openDoor();
    await door.leadTo(scene.database.url);
    const url = new URL(scene.database.url);
    url.port = String(door.port);
    worker = await startWorker({
      bundle: await bundling,
      bindings: { ...bindingsLike(scene), DATABASE_URL: url.href },
      trust: scene.world.authority.certificatePem,
    });
  }, 120_000);
  afterAll(async () => {
    await worker?.close();
    await door?.close();
    await scene?.close();
  });

  const at = (path: string): string => `/tenants/${tenantId}${path}`;
  const computerOf = (instance: string) =>
    scene.world.fleet.truth().find((device) => device.instance === instance)!.jamfComputerId;
  const place = (deviceId: string, instance: AddedInstance, name: string) =>
    scene.api('PUT', at(`/devices/${deviceId}`), {
      instanceId: instance.id,
      jamfComputerId: String(computerOf(name)),
      pinned: true,
    });
  const device = (deviceId: string) => async (): Promise<number> => {
    const path = `/t/${tenantId}/devices/${deviceId}/compliance`;
    const answer = await worker.fetch(`${scene.environment.ESPALIER_PUBLIC_URL}${path}`, {
      headers: { authorization: `Bearer ${token}` },
    });
    return answer.status;
  };
  const answeredBy = (name: string): number =>
    scene.world.journal.list({ service: `jamf:${name}` }).filter(({ path }) => !path.includes('oauth'))
      .length;

  /** Calls all the time, so that what is remembered is confirmed all the time; and once more when the bound is over. */
  async function afterBound(call: () => Promise<unknown>): Promise<void> {
    const end = Date.now() + boundMs;
    while (Date.now() < end) {
      await call();
      await pause(100);
    }
  }
  async function warmed(call: () => Promise<number>, status: number): Promise<void> {
    for (let times = 0; times < 25; times += 1) {
      expect(await call(), worker.output()).toBe(status);
      await pause(100);
    }
  }

  it('is seen within two seconds: an instance that is paused, and resumed', async () => {
    const deviceId = randomUUID();
    await place(deviceId, berlin, 'berlin');
    await warmed(device(deviceId), 200);
    expect((await scene.api('POST', at(`/instances/${berlin.id}/pause`))).status).toBeLessThan(300);
    await afterBound(device(deviceId));
    expect(await device(deviceId)()).toBe(503);
    expect((await scene.api('POST', at(`/instances/${berlin.id}/resume`))).status).toBeLessThan(300);
    await afterBound(device(deviceId));
    expect(await device(deviceId)()).toBe(200);
  });

  it('is seen within two seconds: a Mac that moves, and one that goes', async () => {
    const [moving, staying] = [randomUUID(), randomUUID()];
    await place(moving, berlin, 'berlin');
    await place(staying, berlin, 'berlin');
    await warmed(device(staying), 200);
    await warmed(device(moving), 200);
    await place(moving, paris, 'paris');
    await afterBound(device(moving));
    const before = [answeredBy('berlin'), answeredBy('paris')];
    expect(await device(moving)()).toBe(200);
    expect(answeredBy('berlin')).toBe(before[0]);
    expect(answeredBy('paris')).toBeGreaterThan(before[1]!);
    expect(await device(staying)()).toBe(200);
    expect(answeredBy('berlin')).toBeGreaterThan(before[0]!);
    await scene.api('DELETE', at(`/devices/${moving}`));
    await afterBound(device(moving));
    expect(await device(moving)()).toBe(404);
  });

  it('is seen within two seconds: a key that is revoked', async () => {
    const made = await scene.api('POST', at(`/instances/${paris.id}/keys`), { name: 'another' });
    const webhook = async (): Promise<number> => {
      const answer = await worker.fetch(
        `${scene.environment.ESPALIER_PUBLIC_URL}/jamf/${paris.id}/webhooks`,
        {
          method: 'POST',
          headers: { 'content-type': 'application/json', 'x-api-key': made.json.key },
          body: webhookBody('ComputerInventoryCompleted', computerOf('paris')),
        },
      );
      return answer.status;
    };
    await warmed(webhook, 202);
    const { status } = await scene.api('DELETE', at(`/instances/${paris.id}/keys/${made.json.id}`));
    expect(status).toBe(204);
    await afterBound(webhook);
    expect(await webhook()).toBe(401);
  });

  it('would not be seen while the database is away, so nothing is served beyond the bound', async () => {
    const deviceId = randomUUID();
    await place(deviceId, berlin, 'berlin');
    await warmed(device(deviceId), 200);
    await door.close();
    await afterBound(device(deviceId));
    expect(await device(deviceId)()).toBe(503);
    await door.leadTo(scene.database.url);
    await eventually(async () => expect(await device(deviceId)()).toBe(200));
  });
});
