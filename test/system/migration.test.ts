import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { connectorRoles } from '../../src/simulator/microsoft/applications.ts';
import { grantApplication } from '../../src/simulator/microsoft/grants.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  addInstance,
  browse,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** A manual connection with its own application, its way to the connector and back, and the change of mode. */
describe('migration', () => {
  let scene: Scene;
  let tenantId: string;
  let otherId: string;
  let first: AddedInstance;
  const application = { clientId: crypto.randomUUID(), clientSecret: 'the-first-secret-of-the-tenant' };
  const foreignAppId = crypto.randomUUID();

  const cloud = () => scene.world.cloud('public');
  const intune = () => cloud().intune.tenant(tenantId);
  const settings = () => cloud().settings.tenant(tenantId).intune;
  const connector = () => scene.world.applications.get('public')!.connector.clientId;
  const post = (verb: string, body?: unknown) => scene.api('POST', `/tenants/${tenantId}/${verb}`, body);
  const tenant = async () => (await scene.api('GET', `/tenants/${tenantId}`)).json;
  const status = async () => (await scene.api('GET', `/tenants/${tenantId}/status`)).json;
  const devices = () => scene.world.fleet.truth().filter((device) => device.instance === 'one');
  const reaches = (deviceId: string, state: string) =>
    eventually(async () => {
      const { json } = await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
      expect(json.report?.state).toBe(state);
    });
  const stepOf = (json: { steps: { name: string }[] }, name: string) =>
    json.steps.find((step) => step.name === name);
  /** As the tenant's administrator does in his own tenant: registers the application and grants it. */
  const register = (mode: 'device-compliance' | 'conditional-access') => {
    const registered = cloud().applications.register({
      appId: application.clientId,
      displayName: 'Jamf of the tenant',
      secrets: [{ value: application.clientSecret }],
      requestedRoles: connectorRoles(mode),
    });
    const { clock, random } = cloud().context.world;
    grantApplication(scene.world.directory.tenant(tenantId)!, {
      application: registered,
      effectiveAt: clock.now(),
      withRoles: true,
      newObjectId: random.guid,
    });
  };

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            displayName: 'Manual',
            instances: [
              { name: 'one', macs: 2 },
              { name: 'two', macs: 1 },
            ],
          },
          { displayName: 'Other', instances: [{ name: 'other', macs: 1 }] },
        ],
      },
      environment: { ESPALIER_HEARTBEAT_SECONDS: '2' },
    });
    [tenantId, otherId] = scene.world.tenants.map((one) => one.tenantId) as [string, string];
  });
  afterAll(() => scene?.close());

  it('wants an application for a manual tenant and for no other, and shows no secret', async () => {
    const base = { tenantId, cloud: 'public', displayName: 'Manual', mode: 'conditional-access' };
    const without = await scene.api('POST', '/tenants', { ...base, connectionType: 'manual' });
    expect(without).toMatchObject({ status: 400, json: { errors: [{ field: 'application' }] } });
    const needless = await scene.api('POST', '/tenants', { ...base, application });
    expect(needless).toMatchObject({ status: 400, json: { errors: [{ field: 'application' }] } });
    const own = { clientId: application.clientId, secretRef: 'env:ESPALIER_SECRETS_KEY' };
    const stolen = await scene.api('POST', '/tenants', {
      ...base,
      connectionType: 'manual',
      application: own,
    });
    expect(stolen).toMatchObject({ status: 400, json: { errors: [{ field: 'application.secretRef' }] } });

    const made = await scene.api('POST', '/tenants', { ...base, connectionType: 'manual', application });
    expect(made.status).toBe(201);
    const shown = await scene.api('GET', `/tenants/${tenantId}`);
    expect(shown.json).toMatchObject({
      mode: 'conditional-access',
      connectionType: 'manual',
      application: { clientId: application.clientId, secretRef: null },
    });
    const listed = await scene.api('GET', '/tenants');
    const [row] = await scene.database
      .sql`select application::text from tenants where tenant_id = ${tenantId}`;
    for (const text of [shown.text, listed.text, row!.application]) {
      expect(text).toContain(application.clientId);
      expect(text).not.toContain(application.clientSecret);
    }
    expect(listed.text).not.toContain('sealed');
    expect((await status()).warnings).toEqual([expect.stringContaining('2024-09-01')]);
  });

  it('changes mode and type by a migration only', async () => {
    for (const change of [{ mode: 'device-compliance' }, { connectionType: 'cloud-connector' }]) {
      const [field] = Object.keys(change);
      const refused = await scene.api('PATCH', `/tenants/${tenantId}`, change);
      expect(refused).toMatchObject({
        status: 400,
        json: { errors: [{ field, description: expect.stringContaining('migration') }] },
      });
    }
  });

  it('is provisioned and reports with its own application', async () => {
    register('conditional-access');
    settings().configuredAppId = application.clientId;
    const connected = await post('connect');
    expect(connected.json.consentUrls).toEqual([]);
    first = await addInstance(scene, tenantId, 'one');
    const confirmed = await post('confirm');
    expect(confirmed.json).toMatchObject({ ok: true });
    expect(intune().provisionedBy).toBe(application.clientId);
    const [device] = devices();
    await sendWebhook(scene, first, device!.jamfComputerId);
    await reaches(device!.deviceId, 'completed');
    expect(intune().devices.has(device!.deviceId)).toBe(true);
    const { json } = await scene.api('GET', `/tenants/${tenantId}/permissions`);
    expect(json.applications.map((one: { app: string }) => one.app)).toEqual(['connector']);
    expect(json.applications[0].granted).toContain('update_device_attributes');
  });

  it('refuses a second instance with a clear text', async () => {
    await expect(addInstance(scene, tenantId, 'two')).rejects.toThrow(/409|one Jamf Pro instance/);
    const listed = await scene.api('GET', `/tenants/${tenantId}/instances`);
    expect(listed.json.totalCount).toBe(1);
  });

  it("holds this tenant alone when its application's secret is wrong, and takes the right one at once", async () => {
    await connectTenant(scene, otherId);
    const patch = (clientSecret: string) =>
      scene.api('PATCH', `/tenants/${tenantId}`, {
        application: { clientId: application.clientId, clientSecret },
      });
    expect((await patch('a-wrong-secret')).status).toBe(200);
    const refused = await post('confirm');
    expect(stepOf(refused.json, 'token')).toMatchObject({
      ok: false,
      remedy: expect.stringContaining('application'),
      owner: 'configuration',
    });
    const other = await scene.api('POST', `/tenants/${otherId}/confirm`);
    expect(other.json.ok).toBe(true);
    expect(scene.gateway.output()).not.toContain('registration.fault');
    expect((await patch(application.clientSecret)).status).toBe(200);
    expect((await post('confirm')).json.ok).toBe(true);
  });

  it('counts 24 hours from a termination, and names a foreign provisioning', async () => {
    const before = await post('migrate', { connectionType: 'cloud-connector' });
    expect(before.status).toBe(200);
    expect(before.json).toMatchObject({
      from: { mode: 'conditional-access', connectionType: 'manual' },
      to: { mode: 'conditional-access', connectionType: 'cloud-connector' },
      dryRun: true,
      devices: 1,
    });
    expect(before.json.window).toBeUndefined();
    expect(before.json.steps.map((step: { name: string }) => step.name)).toEqual([
      'deprovision',
      'clear-application-id',
      'delete-enterprise-applications',
      'terminated',
      'change-type',
      'connect',
    ]);
    cloud().terminate(tenantId);
    await eventually(async () => expect((await tenant()).connectionState).toBe('terminated'));
    const counted = (await post('migrate', { connectionType: 'cloud-connector' })).json;
    expect(counted.window.hoursLeft).toBeGreaterThan(23);
    expect(counted.window.hoursLeft).toBeLessThanOrEqual(24);
    expect(Date.parse(counted.window.endsAt) - Date.parse(counted.window.startsAt)).toBe(86_400_000);
    expect(counted.window.startsAt).toBe(counted.dates.terminatedAt);
    expect(stepOf(counted, 'terminated')).toMatchObject({ done: true });
    expect(counted.warnings.join()).not.toContain('foreign');
    expect((await tenant()).connectionType).toBe('manual');

    settings().foreignProvisioning = { appId: foreignAppId };
    const taken = (await post('migrate', { connectionType: 'cloud-connector' })).json;
    expect(taken.warnings.join()).toContain('foreign-provisioning');
  });

  it('goes to the connector, refused while another application holds the tenant, and keeps its devices', async () => {
    settings().configuredAppId = null;
    const migrated = await post('migrate?dry-run=false', { connectionType: 'cloud-connector' });
    expect(migrated.status).toBe(200);
    expect(migrated.json).toMatchObject({ dryRun: false, devices: 1 });
    expect(stepOf(migrated.json, 'change-type')).toMatchObject({ done: true, who: 'espalier' });
    expect((await tenant()).connectionType).toBe('cloud-connector');
    expect(scene.gateway.output()).toMatch(
      /\[CHANGEMANAGEMENT\].*\[bootstrap \(ID: 0\)\] \[UPDATE\] \[Conditional Access\]/,
    );

    const { consentUrls } = (await post('connect')).json;
    expect(consentUrls).toHaveLength(2);
    await browse(scene, consentUrls[0].url);
    const refused = (await post('confirm')).json;
    expect(stepOf(refused, 'provisioning')).toMatchObject({
      ok: false,
      cause: 'foreign-provisioning',
      detail: expect.stringContaining(foreignAppId),
    });
    const waiting = (await post('migrate', { connectionType: 'cloud-connector' })).json;
    expect(waiting.window.hoursLeft).toBeGreaterThan(23);
    expect(stepOf(waiting, 'connect')).toMatchObject({ done: false });

    settings().foreignProvisioning = null;
    expect((await post('confirm')).json.ok).toBe(true);
    expect(intune().provisionedBy).toBe(connector());
    const [device, second] = devices();
    expect((await status()).devices).toBe(1);
    await sendWebhook(scene, first, second!.jamfComputerId);
    await reaches(second!.deviceId, 'completed');
    await reaches(device!.deviceId, 'completed');
  });

  it('reads every computer again in the new mode, and tells its verdict', async () => {
    const plan = (await post('migrate', { mode: 'device-compliance' })).json;
    expect(plan.dates).toMatchObject({ conditionalAccessEndedOn: '2024-09-01' });
    expect(plan.warnings.join()).toContain('2024-09-01');
    expect(stepOf(plan, 'macs')).toMatchObject({
      who: 'operator',
      detail: expect.stringMatching(/jamf manage.*gatherAADInfo/),
    });
    expect((await tenant()).mode).toBe('conditional-access');
    const done = (await post('migrate?dry-run=false', { mode: 'device-compliance' })).json;
    expect(stepOf(done, 'read-computers')).toMatchObject({ done: true });
    for (const device of devices()) {
      await reaches(device.deviceId, 'verified');
      expect(intune().devices.get(device.deviceId)!.complianceStatus).toBe(
        device.compliant ? 'compliant' : 'notCompliant',
      );
    }
    expect((await status()).warnings).toEqual([]);
    expect((await tenant()).connectionState).toBe('connected');
  });

  it('goes back to manual with one instance, and deprovisions with the application it leaves', async () => {
    const two = await addInstance(scene, tenantId, 'two');
    const refused = await post('migrate?dry-run=false', { connectionType: 'manual' });
    expect(refused).toMatchObject({ status: 409, json: { detail: expect.stringContaining('has 2') } });
    expect((await tenant()).connectionState).toBe('connected');
    const path = `/tenants/${tenantId}/instances/${two.id}`;
    expect((await scene.api('PATCH', path, { enabled: false })).status).toBe(200);

    register('device-compliance');
    const migrated = await post('migrate?dry-run=false', { connectionType: 'manual' });
    expect(migrated.status).toBe(200);
    expect(stepOf(migrated.json, 'deprovision')).toMatchObject({ done: true });
    expect(migrated.json.window.hoursLeft).toBeGreaterThan(23);
    expect(intune().partnerCalls.at(-1)).toMatchObject({ kind: 'deprovision', appId: connector() });
    expect(await tenant()).toMatchObject({ connectionType: 'manual', connectionState: 'disabled' });
    expect((await scene.api('PATCH', path, { enabled: true })).status).toBe(409);

    settings().configuredAppId = application.clientId;
    expect((await post('enable')).json.ok).toBe(true);
    expect(intune().provisionedBy).toBe(application.clientId);
    const [device] = devices();
    const mac = scene.world.fleet.findByDevice(device!.deviceId)!;
    scene.world.fleet.setCompliant(mac, !device!.compliant);
    await sendWebhook(scene, first, device!.jamfComputerId);
    await eventually(() =>
      expect(intune().devices.get(device!.deviceId)!.complianceStatus).toBe(
        device!.compliant ? 'notCompliant' : 'compliant',
      ),
    );
    await reaches(device!.deviceId, 'verified');
    expect((await status()).devices).toBe(2);
  });
});
