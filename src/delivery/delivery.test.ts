import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { classifyRefusal } from './reports/refusals.ts';
import { type ReportContent, tellable, verdictFromGroups } from './reports/report.ts';
import { isSampled } from './reports/upload-status.ts';
import { backoffSeconds } from './stage/backoff.ts';

const content: ReportContent = {
  userId: 'u',
  deviceName: 'd',
  osVersion: '15',
  lastCheckInAt: null,
  reportedAt: null,
  managed: true,
  inventoryState: 0,
  verdict: 'compliant',
};

describe('what may be told', () => {
  it.each([
    [{}, false, { tell: true, compliant: true }],
    [{ verdict: 'not-compliant' as const }, false, { tell: true, compliant: false }],
    [{ managed: false }, false, { tell: true, compliant: false }],
    [{ verdict: 'unknown' as const }, true, { tell: false, reason: 'verdict-unknown' }],
    [{ verdict: 'not-applicable' as const }, false, { tell: false, reason: 'not-applicable' }],
    [{ verdict: 'not-applicable' as const }, true, { tell: true, compliant: false }],
    [{ verdict: 'no-vendor' as const }, true, { tell: false, reason: 'no-compliance-vendor' }],
    [{ userId: null }, true, { tell: false, reason: 'user-unknown' }],
  ])('%j, told before: %s', (change, reportedBefore, expected) => {
    expect(tellable({ ...content, ...change }, reportedBefore, 'device-compliance')).toMatchObject(expected);
  });
});

describe('the verdict of smart groups', () => {
  const source = { source: 'smart-group' as const, applicableGroup: 'Applicable', complianceGroup: '7' };
  const groups = (...names: string[]) =>
    names.map((name, index) => ({ groupId: name === 'Compliance' ? '7' : String(index), name }));
  it.each([
    [undefined, 'unknown'],
    [groups(), 'not-applicable'],
    [groups('Applicable'), 'not-compliant'],
    [groups('Applicable', 'Compliance'), 'compliant'],
  ] as const)('%j is %s', (memberships, expected) => {
    expect(verdictFromGroups(source, memberships)).toBe(expected);
  });
});

describe('refusals', () => {
  it.each([
    ['403', 'Tenant x is not provisioned for this partner.', 'hold-tenant'],
    ['404', 'Device not found', 'failed'],
    ['500', 'oops', 'retry'],
    ['', 'User is not in the assigned group', 'failed'],
    ['999', 'whatever', 'failed'],
  ])('%s %s is %s', (code, detail, disposition) => {
    expect(classifyRefusal(code, detail).disposition).toBe(disposition);
  });
});

describe('back-off', () => {
  it('stays between base and maximum, and grows at most threefold', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 1, max: 1_000 }),
        fc.double({ min: 0, max: 0.999_999, noNaN: true }),
        (attempts, random) => {
          const seconds = backoffSeconds(attempts, { baseSeconds: 2, maxSeconds: 300 }, () => random);
          expect(seconds).toBeGreaterThanOrEqual(2);
          expect(seconds).toBeLessThanOrEqual(Math.min(300, 2 * 3 ** Math.min(attempts - 1, 12)));
        },
      ),
    );
  });
});

describe('sampling', () => {
  it('takes about its share, and the same for everybody', () => {
    const ids = Array.from({ length: 4_000 }, () => crypto.randomUUID());
    const share = ids.filter((id) => isSampled(id, 0.25)).length / ids.length;
    expect(share).toBeGreaterThan(0.2);
    expect(share).toBeLessThan(0.3);
    expect(ids.every((id) => isSampled(id, 1))).toBe(true);
    expect(ids.some((id) => isSampled(id, 0))).toBe(false);
  });
});
