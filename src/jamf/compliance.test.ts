import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { type ComplianceRecord, parseComplianceInformation, verdictFor } from './compliance.ts';

const deviceA = 'a3f1d2c4-0b5e-4f6a-8c7d-9e0f1a2b3c4d';
const deviceB = 'b3f1d2c4-0b5e-4f6a-8c7d-9e0f1a2b3c4d';

function record(members: Partial<ComplianceRecord> = {}): ComplianceRecord {
  return {
    jamfComputerId: '17',
    applicable: true,
    state: 'COMPLIANT',
    vendor: 'Some Vendor',
    deviceIds: [],
    ...members,
  };
}

describe('the answer of an instance', () => {
  test('device information is an object, a list or absent', () => {
    const base = {
      deviceId: '17',
      applicable: true,
      complianceState: 'COMPLIANT',
      complianceVendor: 'Intune',
    };
    const ids = { deviceIds: [deviceA.toUpperCase(), deviceA, 'not-a-guid', null] };
    const forms = [ids, [ids], [{ deviceIds: [deviceA] }, { deviceIds: null }, 'x'], undefined, null, [], {}];
    const results = forms.map((information) =>
      parseComplianceInformation([{ ...base, complianceVendorDeviceInformation: information }]),
    );
    const found = results.map((result) => (result.ok ? result.records[0]?.deviceIds : result.errors));
    expect(found).toEqual([[deviceA], [deviceA], [deviceA], [], [], [], []]);
  });

  test('without vendors it is an empty list', () => {
    expect(parseComplianceInformation([])).toEqual({ ok: true, records: [], warnings: [] });
  });

  test('a state that is absent or not known counts as not computed', () => {
    for (const complianceState of [undefined, null, 'PENDING', 'UNKNOWN']) {
      const result = parseComplianceInformation([{ applicable: true, complianceState }]);
      expect(result.ok && result.records[0]?.state).toBe('UNKNOWN');
    }
  });

  test('wrong types are named and count as not yet computed', () => {
    expect(parseComplianceInformation({})).toMatchObject({ ok: false, errors: [{ code: 'MALFORMED' }] });
    const odd = [
      null,
      { applicable: 'x', complianceState: 'COMPLIANT' },
      { complianceState: 5, applicable: true },
    ];
    const read = parseComplianceInformation(odd);
    expect(read).toMatchObject({
      ok: true,
      warnings: [
        { field: 'compliance[0]' },
        { field: 'compliance[1].applicable' },
        { field: 'compliance[2].complianceState' },
      ],
    });
    for (const item of odd) {
      const one = parseComplianceInformation([item]);
      expect(one.ok && verdictFor(one.records).verdict).toBe('unknown');
    }
  });

  test('an unreadable record makes no other vendor the only one', () => {
    const other = { applicable: true, complianceState: 'COMPLIANT', complianceVendor: 'Other' };
    const read = parseComplianceInformation([other, 5]);
    expect(read.ok && verdictFor(read.records).verdict).toBe('no-vendor');
  });

  test('a single record may stand without a list, and a single device id', () => {
    const information = { deviceIds: 'A3F1D2C4-0B5E-4F6A-8C7D-9E0F1A2B3C4D' };
    const record = {
      applicable: 'true',
      complianceState: 'COMPLIANT',
      complianceVendorDeviceInformation: information,
    };
    const read = parseComplianceInformation(record);
    expect(read.ok && read.records[0]?.deviceIds).toEqual(['a3f1d2c4-0b5e-4f6a-8c7d-9e0f1a2b3c4d']);
  });

  test('never throws', () => {
    const item = fc.record(
      {
        applicable: fc.jsonValue(),
        complianceState: fc.jsonValue(),
        complianceVendorDeviceInformation: fc.oneof(
          fc.jsonValue(),
          fc.array(fc.record({ deviceIds: fc.jsonValue() })),
        ),
      },
      { requiredKeys: [] },
    );
    fc.assert(
      fc.property(fc.oneof(fc.anything(), fc.array(item)), (body) => {
        const result = parseComplianceInformation(body);
        if (result.ok) verdictFor(result.records, deviceA);
      }),
    );
  });
});

describe('the verdict', () => {
  test.each([
    [{}, 'compliant'],
    [{ state: 'NON_COMPLIANT' }, 'not-compliant'],
    [{ state: 'UNKNOWN' }, 'unknown'],
    [{ applicable: false }, 'not-applicable'],
    [{ applicable: false, state: 'UNKNOWN' }, 'not-applicable'],
    [{ applicable: undefined }, 'unknown'],
  ] as const)('of the only vendor: %j is %s', (members, verdict) => {
    expect(verdictFor([record(members)]).verdict).toBe(verdict);
  });

  test('is of the vendor that names the device, else Microsoft, else nobody', () => {
    const google = record({ vendor: 'Google BeyondCorp', state: 'NON_COMPLIANT' });
    const microsoft = record({ vendor: 'microsoft intune', deviceIds: [deviceA] });
    const named = record({ vendor: 'Vendor 3', state: 'UNKNOWN', deviceIds: [deviceB] });
    expect(verdictFor([google, microsoft, named], deviceB.toUpperCase()).verdict).toBe('unknown');
    expect(verdictFor([google, microsoft, named]).verdict).toBe('compliant');
    expect(verdictFor([google, microsoft])).toEqual({ verdict: 'compliant', deviceIds: [deviceA] });
    expect(verdictFor([google, record({ vendor: undefined })], deviceA).verdict).toBe('no-vendor');
    expect(verdictFor([])).toEqual({ verdict: 'no-vendor', deviceIds: [] });
  });
});
