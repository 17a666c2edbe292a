import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import type { Mac } from '../../src/simulator/jamf/mac.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Mode `conditional-access`: Intune is told the inventory and makes the verdict (domain/microsoft.md 6, 7). */
describe('conditional access', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let early: Mac;
  let complete: Mac;
  let incomplete: Mac;

  const deviceIdOf = (mac: Mac): string => mac.facts.accounts[0]!.entraDeviceId!;
  const intune = () => scene.world.cloud('public').intune.tenant(tenantId);
  const told = (mac: Mac) => intune().devices.get(deviceIdOf(mac))!;
  const reportOf = async (mac: Mac) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceIdOf(mac)}`)).json.report;
  const entitiesOf = (mac: Mac) =>
    [...intune().messages.values()].flatMap(({ entities }) =>
      entities.filter((entity) => entity.DeviceId === deviceIdOf(mac)),
    );
  /** A webhook, then the state of the report in the end. */
  const deliver = async (mac: Mac, state: string) => {
    const before = entitiesOf(mac).length;
    await sendWebhook(scene, berlin, mac.computerId);
    await eventually(async () => {
      expect(entitiesOf(mac).length).toBeGreaterThan(before);
      expect((await reportOf(mac)).state).toBe(state);
    });
  };

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 0 }] }] },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const { fleet } = scene.world;
    const wanted = { tenantId, instance: 'berlin', count: 1, compliantShare: 1 };
    [early] = fleet.addMacs(wanted) as [Mac];
    [complete] = fleet.addMacs({ ...wanted, passwordPolicyShare: 1 }) as [Mac];
    [incomplete] = fleet.addMacs(wanted) as [Mac];
    await deliver(early, 'verified');
    scene.world.cloud('public').settings.tenant(tenantId).intune.inventoryVerdict = 'encrypted';
    await scene.database.sql`update tenants set mode = 'conditional-access' where tenant_id = ${tenantId}`;
    scene.world.journal.clear();
  });
  afterAll(() => scene?.close());

  it('tells the mapped inventory and, when it is complete, the compliance inventory', async () => {
    await deliver(complete, 'completed');
    const { accounts: _, ...facts } = complete.facts;
    expect(told(complete).inventory).toMatchObject({
      JamfId: complete.computerId,
      State: '0',
      DeviceName: facts.name,
      UDID: facts.udid,
      SerialNumber: facts.serialNumber,
      UPN: facts.email,
      Platform: 'Mac',
      Os: 'macOS',
      OsVersion: facts.osVersion,
      ADDomainJoined: 'FALSE',
      Vendor: 'Apple',
      Model: facts.model,
      ModelId: facts.modelIdentifier,
      CPUType: facts.processorType,
      CPUCoreCount: facts.coreCount,
      RAM: String(facts.ramMegabytes),
      MACAddress: facts.macAddress,
      MACAddress2: facts.altMacAddress,
      LastCheckInTime: expect.any(String),
    });
    expect(told(complete).complianceInventory).toEqual({
      Encrypted: true,
      Gatekeeper: 'APP_STORE_AND_IDENTIFIED_DEVELOPERS',
      SIP: 'ENABLED',
      PreventAutoLogin: true,
      PasswordExpirationDays: '90',
      PasswordType: 'alphanumeric',
      MinimumPasswordCharSets: '2',
      PasscodeLength: '12',
      PasswordHistoryLength: '5',
    });
    expect(entitiesOf(complete).map(({ EntityType }) => EntityType)).toEqual([1, 2]);
    expect(intune().counters).toMatchObject({ ineffectiveEntities: 0, incompleteComplianceEntities: 0 });
  });

  it("leaves the verdict to Intune's policy, and asks the instance for none", async () => {
    await eventually(() => {
      const entra = scene.world.directory.tenant(tenantId)!.devices.get(deviceIdOf(complete))!;
      expect(entra).toMatchObject({ isCompliant: true, isManaged: true });
    });
    const asked = scene.world.journal.list({ service: 'jamf:berlin' }).map(({ path }) => path);
    expect(asked.some((path) => path.includes('computers-inventory-detail'))).toBe(true);
    expect(asked.filter((path) => path.includes('device-compliance-information'))).toEqual([]);
  });

  it('tells no compliance inventory of an account whose password policy is not known', async () => {
    await deliver(incomplete, 'completed');
    expect(entitiesOf(incomplete).map(({ EntityType }) => EntityType)).toEqual([1]);
    expect(told(incomplete)).toMatchObject({
      inventory: { SerialNumber: incomplete.facts.serialNumber, State: '0' },
      complianceInventory: null,
      complianceStatus: null,
    });
  });

  it('holds what was read before the mode changed, until it is read again', async () => {
    await scene.database.sql`
      update reports set state = 'due', revision = revision + 1, next_try_at = now()
      where tenant_id = ${tenantId} and device_id = ${deviceIdOf(early)}`;
    await eventually(async () =>
      expect(await reportOf(early)).toMatchObject({ state: 'held', reason: 'mode-changed' }),
    );
    await deliver(early, 'completed');
    expect(entitiesOf(early).map(({ EntityType }) => EntityType)).toEqual([1, 4, 1]);
    expect(told(early).inventory).toMatchObject({ SerialNumber: early.facts.serialNumber });
  });

  it('tells that a Mac is no longer managed', async () => {
    scene.world.fleet.unmanage(complete);
    await deliver(complete, 'completed');
    expect(told(complete).deviceManagementState).toBe('notManaged');
    expect(entitiesOf(complete).map(({ EntityType }) => EntityType)).toEqual([1, 2, 1]);
    await eventually(() => {
      const entra = scene.world.directory.tenant(tenantId)!.devices.get(deviceIdOf(complete))!;
      expect(entra).toMatchObject({ isCompliant: false, isManaged: false });
    });
  });
});
