import { describe, expect, it } from 'vitest';
import { compareAnswers } from './compare.ts';

const deviceId = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const record = (complianceState: string, more: object = {}) => ({
  deviceId: '1',
  applicable: true,
  complianceState,
  complianceVendor: 'Microsoft Intune',
  complianceVendorDeviceInformation: [{ deviceIds: [deviceId] }],
  ...more,
});
const answer = (body: unknown, status = 200) => ({ status, text: JSON.stringify(body) });
const compliance = (old: ReturnType<typeof answer>, now: ReturnType<typeof answer>) =>
  compareAnswers('compliance', deviceId, old, { ok: true, ...now });

describe('comparing compliance', () => {
  it('is alike whatever the computer id and the form of the device ids', () => {
    const other = record('COMPLIANT', {
      deviceId: '99',
      complianceVendorDeviceInformation: { deviceIds: [deviceId.toUpperCase()] },
    });
    expect(compliance(answer([record('COMPLIANT')]), answer([other]))).toBe('alike');
  });

  it.each([
    ['not-compliant', [record('NON_COMPLIANT')]],
    ['unknown', [record('UNKNOWN')]],
    ['not-applicable', [record('COMPLIANT', { applicable: false })]],
    ['no-vendor', []],
  ])('differs in the verdict: %s', (verdict, now) => {
    expect(compliance(answer([record('COMPLIANT')]), answer(now))).toEqual({
      kind: 'verdict',
      example: `compliant at the old instance, ${verdict} at the new one`,
    });
  });

  it('says nothing while the old instance is computing', () => {
    expect(compliance(answer([record('UNKNOWN')]), answer([record('COMPLIANT')]))).toBe('undecided');
  });

  it.each([
    ['not-found', 200, 404],
    ['status', 200, 500],
    ['status', 404, 200],
  ])('%s: %i against %i', (kind, old, now) => {
    const body = [record('COMPLIANT')];
    expect(compliance(answer(body, old), answer(body, now))).toMatchObject({ kind });
  });

  it('two errors say nothing', () => {
    expect(compliance(answer({}, 404), answer({}, 500))).toBe('undecided');
  });

  it('reports an instance that cannot be reached', () => {
    const now = { ok: false, problem: 'instance-timeout' } as const;
    expect(compareAnswers('compliance', deviceId, answer([record('COMPLIANT')]), now)).toEqual({
      kind: 'unreachable',
      example: 'the new instance gave instance-timeout',
    });
  });
});

describe('comparing inventory', () => {
  const inventory = (more: object = {}) => ({
    id: '1',
    udid: 'AAAA-1',
    general: { name: 'a Mac', lastEnrolledDate: '2026-01-01T00:00:00Z' },
    hardware: { serialNumber: 'C02X' },
    localUserAccounts: [{ computerAzureActiveDirectoryId: deviceId }],
    ...more,
  });
  const compare = (now: unknown) =>
    compareAnswers('inventory', deviceId, answer(inventory()), { ok: true, ...answer(now) });

  it('is alike for one Mac in two instances', () => {
    const now = { id: '77', udid: 'aaaa-1', general: { lastEnrolledDate: '2026-05-01T00:00:00Z' } };
    expect(compare(inventory(now))).toBe('alike');
  });

  it('names what is another Mac or another registration', () => {
    const now = inventory({ hardware: { serialNumber: 'C02Y' }, localUserAccounts: [] });
    expect(compare(now)).toEqual({
      kind: 'body',
      example: "differs at the new instance: serialNumber, the device's Entra registration",
    });
    expect(compare([])).toMatchObject({ kind: 'body' });
  });
});
