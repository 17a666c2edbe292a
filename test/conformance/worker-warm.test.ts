import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { directoryName } from '../../src/runtime/worker/waker.ts';
import { shardOf } from '../../src/store/tenant-scope.ts';
import { eventually } from '../harness/eventually.ts';
import { openWorkerScene, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker } from './workerd.ts';

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
