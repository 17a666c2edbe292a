import { setTimeout as wait } from 'node:timers/promises';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createJamfFixture, type JamfFixture } from '../../test/harness/simulated-jamf.ts';
import type { Mac } from './jamf/mac.ts';

let world: JamfFixture;

beforeEach(async () => {
  world = await createJamfFixture();
  await world.start('berlin');
  await world.start('paris');
});
afterEach(() => world.close());

const add = (count: number, options = {}): Mac[] =>
  world.fleet.addMacs({ tenantId: world.tenantId, instance: 'berlin', count, ...options });
const one = (options = {}): Mac => add(1, { compliantShare: 1, ...options })[0] as Mac;
const devices = () => world.directory.tenant(world.tenantId)?.devices;

test('200 Macs in well under a second, each registered once, about 85 % compliant', () => {
  const startedAt = performance.now();
  add(200);
  expect(performance.now() - startedAt).toBeLessThan(1000);
  const truth = world.fleet.truth();
  expect(truth).toHaveLength(200);
  expect(devices()?.size).toBe(200);
  expect(new Set(truth.map(({ deviceId }) => deviceId)).size).toBe(200);
  const share = truth.filter(({ compliant }) => compliant).length / 200;
  expect(share).toBeGreaterThan(0.75);
  expect(share).toBeLessThan(0.95);
  for (const { deviceId, userId } of truth)
    expect(devices()?.get(deviceId)).toMatchObject({ registeredUserId: userId, isCompliant: null });
});

test('the same seed makes the same fleet', async () => {
  const other = await createJamfFixture();
  await other.start('berlin');
  await other.start('paris');
  const serials = (macs: readonly Mac[]) => macs.map(({ facts }) => facts.serialNumber);
  const there = other.fleet.addMacs({ tenantId: other.tenantId, instance: 'berlin', count: 5 });
  expect(serials(there)).toEqual(serials(add(5)));
  await other.close();
});

test('Macs with no and with two registrations', () => {
  add(3, { unregisteredShare: 1 });
  expect(world.fleet.truth()).toHaveLength(0);
  add(3, { twoUsersShare: 1 });
  expect(world.fleet.truth()).toHaveLength(6);
});

test('a move keeps the device id, takes a new computer id and leaves the old record', () => {
  world.fleet.addMacs({ tenantId: world.tenantId, instance: 'paris', count: 1 });
  const mac = one();
  const before = world.fleet.truth().find(({ instance }) => instance === 'berlin');
  world.fleet.moveTo(mac, 'paris');
  const after = world.fleet.truth().find(({ deviceId }) => deviceId === before?.deviceId);
  expect(after).toMatchObject({ instance: 'paris', jamfComputerId: 2, serialNumber: mac.facts.serialNumber });
  expect(world.instances.get('berlin')?.computers.get(1)?.facts.udid).toBe(mac.facts.udid);
  expect(world.fleet.findByComputer('berlin', 1)).toBe(mac);
});

test('a new registration replaces the device id, the old Entra device stays', () => {
  const mac = one();
  const [before] = world.fleet.truth();
  world.fleet.reRegister(mac);
  const [after] = world.fleet.truth();
  expect(after?.deviceId).not.toBe(before?.deviceId);
  expect(after?.userId).toBe(before?.userId);
  expect(devices()?.size).toBe(2);
  expect(world.fleet.findByDevice(after?.deviceId.toUpperCase() ?? '')).toBe(mac);
});

test('a Mac enrols again into its record, or as a new one where that was deleted', () => {
  const mac = one();
  const computers = () => world.instances.get('berlin')?.computers;
  const first = { ...computers()?.get(1) };
  world.fleet.reEnrol(mac);
  const again = computers()?.get(1);
  expect(again?.lastEnrolledDate).toBeGreaterThan(first.lastEnrolledDate ?? Number.POSITIVE_INFINITY);
  expect(again?.managementId).not.toBe(first.managementId);
  expect(again?.initialEntryDate).toBe(first.initialEntryDate);
  world.fleet.deleteComputer(mac);
  world.fleet.reEnrol(mac);
  expect(computers()?.list()).toMatchObject([{ id: 2 }]);
  expect(world.fleet.truth()).toMatchObject([{ jamfComputerId: 2 }]);
});

test('a wipe loses the registrations and nothing is reported until the Mac enrols; users register again', () => {
  const mac = one();
  const [before] = world.fleet.truth();
  world.fleet.wipe(mac);
  world.fleet.updateInventory(mac);
  expect(world.instances.get('berlin')?.computers.get(1)?.facts.accounts[0]?.entraDeviceId).toBe(
    before?.deviceId,
  );
  world.fleet.reEnrol(mac);
  expect(world.fleet.truth()).toEqual([]);
  expect(devices()?.has(before?.deviceId ?? '')).toBe(true);
  world.fleet.reRegister(mac);
  const [after] = world.fleet.truth();
  expect(after).toMatchObject({ jamfComputerId: 1, userId: before?.userId });
  expect(after?.deviceId).not.toBe(before?.deviceId);
});

test('one of two users registers anew; a move can lose all registrations', () => {
  const mac = one({ twoUsersShare: 1 });
  const ids = () => mac.facts.accounts.map((account) => account.entraDeviceId);
  const [first, second] = ids();
  world.fleet.reRegister(mac, { usernames: mac.facts.accounts.slice(1).map(({ username }) => username) });
  expect(ids()[0]).toBe(first);
  expect(ids()[1]).not.toBe(second);
  world.fleet.moveTo(mac, 'paris', { registration: 'lost' });
  expect(ids()).toEqual([null, null]);
  expect(mac.instanceName).toBe('paris');
});

test('unregistered, deleted and un-managed', () => {
  const [first, second, third] = add(3, { compliantShare: 1 }) as [Mac, Mac, Mac];
  world.fleet.unregister(first);
  world.fleet.deleteComputer(second);
  world.fleet.unmanage(third);
  world.fleet.updateInventory(third);
  expect(world.fleet.truth()).toMatchObject([{ jamfComputerId: 3, managed: false, compliant: false }]);
  expect(first.facts.accounts[0]?.registrationState).toBe('DEACTIVATED');
  expect(devices()?.size).toBe(2);
});

test('lives while started and announces over time', async () => {
  const macs = add(10);
  const reportDates = () => world.fleet.truth().map(({ reportDate }) => reportDate);
  const before = reportDates();
  expect(world.fleet.announce({ spreadMs: 60 })).toBe(10);
  await wait(250);
  expect(reportDates().every((date, index) => date > (before[index] ?? 0))).toBe(true);
  world.fleet.start({ everyMs: 1 });
  expect(world.fleet.isAlive()).toBe(true);
  await wait(100);
  world.fleet.stop();
  const contacts = () =>
    macs.map((mac) => world.instances.get('berlin')?.computers.get(mac.computerId)?.lastCheckIn);
  const stopped = contacts();
  expect(stopped).not.toEqual(before);
  await wait(30);
  expect(contacts()).toEqual(stopped);
});
