import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  connectTenant,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** Devices and routes as operators write and read them: contract sections 8 and 11, docs/routing.md. */
describe('routes over the admin API', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let oslo: AddedInstance;
  let operatorKey: string;
  let viewerKey: string;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 5 },
              { name: 'paris', macs: 1 },
            ],
          },
          { instances: [{ name: 'oslo', macs: 1 }] },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
    await consent(scene, otherId);
    oslo = await addInstance(scene, otherId, 'oslo');
    for (const one of macsOf('berlin')) await sendWebhook(scene, berlin, one.jamfComputerId);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/devices`);
      expect(json.totalCount).toBe(5);
      for (const one of json.results) expect(one.report?.state).toBe('verified');
    });
    const make = async (role: string) =>
      (await scene.api('POST', '/keys', { name: `the ${role}`, role, tenants: [tenantId] })).json.key;
    [operatorKey, viewerKey] = [await make('operator'), await make('viewer')];
  });
  afterAll(() => scene?.close());

  const macsOf = (instance: string) =>
    scene.world.fleet.truth().filter((device) => device.instance === instance);
  const at = (path: string): string => `/tenants/${tenantId}${path}`;
  const get = (path: string) => scene.api('GET', at(path));
  const put = (deviceId: string, body: object, headers: Record<string, string> = {}, key = operatorKey) =>
    call(`${scene.gateway.admin}/api/v1${at(`/devices/${deviceId}`)}`, {
      method: 'PUT',
      ca: scene.trust,
      headers: { authorization: `Bearer ${key}`, 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
    });
  const slugOf = ({ json }: Answer) => json.type.replace('https://espalier.dev/problems/', '');
  const fieldsOf = ({ json }: Answer) => json.errors.map((error: { field: string }) => error.field);
  const newest = async (): Promise<number> =>
    (await get('/routes/changes?page-size=1')).json.results[0].version;

  it('PUT creates a device, tells its computer to be read, and names the author in the history', async () => {
    const deviceId = crypto.randomUUID();
    const made = await put(deviceId, { instanceId: berlin.id, jamfComputerId: '4711', serialNumber: 'C02' });
    expect([made.status, made.json]).toEqual([
      201,
      { id: deviceId, href: `/api/v1${at(`/devices/${deviceId}`)}` },
    ]);
    const read = await get(`/devices/${deviceId}`);
    expect(read.json).toMatchObject({
      jamfComputerId: '4711',
      rule: 'placed',
      serialNumber: 'C02',
      pinned: false,
    });
    expect(read.headers.etag).toMatch(new RegExp(`^"${read.json.routeVersion}-`));
    const [computer] = await scene.database.sql`
      select 1 from computers where instance_id = ${berlin.id} and jamf_computer_id = 4711`;
    expect(computer).toBeDefined();
    const { json } = await get(`/routes/changes?filter=deviceId==${deviceId}`);
    expect(json.results).toMatchObject([
      { author: 'key the operator', from: null, to: { instanceId: berlin.id, jamfComputerId: '4711' } },
    ]);
    const plan = await scene.api('DELETE', at(`/devices/${deviceId}?dry-run=true`), undefined, operatorKey);
    expect([plan.status, plan.json]).toEqual([
      200,
      { dryRun: true, instanceId: berlin.id, jamfComputerId: '4711', claims: 0, told: false },
    ]);
    expect((await get(`/devices/${deviceId}`)).json.routeVersion).toBe(read.json.routeVersion);
    const gone = await scene.api('DELETE', at(`/devices/${deviceId}`), undefined, operatorKey);
    expect(gone.status).toBe(204);
    expect((await get(`/devices/${deviceId}`)).status).toBe(404);
    expect((await get(`/devices/${deviceId}/explain`)).json).toMatchObject({
      instanceId: null,
      rule: 'deleted',
    });
  });

  it('PUT the same again changes nothing', async () => {
    const [, one] = macsOf('berlin');
    const body = { instanceId: berlin.id, jamfComputerId: one!.jamfComputerId };
    const first = await put(one!.deviceId, body);
    expect(first.json).toMatchObject({ rule: 'placed' });
    const again = await put(one!.deviceId, body);
    expect(again.json.routeVersion).toBe(first.json.routeVersion);
  });

  it('an ETag that was shown before somebody changed what the route says of the Mac is an old one', async () => {
    const deviceId = crypto.randomUUID();
    const body = { instanceId: berlin.id, jamfComputerId: '4712' };
    await put(deviceId, { ...body, serialNumber: 'C02', udid: 'U1' });
    const shown = await get(`/devices/${deviceId}`);
    const tag = { 'if-match': String(shown.headers.etag) };
    const theirs = await put(deviceId, { ...body, serialNumber: 'C03' }, tag);
    expect(theirs.json).toMatchObject({ serialNumber: 'C03', udid: 'U1', rule: 'placed' });
    expect(theirs.json.routeVersion).toBeGreaterThan(shown.json.routeVersion);
    for (const mine of [{ ...body, serialNumber: 'C04' }, { ...body, udid: 'U2' }, body])
      expect(slugOf(await put(deviceId, mine, tag))).toBe('precondition-failed');
    const late = await call(`${scene.gateway.admin}/api/v1${at(`/devices/${deviceId}`)}`, {
      method: 'DELETE',
      ca: scene.trust,
      headers: { authorization: `Bearer ${operatorKey}`, ...tag },
    });
    expect(slugOf(late)).toBe('precondition-failed');
    expect((await get(`/devices/${deviceId}`)).json).toMatchObject({ serialNumber: 'C03', udid: 'U1' });
    await scene.api('DELETE', at(`/devices/${deviceId}`), undefined, operatorKey);
  });

  it('a pin holds against every claim; without it the claims decide again', async () => {
    const [one] = macsOf('berlin');
    const pinned = await put(one!.deviceId, { instanceId: paris.id, jamfComputerId: '1', pinned: true });
    expect(pinned.json).toMatchObject({ instanceId: paris.id, rule: 'pinned', pinned: true });
    await sendWebhook(scene, berlin, one!.jamfComputerId);
    await new Promise((resolve) => setTimeout(resolve, 700));
    const explained = (await get(`/devices/${one!.deviceId}/explain`)).json;
    expect(explained).toMatchObject({ instanceId: paris.id, rule: 'pinned' });
    expect(explained.claims).toMatchObject([{ instanceId: berlin.id, pinned: false }]);
    const free = await put(one!.deviceId, { instanceId: paris.id, jamfComputerId: '1', pinned: false });
    expect(free.json).toMatchObject({ instanceId: berlin.id, rule: 'only-claim', pinned: false });
  });

  it('412 for another version in If-Match, for PUT and DELETE, also of a device that is not there', async () => {
    const [, , one] = macsOf('berlin');
    const body = { instanceId: berlin.id, jamfComputerId: '3' };
    for (const [deviceId, tag] of [
      [one!.deviceId, '"0"'],
      [crypto.randomUUID(), '*'],
    ] as const) {
      expect(slugOf(await put(deviceId, body, { 'if-match': tag }))).toBe('precondition-failed');
    }
    const { routeVersion } = (await get(`/devices/${one!.deviceId}`)).json;
    expect((await put(one!.deviceId, body, { 'if-match': `"${routeVersion}"` })).status).toBe(200);
    const removed = await call(`${scene.gateway.admin}/api/v1${at(`/devices/${one!.deviceId}`)}`, {
      method: 'DELETE',
      ca: scene.trust,
      headers: { authorization: `Bearer ${operatorKey}`, 'if-match': `"${routeVersion}"` },
    });
    expect(removed.status).toBe(412);
  });

  it('400 names every faulty member of a place', async () => {
    const answer = await put(crypto.randomUUID(), { instanceId: 'x', jamfComputerId: 0, colour: 'red' });
    expect([answer.status, fieldsOf(answer).sort()]).toEqual([
      400,
      ['colour', 'instanceId', 'jamfComputerId'],
    ]);
    const place = { instanceId: berlin.id, jamfComputerId: '1' };
    expect(fieldsOf(await put('no-guid', place))).toEqual(['deviceId']);
    expect(fieldsOf(await put(crypto.randomUUID(), { ...place, udid: '\0' }))).toEqual(['udid']);
  });

  it("404 for another tenant's instance, device and routes; 403 for a viewer who writes", async () => {
    const [one] = macsOf('berlin');
    const foreign = await put(one!.deviceId, { instanceId: oslo.id, jamfComputerId: '1' });
    expect([foreign.status, slugOf(foreign), fieldsOf(foreign)]).toEqual([
      404,
      'instance-unknown',
      ['instanceId'],
    ]);
    for (const path of ['changes', 'conflicts', 'stale', 'diff?from=0&to=0']) {
      const answer = await scene.api('GET', `/tenants/${otherId}/routes/${path}`, undefined, operatorKey);
      expect(slugOf(answer)).toBe('tenant-unknown');
    }
    const rollback = { toVersion: 0, reason: 'x' };
    expect(
      slugOf(await scene.api('POST', `/tenants/${otherId}/routes/rollback`, rollback, operatorKey)),
    ).toBe('tenant-unknown');
    const place = { instanceId: berlin.id, jamfComputerId: '1' };
    expect((await put(one!.deviceId, place, {}, viewerKey)).status).toBe(403);
    expect((await scene.api('DELETE', at(`/devices/${one!.deviceId}`), undefined, viewerKey)).status).toBe(
      403,
    );
    expect((await scene.api('POST', at('/routes/rollback'), rollback, viewerKey)).status).toBe(403);
    const [foreigner] = macsOf('oslo');
    expect(
      slugOf(await scene.api('DELETE', at(`/devices/${foreigner!.deviceId}`), undefined, operatorKey)),
    ).toBe('device-unknown');
  });

  it('DELETE ends the route and retracts it; the next look at the computer brings it back', async () => {
    const one = macsOf('berlin').find(({ compliant }) => compliant)!;
    const applied = () => scene.world.cloud('public').intune.device(tenantId, one.deviceId).history.at(-1);
    expect((await scene.api('DELETE', at(`/devices/${one.deviceId}`), undefined, operatorKey)).status).toBe(
      204,
    );
    await eventually(() => expect(applied()).toMatchObject({ deviceManagementState: 'notManaged' }));
    await sendWebhook(scene, berlin, one.jamfComputerId);
    await eventually(() =>
      expect(applied()).toMatchObject({ deviceManagementState: 'managed', complianceStatus: 'compliant' }),
    );
    const { json } = await get(`/routes/changes?filter=deviceId==${one.deviceId}`);
    expect(json.results.slice(0, 2)).toMatchObject([
      { author: 'instance berlin', to: { instanceId: berlin.id } },
      { author: 'key the operator', reason: 'deleted by key the operator', to: null, rule: 'deleted' },
    ]);
  });

  it('changes are filtered by version, author, instance and time, and sorted', async () => {
    const all = (await get('/routes/changes')).json;
    const versions = all.results.map((one: { version: number }) => one.version);
    expect(versions).toEqual([...versions].sort((a, b) => b - a));
    const [middle] = versions.slice(1);
    const query = async (filter: string) =>
      (await get(`/routes/changes?filter=${encodeURIComponent(filter)}`)).json;
    expect(
      (await query(`version==${middle}`)).results.every((one: { version: number }) => one.version === middle),
    ).toBe(true);
    expect((await query(`version>${middle}`)).totalCount).toBe(
      versions.filter((one: number) => one > middle).length,
    );
    expect((await query("author=='instance berlin'")).totalCount).toBeGreaterThan(0);
    expect((await query(`toInstanceId==${paris.id};pinned==true`)).totalCount).toBe(1);
    expect((await query('changedAt<2020-01-01')).totalCount).toBe(0);
    expect((await get('/routes/changes?filter=colour==red')).status).toBe(400);
    expect((await get('/routes/changes?filter=version==x')).status).toBe(400);
  });

  it('diff tells what is different, whatever went between; rollback brings it back as a new version', async () => {
    const [, , , kept, moved] = macsOf('berlin');
    const before = await newest();
    const was = (await get(`/devices/${moved!.deviceId}`)).json;
    await put(moved!.deviceId, { instanceId: paris.id, jamfComputerId: '1', pinned: true });
    await put(moved!.deviceId, { instanceId: paris.id, jamfComputerId: '7', pinned: true });
    await put(kept!.deviceId, { instanceId: paris.id, jamfComputerId: '1' });
    await put(kept!.deviceId, { instanceId: berlin.id, jamfComputerId: String(kept!.jamfComputerId) });
    const after = await newest();
    const diff = (await get(`/routes/diff?from=${before}&to=${after}`)).json;
    expect(diff).toMatchObject({
      totalCount: 1,
      results: [
        {
          deviceId: moved!.deviceId,
          from: { instanceId: berlin.id, jamfComputerId: was.jamfComputerId, pinned: false },
          to: { instanceId: paris.id, jamfComputerId: '7', pinned: true },
        },
      ],
    });
    const back = (await get(`/routes/diff?from=${after}&to=${before}`)).json;
    expect(back.results[0]).toMatchObject({ from: diff.results[0].to, to: diff.results[0].from });

    const ask = { toVersion: before, reason: 'the wrong spreadsheet' };
    const dry = await scene.api('POST', at('/routes/rollback?dry-run=true'), ask, operatorKey);
    expect(dry.json).toMatchObject({
      dryRun: true,
      version: null,
      changed: 1,
      placed: 1,
      ended: 0,
      skippedCount: 0,
    });
    expect(await newest()).toBe(after);
    const done = await scene.api('POST', at('/routes/rollback'), ask, operatorKey);
    expect(done.json).toMatchObject({
      changed: 1,
      version: after + 1,
      devices: [{ deviceId: moved!.deviceId }],
    });
    expect((await get(`/devices/${moved!.deviceId}`)).json).toMatchObject({
      instanceId: berlin.id,
      jamfComputerId: was.jamfComputerId,
      rule: 'rolled-back',
      pinned: false,
    });
    expect((await get(`/routes/diff?from=${before}&to=${after + 1}`)).json.totalCount).toBe(0);
    const { json } = await get(`/routes/changes?filter=version==${after + 1}`);
    expect(json.results).toMatchObject([
      { author: 'key the operator', reason: `rolled back to version ${before}: the wrong spreadsheet` },
    ]);
    const again = await scene.api('POST', at('/routes/rollback'), { ...ask, toVersion: before }, operatorKey);
    expect(again.json).toMatchObject({ changed: 0, version: null });
  });

  it('rollback pins again what was pinned, and leaves alone what an instance cannot take now', async () => {
    const [one] = macsOf('berlin');
    await put(one!.deviceId, { instanceId: paris.id, jamfComputerId: '1', pinned: true });
    const pinned = await newest();
    await put(one!.deviceId, { instanceId: berlin.id, jamfComputerId: String(one!.jamfComputerId) });
    const ask = { toVersion: pinned, reason: 'test' };
    await scene.api('PATCH', at(`/instances/${paris.id}`), { enabled: false });
    const refused = await scene.api('POST', at('/routes/rollback'), ask, operatorKey);
    expect(refused.json).toMatchObject({
      changed: 0,
      skippedCount: 1,
      skipped: [{ deviceId: one!.deviceId, reason: 'instance-disabled' }],
    });
    await scene.api('PATCH', at(`/instances/${paris.id}`), { enabled: true });
    const done = await scene.api('POST', at('/routes/rollback'), ask, operatorKey);
    expect(done.json).toMatchObject({ changed: 1, devices: [{ deviceId: one!.deviceId, pinned: true }] });
    expect((await get(`/devices/${one!.deviceId}/explain`)).json).toMatchObject({
      instanceId: paris.id,
      rule: 'pinned',
    });
    await put(one!.deviceId, { instanceId: berlin.id, jamfComputerId: String(one!.jamfComputerId) });
  });

  it('400 names a version that is not there yet, and the one that is no version', async () => {
    const rollback = (body: object) => scene.api('POST', at('/routes/rollback'), body, operatorKey);
    expect(fieldsOf(await rollback({ toVersion: 1_000_000, reason: 'x' }))).toEqual(['toVersion']);
    expect(fieldsOf(await rollback({ toVersion: 'x' })).sort()).toEqual(['reason', 'toVersion']);
    expect(fieldsOf(await get('/routes/diff?from=0&to=1000000'))).toEqual(['to']);
    expect(fieldsOf(await get('/routes/diff?from=x&to=0'))).toEqual(['from']);
  });

  it('conflicts name the pain: opposite verdicts of two records', async () => {
    const [, one] = macsOf('berlin');
    const mac = scene.world.fleet.findByDevice(one!.deviceId)!;
    const old = one!.jamfComputerId;
    scene.world.fleet.setCompliant(mac, true);
    await sendWebhook(scene, berlin, old);
    scene.world.fleet.moveTo(mac, 'paris');
    scene.world.fleet.setCompliant(mac, false);
    await sendWebhook(scene, paris, mac.computerId);
    const conflicts = () => get(`/routes/conflicts?filter=${encodeURIComponent('pain==opposite-verdicts')}`);
    await eventually(async () => {
      const { json } = await conflicts();
      expect(json).toMatchObject({ totalCount: 1, results: [{ deviceId: one!.deviceId }] });
    });
    const [conflict] = (await conflicts()).json.results;
    expect(
      conflict.claims.map((claim: { verdict: string; wins: boolean }) => [claim.verdict, claim.wins]).sort(),
    ).toEqual([
      ['compliant', false],
      ['not-compliant', true],
    ]);
    expect(fieldsOf(await get('/routes/conflicts?filter=pain==much'))).toEqual(['filter']);
    const all = (await get('/routes/conflicts')).json.results;
    const contested = (await get('/devices?filter=conflict==true')).json;
    const ids = (rows: { deviceId: string }[]): string[] => rows.map(({ deviceId }) => deviceId).sort();
    expect(ids(contested.results)).toEqual(ids(all));
    const rest = (await get('/devices?filter=conflict==false')).json;
    expect(rest.totalCount + contested.totalCount).toBe((await get('/devices')).json.totalCount);
    const ofParis = (await get(`/devices?filter=conflict==true;instanceId==${paris.id}`)).json.results;
    expect(ids(ofParis)).toContain(one!.deviceId);
    expect(
      (await get(`/devices/export?format=ndjson&filter=conflict==true`)).text.trim().split('\n'),
    ).toHaveLength(contested.totalCount);
    const wish = { from: paris.id, to: berlin.id, filter: 'conflict==true', reason: 'looked at' };
    const plan = await scene.api('POST', at('/moves?dry-run=true'), wish);
    expect([plan.status, plan.json.devices]).toEqual([200, ofParis.length]);
    const { json: disabled } = await scene.api('PATCH', at(`/instances/${berlin.id}`), { enabled: false });
    expect(disabled.enabled).toBe(false);
    expect((await get('/devices?filter=conflict==true')).json.totalCount).toBe(0);
    await scene.api('PATCH', at(`/instances/${berlin.id}`), { enabled: true });
    expect((await get('/devices?filter=conflict==true')).json.totalCount).toBe(contested.totalCount);
  });

  it('explain answers for the past as it did then, and for no time that is garbage or to come', async () => {
    const [, , one] = macsOf('berlin');
    const path = `/devices/${one!.deviceId}/explain`;
    const then = (await get(path)).json;
    const time = new Date().toISOString();
    await new Promise((resolve) => setTimeout(resolve, 5));
    await put(one!.deviceId, { instanceId: paris.id, jamfComputerId: '99', pinned: true });
    expect((await get(path)).json.instanceId).toBe(paris.id);
    expect((await get(`${path}?at=${time}`)).json).toEqual({ ...then, at: time });
    const since = (await get(path)).json.since;
    expect((await get(`${path}?at=${since}`)).json).toMatchObject({ instanceId: paris.id, since });
    expect(slugOf(await get(`${path}?at=2020-01-01T00:00:00Z`))).toBe('device-unknown');
    const future = new Date(Date.now() + 3_600_000).toISOString();
    for (const at of ['yesterday', '2026-02-30', future]) {
      const answer = await get(`${path}?at=${encodeURIComponent(at)}`);
      expect([answer.status, fieldsOf(answer)]).toEqual([400, ['at']]);
    }
    expect((await get(`${path}?when=${time}`)).status).toBe(400);
  });

  it('the past of an instance that was deleted keeps its id', async () => {
    const one = macsOf('berlin').at(-1);
    const path = `/devices/${one!.deviceId}/explain`;
    const time = new Date().toISOString();
    const then = (await get(path)).json;
    expect(then.instanceId).toBe(berlin.id);
    await new Promise((resolve) => setTimeout(resolve, 5));
    const removed = await scene.api('DELETE', at(`/instances/${berlin.id}?force=true`), undefined);
    expect(removed.status).toBe(200);
    expect((await get(path)).json.instanceId).toBeNull();
    expect((await get(`${path}?at=${time}`)).json).toMatchObject({
      instanceId: berlin.id,
      rule: then.rule,
      version: then.version,
      claims: [{ instanceId: berlin.id, state: 'active' }],
    });
    const version = (await get(`/routes/changes?filter=toInstanceId==${berlin.id}`)).json.results[0].version;
    const back = await scene.api('POST', at('/routes/rollback?dry-run=true'), {
      toVersion: version,
      reason: 'x',
    });
    expect(back.json.skipped).toContainEqual({ deviceId: one!.deviceId, reason: 'instance-removed' });
  });
});
