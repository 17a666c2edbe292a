import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { bucketOf, bucketSql } from '../../src/routing/moves/bucket.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  bootstrapKey,
  callerToken,
  connectTenant,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import type { Answer } from '../harness/http.ts';
import { call } from '../harness/http.ts';
import { deviceIdOf, enrolTwins, nameAnswers, readAnswer, type Twin } from '../moves/twins.ts';

/** Moves between instances: contract section 8. */
describe('moves', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let rome: AddedInstance;
  let oslo: AddedInstance;
  let twins: Twin[];
  let token: string;
  /** Known to berlin alone. */
  let single: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 12 },
              { name: 'paris', macs: 0 },
              { name: 'rome', macs: 0 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris, rome] = ['berlin', 'paris', 'rome'].map((name) => instances.get(name)!) as [
      AddedInstance,
      AddedInstance,
      AddedInstance,
    ];
    await consent(scene, otherId);
    oslo = await addInstance(scene, otherId, 'oslo');
    nameAnswers(scene.world, ['berlin', 'paris', 'rome']);
    single = deviceIdOf(scene.world.fleet.macs().find((mac) => mac.instanceName === 'berlin')!);
    twins = enrolTwins(scene.world, 'berlin', 'paris', 1);
    for (const mac of scene.world.fleet.macs().filter(({ instanceName }) => instanceName === 'berlin'))
      await sendWebhook(scene, berlin, mac.computerId);
    for (const { to } of twins) await sendWebhook(scene, paris, to.id);
    await eventually(async () => {
      const [claims] = await scene.database.sql<{ count: number }[]>`select count(*) as count from claims`;
      expect(claims!.count).toBe(23);
    });
    await eventually(async () => {
      for (const { deviceId } of twins) expect((await device(deviceId)).report?.state).toBe('verified');
    });
    token = await callerToken(scene, tenantId);
  });
  afterAll(() => scene?.close());

  const device = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json;
  const moves = () => `/tenants/${tenantId}/moves`;
  const plan = (body: object, query = '') => scene.api('POST', `${moves()}${query}`, body);
  const planned = async (body: object): Promise<string> => {
    const answer = await plan(body);
    expect(answer.status, answer.text).toBe(201);
    return `${moves()}/${answer.json.id}`;
  };
  const read = async (path: string) => (await scene.api('GET', path)).json;
  const advance = (path: string, body?: object) => scene.api('POST', `${path}/advance`, body);
  const rollBack = async (path: string) => {
    const answer = await scene.api('POST', `${path}/rollback`);
    expect(answer.status, answer.text).toBe(200);
    return answer.json;
  };
  const slugOf = (answer: Answer): string => answer.json.type.replace('https://espalier.dev/problems/', '');
  const where = async (deviceId: string): Promise<string> => (await device(deviceId)).instanceId;
  const atParis = async (): Promise<string[]> => {
    const all = (await read(`/tenants/${tenantId}/devices?filter=instanceId==${paris.id}`)).results;
    return all.map((one: { deviceId: string }) => one.deviceId).sort();
  };
  const compliance = async (deviceId: string) => {
    const answer = await scene.data(`/t/${tenantId}/devices/${deviceId}/compliance`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status, answer.text).toBe(200);
    return readAnswer(answer.json);
  };

  it('a bucket is the same in the database and here, and devices are spread over all of them', async () => {
    const ids = Array.from({ length: 5_000 }, () => crypto.randomUUID());
    const rows = await scene.database.sql<{ bucket: number }[]>`
      select ${bucketSql(scene.database.sql, 'id')} as bucket
      from unnest(${ids}::uuid[]) with ordinality as ids(id, place) order by place`;
    const here = await Promise.all(ids.map(bucketOf));
    expect(rows.map(({ bucket }) => bucket)).toEqual(here);
    const counts = Map.groupBy(here, (bucket) => bucket);
    expect(counts.size).toBe(100);
    expect(Math.max(...[...counts.values()].map((same) => same.length))).toBeLessThan(100);
  });

  it.each([
    ['from = to', () => ({ from: berlin.id, to: berlin.id }), 400, 'invalid-request', 'to'],
    [
      'an unknown instance',
      () => ({ from: berlin.id, to: crypto.randomUUID() }),
      404,
      'instance-unknown',
      'to',
    ],
    ["another tenant's instance", () => ({ from: oslo.id, to: paris.id }), 404, 'instance-unknown', 'from'],
    [
      'an unknown field in the filter',
      () => ({ from: berlin.id, to: paris.id, filter: 'colour==red' }),
      400,
      'invalid-request',
      'filter',
    ],
    [
      'a step beyond 100',
      () => ({ from: berlin.id, to: paris.id, percent: 101 }),
      400,
      'invalid-request',
      'percent',
    ],
    ['no target', () => ({ from: berlin.id }), 400, 'invalid-request', 'to'],
  ] as const)('%s is refused, naming the field', async (_, body, status, slug, field) => {
    const answer = await plan(body());
    expect([answer.status, slugOf(answer), answer.json.errors[0].field]).toEqual([status, slug, field]);
  });

  it('409 for a disabled target', async () => {
    const enable = (enabled: boolean) =>
      scene.api('PATCH', `/tenants/${tenantId}/instances/${rome.id}`, { enabled });
    await enable(false);
    const answer = await plan({ from: berlin.id, to: rome.id });
    expect([answer.status, slugOf(answer), answer.json.errors[0].field]).toEqual([409, 'conflict', 'to']);
    await enable(true);
  });

  it('a dry run answers the plan and stores nothing', async () => {
    const answer = await plan({ from: berlin.id, to: paris.id }, '?dry-run=true');
    expect([answer.status, answer.json]).toEqual([
      200,
      { dryRun: true, devices: 12, planned: 11, skipped: [{ reason: 'not-claimed', count: 1 }] },
    ]);
    const one = await plan(
      { from: berlin.id, to: paris.id, filter: `deviceId==${twins[0]!.deviceId}` },
      '?dry-run=true',
    );
    expect(one.json).toMatchObject({ devices: 1, planned: 1 });
    expect((await read(moves())).totalCount).toBe(0);
  });

  it('one open move leaves an instance; its id is in the refusal; a rollback gives it up', async () => {
    const path = await planned({ from: berlin.id, to: paris.id });
    const second = await plan({ from: berlin.id, to: rome.id });
    expect([second.status, slugOf(second)]).toEqual([409, 'conflict']);
    expect(second.json.errors[0]).toMatchObject({ field: 'from', id: path.split('/').at(-1) });
    expect(await rollBack(path)).toMatchObject({ state: 'rolled-back', devices: { planned: 11, moved: 0 } });
    expect((await advance(path)).status).toBe(409);
  });

  it("404 for another tenant's move, 403 for a viewer, 412 for an older version", async () => {
    const path = await planned({ from: berlin.id, to: paris.id });
    const foreign = path.replace(tenantId, otherId);
    for (const [method, verb] of [
      ['GET', ''],
      ['GET', '/devices'],
      ['POST', '/advance'],
      ['POST', '/pause'],
      ['POST', '/rollback'],
    ] as const)
      expect((await scene.api(method, `${foreign}${verb}`)).status).toBe(404);
    const { json: viewer } = await scene.api('POST', '/keys', { name: 'viewer', role: 'viewer' });
    expect((await scene.api('GET', path, undefined, viewer.key)).status).toBe(200);
    for (const verb of ['advance', 'pause', 'rollback'])
      expect((await scene.api('POST', `${path}/${verb}`, {}, viewer.key)).status).toBe(403);
    expect((await scene.api('POST', moves(), { from: berlin.id, to: rome.id }, viewer.key)).status).toBe(403);
    const stale = await call(`${scene.gateway.admin}/api/v1${path}/advance`, {
      method: 'POST',
      ca: scene.trust,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'if-match': '"0"' },
    });
    expect(stale.status).toBe(412);
    await rollBack(path);
  });

  it('shadows, refuses to go on unseen, cuts over in steps, reads the new instance and rolls back', async () => {
    const path = await planned({ from: berlin.id, to: paris.id, percent: 50, reason: 'merger' });
    expect((await advance(path)).json).toMatchObject({ state: 'shadowing', percent: 0, pending: 0 });
    const refused = await advance(path);
    expect([refused.status, slugOf(refused)]).toEqual([409, 'conflict']);
    expect(refused.json.detail).toContain('Only 0 answers of both instances were compared; at least 11');
    await eventually(async () => {
      for (const { deviceId } of twins) expect((await compliance(deviceId)).instance).toBe('berlin');
      expect((await read(path)).shadowing.compared).toBeGreaterThanOrEqual(11);
    });
    expect((await read(path)).shadowing).toMatchObject({ differed: 0, share: 0, needed: 11 });
    const half = await advance(path);
    expect([half.status, half.json.state, half.json.percent]).toEqual([200, 'moving', 50]);
    const buckets = await Promise.all(
      twins.map(async ({ deviceId }) => [deviceId, await bucketOf(deviceId)] as const),
    );
    const below = buckets.filter(([, bucket]) => bucket < 50).map(([deviceId]) => deviceId);
    expect(await atParis()).toEqual(below.sort());
    expect(half.json.devices).toMatchObject({ moved: below.length, planned: 11 - below.length, skipped: 1 });
    const done = await advance(path, { reason: 'merger, second half' });
    expect(done.json).toMatchObject({ state: 'done', percent: 100, pending: 0, devices: { moved: 11 } });
    expect(await where(single)).toBe(berlin.id);
    const [{ deviceId }] = twins as [Twin];
    expect(await device(deviceId)).toMatchObject({ instanceId: paris.id, rule: 'moved' });
    await eventually(async () => expect((await compliance(deviceId)).instance).toBe('paris'));
    // The new computer was due: it was read, and the state is its.
    await eventually(async () => {
      const due = await scene.database.sql`
        select 1 from computers where instance_id = ${paris.id} and wanted_revision > done_revision`;
      expect(due).toHaveLength(0);
    });
    const changes = await scene.database.sql<{ author: string; reason: string; rule: string }[]>`
      select author, reason, rule from route_changes where tenant_id = ${tenantId} and device_id = ${deviceId}
      order by version desc limit 1`;
    expect(changes[0]!.rule).toBe('moved');
    expect(changes[0]!.reason).toMatch(/^move [0-9a-f-]{36}: merger/);
    // What berlin still claims, with the newer enrolment, was known when the move was decided.
    for (const { from } of twins) await sendWebhook(scene, berlin, from.id);
    for (const { to } of twins) await sendWebhook(scene, paris, to.id);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(await atParis()).toHaveLength(11);
    expect(await rollBack(path)).toMatchObject({
      state: 'rolled-back',
      pending: 0,
      devices: { rolledBack: 11, moved: 0, skipped: 1 },
    });
    expect(await atParis()).toEqual([]);
    expect(await device(deviceId)).toMatchObject({ instanceId: berlin.id, rule: 'rolled-back' });
  });

  it('a difference of verdicts refuses the next step until it is forced', async () => {
    const compliant = twins.filter(({ mac }) =>
      scene.world.fleet.truth().some((one) => one.deviceId === deviceIdOf(mac) && one.compliant === true),
    );
    const filter = `deviceId=in=(${compliant.map(({ deviceId }) => deviceId).join(',')})`;
    const path = await planned({ from: berlin.id, to: paris.id, filter, percent: 100 });
    await advance(path);
    const odd = compliant[0]!;
    scene.world.instance('paris').groups.compliance.members.delete(odd.to.id);
    await eventually(async () => {
      for (const { deviceId } of compliant) await compliance(deviceId);
      const { differences, shadowing } = await read(path);
      expect(shadowing.compared).toBeGreaterThanOrEqual(shadowing.needed);
      expect(differences[0]).toMatchObject({ kind: 'verdict', call: 'compliance' });
    });
    const seen = await read(path);
    expect(seen.differences[0].example).toEqual({
      deviceId: odd.deviceId,
      description: 'compliant at the old instance, not-compliant at the new one',
    });
    const refused = await advance(path);
    expect(refused.status).toBe(409);
    expect(refused.json.detail).toMatch(/^\d+ of \d+ compared answers differ/);
    expect((await advance(path, { force: true })).json).toMatchObject({ state: 'done' });
    scene.world.instance('paris').groups.compliance.members.add(odd.to.id);
    await rollBack(path);
  });

  it('examines each device when its turn comes; what came back or is claimed since goes along', async () => {
    const [pinned, leaving] = twins as [Twin, Twin];
    const path = await planned({ from: berlin.id, to: paris.id, shadow: false });
    const setPinned = (value: boolean) => scene.database.sql`
      update routes set pinned = ${value} where tenant_id = ${tenantId} and device_id = ${pinned.deviceId}`;
    await setPinned(true);
    // The Mac enrols in rome after all.
    const romeComputer = scene.world.instance('rome').macs.enrol(leaving.mac.facts, Date.now() + 1_000);
    await sendWebhook(scene, rome, romeComputer.id);
    await eventually(async () => expect(await where(leaving.deviceId)).toBe(rome.id));
    // And paris learns of the one that it did not claim.
    const mac = scene.world.fleet.findByDevice(single)!;
    const late = scene.world.instance('paris').macs.enrol(mac.facts);
    late.lastEnrolledDate -= 86_400_000;
    await sendWebhook(scene, paris, late.id);
    await eventually(async () =>
      expect((await read(`/tenants/${tenantId}/devices/${single}/explain`)).claims).toHaveLength(2),
    );
    const done = await advance(path, { percent: 100 });
    expect(done.json).toMatchObject({ state: 'done', devices: { moved: 10, skipped: 2 } });
    expect(done.json.skipped).toEqual([
      { reason: 'left', count: 1 },
      { reason: 'pinned', count: 1 },
    ]);
    expect(await where(single)).toBe(paris.id);
    const left = await read(`${path}/devices?filter=state==skipped&sort=deviceId:asc`);
    expect(left.totalCount).toBe(2);
    await setPinned(false);
    await rollBack(path);
  });

  it('a paused move stays; advance goes on where it was', async () => {
    const path = await planned({ from: berlin.id, to: paris.id, shadow: false, percent: 30 });
    const first = (await advance(path)).json;
    const paused = await scene.api('POST', `${path}/pause`, { reason: 'wait for monday' });
    expect(paused.json).toMatchObject({
      paused: true,
      state: 'moving',
      percent: 30,
      reason: 'wait for monday',
    });
    expect((await advance(path)).json).toMatchObject({ paused: false, percent: 30, devices: first.devices });
    const lower = await advance(path, { percent: 20 });
    expect([lower.status, lower.json.errors[0].field]).toEqual([400, 'percent']);
    expect((await advance(path)).json.percent).toBe(60);
    await rollBack(path);
  });

  it('takes unclaimed devices by UDID or serial number when asked to', async () => {
    const [byUdid, bySerial, twice] = twins.slice(4) as [Twin, Twin, Twin];
    const filter = `deviceId=in=(${[byUdid, bySerial, twice].map(({ deviceId }) => deviceId).join(',')},${twins[7]!.deviceId})`;
    const add = (facts: object, name: Twin) =>
      scene.world.instance('rome').macs.enrol({ ...name.mac.facts, accounts: [], ...facts });
    const found = [
      add({}, byUdid),
      add({ udid: crypto.randomUUID().toUpperCase() }, bySerial),
      add({}, twice),
      add({}, twice),
    ];
    for (const { id } of found) await sendWebhook(scene, rome, id);
    await eventually(async () => {
      const known = await scene.database.sql`
        select 1 from computers where instance_id = ${rome.id} and udid is not null
          and jamf_computer_id = any(${found.map(({ id }) => id)}::int[])`;
      expect(known).toHaveLength(4);
    });
    const body = { from: berlin.id, to: rome.id, filter, shadow: false };
    expect((await plan(body, '?dry-run=true')).json).toMatchObject({
      planned: 0,
      skipped: [{ reason: 'not-claimed', count: 4 }],
    });
    const path = await planned({ ...body, unclaimed: true });
    expect((await read(path)).skipped).toEqual([
      { reason: 'ambiguous', count: 1 },
      { reason: 'not-found-at-target', count: 1 },
    ]);
    expect((await advance(path, { percent: 100 })).json).toMatchObject({
      state: 'done',
      devices: { moved: 2 },
    });
    for (const [index, { deviceId, mac }] of [byUdid, bySerial].entries())
      expect(await device(deviceId)).toMatchObject({
        instanceId: rome.id,
        jamfComputerId: String(found[index]!.id),
        serialNumber: mac.facts.serialNumber,
      });
    await rollBack(path);
    expect(await where(byUdid.deviceId)).toBe(berlin.id);
  });

  it('leaves at a rollback what went elsewhere since, and counts it', async () => {
    const path = await planned({ from: berlin.id, to: paris.id, shadow: false, percent: 100 });
    const moved = (await advance(path)).json.devices.moved;
    const gone = twins[2]!;
    const computer = scene.world.instance('rome').macs.enrol(gone.mac.facts, Date.now() + 2_000);
    await sendWebhook(scene, rome, computer.id);
    await eventually(async () => expect(await where(gone.deviceId)).toBe(rome.id));
    const back = await rollBack(path);
    expect(back.devices).toMatchObject({ rolledBack: moved - 1, moved: 0 });
    expect(back.skipped).toContainEqual({ reason: 'left', count: expect.any(Number) });
    expect(await where(gone.deviceId)).toBe(rome.id);
  });

  it('goes on by itself with what a process that was killed had begun', async () => {
    const path = await planned({ from: berlin.id, to: paris.id, shadow: false, percent: 100 });
    const moveId = path.split('/').at(-1)!;
    await scene.gateway.kill();
    // As a process that stored what is wanted, and died before it did any of it.
    await scene.database.sql`
      update moves set state = 'moving', percent = 100 where tenant_id = ${tenantId} and move_id = ${moveId}`;
    await scene.start();
    await eventually(async () => expect(await read(path)).toMatchObject({ state: 'done', pending: 0 }));
    expect((await read(path)).devices.moved).toBeGreaterThan(0);
    await rollBack(path);
  });
});
