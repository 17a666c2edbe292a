import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createTestCalls, entity, inventory, type TestCalls } from '../../../test/harness/microsoft-calls.ts';
import {
  deviceId,
  startTestWorld,
  type TestWorld,
  tenantId,
  userId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
let calls: TestCalls;
beforeAll(async () => {
  world = await startTestWorld();
  calls = createTestCalls(world);
  await calls.provision(1);
});
afterAll(() => world.close());

const complete = {
  Encrypted: true,
  Gatekeeper: 'App Store',
  SIP: 'Enabled',
  PreventAutoLogin: true,
  PasswordExpirationDays: '90',
  PasswordType: 'alphanumeric',
  MinimumPasswordCharSets: '2',
  PasscodeLength: '12',
  PasswordHistoryLength: '5',
};
const told = () => world.cloud.intune.device(tenantId, deviceId);
const isCompliant = (): unknown => world.tenant.devices.get(deviceId)?.isCompliant;

test('inventory is kept by its wire names, in the types that count', async () => {
  await calls.deliver([
    inventory('2026-03-01T00:00:00Z', { JamfId: 7, SerialNumber: 'C02', CPUCount: '2', Colour: 'blue' }),
  ]);
  expect(told().inventory).toEqual({ DeviceName: 'Mac', JamfId: 7, SerialNumber: 'C02' });
  await calls.deliver([inventory('2026-03-02T00:00:00Z', { SerialNumber: 'C03' })]);
  expect(told().inventory).toMatchObject({ JamfId: 7, SerialNumber: 'C03' });
  expect(told().history.at(-1)?.attributes).toEqual({ DeviceName: 'Mac', SerialNumber: 'C03' });
});

test('compliance inventory counts only when complete; the verdict is Intune’s', async () => {
  await calls.switched('intune', { inventoryVerdict: 'encrypted' });
  const { SIP: _, ...incomplete } = complete;
  await calls.deliver([entity(2, '2026-03-03T00:00:00Z', incomplete)]);
  expect(told().complianceInventory).toBeNull();
  expect(world.cloud.intune.tenant(tenantId).counters.incompleteComplianceEntities).toBe(1);
  await calls.deliver([entity(2, '2026-03-04T00:00:00Z', complete)]);
  expect(told().complianceInventory).toEqual(complete);
  expect(isCompliant()).toBe(true);
});

test('the numbers of entities are a setting', async () => {
  const entityTypes = { inventory: 11, compliance: 14, complianceInventory: 12 };
  await calls.switched('intune', { entityTypes });
  await calls.deliver([
    entity(11, '2026-03-05T00:00:00Z', { DeviceName: 'New', EasIds: [], DeviceManagementState: 'managed' }),
    entity(12, '2026-03-05T00:00:00Z', { ...complete, Encrypted: false }),
    entity(4, '2026-03-05T00:00:00Z', { complianceStatus: 'compliant' }),
  ]);
  expect(told().inventory.DeviceName).toBe('New');
  expect(isCompliant()).toBe(false);
  await calls.deliver([entity(14, '2026-03-06T00:00:00Z', { complianceStatus: 'compliant' })]);
  expect(isCompliant()).toBe(true);
  expect((await world.control('GET', `/tenants/${tenantId}/devices`)).body).toMatchObject({
    devices: [{ intune: { inventory: { DeviceName: 'New' }, complianceInventory: { Encrypted: false } } }],
  });
});

test('a policy is answered as a collection of one when asked; unknown groups are 400', async () => {
  await calls.switched('intune', { policyAnswer: 'collection' });
  const path = 'TenantDataSyncService/PartnerCompliancePolicies';
  const body = { DisplayName: 'Macs', Description: '', Platform: 'macOS', PartnerManagedCompliance: true };
  const made = await calls.intune('POST', `${path}?api-version=1.6`, body);
  expect(made).toMatchObject({ status: 201, body: { value: [{ Id: expect.any(String) }] } });
  expect((await calls.intune('POST', `${path}?api-version=1.6`, body)).status).toBe(409);
  expect((await calls.intune('GET', `${path}?api-version=1.6`)).body.value).toHaveLength(1);
  const assign = `${path}(guid'${made.body.value[0].Id}')/Assign?api-version=1.6`;
  expect((await calls.intune('POST', assign, { assignments: [randomUUID()] })).status).toBe(400);
});

test('the Company Portal asks by state and assignment', async () => {
  const probe = (user: string): Promise<{ status: number; body: unknown }> =>
    world.control('GET', `/tenants/${tenantId}/company-portal?userId=${user}`);
  expect(await probe(userId)).toEqual({
    status: 200,
    body: { partnerManagementEnabled: true, partnerState: 'enabled', assigned: true },
  });
  const groupId = randomUUID();
  await world.control('PUT', `/tenants/${tenantId}/groups/${groupId}`, { displayName: 'g', members: [] });
  await calls.switched('intune', { assignedGroupIds: [groupId] });
  expect((await probe(userId)).body).toMatchObject({ partnerManagementEnabled: false, assigned: false });
  await calls.switched('intune', { assignedGroupIds: [] });
  await calls.provision(2);
  expect((await probe(userId)).body).toMatchObject({
    partnerManagementEnabled: false,
    partnerState: 'terminated',
  });
  expect((await probe(randomUUID())).status).toBe(404);
  expect(await probe('me')).toMatchObject({ status: 400, body: { errors: [{ field: 'userId' }] } });
});
