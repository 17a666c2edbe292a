import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { transitions } from '../../src/connection/state.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  browse,
  connectTenant,
  consent,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** The life of a connection, from the API and seen from the Microsoft side (docs/connection.md). */
describe('connection', () => {
  let scene: Scene;
  const seen = new Set<string>();

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: Array.from({ length: 15 }, (_, index) => ({
          displayName: `Tenant ${index}`,
          instances: [
            { name: `one-${index}`, macs: 3 },
            ...(index === 0
              ? [
                  { name: 'two-0', macs: 1 },
                  { name: 'three-0', macs: 1 },
                ]
              : []),
          ],
        })),
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: '2' },
    });
  });
  afterAll(() => scene?.close());
  beforeEach(() => scene.world.faults.clear());

  let next = 0;
  const freshTenant = () => scene.world.tenants[next++]!.tenantId;
  const cloud = () => scene.world.cloud('public');
  const intune = (tenantId: string) => cloud().intune.tenant(tenantId);
  const settings = (tenantId: string) => cloud().settings.tenant(tenantId);
  const status = async (tenantId: string) => (await scene.api('GET', `/tenants/${tenantId}/status`)).json;
  const post = (tenantId: string, verb: string, body?: unknown) =>
    scene.api('POST', `/tenants/${tenantId}/${verb}`, body);
  const state = async (tenantId: string): Promise<string> =>
    (await scene.api('GET', `/tenants/${tenantId}`)).json.connectionState;
  /** Does something and remembers which row of the table it drove. */
  const drive = async (tenantId: string, event: string, act: () => Promise<unknown>, to: string) => {
    const from = await state(tenantId);
    await act();
    await eventually(async () => expect(await state(tenantId)).toBe(to));
    seen.add(`${from} ${event} ${to}`);
  };
  const devicesOf = (tenantId: string) =>
    scene.world.fleet.truth().filter((device) => device.tenantId === tenantId);
  const report = async (tenantId: string, deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json?.report;
  const reaches = (tenantId: string, deviceId: string, wanted: string) =>
    eventually(async () => expect((await report(tenantId, deviceId))?.state).toBe(wanted));
  const applied = (tenantId: string, deviceId: string) => cloud().intune.device(tenantId, deviceId).history;
  const only = (instances: Map<string, AddedInstance>) => [...instances.values()][0]!;

  it('goes from nothing to connected: connect, both consents, confirm with a named group', async () => {
    const tenantId = freshTenant();
    const group = { groupId: crypto.randomUUID(), displayName: 'Mac users', members: new Set<string>() };
    for (const { userId } of devicesOf(tenantId)) group.members.add(userId);
    scene.world.directory.tenant(tenantId)!.groups.set(group.groupId, group);
    await scene.api('POST', '/tenants', {
      tenantId,
      cloud: 'public',
      displayName: 'T',
      partnerGroup: { displayName: 'Mac users' },
    });
    let urls: { url: string }[] = [];
    await drive(
      tenantId,
      'connect-started',
      async () => (urls = (await post(tenantId, 'connect')).json.consentUrls),
      'consenting',
    );
    await drive(
      tenantId,
      'connect-started',
      async () => (urls = (await post(tenantId, 'connect')).json.consentUrls),
      'consenting',
    );
    await drive(tenantId, 'consent-completed', () => browse(scene, urls[0]!.url), 'consented');
    await addInstance(scene, tenantId, 'one-0');
    let confirmed = await post(tenantId, 'confirm');
    seen.add('consented provisioned connected');
    expect(
      confirmed.json.steps.map((step: { name: string; ok: boolean }) => `${step.name} ${step.ok}`),
    ).toEqual(
      [
        'token',
        'permissions',
        'discovery',
        'provisioning',
        'policy',
        'assignment',
        'heartbeat',
        'instance:one-0',
      ].map((name) => `${name} true`),
    );
    expect(intune(tenantId)).toMatchObject({
      provisioning: 'provisioned',
      enrollmentUrl: `${scene.world.publicUrl}/t/${tenantId}/enroll`,
      remediationUrl: `${scene.world.publicUrl}/t/${tenantId}/remediate`,
    });
    expect(intune(tenantId).policies).toHaveLength(1);
    // Again: 409 on the policy means it is there.
    await drive(
      tenantId,
      'provisioned',
      async () => (confirmed = await post(tenantId, 'confirm')),
      'connected',
    );
    expect(confirmed.json.ok).toBe(true);
    expect(intune(tenantId).policies).toHaveLength(1);
    await drive(tenantId, 'connect-started', () => post(tenantId, 'connect'), 'connected');
    const again = (await post(tenantId, 'connect')).json.consentUrls[0].url;
    await drive(tenantId, 'consent-completed', () => browse(scene, again), 'connected');
  });

  it('deprovisions exactly once when three instances are removed one by one, after the last', async () => {
    const { tenantId } = scene.world.tenants[0]!;
    const two = await addInstance(scene, tenantId, 'two-0');
    const three = await addInstance(scene, tenantId, 'three-0');
    const listed = await scene.api('GET', `/tenants/${tenantId}/instances`);
    const first = listed.json.results.find((one: { name: string }) => one.name === 'one-0').id;
    const before = intune(tenantId).deprovisionedCount;
    for (const id of [first, two.id]) {
      expect((await scene.api('DELETE', `/tenants/${tenantId}/instances/${id}?force=true`)).status).toBe(200);
      expect(await state(tenantId)).toBe('connected');
      expect(intune(tenantId).deprovisionedCount).toBe(before);
    }
    await drive(
      tenantId,
      'last-instance-gone',
      () => scene.api('DELETE', `/tenants/${tenantId}/instances/${three.id}?force=true`),
      'consented',
    );
    await new Promise((resolve) => setTimeout(resolve, 3_000));
    expect(intune(tenantId).deprovisionedCount).toBe(before + 1);
    expect(intune(tenantId).provisioning).toBe('deprovisioned');
  });

  it('disable deprovisions and keeps everything; enable comes back where it was', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    const [device] = devicesOf(tenantId);
    await sendWebhook(scene, instance, device!.jamfComputerId);
    await reaches(tenantId, device!.deviceId, 'verified');
    await drive(tenantId, 'disabled', () => post(tenantId, 'disable'), 'disabled');
    await eventually(() => expect(intune(tenantId).provisioning).toBe('deprovisioned'));
    expect(intune(tenantId).deprovisionedCount).toBe(1);
    expect((await status(tenantId)).devices).toBe(1);
    await drive(tenantId, 'disabled', () => post(tenantId, 'disable'), 'disabled');
    expect(intune(tenantId).deprovisionedCount).toBe(1);
    const refused = await post(tenantId, 'confirm');
    expect(refused.json).toMatchObject({
      ok: false,
      steps: [{ cause: 'disabled', remedy: expect.stringMatching(/^Enable/) }],
    });
    const mac = scene.world.fleet.findByDevice(device!.deviceId)!;
    scene.world.fleet.setCompliant(mac, !device!.compliant);
    await sendWebhook(scene, instance, device!.jamfComputerId);
    await reaches(tenantId, device!.deviceId, 'held');
    await drive(tenantId, 'provisioned', () => post(tenantId, 'enable'), 'connected');
    await reaches(tenantId, device!.deviceId, 'verified');
    expect(scene.world.directory.tenant(tenantId)!.devices.get(device!.deviceId)!.isCompliant).toBe(
      !device!.compliant,
    );
    await drive(tenantId, 'disabled', () => post(tenantId, 'disable'), 'disabled');
    await drive(tenantId, 'connect-started', () => post(tenantId, 'connect'), 'consenting');
    await drive(tenantId, 'provisioned', () => post(tenantId, 'confirm'), 'connected');
  });

  it('disconnect with retract tells Intune about every device first, then deprovisions; connecting again brings all back', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    for (const device of devicesOf(tenantId)) await sendWebhook(scene, instance, device.jamfComputerId);
    for (const device of devicesOf(tenantId)) await reaches(tenantId, device.deviceId, 'verified');
    settings(tenantId).intune.processingDelayMs = 800;
    const dry = await scene.api('POST', `/tenants/${tenantId}/disconnect?dry-run=true`, { retract: true });
    expect(dry.json).toMatchObject({ dryRun: true, retracting: 3, connectionState: 'connected' });
    await drive(
      tenantId,
      'disconnect-started',
      () => post(tenantId, 'disconnect', { retract: true }),
      'disconnecting',
    );
    expect((await status(tenantId)).retraction.total).toBe(3);
    await drive(
      tenantId,
      'disconnect-started',
      () => post(tenantId, 'disconnect', { retract: true }),
      'disconnecting',
    );
    await drive(tenantId, 'disconnected', async () => undefined, 'disconnected');
    // Sent once the state is committed.
    await eventually(() => expect(intune(tenantId).deprovisionedCount).toBe(1));
    for (const device of devicesOf(tenantId)) {
      expect(applied(tenantId, device.deviceId).at(-1)).toMatchObject({
        deviceManagementState: 'notManaged',
        complianceStatus: 'notCompliant',
      });
    }
    settings(tenantId).intune.processingDelayMs = 100;
    expect((await post(tenantId, 'confirm')).json.ok).toBe(false);
    expect((await post(tenantId, 'disable')).status).toBe(409);
    await drive(tenantId, 'connect-started', () => post(tenantId, 'connect'), 'consenting');
    await drive(tenantId, 'provisioned', () => post(tenantId, 'confirm'), 'connected');
    await scene.database.sql`update computers set next_try_at = now() where tenant_id = ${tenantId}`;
    for (const device of devicesOf(tenantId)) {
      await eventually(() =>
        expect(applied(tenantId, device.deviceId).at(-1)).toMatchObject({
          deviceManagementState: 'managed',
          complianceStatus: device.compliant ? 'compliant' : 'notCompliant',
        }),
      );
    }
    await drive(tenantId, 'disconnect-started', () => post(tenantId, 'disconnect', {}), 'disconnected');
    seen.add('connected disconnect-started disconnecting');
    seen.add('disconnecting disconnected disconnected');
    expect((await post(tenantId, 'disconnect', {})).status).toBe(409);
  });

  it('recognises a termination from the Intune side, holds delivery, shows the dates, and reconnects with its devices', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    const [device, other] = devicesOf(tenantId);
    await sendWebhook(scene, instance, device!.jamfComputerId);
    await reaches(tenantId, device!.deviceId, 'verified');
    await drive(tenantId, 'terminated-by-intune', async () => cloud().terminate(tenantId), 'terminated');
    const shown = await status(tenantId);
    expect(shown.terminatedAt).not.toBeNull();
    const days = (Date.parse(shown.devicesRemovedAt) - Date.now()) / 86_400_000;
    expect(days).toBeGreaterThan(89);
    expect(days).toBeLessThan(91);
    await sendWebhook(scene, instance, other!.jamfComputerId);
    await reaches(tenantId, other!.deviceId, 'held');
    expect((await report(tenantId, other!.deviceId)).reason).toBe('terminated');
    await drive(tenantId, 'connect-started', () => post(tenantId, 'connect'), 'consenting');
    await drive(tenantId, 'provisioned', () => post(tenantId, 'confirm'), 'connected');
    await reaches(tenantId, other!.deviceId, 'verified');
    expect((await status(tenantId)).terminatedAt).toBeNull();
    expect((await status(tenantId)).devices).toBe(2);
    await drive(tenantId, 'terminated-by-intune', async () => cloud().terminate(tenantId), 'terminated');
    await drive(tenantId, 'provisioned', () => post(tenantId, 'confirm'), 'connected');
    await drive(tenantId, 'terminated-by-intune', async () => cloud().terminate(tenantId), 'terminated');
    await drive(tenantId, 'disabled', () => post(tenantId, 'disable'), 'disabled');
  });

  it('loses nothing while the consent is revoked, and says who must do what meanwhile', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    const connector = scene.world.applications.get('public')!.connector.clientId;
    const principals = scene.world.directory.tenant(tenantId)!.servicePrincipals;
    const principal = principals.get(connector)!;
    principals.delete(connector);
    // The gateway's token outlives the consent, as at Microsoft; a restart ends it at once.
    await scene.restart('stop');
    for (const device of devicesOf(tenantId))
      expect((await sendWebhook(scene, instance, device.jamfComputerId)).status).toBe(202);
    await eventually(async () => {
      const { hold, heldReasons } = await status(tenantId);
      expect(hold).toMatchObject({
        cause: 'consent-required',
        owner: 'configuration',
        remedy: expect.stringContaining('consent'),
      });
      expect(heldReasons['consent-required']).toBe(3);
    });
    principals.set(connector, principal);
    for (const device of devicesOf(tenantId)) await reaches(tenantId, device.deviceId, 'verified');
    expect((await status(tenantId)).hold).toBeNull();
  });

  it('shows permission drift of both applications as missing and extra', async () => {
    const tenantId = freshTenant();
    await connectTenant(scene, tenantId);
    const clean = await scene.api('GET', `/tenants/${tenantId}/permissions`);
    expect(clean.status).toBe(200);
    expect(
      clean.json.applications.map((one: { app: string; missing: string[]; extra: string[] }) => [
        one.app,
        one.missing,
        one.extra,
      ]),
    ).toEqual([
      ['connector', [], []],
      ['user-registration', [], []],
    ]);
    const connector = scene.world.applications.get('public')!.connector.clientId;
    const roles = scene.world.directory.tenant(tenantId)!.servicePrincipals.get(connector)!.appRoles;
    const index = roles.findIndex((role) => role.value === 'manage_partner_compliance_policy');
    roles.splice(index, 1);
    const drifted = await scene.api('GET', `/tenants/${tenantId}/permissions`);
    expect(drifted.json.applications[0].missing).toEqual(['manage_partner_compliance_policy']);
    expect((await status(tenantId)).permissions).toMatchObject({
      ok: false,
      missing: ['connector: manage_partner_compliance_policy'],
    });
  });

  it('acts once per distinct ResyncTimestamp, and keeps MessageErrors', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    const [device] = devicesOf(tenantId);
    await sendWebhook(scene, instance, device!.jamfComputerId);
    await reaches(tenantId, device!.deviceId, 'verified');
    const told = applied(tenantId, device!.deviceId).length;
    // Later than all that is accepted here: acting on it twice would tell the state twice.
    settings(tenantId).intune.resyncTimestamp = new Date(Date.now() + 600_000).toISOString();
    settings(tenantId).intune.messageErrors = [{ MessageId: 'x', Error: 'y' }];
    await eventually(() => expect(applied(tenantId, device!.deviceId)).toHaveLength(told + 1));
    await new Promise((resolve) => setTimeout(resolve, 5_000));
    expect(applied(tenantId, device!.deviceId)).toHaveLength(told + 1);
    expect((await status(tenantId)).messageErrors).toEqual([{ MessageId: 'x', Error: 'y' }]);
    const asked = await post(tenantId, 'resync');
    expect(asked.json.reports).toBe(1);
    await eventually(() => expect(applied(tenantId, device!.deviceId)).toHaveLength(told + 2));
  });

  it('finds a relocated Intune again, once per episode', async () => {
    const tenantId = freshTenant();
    const instance = only(await connectTenant(scene, tenantId));
    const discoveries = () =>
      scene.world.journal
        .list({ service: 'graph', tenant: tenantId })
        .filter((entry) => /\/endpoints/i.test(entry.path)).length;
    const before = discoveries();
    settings(tenantId).discovery.relocation = 'moved';
    for (const device of devicesOf(tenantId)) await sendWebhook(scene, instance, device.jamfComputerId);
    for (const device of devicesOf(tenantId)) await reaches(tenantId, device.deviceId, 'verified');
    expect(discoveries()).toBe(before + 1);
  });

  it('tells a tenant without Intune from one without the partner service', async () => {
    const tenantId = freshTenant();
    await consent(scene, tenantId);
    const discovery = async () => {
      const { json } = await post(tenantId, 'confirm');
      return json.steps.find((step: { name: string }) => step.name === 'discovery');
    };
    settings(tenantId).discovery.services = 'unrelated-only';
    expect(await discovery()).toMatchObject({
      ok: false,
      cause: 'partner-service-missing',
      owner: 'microsoft',
    });
    settings(tenantId).discovery.services = 'none';
    expect(await discovery()).toMatchObject({ ok: false, cause: 'no-intune' });
    settings(tenantId).discovery.services = 'all';
    await drive(tenantId, 'disconnect-started', () => post(tenantId, 'disconnect', {}), 'disconnected');
    seen.add('consented disconnect-started disconnecting');
  });

  it('takes the remaining ways', async () => {
    const [first, second] = [freshTenant(), freshTenant()];
    const start = (tenantId: string) => post(tenantId, 'connect');
    const leave = async (tenantId: string) => {
      const from = await state(tenantId);
      await drive(tenantId, 'disconnect-started', () => post(tenantId, 'disconnect', {}), 'disconnected');
      seen.add(`${from} disconnect-started disconnecting`);
    };
    await consent(scene, first);
    await drive(first, 'connect-started', () => start(first), 'consenting');
    await leave(first);
    await drive(first, 'connect-started', () => start(first), 'consenting');
    await consent(scene, first);
    await drive(first, 'disabled', () => post(first, 'disable'), 'disabled');
    await leave(first);
    // Consented to before this gateway knew the tenant.
    await scene.api('DELETE', `/tenants/${first}`);
    await scene.api('POST', '/tenants', { tenantId: first, cloud: 'public', displayName: 'T' });
    await drive(first, 'provisioned', () => post(first, 'confirm'), 'connected');
    await drive(first, 'terminated-by-intune', async () => cloud().terminate(first), 'terminated');
    await leave(first);
    await scene.api('POST', '/tenants', { tenantId: second, cloud: 'public', displayName: 'T' });
    await drive(second, 'connect-started', () => start(second), 'consenting');
    await drive(
      second,
      'provisioned',
      async () => {
        // Both consents were given in another window; the redirects never came back.
        await consent(scene, second);
        await scene.database
          .sql`update tenants set connection_state = 'consenting' where tenant_id = ${second}`;
        await post(second, 'confirm');
      },
      'connected',
    );
  });

  it('ends each failed consent in a page that says what happened and what to do', async () => {
    const tenantId = freshTenant();
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: 'T' });
    const url = async () => (await post(tenantId, 'connect')).json.consentUrls[0].url as string;
    const { consent: behaviour, entra } = settings(tenantId);
    const pages: [string, () => Promise<{ status: number; text: string }>][] = [
      [
        'was not given',
        async () => {
          behaviour.behaviour = 'decline';
          return browse(scene, await url());
        },
      ],
      [
        'Another tenant',
        async () => {
          behaviour.behaviour = 'tamper-tenant';
          return browse(scene, await url());
        },
      ],
      [
        'not complete',
        async () => {
          behaviour.behaviour = 'lose-state';
          return browse(scene, await url());
        },
      ],
      [
        'cannot be matched',
        async () => {
          behaviour.behaviour = 'approve';
          const abandoned = await url();
          await scene.database.sql`update consents set expires_at = now() where tenant_id = ${tenantId}`;
          return browse(scene, abandoned);
        },
      ],
      [
        'could not be proven',
        async () => {
          entra.entraError = { code: 700016, at: 'token' };
          return browse(scene, await url());
        },
      ],
    ];
    for (const [title, visit] of pages) {
      const page = await visit();
      expect(page.status, title).toBe(400);
      expect(page.text).toContain(title);
      expect(await state(tenantId)).toBe('consenting');
    }
    entra.entraError = null;
    expect((await browse(scene, await url())).status).toBe(200);
    expect(await state(tenantId)).toBe('consented');
  });

  it('waits for roles that are on their way after a consent, instead of failing', async () => {
    const tenantId = freshTenant();
    settings(tenantId).consent.delayMs = 4_000;
    expect((await consent(scene, tenantId)).status).toBe(200);
    const confirmed = await post(tenantId, 'confirm');
    expect(confirmed.json.steps[1]).toMatchObject({ name: 'permissions', ok: true });
    expect(confirmed.json.ok).toBe(true);
  });

  it('has driven the whole table of transitions', () => {
    const wanted = transitions.flatMap(({ event, from, to }) => from.map((one) => `${one} ${event} ${to}`));
    expect(wanted.filter((row) => !seen.has(row))).toEqual([]);
  });
});
