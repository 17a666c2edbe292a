import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { replayBatch, timelineEventsPerDevice } from '../../src/limits.ts';
import { addTimelines, trimTimelines } from '../../src/store/timeline.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Reports over all tenants: who sees which, dead letters by cause, and telling them again. */
describe('reports', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  /** Known, not connected: what is due there goes nowhere. */
  let idleId: string;
  let berlin: AddedInstance;
  let boundKey: string;
  let viewerKey: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          { instances: [{ name: 'berlin', macs: 3 }] },
          { instances: [{ name: 'oslo', macs: 1 }] },
          { instances: [] },
        ],
      },
    });
    [tenantId, otherId, idleId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [
      string,
      string,
      string,
    ];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const oslo = (await connectTenant(scene, otherId)).get('oslo')!;
    await scene.api('POST', '/tenants', { tenantId: idleId, displayName: 'Idle', cloud: 'public' });
    await sendWebhook(scene, oslo, truthOf('oslo')[0]!.jamfComputerId);
    boundKey = await key('operator', [otherId]);
    viewerKey = await key('viewer');
  });
  afterAll(() => scene?.close());

  const truthOf = (name: string) => scene.world.fleet.truth().filter((device) => device.instance === name);
  const key = async (role: string, tenants?: string[]): Promise<string> =>
    (await scene.api('POST', '/keys', { name: role, role, ...(tenants ? { tenants } : {}) })).json.key;
  const path = (filter: string, rest = '') => `/reports${rest}?filter=${encodeURIComponent(filter)}`;
  const replay = (filter: unknown, { dryRun = false, as }: { dryRun?: boolean; as?: string } = {}) =>
    scene.api('POST', `/reports/replay${dryRun ? '?dry-run=true' : ''}`, { filter }, as);
  const reportOf = async (deviceId: string) =>
    (await scene.api('GET', path(`deviceId==${deviceId}`))).json.results[0];

  /** Reports of devices that exist nowhere else; the columns are those of the state. */
  const seed = (owner: string, state: string, reason: string, count: number) => scene.database.sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, reason, detail, failed_at,
      next_try_at)
    select ${owner}, gen_random_uuid(), '{}', 'seeded', gen_random_uuid(), ${state}, ${reason}, 'seeded', ${state === 'failed' ? new Date() : null},
      ${state === 'failed' ? null : new Date(Date.now() + 3_600_000)}
    from generate_series(1, ${count})`;
  const clear = () => scene.database.sql`delete from reports where content_hash = 'seeded'`;

  const settings = () => scene.world.cloud('public').settings.tenant(tenantId).intune;

  it('lists, filters, sorts and pages what an operator may see', async () => {
    const device = truthOf('oslo')[0]!;
    await eventually(async () => expect((await reportOf(device.deviceId))?.state).toBe('verified'));
    await seed(idleId, 'failed', 'refused', 3);
    const all = await scene.api('GET', '/reports?page-size=2&sort=updatedAt:desc');
    expect(all.json.totalCount).toBe(4);
    expect(all.json.results).toHaveLength(2);
    const rest = await scene.api('GET', '/reports?page=1&page-size=2&sort=updatedAt:desc');
    const seen = [...all.json.results, ...rest.json.results].map((one: { deviceId: string }) => one.deviceId);
    expect(new Set(seen).size).toBe(4);
    expect(await reportOf(device.deviceId)).toMatchObject({
      tenantId: otherId,
      state: 'verified',
      confirmedRevision: 1,
      verification: 'verified',
      background: false,
      failedAt: null,
    });
    const matching = async (filter: string, as?: string): Promise<number> => {
      const answer = await scene.api('GET', path(filter), undefined, as);
      expect(answer.status).toBe(200);
      return answer.json.totalCount;
    };
    expect(await matching('state==failed')).toBe(3);
    expect(await matching('state!=failed')).toBe(1);
    expect(await matching(`tenantId==${idleId};reason==ref*`)).toBe(3);
    expect(await matching('reason=out=(refused)')).toBe(1);
    expect(await matching('failedAt=gt=2020-01-01T00:00:00Z and updatedAt>2020-01-01')).toBe(3);
    expect(await matching('(state==failed,state==verified);updatedAt<2020-01-01')).toBe(0);
    expect(await matching(`instanceId=in=(${crypto.randomUUID()},${crypto.randomUUID()})`)).toBe(0);
    // What is bound to one tenant sees no other, whatever it asks.
    expect(await matching('state==failed', boundKey)).toBe(0);
    expect(await matching(`tenantId==${idleId}`, boundKey)).toBe(0);
    expect((await scene.api('GET', '/reports', undefined, boundKey)).json.totalCount).toBe(1);
    expect((await scene.api('GET', '/reports/causes', undefined, boundKey)).json.totalCount).toBe(0);
    await clear();
  });

  it('400 names what is wrong with a filter, 401 without a key', async () => {
    for (const [filter, named] of [
      ['colour==red', 'colour'],
      ['state==gone', 'state'],
      ['tenantId==berlin', 'tenantId'],
      ['state>due', 'state'],
      ['updatedAt>today', 'updatedAt'],
      ['state==', 'position 8'],
      ["reason=='a';drop table reports", 'position'],
    ] as const) {
      for (const answer of [
        await scene.api('GET', path(filter)),
        await scene.api('GET', path(filter, '/causes')),
        await replay(filter),
      ]) {
        expect(answer.status).toBe(400);
        expect(answer.json.type).toBe('https://espalier.dev/problems/invalid-request');
        expect(answer.json.errors[0]).toMatchObject({
          field: 'filter',
          description: expect.stringContaining(named),
        });
      }
    }
    for (const body of [{}, { filter: '' }, { filter: ' ' }, { filter: '*' }, { filter: 7 }]) {
      const answer = await scene.api('POST', '/reports/replay', body);
      expect([answer.status, answer.json.errors[0].field]).toEqual([400, 'filter']);
    }
    const unknown = await scene.api('POST', '/reports/replay', { filter: 'state==failed', tenant: 'x' });
    expect([unknown.status, unknown.json.errors[0].field]).toEqual([400, 'tenant']);
    expect((await scene.api('GET', '/reports', undefined, 'esp_wrong')).status).toBe(401);
  });

  it('shows dead letters and held reports by cause, with what ends it', async () => {
    await seed(idleId, 'failed', 'user-not-assigned', 4);
    await seed(otherId, 'failed', 'refused', 1);
    await seed(idleId, 'held', 'verdict-unknown', 2);
    const { json } = await scene.api('GET', '/reports/causes');
    expect(json.totalCount).toBe(3);
    expect(json.results[0]).toMatchObject({
      tenantId: idleId,
      state: 'failed',
      reason: 'user-not-assigned',
      count: 4,
      oldest: expect.any(String),
      newest: expect.any(String),
      exampleDetail: 'seeded',
      owner: 'configuration',
      remedy: expect.stringContaining('group'),
    });
    const failed = await scene.api('GET', `${path('state==failed', '/causes')}&page-size=1&page=1`);
    expect([failed.json.totalCount, failed.json.results.length]).toEqual([2, 1]);
    const behind = await scene.api('GET', `${path('state==failed', '/causes')}&page=9`);
    expect([behind.json.totalCount, behind.json.results.length]).toEqual([2, 0]);
    const own = await scene.api('GET', '/reports/causes', undefined, boundKey);
    expect(own.json.results).toMatchObject([{ tenantId: otherId, reason: 'refused', count: 1 }]);
    await clear();
  });

  it('403 for a viewer; a dry run says what would be and changes nothing', async () => {
    await seed(idleId, 'failed', 'refused', 12);
    await seed(idleId, 'due', 'refused', 2);
    expect((await replay('state==failed', { as: viewerKey })).status).toBe(403);
    expect((await replay('state==failed', { as: viewerKey, dryRun: true })).status).toBe(403);
    const state = () => scene.database.sql`
      select * from reports where content_hash = 'seeded' order by device_id`;
    const before = await state();
    const dry = await replay(`tenantId==${idleId};reason==refused`, { dryRun: true });
    expect(dry.status).toBe(202);
    expect(dry.json).toMatchObject({
      matched: 14,
      replayed: 12,
      skipped: 2,
      ratePerSecond: 100,
      dryRun: true,
    });
    expect(dry.json.sample).toHaveLength(10);
    expect(dry.json.sample[0]).toEqual({
      tenantId: idleId,
      deviceId: expect.any(String),
      state: 'failed',
      reason: 'refused',
    });
    expect(await state()).toEqual(before);
    // Another tenant's reports are as if they were not there.
    const foreign = await replay(`tenantId==${idleId}`, { as: boundKey });
    expect(foreign.json).toMatchObject({ matched: 0, replayed: 0, skipped: 0, sample: [] });
    expect(await state()).toEqual(before);
    await clear();
  });

  it('a failed device is told again when the cause is gone', async () => {
    const device = truthOf('berlin')[0]!;
    settings().uploadErrorCode = 404;
    settings().uploadErrorDetail = 'Device not found';
    await sendWebhook(scene, berlin, device.jamfComputerId);
    await eventually(async () => expect((await reportOf(device.deviceId))?.state).toBe('failed'));
    await scene.database;
    const causes = await scene.api('GET', path(`tenantId==${tenantId}`, '/causes'));
    expect(causes.json.results).toMatchObject([{ reason: 'device-not-in-entra', count: 1 }]);
    settings().uploadErrorCode = null;
    settings().uploadErrorDetail = null;
    const answer = await replay(`state==failed;reason==${causes.json.results[0].reason}`);
    expect(answer.json).toMatchObject({ matched: 1, replayed: 1, skipped: 0, dryRun: false });
    const told = await eventually(async () => {
      const report = await reportOf(device.deviceId);
      expect(report.state).toBe('verified');
      return report;
    });
    expect(told).toMatchObject({ revision: 2, confirmedRevision: 2, failedAt: null });
    const line = scene.gateway
      .output()
      .split('\n')
      .find((one) => one.includes('"event":"reports.replay"') && one.includes('device-not-in-entra'));
    expect(JSON.parse(line!)).toMatchObject({ operator: 'bootstrap', keyId: null, replayed: 1 });
    // What is completed can be told again too.
    expect((await replay(`deviceId==${device.deviceId}`)).json.replayed).toBe(1);
    await eventually(async () =>
      expect(await reportOf(device.deviceId)).toMatchObject({ state: 'verified', confirmedRevision: 3 }),
    );
  });

  it('held reports are looked at again at once, with the revision they have', async () => {
    await seed(idleId, 'held', 'verdict-unknown', 1);
    const [before] = (await scene.api('GET', path('state==held'))).json.results;
    expect((await replay('state==held')).json).toMatchObject({ matched: 1, replayed: 1 });
    const [after] = await scene.database.sql<{ revision: number; soon: boolean }[]>`
      select revision, next_try_at < now() + interval '1 minute' as soon from reports
      where tenant_id = ${idleId} and device_id = ${before.deviceId}`;
    expect(after).toEqual({ revision: before.revision, soon: true });
    await clear();
  });

  it('spreads many over time and over several batches, behind what is fresh', async () => {
    const count = replayBatch + 500;
    await seed(idleId, 'failed', 'refused', count);
    const answer = await replay(`tenantId==${idleId}`);
    expect(answer.json).toMatchObject({ matched: count, replayed: count });
    const [spread] = await scene.database.sql`
      select count(*) filter (where background) as background, count(*) filter (where failed_at is not null) as failed,
        count(*) filter (where revision = 2) as revised, count(distinct next_try_at) as places,
        extract(epoch from max(next_try_at) filter (where state = 'due') - now())::float8 as seconds
      from reports where content_hash = 'seeded'`;
    expect(spread).toMatchObject({ background: count, failed: 0, revised: count });
    expect(spread!.places).toBeGreaterThan(replayBatch - 1_000);
    expect(spread!.seconds).toBeGreaterThan(count / 100 - 15);
    await clear();
  });

  it('filters the devices of a tenant', async () => {
    const device = truthOf('berlin')[0]!;
    const matching = async (filter: string) => {
      const answer = await scene.api(
        'GET',
        `/tenants/${tenantId}/devices?filter=${encodeURIComponent(filter)}`,
      );
      return answer.status === 200 ? answer.json.totalCount : answer.json.errors[0].description;
    };
    expect(await matching(`deviceId==${device.deviceId.toUpperCase()};pinned==false`)).toBe(1);
    expect(await matching(`serialNumber==${device.serialNumber.slice(0, 4)}*;state==verified`)).toBe(1);
    expect(await matching(`instanceId==${berlin.id};pinned==true`)).toBe(0);
    expect(await matching(`deviceId==${truthOf('oslo')[0]!.deviceId}`)).toBe(0);
    expect(await matching('udid==x')).toContain("'udid' is not a field");
  });

  it('pages a timeline, newest first, keeps the newest, and shows it to its own tenant only', async () => {
    const device = truthOf('berlin')[0]!;
    const timeline = (owner: string, query = '') =>
      scene.api('GET', `/tenants/${owner}/devices/${device.deviceId}/timeline${query}`);
    const { sql } = scene.database;
    const { deviceId } = device;
    await addTimelines(sql, [
      ...Array.from({ length: timelineEventsPerDevice + 20 }, (_, position) => ({
        tenantId,
        deviceId,
        stage: 'refused' as const,
        detail: `number ${position}`,
      })),
      { tenantId: crypto.randomUUID(), deviceId, stage: 'sent' },
      { tenantId: otherId, deviceId, stage: 'received' },
    ]);
    await trimTimelines(sql, [
      { tenantId, deviceId },
      { tenantId, deviceId: truthOf('berlin')[1]!.deviceId },
    ]);
    const page = await timeline(tenantId, '?page=1&page-size=3');
    expect(page.json.totalCount).toBe(timelineEventsPerDevice);
    expect(page.json.results.map((event: { detail: string }) => event.detail)).toEqual([
      'number 516',
      'number 515',
      'number 514',
    ]);
    expect((await timeline(otherId)).json.totalCount).toBe(1);
    expect((await timeline(idleId)).status).toBe(404);
    expect((await timeline(tenantId, '?page-size=2001')).status).toBe(400);
  });
});
