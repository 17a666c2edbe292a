import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { setRoleInGraph } from '../../src/simulator/microsoft/principal-state.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Graph's change notifications between the real gateway and the simulated Graph (docs/notifications.md). */
describe('change notifications', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  const groupId = crypto.randomUUID();
  const outsiders: string[] = [];

  const cloud = () => scene.world.cloud('public');
  const directory = () => scene.world.directory;
  const truth = (id = tenantId) => scene.world.fleet.truth().filter((device) => device.tenantId === id);
  const status = async (id = tenantId) => (await scene.api('GET', `/tenants/${id}/status`)).json;
  const made = (set: string, id = tenantId) =>
    cloud()
      .subscriptions.of(id)
      .find((one) => one.set === set);
  const members = () => directory().tenant(tenantId)!.groups.get(groupId)!.members;
  const setMembers = (next: Iterable<string>) =>
    directory().putGroup(tenantId, { groupId, displayName: 'Mac users', members: new Set(next) });
  const active = (id = tenantId) =>
    eventually(async () => expect((await status(id)).notifications.state).toBe('active'));
  const report = async (deviceId: string, id = tenantId) =>
    (await scene.api('GET', `/tenants/${id}/devices/${deviceId}`)).json?.report;
  const timeline = async (deviceId: string): Promise<string[]> =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}/timeline`)).json.results.map(
      (one: { detail?: string }) => one.detail,
    );
  const verified = (deviceIds: readonly string[], id = tenantId) =>
    eventually(async () => {
      for (const deviceId of deviceIds) expect((await report(deviceId, id))?.state).toBe('verified');
    }, 40_000);
  /** What was asked of each computer so far. */
  const wanted = async (id = tenantId) =>
    new Map(
      (
        await scene.database.sql<{ jamfComputerId: number; wanted: number }[]>`
          select jamf_computer_id as "jamfComputerId", wanted_revision as wanted from computers where tenant_id = ${id}`
      ).map((row) => [row.jamfComputerId, row.wanted]),
    );
  const risen = async (before: ReadonlyMap<number, number>, id = tenantId) =>
    [...(await wanted(id))]
      .filter(([key, value]) => value !== before.get(key))
      .map(([key]) => key)
      .sort();
  const computersOf = (deviceIds: readonly string[]) =>
    [
      ...new Set(
        truth()
          .filter((one) => deviceIds.includes(one.deviceId))
          .map((one) => one.jamfComputerId),
      ),
    ].sort();
  const devicesOf = (userId: string) =>
    truth()
      .filter((one) => one.userId === userId)
      .map(({ deviceId }) => deviceId);
  /** Nothing waits any more: every change was acted on, every computer read and every report told. */
  const settled = (id = tenantId) =>
    eventually(async () => {
      const open = await scene.database.sql`
        select kind || ' ' || change as what, object_id::text as id from directory_changes where tenant_id = ${id}
        union all select 'computer', jamf_computer_id::text from computers
          where tenant_id = ${id} and wanted_revision > done_revision
        union all select state || ' ' || coalesce(reason, ''), device_id::text from reports
          where tenant_id = ${id} and state in ('due', 'sent', 'accepted')`;
      expect([open, cloud().subscriptions.counts(id).waiting]).toEqual([[], 0]);
    }, 30_000);
  const metric = async (outcome: string) => {
    const text = await (await fetch(`${scene.gateway.ops}/metrics`)).text();
    const line = text
      .split('\n')
      .find((one) => one.startsWith(`espalier_notifications_total{`) && one.includes(`"${outcome}"`));
    return Number(line?.split(' ').at(-1) ?? 0);
  };
  const notify = (body: unknown, id = tenantId, query = '') =>
    scene.data(`/t/${id}/notifications${query}`, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: typeof body === 'string' ? body : JSON.stringify(body),
    });
  const aboutUser = (set: string, objectId: string, more: object = {}, id = tenantId) => {
    const one = made(set, id)!;
    return {
      subscriptionId: one.id,
      clientState: one.clientState,
      changeType: 'updated',
      tenantId: id,
      resourceData: { id: objectId },
      ...more,
    };
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 8, compliantShare: 1, unregisteredShare: 0, twoUsersShare: 0 },
            ],
          },
          {
            instances: [
              { name: 'tokyo', macs: 2, compliantShare: 1, unregisteredShare: 0, twoUsersShare: 0 },
            ],
          },
        ],
      },
    });
    [tenantId, otherId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    const users = [...new Set(truth().map(({ userId }) => userId))];
    outsiders.push(...users.slice(-2));
    directory().putGroup(tenantId, {
      groupId,
      displayName: 'Mac users',
      members: new Set(users.slice(0, -2)),
    });
    cloud().settings.tenant(tenantId).intune.assignedGroupIds = [groupId];
    const all = new Map<string, Map<string, AddedInstance>>();
    for (const id of [tenantId, otherId]) all.set(id, await connectTenant(scene, id));
    await scene.api('PATCH', `/tenants/${tenantId}`, { partnerGroup: { displayName: 'Mac users' } });
    for (const { instance, jamfComputerId, tenantId: id } of scene.world.fleet.truth())
      await sendWebhook(scene, all.get(id)!.get(instance)!, jamfComputerId);
    await verified(
      truth()
        .filter(({ userId }) => !outsiders.includes(userId))
        .map(({ deviceId }) => deviceId),
    );
    await active();
    await settled();
  }, 120_000);
  afterAll(() => scene?.close());

  it('are subscribed to for the assigned group, users and devices, after the handshake at both addresses', async () => {
    const { notifications } = await status();
    expect(notifications.remedy).toBeNull();
    expect(
      notifications.subscriptions.map((one: { resource: string; state: string }) => [
        one.resource,
        one.state,
      ]),
    ).toEqual([
      ['devices', 'active'],
      ['groups', 'active'],
      ['users', 'active'],
    ]);
    expect(made('groups')).toMatchObject({
      resource: `groups/${groupId}`,
      changeTypes: ['deleted', 'updated'],
    });
    const days = (Date.parse(notifications.subscriptions[0].expiresAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(28.9);
    // Only its hash is kept.
    const [row] = await scene.database
      .sql`select * from subscriptions where tenant_id = ${tenantId} and resource = 'users'`;
    expect(JSON.stringify(row)).not.toContain(made('users')!.clientState);
    expect(made('users')!.clientState).toHaveLength(43);
    // Without a group named there is nothing to watch for it.
    const other = (await status(otherId)).notifications;
    expect(other.state).toBe('partly');
    expect(other.subscriptions.find((one: { resource: string }) => one.resource === 'groups')).toMatchObject({
      state: 'none',
      lastError: expect.stringContaining('partnerGroup'),
    });
  });

  it('answers the handshake with the decoded token as plain text, and nothing for a tenant that is not here', async () => {
    const token = 'Validation: a+b <script>alert(1)</script> ü';
    const answer = await notify('', tenantId, `?validationToken=${encodeURIComponent(token)}`);
    expect([answer.status, answer.text]).toEqual([200, token]);
    expect(answer.headers).toMatchObject({
      'content-type': 'text/plain; charset=utf-8',
      'x-content-type-options': 'nosniff',
    });
    expect((await notify('', tenantId, '?validationToken=a+b%2Bc')).text).toBe('a b+c');
    const refused = async (id: string, query: string) => {
      const { json, status: code } = await notify('', id, query);
      return [code, json.type.split('/').at(-1)];
    };
    expect(await refused(crypto.randomUUID(), '?validationToken=a')).toEqual([404, 'tenant-unknown']);
    expect(await refused('tenant', '?validationToken=a')).toEqual([404, 'tenant-unknown']);
    expect(await refused(tenantId, `?validationToken=${'a'.repeat(1_025)}`)).toEqual([
      400,
      'invalid-request',
    ]);
    expect(await refused(tenantId, '?validationToken=a&validationToken=b')).toEqual([400, 'invalid-request']);
    expect((await scene.data(`/t/${tenantId}/notifications`)).status).toBe(405);
  });

  it('a member who joins makes exactly his devices due, and what Intune refused is told again', async () => {
    const [joins = '', stays = ''] = outsiders;
    const [device = ''] = devicesOf(joins);
    expect(await report(device)).toMatchObject({ state: 'failed' });
    const before = await wanted();
    setMembers([...members(), joins]);
    await verified(devicesOf(joins));
    expect(await risen(before)).toEqual(computersOf(devicesOf(joins)));
    expect(await timeline(device)).toContain('Entra: its user joined the assigned group');
    expect(await report(devicesOf(stays)[0]!)).toMatchObject({ state: 'failed' });
  });

  it('a member who leaves makes exactly his devices due, and the report says that Intune refuses them', async () => {
    await settled();
    const [leaves = ''] = members();
    const before = await wanted();
    setMembers([...members()].filter((userId) => userId !== leaves));
    await eventually(async () => {
      for (const deviceId of devicesOf(leaves)) expect((await report(deviceId)).state).toBe('failed');
    });
    expect(await risen(before)).toEqual(computersOf(devicesOf(leaves)));
    setMembers([...members(), leaves]);
    await verified(devicesOf(leaves));
  });

  it('members without Macs and other groups change nothing; a nested group has the whole tenant read anew', async () => {
    await settled();
    const before = await wanted();
    const stranger = crypto.randomUUID();
    directory().addUser(tenantId, { userId: stranger, userPrincipalName: 'x@x.test', displayName: 'X' });
    directory().putGroup(tenantId, {
      groupId: crypto.randomUUID(),
      displayName: 'Others',
      members: new Set(members()),
    });
    setMembers([...members(), stranger]);
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    await settled();
    expect(await risen(before)).toEqual([]);

    const nested = crypto.randomUUID();
    directory().putGroup(tenantId, {
      groupId: nested,
      displayName: 'Nested',
      members: new Set([outsiders[1]!]),
    });
    setMembers([...members(), nested]);
    await eventually(async () => expect(await risen(before)).toEqual([...before.keys()].sort()));
    await settled();
    setMembers([...members()].filter((id) => id !== nested));
    await settled();
  });

  it('a user who changes has his devices read anew, one who is deleted at once', async () => {
    await settled();
    const [userId = ''] = members();
    let before = await wanted();
    const user = directory().tenant(tenantId)!.users.get(userId)!;
    directory().note({ tenantId, set: 'users', objectId: userId, change: 'updated' });
    await eventually(async () => expect(await risen(before)).toEqual(computersOf(devicesOf(userId))));
    await settled();
    before = await wanted();
    const about = aboutUser('users', userId, { changeType: 'deleted' });
    expect((await notify({ value: [about] })).status).toBe(202);
    await eventually(async () => expect(await risen(before)).toEqual(computersOf(devicesOf(userId))));
    expect(await timeline(devicesOf(userId)[0]!)).toContain('Entra: its user was deleted');
    expect(user.userId).toBe(userId);
    await settled();
  });

  it('a device that is disabled or deleted in Entra is read anew, with a line in its timeline', async () => {
    await settled();
    const [disabled, deleted] = truth();
    const entra = directory().tenant(tenantId)!.devices.get(disabled!.deviceId)!;
    const before = await wanted();
    entra.accountEnabled = false;
    directory().note({ tenantId, set: 'devices', objectId: entra.objectId, change: 'updated' });
    await eventually(async () =>
      expect(await timeline(disabled!.deviceId)).toContain('Entra: the device was disabled'),
    );
    expect(await risen(before)).toEqual([disabled!.jamfComputerId]);
    await settled();
    // A deleted one is known by what was seen of it before: its verdict made Entra show it once.
    directory().removeDevice(
      tenantId,
      deleted!.deviceId === disabled!.deviceId ? truth()[2]!.deviceId : deleted!.deviceId,
    );
    await eventually(async () =>
      expect(await timeline(deleted!.deviceId)).toContain('Entra: the device was deleted'),
    );
    expect(await risen(before)).toEqual([disabled!.jamfComputerId, deleted!.jamfComputerId].sort());
  });

  it('a wrong client state, an unknown subscription and a tenant that is not its own: 202, no effect', async () => {
    await settled();
    await settled(otherId);
    const [userId = ''] = members();
    const before = await wanted();
    const others = await wanted(otherId);
    const right = aboutUser('users', userId);
    const secret = `wrong-${crypto.randomUUID()}`;
    const answer = await notify({
      value: [
        { ...right, clientState: secret },
        { ...right, clientState: undefined },
        { ...right, subscriptionId: crypto.randomUUID() },
        { ...right, tenantId: otherId },
      ],
    });
    expect([answer.status, answer.text]).toEqual([202, '']);
    // The other tenant's genuine subscription, at this tenant's address, and this one's at the other's.
    const foreign = aboutUser('users', truth(otherId)[0]!.userId, {}, otherId);
    expect((await notify({ value: [foreign] })).status).toBe(202);
    expect((await notify({ value: [right] }, otherId)).status).toBe(202);
    expect((await notify('{"value":')).status).toBe(400);
    expect((await notify({ value: {} })).json.errors[0]).toMatchObject({ field: 'value' });
    expect((await notify({ value: [1, null, 'a', {}, { subscriptionId: 1 }] })).status).toBe(202);
    await new Promise((resolve) => setTimeout(resolve, 2_500));
    expect([await risen(before), await risen(others, otherId)]).toEqual([[], []]);
    expect(scene.gateway.output()).toContain('notification.rejected');
    expect(scene.gateway.output()).not.toContain(secret);
  });

  it('what is rejected is counted', async () => {
    const rejected = await metric('rejected');
    const right = aboutUser('users', [...members()][0]!);
    await notify({
      value: [
        { ...right, clientState: undefined },
        { ...right, tenantId: otherId },
      ],
    });
    await notify({ value: [right] }, otherId);
    expect((await metric('rejected')) - rejected).toBe(3);
  });

  it('whatever comes is answered without a server error', async () => {
    const entry = fc.oneof(
      fc.jsonValue(),
      fc.record(
        {
          subscriptionId: fc.oneof(fc.constant(made('groups')!.id), fc.jsonValue()),
          clientState: fc.oneof(fc.constant('\u0000'), fc.jsonValue()),
          changeType: fc.oneof(fc.constantFrom('updated', 'deleted'), fc.jsonValue()),
          lifecycleEvent: fc.oneof(fc.constant('missed'), fc.jsonValue()),
          resourceData: fc.jsonValue(),
        },
        { requiredKeys: [] },
      ),
    );
    const body = fc.oneof(
      fc.array(entry, { maxLength: 5 }).map((value) => JSON.stringify({ value })),
      fc.string({ unit: 'binary' }),
    );
    const token = fc.string({ unit: 'binary', minLength: 1, maxLength: 1_500 });
    await fc.assert(
      fc.asyncProperty(body, token, async (text, given) => {
        expect([202, 400]).toContain((await notify(text)).status);
        const query = `?validationToken=${encodeURIComponent(given.toWellFormed())}`;
        const answer = await notify('', tenantId, query);
        if (given.length > 1_024) expect(answer.status).toBe(400);
        else expect([answer.status, answer.text]).toEqual([200, given.toWellFormed()]);
      }),
      { numRuns: 60 },
    );
    expect((await notify('x'.repeat(1024 * 1024 + 1))).status).toBe(413);
  });

  it('missed notifications have the whole tenant read anew in the background', async () => {
    await settled();
    const before = await wanted();
    const revision = async () => (await report(truth()[3]!.deviceId)).revision;
    const told = await revision();
    expect(cloud().subscriptions.lifecycle(tenantId, 'users', 'missed')).toBe(1);
    await eventually(async () => expect(await risen(before)).toEqual([...before.keys()].sort()));
    await settled();
    // Nothing was different: nothing is told.
    expect(await revision()).toBe(told);
  });

  it('a subscription that Graph removed is made anew, and one that is to be authorized again is renewed', async () => {
    await settled();
    const removed = made('users')!.id;
    cloud().subscriptions.lifecycle(tenantId, 'users', 'subscriptionRemoved');
    await eventually(() => expect(made('users')?.id).toEqual(expect.not.stringMatching(removed)));
    await active();
    const { expiresAt, id } = made('groups')!;
    cloud().subscriptions.lifecycle(tenantId, 'groups', 'reauthorizationRequired');
    await eventually(() => expect(made('groups')!.expiresAt).toBeGreaterThan(expiresAt));
    expect(made('groups')!.id).toBe(id);
    await settled();
  });

  it('a subscription is renewed before it ends, however short Graph makes it', async () => {
    cloud().settings.tenant(tenantId).graph.notifications.grantedMs = 8_000;
    const { id } = made('devices')!;
    cloud().subscriptions.lifecycle(tenantId, 'devices', 'reauthorizationRequired');
    await eventually(() => expect(made('devices')!.expiresAt).toBeLessThan(Date.now() + 8_000));
    const end = Date.now() + 20_000;
    while (Date.now() < end) {
      expect(made('devices')?.id).toBe(id);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    cloud().settings.tenant(tenantId).graph.notifications.grantedMs = null;
    await active();
  }, 40_000);

  it('a missing permission is said, and everything works without', async () => {
    const { diagnostic } = scene.world.applications.get('public')!;
    const principal = directory().tenant(otherId)!.servicePrincipals.get(diagnostic.clientId)!;
    const role = principal.appRoles.find(({ value }) => value === 'User.Read.All')!;
    // A token in use keeps the role; Graph does not honour it.
    setRoleInGraph(principal, role, Date.now() + 3_600_000);
    cloud().settings.tenant(otherId).graph.notifications.resources = ['users', 'groups'];
    for (const set of ['users', 'devices'])
      cloud().subscriptions.lifecycle(otherId, set, 'subscriptionRemoved');
    await eventually(async () => {
      const { subscriptions } = (await status(otherId)).notifications;
      const of = (resource: string) =>
        subscriptions.find((one: { resource: string }) => one.resource === resource);
      expect(of('users')).toMatchObject({
        state: 'refused',
        lastError: expect.stringContaining('User.Read.All'),
      });
      expect(of('devices')).toMatchObject({
        state: 'refused',
        lastError: expect.stringContaining('does not take'),
      });
    });
    await verified(
      truth(otherId).map(({ deviceId }) => deviceId),
      otherId,
    );
    setRoleInGraph(principal, role, 0);
    cloud().settings.tenant(otherId).graph.notifications.resources = ['users', 'groups', 'devices'];
    await scene.api('POST', `/tenants/${otherId}/confirm`);
    await eventually(async () => {
      const { subscriptions } = (await status(otherId)).notifications;
      expect(subscriptions.map((one: { state: string }) => one.state)).toEqual(['active', 'none', 'active']);
    });
  });

  it('while the database is away Graph is told so, and brings the notification again', async () => {
    await settled();
    const [userId = ''] = members();
    const before = await wanted();
    const name = new URL(scene.database.url).pathname.slice(1);
    const { default: postgres } = await import('postgres');
    const server = new URL(scene.database.url);
    server.pathname = '/postgres';
    const admin = postgres(server.href, { max: 1, onnotice: () => undefined });
    // Whoever was first to come back would be in the way of the new name.
    for (let moved = false; !moved; ) {
      await admin`select pg_terminate_backend(pid) from pg_stat_activity where datname = ${name}`;
      moved = await admin.unsafe(`alter database ${name} rename to ${name}_away`).then(
        () => true,
        () => false,
      );
    }
    const { json, status: code } = await notify({ value: [aboutUser('users', userId)] });
    expect([code, json.type]).toEqual([503, 'https://espalier.dev/problems/store-unavailable']);
    directory().note({ tenantId, set: 'users', objectId: userId, change: 'updated' });
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(cloud().subscriptions.counts(tenantId).waiting).toBe(1);
    await admin.unsafe(`alter database ${name}_away rename to ${name}`);
    await admin.end();
    await eventually(async () => expect(await risen(before)).toEqual(computersOf(devicesOf(userId))));
    expect(cloud().subscriptions.counts(tenantId)).toMatchObject({ waiting: 0, dropped: 0 });
  });

  it('a tenant that leaves has its subscriptions removed, and gets new ones when it comes back', async () => {
    expect(cloud().subscriptions.of(tenantId)).toHaveLength(3);
    const old = aboutUser('users', [...members()][0]!);
    expect((await scene.api('POST', `/tenants/${tenantId}/disable`)).status).toBe(200);
    expect(cloud().subscriptions.of(tenantId)).toEqual([]);
    expect((await status()).notifications).toMatchObject({ state: 'not-connected', subscriptions: [] });
    expect((await notify({ value: [old] })).status).toBe(202);
    const waits = await scene.database.sql`select from directory_changes where tenant_id = ${tenantId}`;
    expect(waits).toHaveLength(0);
    expect((await scene.api('POST', `/tenants/${tenantId}/enable`)).json.ok).toBe(true);
    await active();
    expect(cloud().subscriptions.of(tenantId)).toHaveLength(3);
  });
});
