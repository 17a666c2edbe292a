import type { Directory } from './directory.ts';
import type { JamfInstance } from './jamf/instance.ts';
import type { MacFacts } from './jamf/inventory.ts';
import type { Mac } from './jamf/mac.ts';

/** Macs come, go and register anew here: the life-cycle cases of domain/jamf.md 6.4. */
export interface FleetEnrolment {
  /**
   * Enrols in its instance again: into the record with its serial number if there is one, without ComputerAdded, else
   * as a new record.
   */
  reEnrol(mac: Mac): void;
  /**
   * Erases the Mac: its keys and with them its registrations are lost, the Entra devices stay behind, stale. It reports
   * nothing until it enrols again.
   */
  wipe(mac: Mac): void;
  /**
   * New device ids for the same users, also those whose registration a wipe took; the old Entra devices stay behind,
   * stale, unless asked to go. `usernames` picks some of the users.
   */
  reRegister(
    mac: Mac,
    options?: { readonly removeOld?: boolean; readonly usernames?: readonly string[] },
  ): void;
  /** No event tells of it, and the Mac reports no more. */
  deleteComputer(mac: Mac): void;
  /** No event tells of it, and the Mac reports no more. */
  unmanage(mac: Mac): void;
  /**
   * Enrols in that instance with a new id there; the old record stays and ages. `registration: 'lost'`: the Mac was
   * erased on the way. Throws for an unknown name.
   */
  moveTo(mac: Mac, instance: string, options?: { readonly registration?: 'kept' | 'lost' }): void;
}

export interface FleetEnrolmentOptions {
  readonly directory: Directory;
  readonly instances: ReadonlyMap<string, JamfInstance>;
  readonly instanceNamed: (name: string) => JamfInstance;
  readonly register: (
    tenantId: string,
    userId: string,
    facts: Pick<MacFacts, 'name' | 'osVersion'>,
  ) => string;
  /** The Mac is on a record, or has registrations, that it did not have. */
  readonly keep: (mac: Mac) => void;
  readonly updateInventory: (mac: Mac, changes?: Partial<MacFacts>) => void;
}

/** The accounts as a freshly installed system has them; who they belong to is remembered beside. */
function erase(mac: Mac): void {
  const users = new Map(mac.erasedUsers);
  for (const { entraUserId, username } of mac.facts.accounts) {
    if (entraUserId !== null) users.set(username, entraUserId);
  }
  mac.erasedUsers = users;
  mac.facts = {
    ...mac.facts,
    accounts: mac.facts.accounts.map((account) => ({
      ...account,
      entraDeviceId: null,
      entraUserId: null,
      registrationState: null,
    })),
  };
}

export function createFleetEnrolment(options: FleetEnrolmentOptions): FleetEnrolment {
  const { directory, instanceNamed, instances, keep, register, updateInventory } = options;

  const enrolAt = (mac: Mac, name: string): void => {
    const before = instances.get(mac.instanceName)?.computers.get(mac.computerId);
    const { macs } = instanceNamed(name);
    const same = instanceNamed(name)
      .computers.list()
      .find(({ facts }) => facts.serialNumber === mac.facts.serialNumber);
    const computer = same
      ? macs.reEnrol(same.id, mac.facts, before?.lastCheckIn)
      : macs.enrol(mac.facts, before?.lastCheckIn);
    if (!computer) throw new RangeError(`${name} lost the record of ${mac.facts.serialNumber}`);
    mac.instanceName = name;
    mac.computerId = computer.id;
    mac.reporting = true;
    keep(mac);
  };

  return {
    reEnrol: (mac) => enrolAt(mac, mac.instanceName),
    wipe: (mac) => {
      erase(mac);
      mac.reporting = false;
    },
    reRegister: (mac, { removeOld = false, usernames } = {}) => {
      const accounts = mac.facts.accounts.map((account) => {
        const userId = account.entraUserId ?? mac.erasedUsers.get(account.username) ?? null;
        if (userId === null || usernames?.includes(account.username) === false) return account;
        if (removeOld && account.entraDeviceId !== null) {
          directory.removeDevice(mac.tenantId, account.entraDeviceId);
        }
        const entraDeviceId = register(mac.tenantId, userId, mac.facts);
        return { ...account, entraUserId: userId, entraDeviceId, registrationState: 'ACTIVATED' as const };
      });
      updateInventory(mac, { accounts });
    },
    deleteComputer: (mac) => {
      instanceNamed(mac.instanceName).macs.remove(mac.computerId);
      mac.reporting = false;
    },
    unmanage: (mac) => {
      instanceNamed(mac.instanceName).macs.unmanage(mac.computerId);
      mac.reporting = false;
    },
    moveTo: (mac, name, { registration = 'kept' } = {}) => {
      instanceNamed(name);
      if (registration === 'lost') erase(mac);
      enrolAt(mac, name);
    },
  };
}
