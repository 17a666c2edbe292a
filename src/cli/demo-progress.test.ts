import { describe, expect, test } from 'vitest';
import { type Device, stagesOf } from './demo-progress.ts';

const since = Date.parse('2026-11-23T08:00:00.000Z');
const before = '2026-11-23T07:59:59.000Z';
const after = '2026-11-23T08:00:01.000Z';
const truth = {
  tenantId: '11111111-1111-4111-8111-111111111111',
  deviceId: '22222222-2222-4222-8222-222222222222',
  instance: 'berlin',
  jamfComputerId: 1,
  serialNumber: 'C02',
  udid: 'ABC',
  compliant: true,
};
const device = (
  report: Partial<NonNullable<Device['report']>>,
  route: Partial<Omit<Device, 'report'>> = {},
): Device => ({
  deviceId: truth.deviceId,
  instanceId: 'berlin-id',
  jamfComputerId: '1',
  ...route,
  report: {
    state: 'verified',
    reason: null,
    detail: null,
    reportedAt: after,
    sentAt: after,
    completedAt: after,
    ...report,
  },
});
const reached = (found: Device | undefined): string[] =>
  Object.entries(stagesOf(found, truth, 'berlin-id', since)).flatMap(([stage, value]) =>
    value === true ? [stage] : [],
  );

describe('stagesOf', () => {
  test('a verified report of this run has passed every stage', () => {
    expect(reached(device({}))).toEqual(['routed', 'uploaded', 'completed', 'verified']);
  });

  test('a verified report of an earlier run counts for its route only', () => {
    expect(reached(device({ reportedAt: before }))).toEqual(['routed']);
  });

  test('a route to another instance or computer counts for nothing', () => {
    expect(reached(device({}, { instanceId: 'paris-id' }))).toEqual([]);
    expect(reached(device({}, { jamfComputerId: '2' }))).toEqual([]);
    expect(reached(undefined)).toEqual([]);
  });

  test('a completed report that Entra does not show is not verified', () => {
    expect(reached(device({ state: 'completed' }))).toEqual(['routed', 'uploaded', 'completed']);
    expect(reached(device({ state: 'sent' }))).toEqual(['routed', 'uploaded']);
    expect(reached(device({ state: 'held', sentAt: before }))).toEqual(['routed']);
  });
});
