import type { Registration, RegistrationState } from '../../jamf/registrations.ts';
import {
  createWarnings,
  type FieldError,
  isAbsent,
  readBoolean,
  readComputerId,
  readCount,
  readGuid,
  readScalarText,
  readText,
} from '../../jamf/wire-values.ts';
import { isRecord } from '../../untrusted/bounded-json.ts';

/**
 * Builds the attributes of a Mac for Intune in mode `conditional-access`, by the wire names of domain/microsoft.md 6
 * and from the members of a Jamf inventory record, v1 to v4, that domain/jamf.md 6.1 names. Pure; never throws for what
 * a record holds: what is absent, `null` or not what it should be is left out.
 */

/** Words for the values of one Jamf member, compared without case; `null` or no entry: left out, "not known". */
type Words = Readonly<Record<string, string | null>>;

/** Values that the sources leave open, in one place; each table is a parameter. */
export interface InventoryVocabulary {
  readonly inventoryEntityType: number;
  /** The sources say only that it differs from the other (domain/microsoft.md 4.4). */
  readonly complianceEntityType: number;
  /** The entity of Jamf's verdict in mode `device-compliance` (domain/microsoft.md 4.4). */
  readonly verdictEntityType: number;
  /** Conditional Access Inventory State (domain/jamf.md 4.6). */
  readonly state: Readonly<Record<RegistrationState, string | null>>;
  readonly gatekeeper: Words;
  readonly sip: Words;
  /** Values of `operatingSystem.fileVault2Status`, with true for those that mean encrypted. */
  readonly encrypted: Readonly<Record<string, boolean | null>>;
  readonly passwordType: {
    readonly alphanumeric: string | null;
    readonly simple: string | null;
    /**
     * Value for a Mac of which Jamf says nothing; `null` leaves PasswordType out and with it the whole compliance
     * entity.
     */
    readonly notTold: string | null;
  };
  /** `ADDomainJoined` by what Jamf writes for a Mac without a domain; every other text is the domain. */
  readonly domain: Words;
  /** Appended to the number. */
  readonly units: {
    readonly processorSpeed: string;
    readonly busSpeed: string;
    readonly cacheSize: string;
    readonly ram: string;
    readonly battery: string;
  };
}

/**
 * Known: EntityType 1, the numbers of `state`, PasswordType's words, FALSE for no domain. Assumed: EntityType 2;
 * Jamf's own words for Gatekeeper and SIP; numbers without a unit; that only ALL_ENCRYPTED is encrypted, since Intune
 * asks for full encryption and a wrong yes would let a Mac in.
 */
export const defaultInventoryVocabulary: InventoryVocabulary = {
  inventoryEntityType: 1,
  complianceEntityType: 2,
  verdictEntityType: 4,
  state: { ACTIVATED: '0', DEACTIVATED: '1', UNRESPONSIVE: '2', UNKNOWN: null },
  gatekeeper: {
    NOT_COLLECTED: null,
    DISABLED: 'DISABLED',
    APP_STORE_AND_IDENTIFIED_DEVELOPERS: 'APP_STORE_AND_IDENTIFIED_DEVELOPERS',
    APP_STORE: 'APP_STORE',
  },
  sip: { NOT_COLLECTED: null, NOT_AVAILABLE: null, DISABLED: 'DISABLED', ENABLED: 'ENABLED' },
  encrypted: {
    NOT_APPLICABLE: null,
    NOT_ENCRYPTED: false,
    BOOT_ENCRYPTED: false,
    SOME_ENCRYPTED: false,
    ALL_ENCRYPTED: true,
  },
  passwordType: { alphanumeric: 'alphanumeric', simple: 'simple', notTold: 'unknown' },
  domain: { 'Not Bound': 'FALSE' },
  units: { processorSpeed: '', busSpeed: '', cacheSize: '', ram: '', battery: '' },
};

/** The "compliance inventory" (domain/microsoft.md 6.1): all nine or nothing. */
export interface ComplianceAttributes {
  readonly Encrypted: boolean;
  readonly Gatekeeper: string;
  readonly SIP: string;
  readonly PreventAutoLogin: boolean;
  /** Days. */
  readonly PasswordExpirationDays: string;
  readonly PasswordType: string;
  readonly MinimumPasswordCharSets: string;
  readonly PasscodeLength: string;
  readonly PasswordHistoryLength: string;
}

type Attribute = string | number | undefined;

/** Members by path in something that may hold anything. */
function memberOf(record: unknown, path: string): unknown {
  let value: unknown = record;
  for (const name of path.split('.')) {
    if (!isRecord(value) || !Object.hasOwn(value, name)) return undefined;
    value = value[name];
  }
  return value;
}

const numberText = (value: unknown, unit = ''): string | undefined => {
  const number = readCount(value);
  return number === undefined ? undefined : `${number}${unit}`;
};

function wordOf<Word>(
  words: Readonly<Record<string, Word | null>>,
  text: string | undefined,
): Word | undefined {
  const known = Object.entries(words).find(([name]) => name.toLowerCase() === text?.toLowerCase());
  return known?.[1] ?? undefined;
}

function domainOf(value: unknown, words: Words): string | undefined {
  const text = readScalarText(value);
  const named = Object.keys(words).some((name) => name.toLowerCase() === text?.toLowerCase());
  return named ? wordOf(words, text) : text;
}

/** The assigned user's e-mail address, or a user name that is a principal name (domain/jamf.md 6.1). */
function principalOf(record: unknown): string | undefined {
  const username = readScalarText(memberOf(record, 'userAndLocation.username'));
  return (
    readText(memberOf(record, 'userAndLocation.email')) ?? (username?.includes('@') ? username : undefined)
  );
}

/** The members that only mode `conditional-access` reads, beside those of `parseComputer`, and their forms. */
export const inventoryMembers: Readonly<Record<'text' | 'count' | 'flag', readonly string[]>> = {
  text: [
    'general.platform',
    'userAndLocation.email',
    'userAndLocation.username',
    'operatingSystem.activeDirectoryStatus',
    'operatingSystem.fileVault2Status',
    'security.gatekeeperStatus',
    'security.sipStatus',
    ...[
      'make',
      'modelIdentifier',
      'processorArchitecture',
      'processorType',
      'macAddress',
      'altMacAddress',
      'nicSpeed',
      'bootRom',
      'smcVersion',
    ].map((name) => `hardware.${name}`),
  ],
  count: [
    'processorSpeedMhz',
    'processorCount',
    'coreCount',
    'busSpeedMhz',
    'cacheSizeKilobytes',
    'totalRamMegabytes',
    'openRamSlots',
    'batteryCapacityPercent',
  ].map((name) => `hardware.${name}`),
  flag: ['security.autoLoginDisabled'],
};

/** The same of each account that has a registration. */
export const accountMembers: Readonly<Record<'count' | 'flag', readonly string[]>> = {
  count: ['passwordMaxAge', 'passwordMinComplexCharacters', 'passwordMinLength', 'passwordHistoryDepth'],
  flag: ['passwordRequireAlphanumeric'],
};

const isText = (value: unknown): boolean => readScalarText(value) !== undefined;
/** Jamf writes -1 for what it does not know, which is no odd form. */
const isCount = (value: unknown): boolean => value === -1 || readCount(value) !== undefined;
const isFlag = (value: unknown): boolean => readBoolean(value) !== undefined;

/** Names members of the inventory in another form than expected; `inventoryAttributes` leaves them out. */
export function inventoryWarnings(record: unknown): readonly FieldError[] {
  const { list, warn } = createWarnings();
  const check = (
    holder: unknown,
    {
      at,
      is,
      paths,
      what,
    }: { paths: readonly string[]; is: (value: unknown) => boolean; what: string; at: string },
  ): void => {
    for (const path of paths) {
      const value = memberOf(holder, path);
      if (!isAbsent(value) && !is(value)) warn(`${at}${path}`, what);
    }
  };
  for (const section of new Set(inventoryMembers.text.map((path) => path.split('.')[0] ?? ''))) {
    const value = memberOf(record, section);
    if (!isAbsent(value) && !isRecord(value)) warn(section, 'be an object');
  }
  check(record, { paths: inventoryMembers.text, is: isText, what: 'be text', at: '' });
  check(record, { paths: inventoryMembers.count, is: isCount, what: 'be a number', at: '' });
  check(record, { paths: inventoryMembers.flag, is: isFlag, what: 'be a boolean', at: '' });
  const accounts = memberOf(record, 'localUserAccounts');
  for (const [position, account] of (Array.isArray(accounts) ? accounts : []).entries()) {
    const at = `localUserAccounts[${position}].`;
    check(account, { paths: accountMembers.count, is: isCount, what: 'be a number', at });
    check(account, { paths: accountMembers.flag, is: isFlag, what: 'be a boolean', at });
  }
  return list;
}

function hardwareAttributes(
  hardware: unknown,
  units: InventoryVocabulary['units'],
): Readonly<Record<string, Attribute>> {
  const text = (name: string) => readScalarText(memberOf(hardware, name));
  const member = (name: string) => memberOf(hardware, name);
  return {
    SerialNumber: text('serialNumber'),
    Vendor: text('make'),
    Model: text('model'),
    ModelId: text('modelIdentifier'),
    CPUArchitecture: text('processorArchitecture'),
    CPUType: text('processorType'),
    CPUSpeed: numberText(member('processorSpeedMhz'), units.processorSpeed),
    CPUCount: readCount(member('processorCount')),
    CPUCoreCount: readCount(member('coreCount')),
    BusSpeed: numberText(member('busSpeedMhz'), units.busSpeed),
    CacheSize: numberText(member('cacheSizeKilobytes'), units.cacheSize),
    RAM: numberText(member('totalRamMegabytes'), units.ram),
    RAMOpenSlots: readCount(member('openRamSlots')),
    BatteryCapacity: numberText(member('batteryCapacityPercent'), units.battery),
    MACAddress: text('macAddress'),
    MACAddress2: text('altMacAddress'),
    NICSpeed: text('nicSpeed'),
    BootROM: text('bootRom'),
    SMCVersion: text('smcVersion'),
  };
}

/**
 * The inventory entity's attributes for one registration (domain/microsoft.md 6.2, domain/jamf.md 6.1), without the
 * members that every entity has: EntityType, TenantId, DeviceId, UserId, LastUpdateTime. JamfId is unique in one
 * instance only.
 */
export function inventoryAttributes(
  record: unknown,
  registration: Pick<Registration, 'state'>,
  vocabulary: InventoryVocabulary = defaultInventoryVocabulary,
): Readonly<Record<string, string | number>> {
  const text = (path: string) => readScalarText(memberOf(record, path));
  const jamfId = readComputerId(memberOf(record, 'id'));
  const { state } = registration;
  const attributes: Readonly<Record<string, Attribute>> = {
    JamfId: jamfId === undefined ? undefined : Number(jamfId),
    State: state === undefined ? undefined : (vocabulary.state[state] ?? undefined),
    DeviceName: text('general.name'),
    UDID: text('udid'),
    UPN: principalOf(record),
    Platform: text('general.platform'),
    Os: text('operatingSystem.name'),
    OsVersion: text('operatingSystem.version'),
    ADDomainJoined: domainOf(memberOf(record, 'operatingSystem.activeDirectoryStatus'), vocabulary.domain),
    ...hardwareAttributes(memberOf(record, 'hardware'), vocabulary.units),
  };
  return Object.fromEntries(
    Object.entries(attributes).flatMap(([name, value]) => (value === undefined ? [] : [[name, value]])),
  );
}

/**
 * The raw local account behind a registration: the one whose Entra device id it is, and among several the first
 * activated one, as for `readRegistrations`.
 */
export function accountOf(record: unknown, deviceId: string): unknown {
  const section = memberOf(record, 'localUserAccounts');
  // A single account may stand without a list, as `parseComputer` takes it.
  const accounts: readonly unknown[] = Array.isArray(section) ? section : [section];
  const own = accounts.filter(
    (account) => readGuid(memberOf(account, 'computerAzureActiveDirectoryId')) === deviceId.toLowerCase(),
  );
  const isActivated = (account: unknown): boolean =>
    readText(memberOf(account, 'azureActiveDirectoryId'))?.toUpperCase() === 'ACTIVATED';
  return own.find(isActivated) ?? own[0];
}

function passwordTypeOf(value: unknown, words: InventoryVocabulary['passwordType']): string | undefined {
  const required = readBoolean(value);
  if (required === undefined) return words.notTold ?? undefined;
  return (required ? words.alphanumeric : words.simple) ?? undefined;
}

/**
 * The nine attributes that Intune's policies of mode `conditional-access` look at, from the record and the raw account
 * of one registration. Undefined unless all are known: Jamf sends the compliance entity only when it is complete
 * (domain/microsoft.md 4.4, domain/jamf.md 6.1).
 */
export function complianceAttributes(
  record: unknown,
  account: unknown,
  vocabulary: InventoryVocabulary = defaultInventoryVocabulary,
): ComplianceAttributes | undefined {
  const word = <Word>(words: Readonly<Record<string, Word | null>>, path: string): Word | undefined =>
    wordOf(words, readText(memberOf(record, path)));
  const attributes: {
    readonly [Name in keyof ComplianceAttributes]: ComplianceAttributes[Name] | undefined;
  } = {
    Encrypted: word(vocabulary.encrypted, 'operatingSystem.fileVault2Status'),
    Gatekeeper: word(vocabulary.gatekeeper, 'security.gatekeeperStatus'),
    SIP: word(vocabulary.sip, 'security.sipStatus'),
    PreventAutoLogin: readBoolean(memberOf(record, 'security.autoLoginDisabled')),
    PasswordExpirationDays: numberText(memberOf(account, 'passwordMaxAge')),
    PasswordType: passwordTypeOf(memberOf(account, 'passwordRequireAlphanumeric'), vocabulary.passwordType),
    MinimumPasswordCharSets: numberText(memberOf(account, 'passwordMinComplexCharacters')),
    PasscodeLength: numberText(memberOf(account, 'passwordMinLength')),
    PasswordHistoryLength: numberText(memberOf(account, 'passwordHistoryDepth')),
  };
  return isComplete(attributes) ? attributes : undefined;
}

const isComplete = (
  attributes: {
    readonly [Name in keyof ComplianceAttributes]: ComplianceAttributes[Name] | undefined;
  },
): attributes is ComplianceAttributes => Object.values(attributes).every((value) => value !== undefined);
