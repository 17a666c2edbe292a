import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { parseComputer } from './inventory.ts';

const deviceId = 'A3F1D2C4-0B5E-4F6A-8C7D-9E0F1A2B3C4D';
const userId = '0d1c2b3a-4f5e-6d7c-8b9a-0f1e2d3c4b5a';

function account(members: object = {}) {
  return {
    username: 'ada',
    computerAzureActiveDirectoryId: deviceId,
    userAzureActiveDirectoryId: userId,
    azureActiveDirectoryId: 'ACTIVATED',
    ...members,
  };
}

function record(members: object = {}) {
  return {
    id: '17',
    udid: '55900BDC-347C-58B1-D249-F32244B11D30',
    general: {
      name: 'Mac 17',
      lastCheckIn: '2026-11-20T09:05:01.123Z',
      lastContact: '2026-11-20T09:06:00Z',
      reportDate: '2026-11-20T08:00:00.5Z',
      lastEnrolledDate: '2026-01-02T03:04:05Z',
      remoteManagement: { managed: true, managementUsername: null },
      site: { id: '-1', name: 'None' },
    },
    hardware: { model: 'MacBook Pro', serialNumber: 'C02TEST00017' },
    operatingSystem: { name: 'macOS', version: '26.1' },
    localUserAccounts: [account()],
    groupMemberships: [{ groupId: '3', groupName: 'Compliant', smartGroup: true }],
    applications: null,
    ...members,
  };
}

function parsed(value: unknown) {
  const result = parseComputer(value);
  if (!result.ok) throw new Error(JSON.stringify(result.errors));
  return result;
}

function fieldsOf(value: unknown): readonly string[] {
  const result = parseComputer(value);
  return result.ok ? [] : result.errors.map(({ code, field }) => `${code} ${field}`);
}

describe('a record', () => {
  test('of v4 in our words', () => {
    expect(parsed(record())).toEqual({
      ok: true,
      warnings: [],
      computer: {
        jamfComputerId: '17',
        udid: '55900BDC-347C-58B1-D249-F32244B11D30',
        serialNumber: 'C02TEST00017',
        name: 'Mac 17',
        reportedAt: new Date('2026-11-20T08:00:00.500Z'),
        lastCheckInAt: new Date('2026-11-20T09:05:01.123Z'),
        lastEnrolledAt: new Date('2026-01-02T03:04:05Z'),
        managed: true,
        osName: 'macOS',
        osVersion: '26.1',
        model: 'MacBook Pro',
        registrations: [{ deviceId: deviceId.toLowerCase(), userId, username: 'ada', state: 'ACTIVATED' }],
        registrationsReported: true,
        registrationsComplete: true,
        groupsComplete: true,
        groups: [{ groupId: '3', name: 'Compliant', smart: true }],
      },
    });
  });

  test('of v1 to v3 has its check-in as lastContactTime', () => {
    const general = { lastContactTime: '2026-11-20T10:00:00+01:00', lastReportedIp: '10.0.0.1' };
    expect(parsed(record({ general })).computer.lastCheckInAt).toEqual(new Date('2026-11-20T09:00:00Z'));
  });

  test('with nothing but an id, or with null everywhere', () => {
    const nulls = {
      udid: null,
      general: null,
      hardware: null,
      operatingSystem: null,
      localUserAccounts: null,
    };
    for (const bare of [{ id: 17 }, { id: '17', ...nulls, groupMemberships: null }]) {
      expect(parsed(bare).computer).toMatchObject({
        jamfComputerId: '17',
        name: undefined,
        managed: undefined,
        registrations: [],
        registrationsReported: false,
        groups: undefined,
      });
    }
  });

  test('is refused for its id or its accounts alone, and each field is named', () => {
    expect(fieldsOf(null)).toEqual(['MALFORMED ']);
    expect(fieldsOf({})).toEqual(['REQUIRED id']);
    expect(fieldsOf(record({ id: '2147483648' }))).toEqual(['INVALID id']);
    for (const localUserAccounts of ['x', 5, true, {}]) {
      expect(fieldsOf(record({ localUserAccounts }))).toEqual(['INVALID localUserAccounts']);
    }
  });

  test('with members of the wrong types keeps the rest and warns of each', () => {
    const general = { reportDate: 'yesterday', name: {}, remoteManagement: [] };
    const { computer, warnings } = parsed(record({ general, hardware: 'x', groupMemberships: 'x' }));
    expect(computer).toMatchObject({ jamfComputerId: '17', osVersion: '26.1', groups: undefined });
    expect(computer.registrations).toHaveLength(1);
    expect([computer.name, computer.reportedAt, computer.managed, computer.model]).toEqual(
      Array(4).fill(undefined),
    );
    expect(warnings.map(({ field }) => field).sort()).toEqual([
      'general.name',
      'general.remoteManagement',
      'general.reportDate',
      'groupMemberships',
      'hardware',
    ]);
  });

  test.each([
    ['2026-11-20T08:00:00', '2026-11-20T08:00:00Z'],
    ['2026-11-20T08:00:00.123456789', '2026-11-20T08:00:00.123Z'],
    ['2026-11-20 08:00:00', '2026-11-20T08:00:00Z'],
    ['2026-11-20T08:00Z', '2026-11-20T08:00:00Z'],
    ['2026-11-20t08:00:00z', '2026-11-20T08:00:00Z'],
    ['2026-11-20 08:00:00 UTC', '2026-11-20T08:00:00Z'],
    ['2026-11-20T10:00:00+02', '2026-11-20T08:00:00Z'],
    ['2026-11-20T10:00:00+0200', '2026-11-20T08:00:00Z'],
    ['2026-11-20', '2026-11-20T00:00:00Z'],
    [1_793_000_000, '2026-10-26T07:33:20Z'],
    [1_793_000_000_123, '2026-10-26T07:33:20.123Z'],
    ['1793000000123', '2026-10-26T07:33:20.123Z'],
  ])('takes the date %s, in UTC unless it says otherwise', (reportDate, at) => {
    const { computer, warnings } = parsed(record({ general: { reportDate } }));
    expect([computer.reportedAt, warnings]).toEqual([new Date(at), []]);
  });

  test.each([
    '2026-13-20T08:00:00Z',
    '2026-11-20T25:00:00Z',
    -5,
    true,
    [],
    {},
    '12/31/2026',
    '9'.repeat(400),
  ])('does without the date %j', (reportDate) => {
    const { computer, warnings } = parsed(record({ general: { reportDate } }));
    expect(computer.reportedAt).toBeUndefined();
    expect(warnings.map(({ field }) => field)).toEqual(['general.reportDate']);
  });

  test('reads scalars of another JSON type as what they say', () => {
    const general = { name: 17, remoteManagement: { managed: 'false' } };
    const { computer, warnings } = parsed(
      record({ id: 17, general, operatingSystem: { version: 15 }, hardware: { serialNumber: 4711 } }),
    );
    expect(computer).toMatchObject({ name: '17', osVersion: '15', serialNumber: '4711', managed: false });
    expect(warnings).toEqual([]);
  });

  test('text that the database would refuse is made fit', () => {
    expect(parsed(record({ general: { name: ' a\u0000b\ud800 ' } })).computer.name).toBe('ab\ufffd');
  });
});

describe('registrations', () => {
  test('accounts without one are passed over, malformed ones warned about', () => {
    const { computer, warnings } = parsed(
      record({
        localUserAccounts: [
          account({ computerAzureActiveDirectoryId: null, azureActiveDirectoryId: null }),
          account({ computerAzureActiveDirectoryId: '' }),
          account({ computerAzureActiveDirectoryId: 'not-a-guid' }),
          account({ computerAzureActiveDirectoryId: '00000000-0000-0000-0000-000000000000' }),
          'x',
          account({ userAzureActiveDirectoryId: 'x', azureActiveDirectoryId: 'ASLEEP', username: null }),
        ],
      }),
    );
    expect(computer.registrations).toEqual([
      { deviceId: deviceId.toLowerCase(), userId: undefined, username: undefined, state: undefined },
    ]);
    expect(warnings.map(({ field }) => field)).toEqual([
      'localUserAccounts[2].computerAzureActiveDirectoryId',
      'localUserAccounts[3].computerAzureActiveDirectoryId',
      'localUserAccounts[4]',
      'localUserAccounts[5].userAzureActiveDirectoryId',
      'localUserAccounts[5].azureActiveDirectoryId',
    ]);
  });

  test('accounts that share a device count once, as the first activated one', () => {
    const accounts = [
      account({ username: 'old', azureActiveDirectoryId: 'DEACTIVATED' }),
      account({ username: 'first', computerAzureActiveDirectoryId: deviceId.toLowerCase() }),
      account({ username: 'second' }),
      account({ username: 'other', computerAzureActiveDirectoryId: userId, azureActiveDirectoryId: null }),
    ];
    const { registrations } = parsed(record({ localUserAccounts: accounts })).computer;
    expect(registrations.map(({ username, state }) => [username, state])).toEqual([
      ['first', 'ACTIVATED'],
      ['other', undefined],
    ]);
  });

  test('a malformed group is left out', () => {
    const groups = [null, { groupId: 4, groupName: null }, { groupId: 'x' }];
    const { computer, warnings } = parsed(record({ groupMemberships: groups }));
    expect(computer.groups).toEqual([{ groupId: '4', name: undefined, smart: undefined }]);
    expect(computer.groupsComplete).toBe(false);
    expect(warnings).toHaveLength(2);
  });

  test('a group without an id is known by its name', () => {
    const { computer } = parsed(
      record({ groupMemberships: [{ groupName: 'Compliant', smartGroup: 'true' }] }),
    );
    expect(computer.groups).toEqual([{ groupId: '', name: 'Compliant', smart: true }]);
    expect(computer.groupsComplete).toBe(true);
  });

  test('an unreadable account costs no other, and is told to be missing', () => {
    for (const odd of [
      'x',
      5,
      [],
      account({ computerAzureActiveDirectoryId: 12 }),
      account({ computerAzureActiveDirectoryId: {} }),
    ]) {
      const { registrations, registrationsComplete } = parsed(
        record({ localUserAccounts: [odd, account()] }),
      ).computer;
      expect([registrations.length, registrationsComplete]).toEqual([1, false]);
    }
  });

  test('device ids are read with braces or without hyphens, and a single account without a list', () => {
    for (const id of [
      `{${deviceId}}`,
      deviceId.replaceAll('-', ''),
      `urn:uuid:${deviceId}`,
      ` ${deviceId} `,
    ]) {
      const { registrations } = parsed(
        record({ localUserAccounts: account({ computerAzureActiveDirectoryId: id }) }),
      ).computer;
      expect(registrations.map((one) => one.deviceId)).toEqual([deviceId.toLowerCase()]);
    }
  });

  test('of more than a hundred registrations the activated ones come first', () => {
    const idOf = (n: number) => `a3f1d2c4-0b5e-4f6a-8c7d-${String(n).padStart(12, '0')}`;
    const accounts = Array.from({ length: 150 }, (_, n) =>
      account({
        computerAzureActiveDirectoryId: idOf(n),
        azureActiveDirectoryId: n < 100 ? 'UNKNOWN' : 'ACTIVATED',
      }),
    );
    const { computer, warnings } = parsed(record({ localUserAccounts: accounts }));
    expect([computer.registrations.length, computer.registrationsComplete, warnings.length]).toEqual([
      100,
      false,
      1,
    ]);
    expect(computer.registrations.slice(0, 50).every(({ state }) => state === 'ACTIVATED')).toBe(true);
  });
});

test('never throws', () => {
  const members = [
    'id',
    'udid',
    'general',
    'hardware',
    'operatingSystem',
    'localUserAccounts',
    'groupMemberships',
  ];
  const sections = ['remoteManagement', 'reportDate', 'name', 'computerAzureActiveDirectoryId', 'groupId'];
  const value = fc.oneof(fc.jsonValue(), fc.dictionary(fc.constantFrom(...sections), fc.jsonValue()));
  const values = fc.oneof(value, fc.array(value));
  fc.assert(
    fc.property(fc.oneof(fc.anything(), fc.dictionary(fc.constantFrom(...members), values)), (input) => {
      const result = parseComputer(input);
      expect(result.ok || result.errors.length > 0).toBe(true);
    }),
  );
});
