import type { Clock } from './clock.ts';
import type { Directory } from './directory.ts';
import { createFleetEnrolment, type FleetEnrolment } from './fleet-enrolment.ts';
import { createFleetLife, type FleetLife } from './fleet-life.ts';
import type { JamfInstance } from './jamf/instance.ts';
import {
  type Computer,
  type MacFacts,
  type PasswordPolicy,
  type RegistrationState,
  registeredDeviceIds,
} from './jamf/inventory.ts';
import { complianceFacts, type Mac, makeAccount, makeMacFacts, makePerson, type Person } from './jamf/mac.ts';
import { macsPerUninventoried } from './jamf/oddities.ts';
import type { Random } from './random.ts';

/** The true state of one registered device; the reference that reports are compared with. */
export interface DeviceTruth {
  readonly tenantId: string;
  readonly deviceId: string;
  readonly userId: string;
  readonly instance: string;
  readonly jamfComputerId: number;
  readonly serialNumber: string;
  readonly udid: string;
  readonly deviceName: string;
  readonly osVersion: string;
  /** Jamf's verdict on the Mac; null while it is calculating, or when the Mac is not applicable. */
  readonly compliant: boolean | null;
  readonly managed: boolean;
  /** Milliseconds since the epoch. */
  readonly reportDate: number;
}

export interface AddMacs {
  readonly tenantId: string;
  /** The instance's name. */
  readonly instance: string;
  readonly count: number;
  /** Share of compliant Macs, 0 to 1; default: 0.85. */
  readonly compliantShare?: number;
  /** Share of Macs without any Entra registration; default: 0. */
  readonly unregisteredShare?: number;
  /** Share of Macs with two registered users, so two device ids; default: 0. */
  readonly twoUsersShare?: number;
  /** Share of Macs whose accounts have a complete password policy; default: 0. */
  readonly passwordPolicyShare?: number;
}

export interface Fleet extends FleetLife, FleetEnrolment {
  /** Throws for a tenant or instance that the world does not have. */
  addMacs(options: AddMacs): Mac[];
  macs(): readonly Mac[];
  findByDevice(deviceId: string): Mac | undefined;
  /** The Mac of a record, also of a record that it left behind. */
  findByComputer(instance: string, computerId: number): Mac | undefined;
  checkIn(mac: Mac): void;
  /** Sends a new inventory, with changes to the Mac if given. */
  updateInventory(mac: Mac, changes?: Partial<MacFacts>): void;
  /** Repairs or breaks the Mac's settings and reports them. */
  setCompliant(mac: Mac, compliant: boolean): void;
  /** Ends every registration of the Mac: the Entra devices go, the accounts read DEACTIVATED. */
  unregister(mac: Mac): void;
  /** Sets the Conditional Access Inventory State of the Mac's registrations (domain/jamf.md 4.6). */
  setRegistrationState(mac: Mac, state: RegistrationState): void;
  truth(): DeviceTruth[];
}

export interface FleetOptions {
  readonly random: Random;
  readonly clock: Clock;
  readonly directory: Directory;
  /** Instances by name; read at each use, so instances may come later. */
  readonly instances: ReadonlyMap<string, JamfInstance>;
}

const recordKey = (instance: string, computerId: number): string => `${instance}/${computerId}`;

/** Mail domain of a tenant, made from its name. */
const mailDomain = (displayName: string): string =>
  `${
    displayName
      .toLowerCase()
      .replaceAll(/[^a-z0-9]+/g, '-')
      .replaceAll(/^-|-$/g, '') || 'tenant'
  }.example`;

/** Registrations in the simulated Entra, and the Macs they belong to. */
function registrations({ random, directory }: FleetOptions) {
  const owners = new Map<string, Mac>();
  return {
    owners,
    addUser: (tenantId: string, person: Person): { userId: string; userPrincipalName: string } => {
      const tenant = directory.tenant(tenantId);
      if (!tenant) throw new RangeError(`the simulated world has no tenant ${tenantId}`);
      const userPrincipalName = `${person.username}@${mailDomain(tenant.displayName)}`;
      const userId = random.guid();
      directory.addUser(tenantId, { userId, userPrincipalName, displayName: person.fullName });
      return { userId, userPrincipalName };
    },
    register: (tenantId: string, userId: string, facts: Pick<MacFacts, 'name' | 'osVersion'>): string => {
      const deviceId = random.guid();
      directory.registerDevice(tenantId, {
        deviceId,
        objectId: random.guid(),
        displayName: facts.name,
        registeredUserId: userId,
        operatingSystemVersion: facts.osVersion,
      });
      return deviceId;
    },
    own: (mac: Mac): void => {
      for (const deviceId of registeredDeviceIds(mac.facts)) owners.set(deviceId.toLowerCase(), mac);
    },
    remove: (mac: Mac): void => {
      for (const deviceId of registeredDeviceIds(mac.facts)) directory.removeDevice(mac.tenantId, deviceId);
    },
  };
}

function truthOf(mac: Mac, instance: JamfInstance, computer: Computer): DeviceTruth[] {
  const state = instance.compliance.state(computer);
  const isKnown = state !== 'UNKNOWN' && instance.compliance.isApplicable(computer);
  // An un-managed Mac's record can be older than its registrations: a device must be in both.
  const living = new Set(registeredDeviceIds(mac.facts));
  const reported = new Set(registeredDeviceIds(computer.facts));
  return computer.facts.accounts.flatMap((account): DeviceTruth[] => {
    if (account.entraDeviceId === null || account.entraUserId === null) return [];
    if (!living.has(account.entraDeviceId) || !reported.has(account.entraDeviceId)) return [];
    return [
      {
        tenantId: mac.tenantId,
        deviceId: account.entraDeviceId,
        userId: account.entraUserId,
        instance: instance.name,
        jamfComputerId: computer.id,
        serialNumber: computer.facts.serialNumber,
        udid: computer.facts.udid,
        deviceName: computer.facts.name,
        osVersion: computer.facts.osVersion,
        compliant: isKnown ? state === 'COMPLIANT' : null,
        managed: computer.managed,
        reportDate: computer.reportDate,
      },
    ];
  });
}

const passwordPolicy: PasswordPolicy = {
  maxAge: 90,
  minLength: 12,
  minComplexCharacters: 2,
  historyDepth: 5,
  requireAlphanumeric: true,
};

type Registrations = ReturnType<typeof registrations>;

/** A new person with a new Mac, enrolled in the instance; `number` keeps account names apart. */
function makeMac(
  wanted: AddMacs,
  number: number,
  at: { readonly random: Random; readonly entra: Registrations; readonly instance: JamfInstance },
): Mac {
  const { random, entra, instance } = at;
  const person = makePerson(random, number);
  const second = random.next() < (wanted.twoUsersShare ?? 0);
  const registered = second || random.next() >= (wanted.unregisteredShare ?? 0);
  const compliant = random.next() < (wanted.compliantShare ?? 0.85);
  const { userId, userPrincipalName } = entra.addUser(wanted.tenantId, person);
  const bare = makeMacFacts(random, { person, email: userPrincipalName, accounts: [], compliant });
  const account = (uid: number, owner: Person, ownerId: string) => {
    const deviceId = registered ? entra.register(wanted.tenantId, ownerId, bare) : undefined;
    return makeAccount(
      random,
      uid,
      owner,
      deviceId === undefined ? undefined : { deviceId, userId: ownerId },
    );
  };
  const accounts = [account(501, person, userId)];
  if (second) {
    const other = makePerson(random, number);
    const colleague = { ...other, username: `${other.username}b` };
    accounts.push(account(502, colleague, entra.addUser(wanted.tenantId, colleague).userId));
  }
  // Nothing is drawn unless asked for: the same seed must go on making the same fleet.
  const { passwordPolicyShare = 0 } = wanted;
  const hasPolicy = passwordPolicyShare > 0 && random.next() < passwordPolicyShare;
  const facts = {
    ...bare,
    accounts: hasPolicy ? accounts.map((account) => ({ ...account, passwordPolicy })) : accounts,
  };
  const computer = instance.macs.enrol(facts);
  return {
    tenantId: wanted.tenantId,
    instanceName: instance.name,
    computerId: computer.id,
    facts,
    reporting: true,
    erasedUsers: new Map(),
  };
}

/** A seeded fleet of Macs in the given instances and tenants. */
export function createFleet(options: FleetOptions): Fleet {
  const { random, instances } = options;
  const macs: Mac[] = [];
  const byRecord = new Map<string, Mac>();
  const entra = registrations(options);
  const instanceNamed = (name: string): JamfInstance => {
    const instance = instances.get(name);
    if (!instance) throw new RangeError(`the simulated world has no instance ${name}`);
    return instance;
  };

  const keep = (mac: Mac): void => {
    byRecord.set(recordKey(mac.instanceName, mac.computerId), mac);
    entra.own(mac);
  };

  const updateInventory: Fleet['updateInventory'] = (mac, changes = {}) => {
    mac.facts = { ...mac.facts, ...changes };
    entra.own(mac);
    if (mac.reporting) instanceNamed(mac.instanceName).macs.report(mac.computerId, mac.facts);
  };
  const checkIn: Fleet['checkIn'] = (mac) => {
    if (mac.reporting) instanceNamed(mac.instanceName).macs.checkIn(mac.computerId);
  };
  const setCompliant: Fleet['setCompliant'] = (mac, compliant) =>
    updateInventory(mac, complianceFacts(random, compliant));

  const setRegistrationState: Fleet['setRegistrationState'] = (mac, registrationState) =>
    updateInventory(mac, {
      accounts: mac.facts.accounts.map((account) =>
        account.entraDeviceId === null ? account : { ...account, registrationState },
      ),
    });

  return {
    ...createFleetEnrolment({
      directory: options.directory,
      instances,
      instanceNamed,
      register: entra.register,
      keep,
      updateInventory,
    }),
    ...createFleetLife({ random, macs: () => macs, instanceNamed, checkIn, updateInventory, setCompliant }),
    addMacs: (wanted) => {
      const instance = instanceNamed(wanted.instance);
      const made = Array.from({ length: wanted.count }, () => {
        const mac = makeMac(wanted, macs.length + 1, { random, entra, instance });
        macs.push(mac);
        keep(mac);
        return mac;
      });
      // Beside them, as in any instance: Macs that nobody has inventoried, and some that cannot be read.
      for (let number = macsPerUninventoried; number <= wanted.count; number += macsPerUninventoried) {
        instance.computers.createWithoutInventory('uninventoried');
        instance.computers.createWithoutInventory('hidden');
      }
      return made;
    },
    macs: () => macs,
    findByDevice: (deviceId) => entra.owners.get(deviceId.toLowerCase()),
    findByComputer: (instance, computerId) => byRecord.get(recordKey(instance, computerId)),
    checkIn,
    updateInventory,
    setCompliant,
    setRegistrationState,
    unregister: (mac) => {
      entra.remove(mac);
      setRegistrationState(mac, 'DEACTIVATED');
    },
    truth: () =>
      macs.flatMap((mac) => {
        const instance = instances.get(mac.instanceName);
        const computer = instance?.computers.get(mac.computerId);
        return instance && computer ? truthOf(mac, instance, computer) : [];
      }),
  };
}
