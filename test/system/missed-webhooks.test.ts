import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type OwnPostgres, startOwnPostgres } from '../harness/own-postgres.ts';

/** What instances sent while the database was away: Jamf Pro does not send it again, so it is made up for. */
describe('webhooks that were answered 503 while the database was away', () => {
  const dir = mkdtempSync(join(tmpdir(), 'espalier-missed-'));
  let scene: Scene;
  let database: OwnPostgres;
  let sql: Sql;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;

  beforeAll(async () => {
    database = await startOwnPostgres(dir);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 3, compliantShare: 1 },
              { name: 'paris', macs: 2, compliantShare: 1 },
            ],
          },
        ],
      },
      environment: {
        ESPALIER_LOG_LEVEL: 'info',
        ESPALIER_POLL_SECONDS: '3600',
        ESPALIER_RECONCILE_SECONDS: '86400',
      },
    });
    await scene.startOn({ url: database.url, sql, drop: () => sql.end() });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
    for (const { instance, jamfComputerId } of scene.world.fleet.truth()) {
      const { id, key } = instances.get(instance)!;
      expect((await webhook(id, key, jamfComputerId)).status).toBe(202);
    }
    await eventually(() => {
      for (const { deviceId } of scene.world.fleet.truth()) expect(told(deviceId)).toBe('compliant');
    }, 40_000);
    await settled();
  }, 120_000);
  afterAll(async () => {
    await database?.start();
    await scene?.close();
    await sql?.end({ timeout: 2 });
    await database?.stop('fast');
    rmSync(dir, { recursive: true, force: true });
  }, 120_000);

  const webhook = (id: string, key: string, computer: number) =>
    scene.data(`/jamf/${id}/webhooks`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: webhookBody('ComputerInventoryCompleted', computer),
    });
  const told = (deviceId: string) =>
    scene.world.cloud('public').intune.device(tenantId, deviceId).history.at(-1)?.complianceStatus;
  const macsOf = (name: string) => scene.world.fleet.truth().filter(({ instance }) => instance === name);
  /** Its verdict changes without a report, as that of a group does: no poll can see it. */
  const turn = ({ deviceId }: { deviceId: string }) =>
    scene.world.fleet.setCompliant(scene.world.fleet.findByDevice(deviceId)!, false);
  const reading = async (id: string) => {
    const [row] = await sql<{ polledAt: Date | null; reconciledAt: Date | null }[]>`
      select polled_at as "polledAt", reconciled_at as "reconciledAt" from instance_reading where instance_id = ${id}`;
    return row!;
  };
  const settled = () =>
    eventually(async () => {
      const [row] = await sql<{ due: number; first: number }[]>`
        select count(*) filter (where wanted_revision > done_revision) as due,
          (select count(*) from instance_reading where poll_cursor is null or reconciled_at is null) as first from computers`;
      expect(row).toEqual({ due: 0, first: 0 });
    }, 40_000);
  const kept = (): string[] => {
    const folder = join(scene.environment.ESPALIER_DATA_DIR!, 'missed-events');
    return existsSync(folder) ? readdirSync(folder) : [];
  };

  it('are acted on as soon as it is back, and their instance is polled; nobody else is', async () => {
    const [mac] = macsOf('berlin');
    const before = { berlin: await reading(berlin.id), paris: await reading(paris.id) };
    await database.stop('fast');
    turn(mac!);
    await eventually(async () => {
      expect((await webhook(berlin.id, berlin.key, mac!.jamfComputerId)).status).toBe(503);
    });
    // A stranger's key marks nothing, nor another instance's.
    for (const key of [berlin.key, `${paris.key.slice(0, -3)}abc`]) {
      expect((await webhook(paris.id, key, 1)).status).not.toBe(202);
    }
    await eventually(() => expect(kept()).toHaveLength(1));
    await database.start();
    await eventually(() => expect(told(mac!.deviceId)).toBe('notCompliant'), 15_000);
    await eventually(async () => {
      const { polledAt } = await reading(berlin.id);
      expect(polledAt?.getTime()).toBeGreaterThan(before.berlin.polledAt?.getTime() ?? 0);
    }, 15_000);
    expect(await reading(paris.id)).toEqual(before.paris);
    expect((await reading(berlin.id)).reconciledAt).toEqual(before.berlin.reconciledAt);
    await eventually(() => expect(kept()).toEqual([]));
  }, 90_000);

  it('lead to a reconciliation of their instance when the process ended meanwhile', async () => {
    const mac = macsOf('berlin')[1]!;
    const before = { berlin: await reading(berlin.id), paris: await reading(paris.id) };
    await database.stop('fast');
    turn(mac);
    await eventually(async () => {
      expect((await webhook(berlin.id, berlin.key, mac.jamfComputerId)).status).toBe(503);
    });
    // Not only begun to be written: what is half there says nothing.
    await eventually(() => expect(kept()).toEqual([expect.stringMatching(/\.json$/)]));
    await scene.gateway.kill();
    await database.start();
    await scene.start();
    await eventually(() => expect(told(mac.deviceId)).toBe('notCompliant'), 30_000);
    expect((await reading(berlin.id)).reconciledAt).not.toEqual(before.berlin.reconciledAt);
    expect((await reading(paris.id)).reconciledAt).toEqual(before.paris.reconciledAt);
    await eventually(() => expect(kept()).toEqual([]));
  }, 90_000);

  it('lead to a reconciliation of every instance when the process knew nobody, for it waited for the database', async () => {
    const [mac] = macsOf('paris');
    await scene.gateway.stop();
    await database.stop('fast');
    const started = scene.start();
    turn(mac!);
    await eventually(async () => {
      expect((await webhook(paris.id, paris.key, mac!.jamfComputerId)).status).toBe(503);
    }, 20_000);
    // The process has looked for the database and not found it.
    await new Promise((resolve) => setTimeout(resolve, 2_000));
    await database.start();
    await started;
    await eventually(() => expect(told(mac!.deviceId)).toBe('notCompliant'), 30_000);
  }, 90_000);
});
