import { describe, expect, test } from 'vitest';
import { defaultApiVersions, parseApiVersions } from './api-versions.ts';
import { type DeviceReport, deviceEntities, deviceEntitiesText, uploadBody, wireTime } from './entities.ts';

const report: DeviceReport = {
  tenantId: 't',
  deviceId: 'd',
  userId: 'u',
  lastUpdateTime: '2026-11-23T00:12:00Z',
  deviceName: 'Mac',
  os: 'macOS',
  osVersion: '26.1',
  lastCheckInTime: new Date('2026-11-22T10:00:00.000Z'),
  managementState: 'managed',
  inventoryState: 0,
  compliant: true,
};

describe('entities', () => {
  test('inventory and verdict', () => {
    expect(deviceEntities(report)).toEqual([
      {
        EntityType: 1,
        TenantId: 't',
        DeviceId: 'd',
        UserId: 'u',
        LastUpdateTime: '2026-11-23T00:12:00Z',
        DeviceManagementState: 'managed',
        DeviceName: 'Mac',
        Os: 'macOS',
        OsVersion: '26.1',
        LastCheckInTime: '2026-11-22T10:00:00Z',
        EasIds: [],
        State: 0,
      },
      {
        EntityType: 4,
        TenantId: 't',
        DeviceId: 'd',
        UserId: 'u',
        LastUpdateTime: '2026-11-23T00:12:00Z',
        complianceStatus: 'compliant',
      },
    ]);
  });

  test('the verdict is a string, and absent when there is none', () => {
    expect(deviceEntities({ ...report, compliant: false })[1]).toMatchObject({
      complianceStatus: 'notCompliant',
    });
    expect(deviceEntities({ ...report, compliant: undefined })).toHaveLength(1);
  });

  test('attributes never replace the identity, unknown members are left out', () => {
    const { deviceName: _deviceName, ...nameless } = report;
    const [inventory] = deviceEntities({
      ...nameless,
      attributes: { DeviceId: 'other', SerialNumber: 'C02' },
    });
    expect(inventory).toMatchObject({ DeviceId: 'd', SerialNumber: 'C02' });
    expect(inventory).not.toHaveProperty('DeviceName');
  });

  test('compliance inventory is an entity of its own, whose attributes never replace the identity', () => {
    const { inventoryState: _inventoryState, ...judged } = report;
    expect(
      deviceEntities({
        ...judged,
        compliant: undefined,
        attributes: { State: '1' },
        inventoryEntityType: 7,
        complianceInventory: { entityType: 2, attributes: { Encrypted: true, UserId: 'other' } },
      }),
    ).toEqual([
      expect.objectContaining({ EntityType: 7, State: '1' }),
      {
        EntityType: 2,
        TenantId: 't',
        DeviceId: 'd',
        UserId: 'u',
        LastUpdateTime: '2026-11-23T00:12:00Z',
        Encrypted: true,
      },
    ]);
  });

  test('the form of Content can be told', () => {
    const body = (apiVersion: string, contentForm: 'array' | 'string') =>
      uploadBody({ tenantId: 't', uploadTime: new Date(0), apiVersion, contentForm, entities: [] }).Content;
    expect([body('1.2', 'array'), body('1.1', 'string')]).toEqual([[], '[]']);
  });

  test('times have a fraction only when they need one', () => {
    expect(wireTime('2026-11-23T00:12:00.000Z')).toBe('2026-11-23T00:12:00Z');
    expect(wireTime('2026-11-23T01:12:00.5+01:00')).toBe('2026-11-23T00:12:00.500Z');
    expect(() => wireTime('never')).toThrow(RangeError);
  });

  test.each([
    ['1.0', false],
    ['1.1', false],
    ['1.2', true],
    ['1.10', true],
    ['2.0', true],
  ])('Content in %s is a string: %s', (apiVersion, isString) => {
    const body = uploadBody({
      tenantId: 't',
      uploadTime: new Date(0),
      apiVersion,
      entities: [deviceEntitiesText(report), deviceEntitiesText(report)],
    });
    expect(body).toMatchObject({ TenantId: 't', UploadTime: '1970-01-01T00:00:00Z' });
    expect(typeof body.Content === 'string').toBe(isString);
    const entities: unknown = typeof body.Content === 'string' ? JSON.parse(body.Content) : body.Content;
    expect(entities).toEqual([...deviceEntities(report), ...deviceEntities(report)]);
  });
});

describe('api versions', () => {
  test('unset is the defaults, given ones replace', () => {
    expect(parseApiVersions(undefined)).toEqual({ ok: true, versions: defaultApiVersions });
    expect(parseApiVersions('{"DataUploadMessages":"1.1"}')).toEqual({
      ok: true,
      versions: { ...defaultApiVersions, DataUploadMessages: '1.1' },
    });
  });

  test.each(['[]', 'x', '"1.6"', '{"Partners":"1.6"}', '{"PartnerTenants":1.6}', '{"toString":"1.6"}'])(
    'refuses %s',
    (text) => {
      expect(parseApiVersions(text).ok).toBe(false);
    },
  );

  test('names every fault', () => {
    const result = parseApiVersions('{"A":"1.6","PartnerTenants":"six"}');
    expect(result.ok ? [] : result.errors).toHaveLength(2);
  });
});
