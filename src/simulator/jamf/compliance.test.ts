import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createJamfFixture, type JamfFixture } from '../../../test/harness/simulated-jamf.ts';
import type { JamfInstance } from './instance.ts';
import type { Mac } from './mac.ts';

let world: JamfFixture;
let berlin: JamfInstance;
let mac: Mac;
let token: string;

beforeAll(async () => {
  world = await createJamfFixture();
  berlin = await world.start('berlin', { tokenLifetimeSeconds: 3600 });
  token = await world.token(berlin);
});
afterAll(() => world.close());

beforeEach(() => {
  [mac] = world.fleet.addMacs({
    tenantId: world.tenantId,
    instance: 'berlin',
    count: 1,
    compliantShare: 1,
    twoUsersShare: 1,
  }) as [Mac];
});

const ask = (id: number | string = mac.computerId) =>
  world.call(berlin, `/api/v1/conditional-access/device-compliance-information/computer/${id}`, { token });

test('membership in the Compliance group is compliance; the record carries every device id', async () => {
  const deviceIds = mac.facts.accounts.map((account) => account.entraDeviceId);
  expect(deviceIds).toHaveLength(2);
  expect((await ask()).json()).toEqual([
    {
      deviceId: String(mac.computerId),
      applicable: true,
      complianceState: 'COMPLIANT',
      complianceVendor: 'Microsoft Intune',
      complianceVendorDeviceInformation: [{ deviceIds }],
    },
  ]);
  world.fleet.setCompliant(mac, false);
  expect((await ask()).json()).toMatchObject([{ complianceState: 'NON_COMPLIANT' }]);
});

test('UNKNOWN while calculating', async () => {
  berlin.compliance.variants.calculatingMs = 5000;
  world.fleet.updateInventory(mac);
  berlin.compliance.variants.calculatingMs = 0;
  expect((await ask()).json()).toMatchObject([{ complianceState: 'UNKNOWN' }]);
  expect(
    world.fleet.truth().find((device) => device.jamfComputerId === mac.computerId)?.compliant,
  ).toBeNull();
  world.clock.advance(5001);
  expect((await ask()).json()).toMatchObject([{ complianceState: 'COMPLIANT' }]);
});

test('object, absent, several vendors and none', async () => {
  const { variants } = berlin.compliance;
  variants.deviceInformation = 'object';
  variants.vendors = ['Microsoft Intune', 'Google BeyondCorp'];
  const records: Record<string, Record<string, unknown>>[] = (await ask()).json();
  expect(records[0]?.complianceVendorDeviceInformation?.deviceIds).toHaveLength(2);
  expect(records[1]?.complianceVendorDeviceInformation?.deviceIds).toEqual([]);
  variants.deviceInformation = 'absent';
  expect((await ask()).text).not.toContain('complianceVendorDeviceInformation');
  variants.vendors = [];
  expect((await ask()).json()).toEqual([]);
  variants.vendors = ['Microsoft Intune'];
  variants.deviceInformation = 'array';
});

test('an unregistered Mac has no device ids, one without Company Portal is not applicable', async () => {
  world.fleet.unregister(mac);
  expect((await ask()).json()).toMatchObject([{ complianceVendorDeviceInformation: [{ deviceIds: [] }] }]);
  world.fleet.updateInventory(mac, { companyPortalInstalled: false });
  expect((await ask()).json()).toMatchObject([{ applicable: false }]);
});

test('404 for an unknown computer, or an empty array', async () => {
  expect((await ask(9999)).status).toBe(404);
  berlin.compliance.variants.unknownComputer = 'empty-array';
  expect((await ask(9999)).json()).toEqual([]);
  berlin.compliance.variants.unknownComputer = 'not-found';
});

test('groups: members as integers, memberships in the inventory, recalculation', async () => {
  const members = async (id: number): Promise<{ members: number[] }> =>
    (await world.call(berlin, `/api/v3/computer-groups/smart-group-membership/${id}`, { token })).json();
  expect((await members(3)).members).toContain(mac.computerId);
  world.fleet.setCompliant(mac, false);
  expect((await members(3)).members).not.toContain(mac.computerId);
  const path = `/api/v4/computers-inventory/${mac.computerId}?section=GROUP_MEMBERSHIPS`;
  expect((await world.call(berlin, path, { token })).json()).toMatchObject({
    groupMemberships: [
      { groupId: '1', groupName: 'All Managed Clients', smartGroup: true },
      { groupId: '2', groupName: 'Device Compliance Applicable' },
    ],
  });
  const recalculate = `/api/v1/computers/${mac.computerId}/recalculate-smart-groups`;
  expect((await world.call(berlin, recalculate, { method: 'POST', token })).json()).toEqual({ count: 2 });
});
