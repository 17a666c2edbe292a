import type { Registration, RegistrationState } from '../../jamf/registrations.ts';
import { isRecord, readBoolean, readComputerId, readGuid, readText } from '../../jamf/wire-values.ts';

/**
 * What mode `conditional-access` tells Intune of a Mac, by the wire names of domain/microsoft.md 6 and from the
 * members of a Jamf inventory record, v1 to v4, that domain/jamf.md 6.1 names. Pure; never throws for what a record
 * holds: what is absent, `null` or not what it should be is left out.
 */

/** Words for the values of one Jamf member, compared without case; `null` or no entry: left out, "not known". */
type Words = Readonly<Record<string, string | null>>;

/** What the sources leave open, in one place; each table is a parameter. */
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
  /** Whether `operatingSystem.fileVault2Status` means encrypted. */
  readonly encrypted: Readonly<Record<string, boolean | null>>;
  readonly passwordType: {
    readonly alphanumeric: string | null;
    readonly simple: string | null;
    /** Where Jamf says nothing; `null` leaves PasswordType out and with it the whole compliance entity. */
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

/** A number from 0 on, as JSON number or decimal text: Jamf writes -1 for what it does not know. */
function countOf(value: unknown): number | undefined {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value.trim()) ? Number(value) : value;
  return typeof number === 'number' && Number.isSafeInteger(number) && number >= 0 ? number : undefined;
}

const numberText = (value: unknown, unit = ''): string | undefined => {
  const number = countOf(value);
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
  const text = readText(value);
  const named = Object.keys(words).some((name) => name.toLowerCase() === text?.toLowerCase());
  return named ? wordOf(words, text) : text;
}

/** The assigned user's e-mail address, or a user name that is a principal name (domain/jamf.md 6.1). */
function principalOf(record: unknown): string | undefined {
  const username = readText(memberOf(record, 'userAndLocation.username'));
  return (
    readText(memberOf(record, 'userAndLocation.email')) ?? (username?.includes('@') ? username : undefined)
  );
}

function hardwareAttributes(
  hardware: unknown,
  units: InventoryVocabulary['units'],
): Readonly<Record<string, Attribute>> {
  const text = (name: string) => readText(memberOf(hardware, name));
  const member = (name: string) => memberOf(hardware, name);
  return {
    SerialNumber: text('serialNumber'),
    Vendor: text('make'),
    Model: text('model'),
    ModelId: text('modelIdentifier'),
    CPUArchitecture: text('processorArchitecture'),
    CPUType: text('processorType'),
    CPUSpeed: numberText(member('processorSpeedMhz'), units.processorSpeed),
    CPUCount: countOf(member('processorCount')),
    CPUCoreCount: countOf(member('coreCount')),
    BusSpeed: numberText(member('busSpeedMhz'), units.busSpeed),
    CacheSize: numberText(member('cacheSizeKilobytes'), units.cacheSize),
    RAM: numberText(member('totalRamMegabytes'), units.ram),
    RAMOpenSlots: countOf(member('openRamSlots')),
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
  const text = (path: string) => readText(memberOf(record, path));
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
  const accounts = memberOf(record, 'localUserAccounts');
  if (!Array.isArray(accounts)) return undefined;
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
