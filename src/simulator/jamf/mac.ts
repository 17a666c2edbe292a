import type { Random } from '../random.ts';
import type { LocalAccount, MacFacts } from './inventory.ts';

const models = [
  {
    model: 'MacBook Air (13-inch, M3, 2024)',
    modelIdentifier: 'Mac15,12',
    processorType: 'Apple M3',
    cores: 8,
  },
  {
    model: 'MacBook Air (15-inch, M4, 2025)',
    modelIdentifier: 'Mac16,13',
    processorType: 'Apple M4',
    cores: 10,
  },
  {
    model: 'MacBook Pro (14-inch, 2024)',
    modelIdentifier: 'Mac16,8',
    processorType: 'Apple M4 Pro',
    cores: 14,
  },
  { model: 'Mac mini (2024)', modelIdentifier: 'Mac16,10', processorType: 'Apple M4', cores: 10 },
  {
    model: 'MacBook Pro (16-inch, 2019)',
    modelIdentifier: 'MacBookPro16,1',
    processorType: '8-Core Intel Core i9',
    cores: 8,
  },
] as const;

const systems = [
  { osVersion: '15.7.2', osBuild: '24G325' },
  { osVersion: '26.0.1', osBuild: '25A362' },
  { osVersion: '26.1', osBuild: '25B78' },
] as const;

const firstNames = [
  'Ada',
  'Blaise',
  'Chloé',
  'Dinesh',
  'Elif',
  'Femi',
  'Grete',
  'Hiro',
  'Inês',
  'José',
] as const;
const lastNames = ['Almeida', 'Bauer', 'Cissé', 'Dupont', 'Eriksen', 'Fischer', 'Garcia', 'Hopper'] as const;
const serialAlphabet = [...'0123456789CDFGHJKLMNPQRTVWXY'] as const;

/** A Mac in the world: what it is now, and the instance that manages it. */
export interface Mac {
  readonly tenantId: string;
  instanceName: string;
  computerId: number;
  facts: MacFacts;
  /** false once its record was deleted or it was un-managed: it reports nowhere. */
  reporting: boolean;
  /** Entra user ids by account name, of registrations that went with the Mac's keys. */
  erasedUsers: ReadonlyMap<string, string>;
}

export interface Person {
  readonly username: string;
  readonly fullName: string;
}

/** Someone with an account name that no other person of the fleet has. */
export function makePerson(random: Random, number: number): Person {
  const first = random.pick(firstNames);
  const last = random.pick(lastNames);
  const plain = `${first}.${last}`.normalize('NFD').replaceAll(/[^a-zA-Z.]/g, '');
  return { username: `${plain.toLowerCase()}${number}`, fullName: `${first} ${last}` };
}

/** An account of this person; registered accounts carry both Entra ids. */
export function makeAccount(
  random: Random,
  uid: number,
  person: Person,
  registration: { readonly deviceId: string; readonly userId: string } | undefined,
): LocalAccount {
  return {
    uid,
    userGuid: random.guid().toUpperCase(),
    username: person.username,
    fullName: person.fullName,
    admin: uid === 501,
    entraDeviceId: registration?.deviceId ?? null,
    entraUserId: registration?.userId ?? null,
    registrationState: registration ? 'ACTIVATED' : null,
  };
}

const macAddress = (random: Random): string =>
  ['A4:CF:99', ...Array.from({ length: 3 }, () => random.integer(0, 255).toString(16).padStart(2, '0'))]
    .join(':')
    .toUpperCase();

const defects = ['fileVaultEnabled', 'firewallEnabled', 'gatekeeperEnabled', 'sipEnabled'] as const;

/** The settings that make a Mac compliant, or all but one of them. */
export function complianceFacts(
  random: Random,
  compliant: boolean,
): Pick<MacFacts, (typeof defects)[number]> {
  const defect = compliant ? undefined : random.pick(defects);
  return {
    fileVaultEnabled: defect !== 'fileVaultEnabled',
    firewallEnabled: defect !== 'firewallEnabled',
    gatekeeperEnabled: defect !== 'gatekeeperEnabled',
    sipEnabled: defect !== 'sipEnabled',
  };
}

/** A Mac of the seed with these accounts, the first of whom is its assigned user. */
export function makeMacFacts(
  random: Random,
  options: {
    readonly person: Person;
    readonly email: string;
    readonly accounts: readonly LocalAccount[];
    readonly compliant: boolean;
  },
): MacFacts {
  const { person, email, accounts, compliant } = options;
  const { model, modelIdentifier, processorType, cores } = random.pick(models);
  return {
    serialNumber: Array.from({ length: 10 }, () => random.pick(serialAlphabet)).join(''),
    udid: random.guid().toUpperCase(),
    name: `${person.fullName}’s Mac ${random.integer(100, 999)}`,
    model,
    modelIdentifier,
    appleSilicon: processorType.startsWith('Apple'),
    processorType,
    coreCount: cores,
    ramMegabytes: random.pick([8192, 16_384, 32_768]),
    macAddress: macAddress(random),
    altMacAddress: macAddress(random),
    ...random.pick(systems),
    ipAddress: `203.0.113.${random.integer(1, 254)}`,
    reportedIpAddress: `10.${random.integer(0, 255)}.${random.integer(0, 255)}.${random.integer(1, 254)}`,
    username: person.username,
    realName: person.fullName,
    email,
    ...complianceFacts(random, compliant),
    companyPortalInstalled: true,
    accounts,
  };
}

/** The next system a Mac updates to, by its build. */
export const nextSystem = (random: Random): { readonly osVersion: string; readonly osBuild: string } =>
  random.pick(systems);
