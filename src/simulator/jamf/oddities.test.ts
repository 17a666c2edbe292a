import { describe, expect, test } from 'vitest';
import { type OddComputer, oddGroupBody, oddityOf, oddRecord, shownReportDate } from './oddities.ts';

const computer = (oddity: OddComputer['oddity'], reportDate = 1): OddComputer => ({
  oddity,
  reportDate,
  initialEntryDate: 1,
});
const record = () => ({
  id: '13',
  udid: 'u',
  general: { reportDate: '2026-11-20T08:00:00.5Z', name: 'ends with Z', remoteManagement: { managed: true } },
  hardware: { coreCount: 8, serialNumber: 'S' },
  localUserAccounts: [{ passwordMinLength: 8, computerAzureActiveDirectoryId: null }],
  operatingSystem: { version: '26.1' },
});

describe('odd records', () => {
  test('are a small share, none of them among the first twelve, and none where nobody wants them', () => {
    const ids = Array.from({ length: 1_000 }, (_, at) => at + 1);
    const odd = ids.filter((id) => oddityOf(id, { oddShare: 0.04 }) !== undefined);
    expect(odd.length).toBeGreaterThan(35);
    expect(odd.length).toBeLessThan(45);
    expect(odd[0]).toBe(13);
    expect(new Set(odd.map((id) => oddityOf(id, { oddShare: 0.04 }))).size).toBe(3);
    expect(ids.every((id) => oddityOf(id, { oddShare: 0 }) === undefined)).toBe(true);
  });

  test('say the same in another form', () => {
    expect(oddRecord(record(), computer('unzoned-dates'))).toMatchObject({
      general: { reportDate: '2026-11-20T08:00:00.5', name: 'ends with Z' },
    });
    expect(oddRecord(record(), computer('scalars'))).toMatchObject({
      id: '13',
      general: { remoteManagement: { managed: 'true' } },
      hardware: { coreCount: '8' },
      localUserAccounts: [{ passwordMinLength: '8', computerAzureActiveDirectoryId: null }],
    });
    expect(oddRecord(record(), computer(undefined))).toEqual(record());
  });

  test('have no report date before a report, and nothing but an enrolment without an inventory', () => {
    expect(shownReportDate(computer('undated'))).toBeNull();
    expect(shownReportDate(computer('undated', 2))).toBe(2);
    expect(shownReportDate(computer('uninventoried', 2))).toBeNull();
    expect(oddRecord(record(), computer('uninventoried'))).toEqual({
      id: '13',
      udid: 'u',
      general: { ...record().general, reportDate: null },
      hardware: { serialNumber: 'S', model: null, make: 'Apple' },
      localUserAccounts: [],
      operatingSystem: null,
    });
  });

  test('every tenth group event has its ids as text, among junk or in display fields, in turn', () => {
    const body = {
      groupAddedDevices: [],
      groupAddedDevicesIds: [1, 2],
      groupRemovedDevices: [],
      groupRemovedDevicesIds: [],
    };
    for (const number of [1, 9, 11]) expect(oddGroupBody(body, number, false)).toBe(body);
    expect(oddGroupBody(body, 30, false)).toMatchObject({ groupAddedDevicesIds: '1, 2' });
    expect(oddGroupBody(body, 10, false)).toMatchObject({ groupAddedDevicesIds: [1, 2, 0, 'n/a'] });
    expect(oddGroupBody(body, 20, false)).toMatchObject({
      groupAddedDevicesIds: null,
      groupAddedDevices: [{ id: 1 }, { id: 2 }],
    });
  });
});
