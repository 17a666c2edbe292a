import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  createTestCalls,
  inventory,
  type TestCalls,
  verdict,
} from '../../../test/harness/microsoft-calls.ts';
import {
  connectorId,
  deviceId,
  diagnosticId,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
let calls: TestCalls;
beforeAll(async () => {
  world = await startTestWorld();
  calls = createTestCalls(world);
});
afterAll(() => world.close());

const dayMs = 86_400_000;
const foreignApp = '99999999-9999-4999-8999-999999999999';
const device = (): unknown => world.tenant.devices.get(deviceId);
const now = (): string => new Date(world.clock.now()).toISOString();

const partners = async (set = 'deviceManagementPartners'): Promise<Record<string, unknown>[]> =>
  (await calls.graph(`deviceManagement/${set}`, { clientId: diagnosticId })).body.value;
const state = async (): Promise<unknown> => (await partners())[0]?.partnerState;

describe('before', () => {
  test('the connector itself may not read the partner', async () => {
    const answer = await calls.graph('deviceManagement/deviceManagementPartners');
    expect([answer.status, answer.body.error.code]).toEqual([403, 'Authorization_RequestDenied']);
  });

  test('never connected, not even added, not licensed', async () => {
    expect(await partners()).toMatchObject([
      {
        partnerState: 'unknown',
        isConfigured: false,
        lastHeartbeatDateTime: '0001-01-01T00:00:00Z',
        whenPartnerDevicesWillBeRemovedDateTime: null,
      },
    ]);
    await calls.switched('intune', { partnerAdded: false });
    expect(await state()).toBe('unavailable');
    expect(await partners('complianceManagementPartners')).toEqual([]);
    expect((await calls.provision(1)).body).toMatchObject({ HttpStatusCode: 403 });
    await calls.switched('intune', { partnerAdded: true });
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: false });
    const answer = await calls.graph('deviceManagement/deviceManagementPartners', { clientId: diagnosticId });
    expect(answer.status).toBe(400);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: true });
  });

  test('a foreign provisioning refuses ours until it is cleared', async () => {
    await calls.switched('intune', { foreignProvisioning: { appId: foreignApp } });
    const refused = await calls.provision(1);
    expect([refused.status, refused.body.HttpStatusCode]).toEqual([200, 409]);
    expect(refused.body.ErrorDetail).toContain(foreignApp);
    expect((await calls.heartbeat()).body.ErrorDetail).toContain(foreignApp);
    expect(await state()).toBe('enabled');
    await calls.switched('intune', { foreignProvisioning: null });
    expect((await calls.provision(1)).body.HttpStatusCode).toBe(200);
    expect(await calls.partner()).toMatchObject({
      provisionedCount: 1,
      deprovisionedCount: 0,
      provisionedBy: connectorId,
      calls: [
        { kind: 'provision', refusal: expect.stringContaining('not been added') },
        { kind: 'provision', refusal: expect.stringContaining(foreignApp) },
        { kind: 'provision', refusal: null, at: expect.stringMatching(/Z$/), appId: connectorId },
      ],
    });
  });
});

describe('connected', () => {
  test('both lists name the partner, one by one too', async () => {
    await calls.heartbeat();
    const [one] = await partners();
    expect(one).toMatchObject({
      partnerState: 'enabled',
      isConfigured: true,
      partnerAppType: 'multiTenantApp',
      singleTenantAppId: null,
    });
    expect(Date.parse(String(one?.lastHeartbeatDateTime))).toBeGreaterThan(world.clock.now() - 60_000);
    const path = `deviceManagement/deviceManagementPartners/${one?.id}`;
    expect((await calls.graph(path, { clientId: diagnosticId })).body).toMatchObject({ id: one?.id });
    const [other] = await partners('complianceManagementPartners');
    expect(other).toMatchObject({ partnerState: 'enabled', macOsOnboarded: true, iosOnboarded: false });
    expect(
      (
        await calls.graph(`deviceManagement/complianceManagementPartners/${one?.id}`, {
          clientId: diagnosticId,
        })
      ).status,
    ).toBe(404);
  });

  test('silence makes it unresponsive after the time set, a heartbeat enables it again', async () => {
    await calls.switched('intune', { unresponsiveAfterMs: 60_000 });
    world.clock.advance(61_000);
    expect(await state()).toBe('unresponsive');
    await calls.heartbeat();
    expect(await state()).toBe('enabled');
    await calls.switched('intune', { unresponsiveAfterMs: dayMs });
    expect(await calls.partner()).toMatchObject({
      heartbeats: 2,
      heartbeatCalls: [
        { refusal: expect.any(String) },
        { refusal: null },
        { refusal: null, timestamp: expect.any(String), at: expect.any(String) },
      ],
    });
  });

  test('resync and message errors on demand', async () => {
    const messageErrors = [{ MessageId: deviceId, ErrorCode: 7 }];
    await calls.switched('intune', { resyncTimestamp: '2026-02-02T00:00:00Z', messageErrors });
    expect((await calls.heartbeat()).body).toMatchObject({
      ResyncTimestamp: '2026-02-02T00:00:00Z',
      MessageErrors: messageErrors,
    });
    await calls.switched('intune', { resyncTimestamp: null, messageErrors: [] });
  });

  test('another application id pasted in Intune: rejected', async () => {
    await calls.switched('intune', { configuredAppId: foreignApp });
    expect(await partners()).toMatchObject([
      { partnerState: 'rejected', partnerAppType: 'singleTenantApp', singleTenantAppId: foreignApp },
    ]);
    expect((await calls.upload([verdict(now(), 'compliant')])).body.ErrorCode).toBe(403);
    await calls.switched('intune', { configuredAppId: null });
    expect(await state()).toBe('enabled');
  });

  test("Graph's word can be ordered", async () => {
    await calls.switched('intune', { partnerState: 'unavailable' });
    expect(await state()).toBe('unavailable');
    await calls.switched('intune', { partnerState: null });
  });
});

describe('terminated by the administrator', () => {
  afterEach(() => calls.switched('intune', { refusalStyle: 'in-body' }));

  test('through Graph: uploads and heartbeats refused, both dates 90 days off', async () => {
    await calls.deliver([inventory(now()), verdict(now(), 'compliant')]);
    expect(device()).toMatchObject({ isCompliant: true });
    const [one] = await partners();
    const path = `deviceManagement/deviceManagementPartners/${one?.id}/terminate`;
    const before = world.clock.now();
    expect(await calls.graph(path, { clientId: diagnosticId, method: 'POST' })).toMatchObject({
      status: 204,
      body: undefined,
    });
    expect((await calls.graph(path, { method: 'POST' })).status).toBe(403);
    const [ended] = await partners();
    expect(ended?.partnerState).toBe('terminated');
    for (const date of ['MarkedAsNonCompliant', 'Removed']) {
      const at = Date.parse(String(ended?.[`whenPartnerDevicesWillBe${date}DateTime`]));
      expect(Math.abs(at - before - 90 * dayMs)).toBeLessThan(60_000);
    }
    expect((await calls.upload([verdict(now(), 'compliant')])).body.ErrorDetail).toContain('administrator');
    expect((await calls.heartbeat()).body.HttpStatusCode).toBe(403);
    await calls.switched('intune', { refusalStyle: 'http' });
    expect((await calls.upload([verdict(now(), 'compliant')])).status).toBe(403);
    expect((await calls.heartbeat()).status).toBe(403);
  });

  test('provisioned again within 24 h: devices go on reporting', async () => {
    world.clock.advance(23 * 3_600_000);
    await calls.provision(1);
    expect(await calls.partner()).toMatchObject({ terminatedAt: null, devicesRemovedAt: null });
    expect((await calls.deliver([verdict(now(), 'notCompliant')])).body.Status).toBe('Completed');
    expect(device()).toMatchObject({ isCompliant: false });
  });

  test('devices are marked and removed when their time has come', async () => {
    await calls.deliver([verdict(now(), 'compliant')]);
    await calls.switched('intune', { markDevicesAfterMs: 30 * dayMs });
    expect((await world.control('POST', `/tenants/${tenantId}/terminate`)).body).toMatchObject({
      terminatedBy: 'administrator',
      removedDevices: 0,
    });
    world.clock.advance(31 * dayMs);
    world.cloud.settle();
    expect(device()).toMatchObject({ isCompliant: false, isManaged: true });
    world.clock.advance(60 * dayMs);
    expect(await calls.partner()).toMatchObject({ removedDevices: 1, lapsedDevices: [deviceId] });
    expect(device()).toMatchObject({ isCompliant: null, isManaged: null });
    await calls.switched('intune', { markDevicesAfterMs: 90 * dayMs });
  });

  test('provisioned again too late: the device has to register anew', async () => {
    await calls.provision(1);
    const answer = await calls.deliver([verdict(now(), 'compliant')]);
    expect(answer.body).toMatchObject({ Status: 'Failed', ErrorDetail: expect.stringContaining('register') });
    world.cloud.intune.tenant(tenantId).lapsedDevices.clear();
    await calls.switched('intune', { reprovisionWindowMs: null });
    await calls.deliver([verdict(now(), 'compliant')]);
    await calls.provision(2);
    world.clock.advance(2 * dayMs);
    await calls.provision(1);
    expect((await calls.deliver([verdict(now(), 'compliant')])).body.Status).toBe('Completed');
    expect(await calls.partner()).toMatchObject({ provisionedCount: 4, deprovisionedCount: 1 });
  });
});
