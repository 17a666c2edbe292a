import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  createTestCalls,
  entity,
  inventory,
  type TestCalls,
  verdict,
} from '../../../test/harness/microsoft-calls.ts';
import {
  deviceId,
  startTestWorld,
  type TestWorld,
  tenantId,
  userId,
} from '../../../test/harness/simulated-microsoft.ts';

const other = '33333333-3333-4333-8333-3333333333ab';

let world: TestWorld;
let calls: TestCalls;
beforeAll(async () => {
  world = await startTestWorld();
  calls = createTestCalls(world);
  const facts = { objectId: randomUUID(), displayName: 'Another Mac', operatingSystemVersion: '15.1' };
  world.directory.registerDevice(tenantId, { ...facts, deviceId: other, registeredUserId: userId });
  await calls.provision(1);
});
afterAll(() => world.close());
beforeEach(() => calls.switched('intune', { poison: [] }));

const ledger = () => world.cloud.intune.tenant(tenantId).ledger;
let day = 0;
/** A new time for every upload. */
const later = (): string => {
  day += 1;
  return `2026-04-${String(day).padStart(2, '0')}T00:00:00Z`;
};

describe('poison', () => {
  const refusals = [
    { refusal: 'http-400', status: 400, body: { 'odata.error': { code: 'BadRequest' } } },
    { refusal: 'http-500', status: 500, body: { 'odata.error': { code: 'InternalServerError' } } },
    { refusal: 'in-body', status: 200, body: { ErrorCode: 400 } },
  ];
  test.each(refusals)('refuses every message with the device by $refusal, and no other', async (wanted) => {
    const { body, refusal, status } = wanted;
    // Compared without case, as ids are everywhere else.
    await calls.switched('intune', { poison: [{ deviceId: deviceId.toUpperCase(), refusal }] });
    const healthy = { ...verdict(later(), 'compliant'), DeviceId: other };
    const refused = await calls.upload([healthy, verdict(later(), 'compliant')]);
    expect(refused).toMatchObject({ status, body });
    expect(JSON.stringify(refused.body)).not.toContain(deviceId);
    expect((await calls.upload([healthy])).body.ErrorCode).toBe(202);
    await calls.switched('intune', { poison: [] });
    expect((await calls.upload([verdict(later(), 'compliant')])).body.ErrorCode).toBe(202);
  });

  test('400 for a way of refusing that there is not', async () => {
    const change = { poison: [{ deviceId, refusal: 'politely' }] };
    const answer = await world.control('PATCH', `/tenants/${tenantId}/intune`, change);
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'poison.0.refusal' }] } });
  });
});

describe('ledger', () => {
  test('keeps what each taken message said of each device', async () => {
    const at = later();
    const before = ledger().taken.length;
    await calls.upload([
      inventory(at, { OsVersion: '15.7' }),
      verdict(at, 'notCompliant'),
      entity(4, at, { DeviceId: other, complianceStatus: 'compliant' }),
    ]);
    expect(ledger().taken.slice(before)).toMatchObject([
      { deviceId, again: false, lastUpdateTime: at, osVersion: '15.7', complianceStatus: 'notCompliant' },
      { deviceId: other, osVersion: null, complianceStatus: 'compliant', deviceManagementState: null },
    ]);
    expect(ledger().ofDevice(other.toUpperCase()).at(-1)).toMatchObject({ deviceId: other });
  });

  test('tells a message that came again from a new one', async () => {
    const messageId = randomUUID();
    const path = `DeviceDataSyncService/DataUploadMessages(guid'${messageId}')?api-version=1.2`;
    const Content = JSON.stringify([verdict(later(), 'compliant')]);
    const body = { TenantId: tenantId, UploadTime: new Date().toISOString(), Content };
    for (const again of [false, true]) {
      expect((await calls.intune('PUT', path, body)).status).toBe(200);
      expect(ledger().taken.at(-1)).toMatchObject({ messageId, again });
    }
  });

  test('knows when a request came, whatever delayed it', async () => {
    world.faults.add({ service: 'intune', method: 'PUT', delayMs: 300, times: 1 });
    await calls.upload([verdict(later(), 'compliant')]);
    const { arrivedAt, takenAt } = ledger().taken.at(-1) ?? { arrivedAt: 0, takenAt: 0 };
    expect(takenAt - arrivedAt).toBeGreaterThanOrEqual(290);
  });

  test('keeps refusals apart, and the control API shows both', async () => {
    await calls.switched('intune', { poison: [{ deviceId, refusal: 'in-body' }] });
    const { body } = await calls.upload([verdict(later(), 'compliant')]);
    expect(ledger().refused.at(-1)).toMatchObject({ messageId: body.MessageId });
    const shown = await world.control('GET', `/tenants/${tenantId}/uploads?deviceId=${other}`);
    const { refused, taken } = shown.body as { taken: { deviceId: string }[]; refused: unknown[] };
    expect(new Set(taken.map((one) => one.deviceId))).toEqual(new Set([other]));
    expect(refused.at(-1)).toMatchObject({ messageId: body.MessageId });
  });
});
