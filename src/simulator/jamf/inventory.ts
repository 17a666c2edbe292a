import type { Clock } from '../clock.ts';
import type { Random } from '../random.ts';
import {
  defaultOddShare,
  factsWithoutInventory,
  type Oddity,
  type OddityVariants,
  oddityOf,
  spread,
} from './oddities.ts';

/** The Conditional Access Inventory State of one account (domain/jamf.md 4.6). */
export type RegistrationState = 'ACTIVATED' | 'DEACTIVATED' | 'UNRESPONSIVE' | 'UNKNOWN';

/** The Mac's policy for an account's password. */
export interface PasswordPolicy {
  /** Days. */
  readonly maxAge: number;
  readonly minLength: number;
  readonly minComplexCharacters: number;
  readonly historyDepth: number;
  readonly requireAlphanumeric: boolean;
}

/** One macOS account; the three Entra members are null on an account that was never registered. */
export interface LocalAccount {
  readonly uid: number;
  readonly userGuid: string;
  readonly username: string;
  readonly fullName: string;
  readonly admin: boolean;
  readonly entraDeviceId: string | null;
  readonly entraUserId: string | null;
  readonly registrationState: RegistrationState | null;
  /** Absent: the record tells a length only, as where no profile sets a policy. */
  readonly passwordPolicy?: PasswordPolicy;
}

/** The content of a Mac's inventory update. */
export interface MacFacts {
  readonly serialNumber: string;
  readonly udid: string;
  readonly name: string;
  readonly model: string;
  readonly modelIdentifier: string;
  readonly appleSilicon: boolean;
  readonly processorType: string;
  readonly coreCount: number;
  readonly ramMegabytes: number;
  readonly macAddress: string;
  readonly altMacAddress: string;
  readonly osVersion: string;
  readonly osBuild: string;
  readonly ipAddress: string;
  readonly reportedIpAddress: string;
  readonly username: string;
  readonly realName: string;
  readonly email: string;
  readonly fileVaultEnabled: boolean;
  readonly firewallEnabled: boolean;
  readonly gatekeeperEnabled: boolean;
  readonly sipEnabled: boolean;
  readonly companyPortalInstalled: boolean;
  readonly accounts: readonly LocalAccount[];
}

/** A computer record of one instance. All times are milliseconds since the epoch. */
export interface Computer {
  readonly id: number;
  facts: MacFacts;
  managementId: string;
  managed: boolean;
  reportDate: number;
  lastCheckIn: number;
  lastEnrolledDate: number;
  readonly initialEntryDate: number;
  /** Time until which the compliance state reads UNKNOWN: the server is still calculating. */
  calculatingUntil: number;
  readonly oddity: Oddity | undefined;
}

export interface InventoryVariants extends OddityVariants {
  /**
   * Share of the records, by their ids, that say that the Mac is not managed, 0 to 1: a server that was restored from an old
   * backup, or whose management was switched off by mistake. 0 again gives every record its own word back.
   */
  unmanagedShare: number;
}

export interface Computers {
  /** `after` (milliseconds) is an earlier enrolment of the Mac elsewhere, which this one must be newer than. */
  create(facts: MacFacts, after?: number): Computer;
  /** A Mac that has enrolled and not yet told anything; `hidden`: listed, and 404 when asked for. */
  createWithoutInventory(oddity: 'uninventoried' | 'hidden'): Computer;
  readonly variants: InventoryVariants;
  get(id: number): Computer | undefined;
  /** Lists computers by id, lowest first. */
  list(): Computer[];
  size(): number;
  delete(id: number): boolean;
  /** A new enrolment into the same record: a new management id, the record's id and first entry stay. */
  reEnrol(computer: Computer, facts: MacFacts, after?: number): void;
  /** Takes the facts of an inventory update; `reportDate` always grows. */
  report(computer: Computer, facts: MacFacts): void;
  checkIn(computer: Computer): void;
}

/** The computers of one instance: ids count from 1 in every instance, so that they collide between instances. */
export function createComputers(options: { clock: Clock; random: Random }): Computers {
  const { clock, random } = options;
  const computers = new Map<number, Computer>();
  let lastId = 0;
  const variants: InventoryVariants = { oddShare: defaultOddShare, unmanagedShare: 0 };
  const create = (facts: MacFacts, managementId: string, after = 0, oddity?: Oddity): Computer => {
    lastId += 1;
    const now = Math.max(clock.now(), after + 1);
    const id = lastId;
    let managed = true;
    const computer: Computer = {
      id,
      facts,
      managementId,
      get managed() {
        return managed && spread(id) >= variants.unmanagedShare;
      },
      set managed(is) {
        managed = is;
      },
      reportDate: now,
      lastCheckIn: now,
      lastEnrolledDate: now,
      initialEntryDate: now,
      calculatingUntil: 0,
      oddity: oddity ?? oddityOf(id, variants),
    };
    computers.set(computer.id, computer);
    return computer;
  };
  return {
    variants,
    create: (facts, after) => create(facts, random.guid(), after),
    createWithoutInventory: (oddity) => {
      const facts = factsWithoutInventory(lastId + 1);
      return create(facts, facts.udid, 0, oddity);
    },
    get: (id) => computers.get(id),
    list: () => [...computers.values()],
    size: () => computers.size,
    delete: (id) => computers.delete(id),
    reEnrol: (computer, facts, after = 0) => {
      const now = Math.max(clock.now(), computer.reportDate + 1, after + 1);
      computer.facts = facts;
      computer.managementId = random.guid();
      computer.managed = true;
      computer.lastEnrolledDate = now;
      computer.lastCheckIn = now;
      computer.reportDate = now;
    },
    report: (computer, facts) => {
      computer.facts = facts;
      computer.reportDate = Math.max(clock.now(), computer.reportDate + 1);
      computer.lastCheckIn = computer.reportDate;
    },
    checkIn: (computer) => {
      computer.lastCheckIn = clock.now();
    },
  };
}

/** Entra device ids whose registration lives; a deactivated one no longer counts (domain/jamf.md 4.6). */
export function registeredDeviceIds(facts: MacFacts): string[] {
  return facts.accounts.flatMap((account) =>
    account.entraDeviceId !== null && account.registrationState !== 'DEACTIVATED'
      ? [account.entraDeviceId]
      : [],
  );
}
