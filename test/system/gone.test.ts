import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { dayMs } from '../../src/clock.ts';
import { endGone } from '../../src/delivery/gone/end-gone.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { eventually } from '../harness/eventually.ts';
import { fullRecord } from '../harness/full-record.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** `ESPALIER_GONE_DAYS`: what is kept of Macs that are gone ends, slowly, and an older record brings nothing back. */
describe('rows of Macs that are gone', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  const log = createLog({ level: 'error', format: 'json', write: () => undefined });
  const begunAt = Date.now();
  const goneDays = 180;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 6 }] }] },
      environment: { ESPALIER_CHECK_IN_SECONDS: '0' },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    for (const { jamfComputerId } of scene.world.fleet.truth())
      await sendWebhook(scene, berlin, jamfComputerId);
    await eventually(async () => expect(await states()).toEqual(Array(6).fill('verified')));
  });
  afterAll(() => scene?.close());

  const states = async () =>
    (await scene.database.sql<{ state: string }[]>`select state from reports`).map(({ state }) => state);
  const applied = (deviceId: string) => scene.world.cloud('public').intune.device(tenantId, deviceId).history;
  const kept = async () => {
    const [row] = await scene.database.sql<
      { reports: number; computers: number; links: number; directory: number; claims: number }[]
    >`
      select (select count(*) from reports) as reports, (select count(*) from computers) as computers,
        (select count(*) from device_links) as links, (select count(*) from directory_devices) as directory,
        (select count(*) from claims) as claims`;
    return row!;
  };
  const endOnDay = (day: number) =>
    endGone({ sql: scene.database.sql, log, goneDays, now: () => new Date(begunAt + day * dayMs) });

  async function deleteComputer(jamfComputerId: number, deviceId: string): Promise<void> {
    scene.world.fleet.deleteComputer(scene.world.fleet.findByDevice(deviceId)!);
    await sendWebhook(scene, berlin, jamfComputerId);
    // What takes a minute and a half in real life.
    await eventually(async () => {
      const changed = await scene.database.sql`
        update computers set next_try_at = now(), not_found_since = now() - interval '2 minutes'
        where jamf_computer_id = ${jamfComputerId} and not_found_since is not null returning 1`;
      expect(changed).toHaveLength(1);
    });
    await eventually(() =>
      expect(applied(deviceId).at(-1)).toMatchObject({ deviceManagementState: 'notManaged' }),
    );
  }

  const push = (jamfComputerId: number, deviceId: string, reportDate: Date) => {
    const record = fullRecord(String(jamfComputerId), deviceId);
    const dated = { ...record, general: { ...record.general, reportDate: reportDate.toISOString() } };
    return scene.data(`/jamf/${berlin.id}/inventory`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-api-key': berlin.key },
      body: JSON.stringify(dated),
    });
  };

  it('a year passes: nothing ends that is not gone, then one Mac a day does', async () => {
    const { sql } = scene.database;
    const [first, second, silent] = scene.world.fleet.truth();
    const lists = (await kept()).computers;
    // A list that is empty for a year retires nothing: each computer is asked for, and answers.
    scene.world.faults.add({
      service: 'jamf:berlin',
      path: 'computers-inventory?',
      status: 200,
      body: '{"totalCount":0,"results":[]}',
      contentType: 'application/json',
    });
    await scene.api('POST', `/tenants/${tenantId}/instances/${berlin.id}/reconcile`);
    await eventually(async () => {
      const [row] = await sql`
        select (select count(*) from computers where next_try_at is not null) as due,
          (select count(*) from instance_reading where reconciled_at is not null) as done`;
      expect(row).toEqual({ due: 0, done: 1 });
    });
    await deleteComputer(first!.jamfComputerId, first!.deviceId);
    await deleteComputer(second!.jamfComputerId, second!.deviceId);
    await eventually(async () => expect((await states()).every((state) => state !== 'sent')).toBe(true));
    await eventually(async () => {
      const [open] =
        await sql`select count(*) as n from reports where next_try_at is not null or due_since is not null`;
      expect(open?.n).toBe(0);
    });
    // An older registration of the first Mac, and what Entra calls it.
    await sql`insert into device_links (tenant_id, device_id, previous_device_id, linked_by, retired_at)
      values (${tenantId}, ${silent!.deviceId}, ${first!.deviceId}, 'udid', now())`;
    await sql`insert into directory_devices (tenant_id, object_id, device_id, enabled)
      values (${tenantId}, ${crypto.randomUUID()}, ${first!.deviceId}, true),
        (${tenantId}, ${crypto.randomUUID()}, ${silent!.deviceId}, true) on conflict do nothing`;
    const before = await kept();
    expect(before).toMatchObject({ reports: 6, computers: lists, links: 1, claims: 4 });

    const days = new Map<string, number[]>();
    let last = before;
    for (let day = 1; day <= 366; day += 1) {
      await endOnDay(day);
      const now = await kept();
      for (const name of ['reports', 'computers', 'links'] as const) {
        for (let n = now[name]; n < last[name]; n += 1) days.set(name, [...(days.get(name) ?? []), day]);
      }
      last = now;
    }
    expect(Object.fromEntries(days)).toEqual({
      reports: [goneDays + 1, goneDays + 2],
      computers: [goneDays + 1, goneDays + 2],
      links: [goneDays + 1],
    });
    expect(await kept()).toMatchObject({ reports: 4, computers: lists - 2, links: 0, claims: 4 });
    const directory =
      await sql`select device_id from directory_devices where device_id = any(${[first!.deviceId, second!.deviceId]}::uuid[])`;
    expect(directory).toEqual([]);
    const [stones] = await sql`select (select count(*) from computer_tombstones) as computers,
      (select count(*) from device_tombstones where last_update_at is not null) as devices`;
    expect(stones).toEqual({ computers: 2, devices: 2 });
  });

  it('a record from before the end is accepted and brings nothing back', async () => {
    const { sql } = scene.database;
    const [stone] = await sql<{ id: number; reportAt: Date }[]>`
      select jamf_computer_id as id, report_at as "reportAt" from computer_tombstones order by 1 limit 1`;
    const [device] = await sql<{ id: string }[]>`select device_id as id from device_tombstones limit 1`;
    const before = await kept();
    const answer = await push(stone!.id, device!.id, new Date(stone!.reportAt.getTime() - 1_000));
    expect(answer).toMatchObject({ status: 202, json: { accepted: 1, rejected: [] } });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await kept()).toEqual(before);
    // Also where a webhook has made a row of the computer again that knows of no date.
    await sendWebhook(scene, berlin, stone!.id);
    await push(stone!.id, device!.id, new Date(stone!.reportAt.getTime() - 500));
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect(await kept()).toMatchObject({ reports: before.reports, claims: before.claims });
  });

  it('a newer record does, and LastUpdateTime goes on rising', async () => {
    const { sql } = scene.database;
    const [stone] = await sql<
      { id: number }[]
    >`select jamf_computer_id as id from computer_tombstones order by 1 desc limit 1`;
    const [device] = await sql<{ id: string; lastUpdateAt: Date }[]>`
      select device_id as id, last_update_at as "lastUpdateAt" from device_tombstones order by 1 desc limit 1`;
    // As if the clock that told of it had been ahead.
    const ahead = new Date(Date.now() + 3_600_000);
    await sql`update device_tombstones set last_update_at = ${ahead} where device_id = ${device!.id}`;
    await push(stone!.id, device!.id, new Date());
    const reported = await eventually(async () => {
      const [row] = await sql<
        { at: Date }[]
      >`select last_update_at as at from reports where device_id = ${device!.id}`;
      expect(row).toBeDefined();
      return row!;
    });
    expect(reported.at.getTime()).toBeGreaterThanOrEqual(ahead.getTime());
  });
});
