import { describe, expect, test } from 'vitest';
import {
  accountOf,
  complianceAttributes,
  defaultInventoryVocabulary,
  inventoryAttributes,
} from './attributes.ts';

const deviceId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const account = {
  uid: '501',
  username: 'ada',
  passwordMinLength: 8,
  passwordMaxAge: 90,
  passwordMinComplexCharacters: 1,
  passwordHistoryDepth: 5,
  passwordRequireAlphanumeric: true,
  computerAzureActiveDirectoryId: deviceId.toUpperCase(),
  userAzureActiveDirectoryId: 'cccccccc-1111-4222-8333-dddddddddddd',
  azureActiveDirectoryId: 'ACTIVATED',
};
const hardware = {
  make: 'Apple',
  model: 'MacBook Pro (13-inch, M1, 2020)',
  modelIdentifier: 'MacBookPro17,1',
  serialNumber: 'C02XX',
  processorSpeedMhz: 0,
  processorCount: 1,
  coreCount: 8,
  processorType: 'Apple M1',
  processorArchitecture: 'arm64',
  busSpeedMhz: 0,
  cacheSizeKilobytes: 4096,
  macAddress: '00:11:22:33:44:55',
  altMacAddress: '00:11:22:33:44:56',
  totalRamMegabytes: 16384,
  openRamSlots: 0,
  batteryCapacityPercent: 96,
  smcVersion: null,
  nicSpeed: 'n/a',
  bootRom: '13822.41.1',
};
const operatingSystem = {
  name: 'macOS',
  version: '26.1',
  activeDirectoryStatus: 'Not Bound',
  fileVault2Status: 'ALL_ENCRYPTED',
};
const security = {
  sipStatus: 'ENABLED',
  gatekeeperStatus: 'APP_STORE_AND_IDENTIFIED_DEVELOPERS',
  autoLoginDisabled: true,
};
const record = {
  id: '42',
  udid: '4C4C4544-0000-1000-8000-000000000001',
  general: { name: 'ada-mac', platform: 'Mac', lastIpAddress: '192.0.2.1' },
  userAndLocation: { username: 'ada', email: 'ada@example.test' },
  hardware,
  operatingSystem,
  security,
  localUserAccounts: [account],
};
const activated = { state: 'ACTIVATED' } as const;

describe('inventory', () => {
  test('the whole table, with its types', () => {
    expect(inventoryAttributes(record, activated)).toEqual({
      JamfId: 42,
      State: '0',
      DeviceName: 'ada-mac',
      UDID: '4C4C4544-0000-1000-8000-000000000001',
      UPN: 'ada@example.test',
      Platform: 'Mac',
      Os: 'macOS',
      OsVersion: '26.1',
      ADDomainJoined: 'FALSE',
      SerialNumber: 'C02XX',
      Vendor: 'Apple',
      Model: 'MacBook Pro (13-inch, M1, 2020)',
      ModelId: 'MacBookPro17,1',
      CPUArchitecture: 'arm64',
      CPUType: 'Apple M1',
      CPUSpeed: '0',
      CPUCount: 1,
      CPUCoreCount: 8,
      BusSpeed: '0',
      CacheSize: '4096',
      RAM: '16384',
      RAMOpenSlots: 0,
      BatteryCapacity: '96',
      MACAddress: '00:11:22:33:44:55',
      MACAddress2: '00:11:22:33:44:56',
      NICSpeed: 'n/a',
      BootROM: '13822.41.1',
    });
  });

  test.each([
    ['ACTIVATED', '0'],
    ['DEACTIVATED', '1'],
    ['UNRESPONSIVE', '2'],
    ['UNKNOWN', undefined],
    [undefined, undefined],
  ] as const)('state %s is %s', (state, wire) => {
    expect(inventoryAttributes(record, { state }).State).toBe(wire);
  });

  test.each([
    ['Not Bound', 'FALSE'],
    ['corp.example.test', 'corp.example.test'],
    ['Likewise: corp.example.test', 'Likewise: corp.example.test'],
    ['', undefined],
    [null, undefined],
  ])('domain %j is %j', (activeDirectoryStatus, wire) => {
    const bound = { ...record, operatingSystem: { ...operatingSystem, activeDirectoryStatus } };
    expect(inventoryAttributes(bound, activated).ADDomainJoined).toBe(wire);
  });

  test.each([
    [{ email: null, username: 'ada@example.test' }, 'ada@example.test'],
    [{ email: '', username: 'ada' }, undefined],
  ])('principal of %j is %j', (userAndLocation, wire) => {
    expect(inventoryAttributes({ ...record, userAndLocation }, activated).UPN).toBe(wire);
  });

  test('numbers as older servers write them; -1 and nonsense are unknown', () => {
    const odd = {
      totalRamMegabytes: '8192',
      coreCount: '4',
      batteryCapacityPercent: -1,
      cacheSizeKilobytes: 'x',
    };
    expect(inventoryAttributes({ id: 7, hardware: odd }, activated)).toEqual({
      JamfId: 7,
      State: '0',
      RAM: '8192',
      CPUCoreCount: 4,
    });
  });

  test('units and words are parameters', () => {
    const vocabulary = {
      ...defaultInventoryVocabulary,
      units: { ...defaultInventoryVocabulary.units, ram: ' MB' },
      domain: {},
    };
    expect(inventoryAttributes(record, activated, vocabulary)).toMatchObject({
      RAM: '16384 MB',
      ADDomainJoined: 'Not Bound',
    });
  });

  test.each([undefined, null, 'x', [], { hardware: null, general: [], operatingSystem: 1, id: {} }])(
    'nothing but the state from %j',
    (value) => {
      expect(inventoryAttributes(value, activated)).toEqual({ State: '0' });
    },
  );
});

describe('compliance', () => {
  test('all nine', () => {
    expect(complianceAttributes(record, account)).toEqual({
      Encrypted: true,
      Gatekeeper: 'APP_STORE_AND_IDENTIFIED_DEVELOPERS',
      SIP: 'ENABLED',
      PreventAutoLogin: true,
      PasswordExpirationDays: '90',
      PasswordType: 'alphanumeric',
      MinimumPasswordCharSets: '1',
      PasscodeLength: '8',
      PasswordHistoryLength: '5',
    });
  });

  test.each([
    ['FileVault', { operatingSystem: { ...operatingSystem, fileVault2Status: 'NOT_APPLICABLE' } }],
    ['a FileVault word nobody knows', { operatingSystem: { fileVault2Status: 'constructor' } }],
    ['Gatekeeper', { security: { ...security, gatekeeperStatus: 'NOT_COLLECTED' } }],
    ['SIP', { security: { ...security, sipStatus: 'NOT_AVAILABLE' } }],
    ['automatic login', { security: { ...security, autoLoginDisabled: null } }],
    ['the section', { security: null }],
  ])('nothing when %s is not known', (_name, part) => {
    expect(complianceAttributes({ ...record, ...part }, account)).toBeUndefined();
  });

  test.each(['passwordMaxAge', 'passwordMinComplexCharacters', 'passwordMinLength', 'passwordHistoryDepth'])(
    'nothing when %s is not known',
    (name) => {
      for (const value of [null, undefined, -1, 'x', 1.5]) {
        expect(complianceAttributes(record, { ...account, [name]: value })).toBeUndefined();
      }
    },
  );

  test('nothing without an account', () => {
    expect(complianceAttributes(record, undefined)).toBeUndefined();
  });

  test.each([
    ['NOT_ENCRYPTED', false],
    ['BOOT_ENCRYPTED', false],
    ['SOME_ENCRYPTED', false],
    ['ALL_ENCRYPTED', true],
  ])('%s is encrypted: %s', (fileVault2Status, encrypted) => {
    const mac = { ...record, operatingSystem: { fileVault2Status } };
    expect(complianceAttributes(mac, account)?.Encrypted).toBe(encrypted);
  });

  test.each([
    [false, 'simple'],
    [true, 'alphanumeric'],
    [null, 'unknown'],
  ])('alphanumeric %s is %s', (passwordRequireAlphanumeric, wire) => {
    const own = { ...account, passwordRequireAlphanumeric };
    expect(complianceAttributes(record, own)?.PasswordType).toBe(wire);
  });

  test('words are parameters, and one that is taken away makes it incomplete', () => {
    const vocabulary = {
      ...defaultInventoryVocabulary,
      sip: { ENABLED: 'On' },
      encrypted: { ALL_ENCRYPTED: true, BOOT_ENCRYPTED: true },
      passwordType: { ...defaultInventoryVocabulary.passwordType, notTold: null },
    };
    const boot = { ...record, operatingSystem: { fileVault2Status: 'BOOT_ENCRYPTED' } };
    expect(complianceAttributes(boot, account, vocabulary)).toMatchObject({ SIP: 'On', Encrypted: true });
    const untold = { ...account, passwordRequireAlphanumeric: null };
    expect(complianceAttributes(boot, untold, vocabulary)).toBeUndefined();
    const off = { ...boot, security: { ...security, sipStatus: 'DISABLED' } };
    expect(complianceAttributes(off, account, vocabulary)).toBeUndefined();
  });
});

describe('the account of a registration', () => {
  test('by device id without case, the activated one first', () => {
    const older = { ...account, username: 'old', azureActiveDirectoryId: 'DEACTIVATED' };
    const stranger = { ...account, computerAzureActiveDirectoryId: null };
    expect(accountOf({ localUserAccounts: [stranger, older, account] }, deviceId)).toBe(account);
    expect(accountOf({ localUserAccounts: [stranger, older] }, deviceId)).toBe(older);
  });

  test.each([undefined, {}, { localUserAccounts: null }, { localUserAccounts: [null, 1, {}] }])(
    'none in %j',
    (value) => {
      expect(accountOf(value, deviceId)).toBeUndefined();
    },
  );
});
