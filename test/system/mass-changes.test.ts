import { afterAll, beforeAll, expect, it } from 'vitest';
import { createCommandLine, writeFileIn } from '../harness/command.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** A Jamf Pro server that was restored from an old backup must not lock its people out: contract section 3. */

let scene: Scene;
let tenantId: string;
let smallId: string;
let leavingId: string;
const instances = new Map<string, AddedInstance>();
let operatorKey: string;
let viewerKey: string;
let strangerKey: string;

beforeAll(async () => {
  const shares = { compliantShare: 1, unregisteredShare: 0, twoUsersShare: 0 };
  scene = await startScene({
    environment: { ESPALIER_VERIFY_SAMPLE: '0' },
    world: {
      clouds: ['public'],
      tenants: [
        { instances: [{ name: 'berlin', macs: 60, ...shares }] },
        { instances: [{ name: 'oslo', macs: 12, ...shares }] },
        { instances: [{ name: 'rome', macs: 55, ...shares }] },
      ],
    },
  });
  [tenantId, smallId, leavingId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [
    string,
    string,
    string,
  ];
  for (const id of [tenantId, smallId, leavingId])
    for (const [name, instance] of await connectTenant(scene, id)) instances.set(name, instance);
  const key = async (role: string, tenants: string[]): Promise<string> =>
    (await scene.api('POST', '/keys', { name: role, role, tenants })).json.key;
  operatorKey = await key('operator', [tenantId]);
  viewerKey = await key('viewer', [tenantId]);
  strangerKey = await key('operator', [smallId]);
  for (const name of ['berlin', 'oslo', 'rome']) await tellAll(name);
  for (const [name, macs] of [
    ['berlin', 60],
    ['oslo', 12],
    ['rome', 55],
  ] as const) {
    await eventually(async () => expect(toldAs('managed', name)).toBe(macs), 60_000);
  }
}, 240_000);
afterAll(() => scene?.close());

const truthOf = (name: string) => scene.world.fleet.truth().filter((device) => device.instance === name);
const tellAll = async (name: string): Promise<void> => {
  for (const { jamfComputerId } of truthOf(name))
    await sendWebhook(scene, instances.get(name)!, jamfComputerId);
};
const lastTold = (id: string, deviceId: string) =>
  scene.world.cloud('public').intune.device(id, deviceId).history.at(-1)?.deviceManagementState;
const toldAs = (state: 'managed' | 'notManaged', name: string): number =>
  truthOf(name).filter((device) => lastTold(device.tenantId, device.deviceId) === state).length;
/** The simulator's knob: so large a share of the server's records says that the Mac is not managed. */
const restore = (name: string, unmanagedShare: number): void => {
  scene.world.instance(name).computers.variants.unmanagedShare = unmanagedShare;
};
const holdsOf = async (id = tenantId) =>
  (await scene.api('GET', `/tenants/${id}/holds`)).json.results as {
    id: string;
    state: string;
    held: number;
    unmanaged: number;
  }[];
const heldNow = async (): Promise<number> => (await holdsOf())[0]?.held ?? 0;
const statesOf = async (id: string) =>
  Object.fromEntries(
    (
      await scene.database.sql<{ state: string; count: number }[]>`
        select state, count(*)::int as count from reports where tenant_id = ${id} group by state`
    ).map(({ count, state }) => [state, count]),
  );
const wait = 60_000;

it('a restored server: 49 Macs are told, the others wait for a person', async () => {
  restore('berlin', 1);
  await tellAll('berlin');
  await eventually(async () => expect(await heldNow()).toBe(11), wait);
  await eventually(() => expect(toldAs('notManaged', 'berlin')).toBe(49), wait);
  expect(toldAs('managed', 'berlin')).toBe(11);
  const [hold] = await holdsOf();
  expect(hold).toMatchObject({ state: 'open', unmanaged: 50 });
  const shown = (await scene.api('GET', `/tenants/${tenantId}/holds/${hold!.id}`, undefined, viewerKey)).json;
  expect(shown).toMatchObject({
    cause: 'Of 60 Macs 50 became unmanaged and 0 not compliant within an hour.',
    mode: 'hold-unmanaged',
    percent: 30,
    instances: [{ instanceId: instances.get('berlin')!.id, held: 11 }],
  });
  expect(shown.examples).toHaveLength(11);
  expect(shown.examples[0]).toMatchObject({ change: 'unmanaged', deviceName: expect.stringMatching(/./) });
  const device = (
    await scene.api('GET', `/tenants/${tenantId}/devices/${shown.examples[0].deviceId}`, undefined, viewerKey)
  ).json;
  expect(device.report).toMatchObject({ state: 'held', reason: 'mass-change' });
});

it('is shown as what needs a person, counted, and is told with its remedy', async () => {
  const overview = (await scene.api('GET', '/overview?kind=mass-change')).json.attention;
  expect(overview.results).toMatchObject([
    { kind: 'mass-change', tenantId, count: 11, owner: 'caller', action: { label: 'Decide' } },
  ]);
  const causes = (await scene.api('GET', '/reports/causes')).json.results;
  expect(causes).toContainEqual(expect.objectContaining({ reason: 'mass-change', count: 11 }));
  const text = await (await fetch(`${scene.gateway.ops}/metrics`)).text();
  expect(text).toMatch(/^espalier_mass_changes\{.*state="open".*\} 1$/m);
  expect(text).toMatch(/^espalier_changes_for_worse_total\{.*outcome="told".*\} 49$/m);
  expect(text).toMatch(/^espalier_changes_for_worse_total\{.*outcome="held".*\} 11$/m);
});

it('only an operator of the tenant decides', async () => {
  const [hold] = await holdsOf();
  for (const verb of ['release?dry-run=true', 'refuse?dry-run=true', 'release', 'refuse']) {
    const path = `/tenants/${tenantId}/holds/${hold!.id}/${verb}`;
    expect((await scene.api('POST', path, {}, viewerKey)).status).toBe(403);
    expect((await scene.api('POST', path, {}, strangerKey)).status).toBe(404);
    expect((await scene.api('POST', path, { why: 'x' }, operatorKey)).status).toBe(400);
    expect(
      (await scene.api('POST', `/tenants/${tenantId}/holds/${crypto.randomUUID()}/${verb}`, {}, operatorKey))
        .status,
    ).toBe(404);
  }
  expect((await scene.api('GET', `/tenants/${tenantId}/holds`, undefined, strangerKey)).status).toBe(404);
  expect(
    (await scene.api('GET', `/tenants/${smallId}/holds/${hold!.id}`, undefined, strangerKey)).status,
  ).toBe(404);
});

it('a dry run says what would follow, to the command line too, and decides nothing', async () => {
  const [hold] = await holdsOf();
  const path = `/tenants/${tenantId}/holds/${hold!.id}`;
  const entries = async () =>
    (await scene.database.sql`select 1 from history where object_id = ${hold!.id}`).length;
  const before = await entries();
  const release = await scene.api('POST', `${path}/release?dry-run=true`, {}, operatorKey);
  expect([release.status, release.json]).toEqual([
    200,
    expect.objectContaining({ dryRun: true, state: 'open', held: 11, told: 11, asked: 0 }),
  ]);
  const refuse = await scene.api('POST', `${path}/refuse?dry-run=true`, {}, operatorKey);
  expect(refuse.json).toMatchObject({ dryRun: true, state: 'open', held: 11, told: 0, asked: 1 });
  const cli = createCommandLine({ ESPALIER_URL: scene.gateway.admin, ESPALIER_API_KEY: operatorKey });
  const environment = { ESPALIER_CA_FILE: writeFileIn(cli.home, 'ca.pem', scene.trust) };
  const line = ['holds', 'release', hold!.id, '-t', tenantId, '--dry-run', '-o', 'json'];
  const said = await cli.run(line, { environment });
  expect([said.code, said.json()]).toEqual([0, expect.objectContaining({ dryRun: true, told: 11 })]);
  expect(await holdsOf()).toMatchObject([{ state: 'open', held: 11 }]);
  expect(await entries()).toBe(before);
});

it('what lets people in is never held, and a Mac whose state is fine again leaves the hold', async () => {
  const held = await scene.database.sql<{ deviceId: string }[]>`
    select device_id as "deviceId" from reports where tenant_id = ${tenantId} and reason = 'mass-change' order by 1`;
  const [one] = held;
  const locked = truthOf('berlin').find(({ deviceId }) => lastTold(tenantId, deviceId) === 'notManaged')!;
  const waiting = truthOf('berlin').find(({ deviceId }) => deviceId === one!.deviceId)!;
  restore('berlin', 0);
  for (const { jamfComputerId } of [locked, waiting])
    await sendWebhook(scene, instances.get('berlin')!, jamfComputerId);
  await eventually(() => expect(lastTold(tenantId, locked.deviceId)).toBe('managed'), wait);
  await eventually(async () => expect(await heldNow()).toBe(10), wait);
  await eventually(async () => {
    const { report } = (await scene.api('GET', `/tenants/${tenantId}/devices/${waiting.deviceId}`)).json;
    expect(report.state).toBe('completed');
  }, wait);
  // It was never told as unmanaged.
  const states = scene.world.cloud('public').intune.device(tenantId, waiting.deviceId).history;
  expect(new Set(states.map(({ deviceManagementState }) => deviceManagementState))).toEqual(
    new Set(['managed']),
  );
});

it('outlives kill -9, and a refusal asks the instance again until nothing is held', async () => {
  await scene.restart('kill');
  const [hold] = await holdsOf();
  expect(hold).toMatchObject({ state: 'open', held: 10 });
  const path = `/tenants/${tenantId}/holds/${hold!.id}`;
  const refused = await scene.api(
    'POST',
    `${path}/refuse`,
    { reason: 'restored the wrong backup' },
    operatorKey,
  );
  expect([refused.status, refused.json]).toEqual([
    200,
    expect.objectContaining({
      ...{ state: 'refused', decidedBy: 'key operator' },
      ...{ dryRun: false, told: 0, asked: 1 },
    }),
  ]);
  // The server is right again: everybody gets in, also those who were told before the brake took hold.
  await eventually(() => expect(toldAs('managed', 'berlin')).toBe(60), 120_000);
  await eventually(async () => expect(await heldNow()).toBe(0), wait);
  const [entry] = await scene.database.sql`
    select action, author, reason, after from history where object_id = ${hold!.id} and action = 'hold.refuse'`;
  expect(entry).toMatchObject({ author: 'key operator', reason: 'restored the wrong backup' });
}, 240_000);

it('a refused hold stays in force; a release tells what it holds, and the count begins anew', async () => {
  restore('berlin', 1);
  await tellAll('berlin');
  await eventually(async () => expect(await heldNow()).toBe(60), wait);
  const [hold] = await holdsOf();
  expect(hold!.state).toBe('refused');
  const path = `/tenants/${tenantId}/holds/${hold!.id}/release`;
  const released = await scene.api('POST', path, { reason: 'they are all sold' }, operatorKey);
  expect([released.status, released.json]).toEqual([
    200,
    expect.objectContaining({ dryRun: false, state: 'released', told: 60, asked: 0 }),
  ]);
  await eventually(() => expect(toldAs('notManaged', 'berlin')).toBe(60), wait);
  expect((await scene.api('POST', path, {}, operatorKey)).status).toBe(409);
  expect((await scene.api('POST', `${path}?dry-run=true`, {}, operatorKey)).status).toBe(409);
  await eventually(async () => expect(await statesOf(tenantId)).toEqual({ completed: 60 }), wait);
  expect(await holdsOf()).toMatchObject([{ state: 'released', held: 0 }]);
}, 120_000);

it('a small tenant is never held', async () => {
  restore('oslo', 1);
  await tellAll('oslo');
  await eventually(() => expect(toldAs('notManaged', 'oslo')).toBe(12), wait);
  expect(await holdsOf(smallId)).toEqual([]);
});

it('a disconnect with retract is a person’s decision and waits for nobody else', async () => {
  const answer = await scene.api('POST', `/tenants/${leavingId}/disconnect`, { retract: true });
  expect(answer.status, answer.text).toBeLessThan(300);
  await eventually(() => expect(toldAs('notManaged', 'rome')).toBe(55), wait);
  expect(await holdsOf(leavingId)).toEqual([]);
});
