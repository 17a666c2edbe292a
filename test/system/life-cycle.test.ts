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

/** What becomes of a Mac's routes when it enrols, registers, moves or is wiped: domain/jamf.md 6.4, case by case. */

const hourMs = 3_600_000;

describe('life cycle of a Mac', () => {
  let scene: Scene;
  let tenantId: string;
  let instances: ReadonlyMap<string, AddedInstance>;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 0 },
              { name: 'paris', macs: 0 },
            ],
          },
        ],
      },
    });
    tenantId = scene.world.tenants[0]!.tenantId;
    instances = await connectTenant(scene, tenantId);
  });
  afterAll(() => scene?.close());

  const idOf = (name: string): string => instances.get(name)!.id;
  const record = (name: string, id: number) => scene.world.instances.get(name)!.computers.get(id)!;
  const tell = (mac: Pick<Mac, 'computerId' | 'instanceName'>) =>
    sendWebhook(scene, instances.get(mac.instanceName)!, mac.computerId);
  const deviceIds = (mac: Mac): string[] =>
    mac.facts.accounts.flatMap(({ entraDeviceId }) => (entraDeviceId === null ? [] : [entraDeviceId]));
  const device = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).json;
  const explain = async (deviceId: string) =>
    (await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}/explain`)).json;
  const stale = async () =>
    (await scene.api('GET', `/tenants/${tenantId}/routes/stale`)).json.results as {
      deviceId: string;
      previousDeviceId: string;
      linkedBy: string;
      retiredAt: string | null;
      previousRoute: object | null;
      advice: string;
    }[];
  const linkOf = async (previousDeviceId: string, deviceId: string) =>
    (await stale()).find((one) => one.previousDeviceId === previousDeviceId && one.deviceId === deviceId);
  const told = (deviceId: string) =>
    scene.world.cloud('public').intune.device(tenantId, deviceId).history.at(-1);

  /** The device is on that record and Intune knows its state. */
  const routed = (deviceId: string, name: string, computerId: number) =>
    eventually(async () => {
      const found = await device(deviceId);
      expect([found.instanceId, found.jamfComputerId]).toEqual([idOf(name), String(computerId)]);
      expect(['completed', 'verified']).toContain(found.report?.state);
      return found;
    });
  const unrouted = (deviceId: string) =>
    eventually(async () => expect((await device(deviceId)).status).toBe(404));
  const retracted = (deviceId: string) =>
    eventually(() =>
      expect(told(deviceId)).toMatchObject({
        deviceManagementState: 'notManaged',
        complianceStatus: 'notCompliant',
      }),
    );

  /** A Mac of berlin's that has been there for a while, routed and reported. */
  async function newMac(more: { twoUsersShare?: number; silentMs?: number } = {}): Promise<Mac> {
    const { silentMs = 0, twoUsersShare = 0 } = more;
    const [mac] = scene.world.fleet.addMacs({
      tenantId,
      instance: 'berlin',
      count: 1,
      compliantShare: 1,
      twoUsersShare,
    }) as [Mac];
    const there = record('berlin', mac.computerId);
    there.lastEnrolledDate -= 90 * 24 * hourMs;
    there.lastCheckIn -= silentMs;
    there.reportDate -= silentMs;
    await tell(mac);
    for (const deviceId of deviceIds(mac)) await routed(deviceId, 'berlin', mac.computerId);
    return mac;
  }

  /** What takes a minute and a half in real life. */
  async function deleteRecord(mac: Mac): Promise<void> {
    scene.world.fleet.deleteComputer(mac);
    await tell(mac);
    await eventually(async () => {
      const rows = await scene.database.sql`
        update computers set next_try_at = now(), not_found_since = now() - interval '2 minutes'
        where instance_id = ${idOf('berlin')} and jamf_computer_id = ${mac.computerId} and not_found_since is not null
        returning 1`;
      expect(rows).toHaveLength(1);
    });
  }

  it('re-enrol in the same instance: the same record, the same route, the newer enrolment noted', async () => {
    const mac = await newMac();
    const [deviceId] = deviceIds(mac) as [string];
    const before = await explain(deviceId);
    scene.world.fleet.reEnrol(mac);
    await tell(mac);
    await eventually(async () => {
      const after = await explain(deviceId);
      expect(after.claims[0].lastEnrolledDate > before.claims[0].lastEnrolledDate).toBe(true);
      expect(after).toMatchObject({
        instanceId: idOf('berlin'),
        version: before.version,
        rule: 'only-claim',
      });
    });
  });

  it('record deleted, then re-enrolled: the new record of the same registration takes over', async () => {
    const mac = await newMac();
    const [deviceId] = deviceIds(mac) as [string];
    const old = mac.computerId;
    await deleteRecord(mac);
    await unrouted(deviceId);
    await retracted(deviceId);
    scene.world.fleet.reEnrol(mac);
    expect(mac.computerId).not.toBe(old);
    await tell(mac);
    await routed(deviceId, 'berlin', mac.computerId);
    await eventually(() => expect(told(deviceId)).toMatchObject({ complianceStatus: 'compliant' }));
  });

  it('wipe: the old registration goes with the first inventory, the new one is linked to it days later', async () => {
    const mac = await newMac();
    const [old] = deviceIds(mac) as [string];
    scene.world.fleet.wipe(mac);
    scene.world.fleet.reEnrol(mac);
    await tell(mac);
    await unrouted(old);
    await retracted(old);
    scene.world.fleet.reRegister(mac);
    const [fresh] = deviceIds(mac) as [string];
    await tell(mac);
    await routed(fresh, 'berlin', mac.computerId);
    const link = await linkOf(old, fresh);
    expect(link).toMatchObject({ linkedBy: 'computer', previousRoute: null });
    expect(link?.retiredAt).not.toBeNull();
    expect((await explain(fresh)).previousDeviceIds).toEqual([old]);
    expect(await explain(old)).toMatchObject({ instanceId: null, rule: 'no-claim', nextDeviceId: fresh });
  });

  it('move with surviving registration: the newer enrolment wins, the old record cannot flip the flag', async () => {
    const mac = await newMac();
    const [deviceId] = deviceIds(mac) as [string];
    const old = { instanceName: 'berlin', computerId: mac.computerId };
    scene.world.fleet.moveTo(mac, 'paris');
    await tell(mac);
    await routed(deviceId, 'paris', mac.computerId);
    const count = scene.world.cloud('public').intune.device(tenantId, deviceId).history.length;
    await tell(old);
    await new Promise((resolve) => setTimeout(resolve, 700));
    expect((await device(deviceId)).instanceId).toBe(idOf('paris'));
    expect(scene.world.cloud('public').intune.device(tenantId, deviceId).history).toHaveLength(count);
    const { json } = await scene.api(
      'GET',
      `/tenants/${tenantId}/routes/conflicts?filter=deviceId==${deviceId}`,
    );
    expect(json.results).toMatchObject([
      { pain: 'same-verdict', rule: 'newest-enrolment', winner: { instanceId: idOf('paris') } },
    ]);
    expect(await linkOf(deviceId, deviceId)).toBeUndefined();
  });

  it('move with a new registration: the record left behind is retired, retracted and reported as stale', async () => {
    const mac = await newMac({ silentMs: 30 * hourMs });
    const [old] = deviceIds(mac) as [string];
    scene.world.fleet.moveTo(mac, 'paris', { registration: 'lost' });
    scene.world.fleet.reRegister(mac);
    const [fresh] = deviceIds(mac) as [string];
    await tell(mac);
    await routed(fresh, 'paris', mac.computerId);
    await unrouted(old);
    await retracted(old);
    expect(await explain(old)).toMatchObject({
      instanceId: null,
      rule: 'retired',
      nextDeviceId: fresh,
      claims: [{ instanceId: idOf('berlin'), state: 'stale' }],
    });
    const link = await linkOf(old, fresh);
    expect(link).toMatchObject({ linkedBy: 'udid', previousRoute: null });
    expect(link?.advice).toContain('Entra');
  });

  it('a retired registration comes back when its record checks in again', async () => {
    const mac = await newMac({ silentMs: 30 * hourMs });
    const [old] = deviceIds(mac) as [string];
    const left = { instanceName: 'berlin', computerId: mac.computerId };
    const facts = mac.facts;
    scene.world.fleet.moveTo(mac, 'paris', { registration: 'lost' });
    scene.world.fleet.reRegister(mac);
    const [fresh] = deviceIds(mac) as [string];
    await tell(mac);
    await unrouted(old);
    // It was a clone of a virtual machine after all.
    scene.world.instances.get('berlin')!.macs.report(left.computerId, facts);
    await tell(left);
    await routed(old, 'berlin', left.computerId);
    await eventually(() => expect(told(old)).toMatchObject({ complianceStatus: 'compliant' }));
    expect(await linkOf(old, fresh)).toMatchObject({
      retiredAt: null,
      previousRoute: { instanceId: idOf('berlin') },
    });
  });

  it('several users on one Mac: each registration has its route, none is the past of the other', async () => {
    const mac = await newMac({ twoUsersShare: 1 });
    const [first, second] = deviceIds(mac) as [string, string];
    expect(await linkOf(first, second)).toBeUndefined();
    expect(await linkOf(second, first)).toBeUndefined();
    scene.world.fleet.reRegister(mac, { usernames: [mac.facts.accounts[1]!.username] });
    const [, fresh] = deviceIds(mac) as [string, string];
    await tell(mac);
    await routed(fresh, 'berlin', mac.computerId);
    await routed(first, 'berlin', mac.computerId);
    await unrouted(second);
    await retracted(second);
    expect(await linkOf(second, fresh)).toMatchObject({ linkedBy: 'computer' });
    expect(await linkOf(first, fresh)).toBeUndefined();
  });

  it('repeated registrations: only the last one has a route, each earlier one is linked to it', async () => {
    const mac = await newMac();
    const [first] = deviceIds(mac) as [string];
    scene.world.fleet.reRegister(mac);
    const [second] = deviceIds(mac) as [string];
    await tell(mac);
    await routed(second, 'berlin', mac.computerId);
    scene.world.fleet.reRegister(mac);
    const [third] = deviceIds(mac) as [string];
    await tell(mac);
    await routed(third, 'berlin', mac.computerId);
    for (const old of [first, second]) {
      await unrouted(old);
      await retracted(old);
      expect(await linkOf(old, third)).toMatchObject({ linkedBy: 'computer' });
    }
    expect((await explain(third)).previousDeviceIds.sort()).toEqual([first, second].sort());
  });

  it('Company Portal or Platform SSO registers anew: the old Entra device stays behind, not compliant', async () => {
    const mac = await newMac();
    const [old] = deviceIds(mac) as [string];
    scene.world.fleet.reRegister(mac);
    const [fresh] = deviceIds(mac) as [string];
    await tell(mac);
    await routed(fresh, 'berlin', mac.computerId);
    await unrouted(old);
    const entra = () => scene.world.directory.tenant(tenantId)!.devices.get(old)!;
    await eventually(() => expect(entra().isCompliant).toBe(false));
    expect(await linkOf(old, fresh)).toMatchObject({ previousRoute: null });
  });
});
