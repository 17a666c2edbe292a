import { describe, expect, it } from 'vitest';
import {
  type FirstClaim,
  isStale,
  linkRegistration,
  type OtherRegistration,
  type StandingClaim,
  sameMac,
} from './re-registration.ts';

const computer = (
  instanceId: string,
  more: Partial<FirstClaim['computer']> = {},
): FirstClaim['computer'] => ({
  instanceId,
  jamfComputerId: 1,
  udid: 'U',
  serialNumber: 'S',
  lastEnrolledAt: new Date('2026-03-01'),
  ...more,
});
const first = (more: Partial<FirstClaim> = {}): FirstClaim => ({
  deviceId: 'new',
  computer: computer('a'),
  current: new Set(['new']),
  ...more,
});
const other = (more: Partial<OtherRegistration> = {}): OtherRegistration => ({
  deviceId: 'old',
  ...computer('b', { lastEnrolledAt: new Date('2026-01-01') }),
  ...more,
});

describe('links between registrations of one Mac', () => {
  it.each([
    ['computer', { instanceId: 'a', udid: null, serialNumber: null }],
    ['udid', { serialNumber: 'another' }],
    ['serial-number', { udid: 'another' }],
  ])('by %s', (linkedBy, more) => {
    expect(linkRegistration(first(), [other(more)])).toEqual([
      { deviceId: 'new', previousDeviceId: 'old', linkedBy },
    ]);
  });

  it('by the strongest thing that two records share, once', () => {
    const records = [other({ udid: 'another' }), other(), other({ jamfComputerId: 9, udid: 'another' })];
    expect(linkRegistration(first(), records)).toMatchObject([{ linkedBy: 'udid' }]);
  });

  it('not for another Mac, nor where neither has an identity', () => {
    expect(linkRegistration(first(), [other({ udid: 'V', serialNumber: 'T' })])).toEqual([]);
    const bare = { udid: null, serialNumber: null };
    expect(linkRegistration(first({ computer: computer('a', bare) }), [other(bare)])).toEqual([]);
  });

  it('not with the registration of another user who is on the Mac now', () => {
    expect(linkRegistration(first({ current: new Set(['new', 'old']) }), [other()])).toEqual([]);
  });

  it('the Mac that enrolled later has the newer registration, in whatever order the records come', () => {
    const later = other({ lastEnrolledAt: new Date('2026-04-01') });
    expect(linkRegistration(first(), [later])).toMatchObject([{ deviceId: 'old', previousDeviceId: 'new' }]);
  });
});

const claim = (
  instanceId: string,
  enrolled: string,
  checkIn: string | null,
  more: Partial<StandingClaim> = {},
): StandingClaim => ({
  instanceId,
  jamfComputerId: 1,
  udid: 'U',
  serialNumber: 'S',
  lastEnrolledAt: new Date(enrolled),
  lastCheckInAt: checkIn === null ? null : new Date(checkIn),
  stale: false,
  ...more,
});
const old = claim('a', '2026-01-01T00:00Z', '2026-03-01T10:00Z');

describe('a registration that was left behind', () => {
  const newer = (checkIn: string, more: Partial<StandingClaim> = {}) =>
    claim('b', '2026-03-01T12:00Z', checkIn, more);

  it('is stale once the newer one has checked in for a day in which the old one was silent', () => {
    expect(isStale(old, old, [newer('2026-03-02T10:00Z')])).toBe(true);
    expect(isStale(old, old, [newer('2026-03-02T09:59Z')])).toBe(false);
  });

  it.each([
    ['it checked in after the newer enrolment', { lastCheckInAt: new Date('2026-03-01T12:00Z') }, {}],
    ['it is not known when it checked in', { lastCheckInAt: null }, {}],
    ['the UDIDs differ', { udid: 'V' }, {}],
    ['neither UDID nor serial number is known', { udid: null, serialNumber: null }, {}],
    ['the newer one is stale itself', {}, { stale: true }],
    ['both are on one computer', {}, { instanceId: 'a' }],
    ['the newer enrolment is not known', {}, { lastEnrolledAt: null }],
  ])('is not while %s', (_, oldMore, newMore) => {
    expect(isStale({ ...old, ...oldMore }, old, [newer('2026-03-09T00:00Z', newMore)])).toBe(false);
  });

  it('two virtual machines with one UDID keep their registrations while both check in', () => {
    const machine = claim('a', '2026-01-01T00:00Z', '2026-03-09T09:00Z');
    expect(isStale(machine, machine, [newer('2026-03-09T10:00Z')])).toBe(false);
  });

  it('stays stale until it checks in again after the newer enrolment', () => {
    const stale = { ...old, stale: true };
    expect(isStale(stale, stale, [newer('2026-03-02T10:00Z')])).toBe(true);
    expect(isStale(stale, stale, [])).toBe(true);
    const late = { ...stale, lastCheckInAt: new Date('2026-03-01T11:00Z') };
    expect(isStale(late, stale, [newer('2026-03-02T10:00Z')])).toBe(true);
    const back = { ...stale, lastCheckInAt: new Date('2026-03-05T11:00Z') };
    expect(isStale(back, stale, [newer('2026-03-05T10:00Z')])).toBe(false);
  });
});

it('the serial number decides only where a UDID is missing', () => {
  expect(sameMac({ udid: null, serialNumber: 'S' }, { udid: 'U', serialNumber: 'S' })).toBe(true);
  expect(sameMac({ udid: 'V', serialNumber: 'S' }, { udid: 'U', serialNumber: 'S' })).toBe(false);
});
