import { describe, expect, test } from 'vitest';
import { compareAnswers } from './demo-callback.ts';

const truth = {
  tenantId: '11111111-1111-4111-8111-111111111111',
  deviceId: '22222222-2222-4222-8222-222222222222',
  instance: 'berlin',
  jamfComputerId: 1,
  serialNumber: 'C02',
  udid: 'ABC',
  compliant: true,
};
const inventory = { id: '1', udid: 'ABC', hardware: { serialNumber: 'C02' } };
const compliance = [{ deviceId: '1', complianceVendorDeviceInformation: [{ deviceIds: [truth.deviceId] }] }];

describe('compareAnswers', () => {
  test('finds nothing wrong with the answers of the right instance', () => {
    expect(compareAnswers(truth, inventory, compliance)).toEqual([]);
  });

  test('is not deceived by another instance that has the same computer id', () => {
    const other = { id: '1', udid: 'DEF', hardware: { serialNumber: 'C03' } };
    expect(compareAnswers(truth, other, compliance)).toEqual(['serial number', 'udid']);
    const stranger = [{ deviceId: '1', complianceVendorDeviceInformation: [{ deviceIds: ['another'] }] }];
    expect(compareAnswers(truth, inventory, stranger)).toEqual(['device id']);
  });

  test('takes an empty compliance answer for a wrong one', () => {
    expect(compareAnswers(truth, inventory, [])).toEqual(['compliance id', 'device id']);
  });
});
