import type { Computer } from '../../src/simulator/jamf/inventory.ts';
import type { Mac } from '../../src/simulator/jamf/mac.ts';
import type { World } from '../../src/simulator/world.ts';

/** Macs that two instances know, as after a merger or a migration of records: each of both claims their devices. */

export interface Twin {
  readonly mac: Mac;
  readonly deviceId: string;
  readonly from: Computer;
  readonly to: Computer;
}

const dayMs = 86_400_000;

/**
 * Gives `to` a copy of the record of every Mac of `from`, with an older enrolment: routes stay where they are. With an entry
 * date or an oddity of its own a copy could lack the report date that the record has, and is then another state.
 */
export function enrolTwins(world: World, from: string, to: string, skip = 0): Twin[] {
  const macs = world.fleet.macs().filter(({ instanceName }) => instanceName === from);
  return macs.slice(skip).map((mac) => {
    const old = world.instance(from).computers.get(mac.computerId)!;
    const computer = world.instance(to).macs.enrol(mac.facts);
    const { initialEntryDate, lastCheckIn, lastEnrolledDate, oddity, reportDate } = old;
    const copied = { initialEntryDate, lastCheckIn, oddity, reportDate };
    Object.assign(computer, { ...copied, lastEnrolledDate: lastEnrolledDate - dayMs });
    return { mac, deviceId: deviceIdOf(mac), from: old, to: computer };
  });
}

export const deviceIdOf = (mac: Mac): string =>
  mac.facts.accounts.find(({ entraDeviceId }) => entraDeviceId !== null)!.entraDeviceId!;

/** Both name themselves in their compliance answers, and only so that they still speak for Intune. */
export function nameAnswers(world: World, instances: readonly string[]): void {
  for (const name of instances) world.instance(name).compliance.variants.vendors = [vendorOf(name)];
}

const vendorOf = (instance: string): string => `Microsoft Intune at ${instance}`;

/** Which instance gave a compliance answer, and of which device it speaks. */
export function readAnswer(body: unknown): {
  readonly instance: string;
  readonly deviceIds: readonly string[];
} {
  const [record] = body as {
    complianceVendor: string;
    complianceVendorDeviceInformation: { deviceIds: string[] }[];
  }[];
  const instance = /^Microsoft Intune at (.+)$/.exec(record?.complianceVendor ?? '')?.[1];
  if (record === undefined || instance === undefined)
    throw new Error(`no instance gave this: ${JSON.stringify(body)}`);
  const deviceIds = record.complianceVendorDeviceInformation.flatMap((one) => one.deviceIds);
  return { instance, deviceIds };
}
