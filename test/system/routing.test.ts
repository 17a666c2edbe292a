import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';

/** Whose device it is when instances disagree, and what becomes of one that nobody claims. */
describe('routing', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 4 },
              { name: 'paris', macs: 1 },
            ],
          },
        ],
      },
      // A check-in is read at once here.
      environment: { ESPALIER_CHECK_IN_SECONDS: '0' },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
  });
  afterAll(() => scene?.close());

  const inBerlin = () => scene.world.fleet.truth().filter((device) => device.instance === 'berlin');
  const device = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json;
  const verified = (deviceId: string, instance: AddedInstance) =>
    eventually(async () => {
      const found = await device(deviceId);
      expect(found.instanceId).toBe(instance.id);
      expect(found.report?.state).toBe('verified');
      return found;
    });
  const explain = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}/explain`)).json;
  const applied = (deviceId: string) => scene.world.cloud('public').intune.device(tenantId, deviceId).history;

  it('follows a Mac to the instance with the newer enrolment; the old record cannot take it back', async () => {
    const [moved] = inBerlin();
    await sendWebhook(scene, berlin, moved!.jamfComputerId);
    await verified(moved!.deviceId, berlin);
    scene.world.fleet.moveTo(scene.world.fleet.findByDevice(moved!.deviceId)!, 'paris');
    const there = scene.world.fleet.truth().find((one) => one.deviceId === moved!.deviceId)!;
    expect(there.instance).toBe('paris');
    await sendWebhook(scene, paris, there.jamfComputerId);
    await verified(moved!.deviceId, paris);
    const told = applied(moved!.deviceId).length;
    await sendWebhook(scene, berlin, moved!.jamfComputerId);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect((await device(moved!.deviceId)).instanceId).toBe(paris.id);
    expect(applied(moved!.deviceId)).toHaveLength(told);
    const explained = await explain(moved!.deviceId);
    expect(explained).toMatchObject({ instanceId: paris.id, rule: 'newest-enrolment' });
    expect(explained.claims.map((claim: { instanceId: string }) => claim.instanceId)).toEqual([
      paris.id,
      berlin.id,
    ]);
  });

  it('gives the device to the other claimant while its instance is disabled', async () => {
    const moved = scene.world.fleet
      .truth()
      .find((one) => one.instance === 'paris' && one.jamfComputerId > 1)!;
    const patch = (enabled: boolean) =>
      scene.api('PATCH', `/tenants/${tenantId}/instances/${paris.id}`, { enabled });
    expect((await patch(false)).status).toBe(200);
    expect((await device(moved.deviceId)).instanceId).toBe(berlin.id);
    expect((await patch(true)).status).toBe(200);
    expect((await device(moved.deviceId)).instanceId).toBe(paris.id);
    await verified(moved.deviceId, paris);
  });

  it('a check-in alone is not told again', async () => {
    const [, quiet] = inBerlin();
    await sendWebhook(scene, berlin, quiet!.jamfComputerId);
    await verified(quiet!.deviceId, berlin);
    scene.world.fleet.checkIn(scene.world.fleet.findByDevice(quiet!.deviceId)!);
    await sendWebhook(scene, berlin, quiet!.jamfComputerId, 'ComputerCheckIn');
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    expect(applied(quiet!.deviceId)).toHaveLength(1);
    expect((await device(quiet!.deviceId)).report).toMatchObject({ state: 'verified', revision: 1 });
  });

  it('tells Intune that an un-managed Mac is not managed and not compliant', async () => {
    const lost = inBerlin().find((one) => one.compliant === true)!;
    await sendWebhook(scene, berlin, lost.jamfComputerId);
    await verified(lost.deviceId, berlin);
    scene.world.fleet.unmanage(scene.world.fleet.findByDevice(lost.deviceId)!);
    await sendWebhook(scene, berlin, lost.jamfComputerId);
    await eventually(() =>
      expect(applied(lost.deviceId).at(-1)).toMatchObject({
        deviceManagementState: 'notManaged',
        complianceStatus: 'notCompliant',
      }),
    );
    const entra = () => scene.world.directory.tenant(tenantId)!.devices.get(lost.deviceId)!;
    await eventually(() => expect(entra().isCompliant).toBe(false));
  });

  it('ends the route of a deleted computer only after it was missing for a while, and retracts it', async () => {
    const gone = inBerlin().at(-1)!;
    await sendWebhook(scene, berlin, gone.jamfComputerId);
    await verified(gone.deviceId, berlin);
    scene.world.fleet.deleteComputer(scene.world.fleet.findByDevice(gone.deviceId)!);
    await sendWebhook(scene, berlin, gone.jamfComputerId);
    await new Promise((resolve) => setTimeout(resolve, 500));
    expect((await device(gone.deviceId)).instanceId).toBe(berlin.id);
    // What takes a minute and a half in real life.
    await eventually(async () => {
      const changed = await scene.database.sql`
        update computers set next_try_at = now(), not_found_since = now() - interval '2 minutes'
        where jamf_computer_id = ${gone.jamfComputerId} and not_found_since is not null returning 1`;
      expect(changed).toHaveLength(1);
    });
    await eventually(async () => expect((await device(gone.deviceId)).status).toBe(404));
    await eventually(() =>
      expect(applied(gone.deviceId).at(-1)).toMatchObject({
        deviceManagementState: 'notManaged',
        complianceStatus: 'notCompliant',
      }),
    );
  });
});
