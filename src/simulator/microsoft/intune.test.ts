import { randomUUID } from 'node:crypto';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  deviceId,
  startTestWorld,
  type TestWorld,
  tenantId,
  userId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
let token: string;
beforeAll(async () => {
  world = await startTestWorld();
  token = await world.token(world.intuneScope);
});
afterAll(() => world.close());

interface Answer {
  readonly status: number;
  readonly location: string | null;
  readonly body: Record<string, unknown> | undefined;
}

async function call(method: string, path: string, body?: unknown, bearer = token): Promise<Answer> {
  const { intunePort } = world.cloud.cloudsFileEntry();
  const answer = await world.request(`https://127.0.0.1:${intunePort}/StatelessPartner${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body !== undefined && { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return {
    status: answer.status,
    location: answer.headers.get('location'),
    body: text === '' ? undefined : (JSON.parse(text) as Record<string, unknown>),
  };
}

const provision = (provisioned: number, changes: Record<string, unknown> = {}): Promise<Answer> =>
  call('PUT', `TenantDataSyncService/PartnerTenants(guid'${tenantId}')?api-version=1.6`, {
    Provisioned: provisioned,
    PartnerEnrollmentUrl: 'https://gateway.example/enroll',
    PartnerRemediationUrl: 'https://gateway.example/remediate',
    ...changes,
  });

const messages = (messageId: string, version = '1.2'): string =>
  `DeviceDataSyncService/DataUploadMessages(guid'${messageId}')?api-version=${version}`;

const entity = (type: number, at: string, members: Record<string, unknown>): Record<string, unknown> => ({
  EntityType: type,
  TenantId: tenantId,
  DeviceId: deviceId,
  UserId: userId,
  LastUpdateTime: at,
  ...members,
});

async function upload(
  entities: unknown,
  options: { messageId?: string; version?: string; raw?: boolean } = {},
): Promise<Answer & { messageId: string }> {
  const messageId = options.messageId ?? randomUUID();
  const answer = await call('PUT', messages(messageId, options.version), {
    TenantId: tenantId,
    UploadTime: new Date().toISOString(),
    Content: options.raw ? entities : JSON.stringify(entities),
  });
  return { ...answer, messageId };
}

/** Uploads, lets the delays pass and gives the message's final status. */
async function deliver(entities: unknown, messageId?: string): Promise<Answer> {
  const sent = await upload(entities, messageId === undefined ? {} : { messageId });
  world.clock.advance(1000);
  world.cloud.settle();
  world.clock.advance(1000);
  return call('GET', messages(sent.messageId));
}

const switched = (change: unknown): Promise<unknown> =>
  world.control('PATCH', `/tenants/${tenantId}/intune`, change);
const device = (): unknown => world.tenant.devices.get(deviceId)?.isCompliant;
const counters = (): Readonly<Record<string, unknown>> => ({
  ...world.cloud.intune.tenant(tenantId).counters,
});

describe('access', () => {
  test('a single-slash token is refused', async () => {
    const single = await world.token(world.intuneScope.replace('//.default', '/.default'));
    const path = `TenantDataSyncService/PartnerTenants(guid'${tenantId}')?api-version=1.6`;
    expect((await call('PUT', path, {}, single)).status).toBe(401);
    expect((await call('PUT', path, {})).status).toBe(400);
  });

  test('unknown api-version 400, unknown path 404, key of another tenant 403, unknown message 404', async () => {
    const tenants = 'TenantDataSyncService/PartnerTenants';
    expect((await call('PUT', `${tenants}(guid'${tenantId}')?api-version=1.5`, {})).status).toBe(400);
    expect((await call('PUT', `${tenants}(guid'${tenantId}')`, {})).status).toBe(400);
    expect((await call('PUT', `${tenants}('${tenantId}')?api-version=1.6`, {})).status).toBe(404);
    expect((await call('PUT', `${tenants}(guid'${userId}')?api-version=1.6`, {})).status).toBe(403);
    expect((await call('GET', messages(randomUUID()))).status).toBe(404);
  });

  test('a token without update_device_attributes is 403', async () => {
    const principal = world.tenant.servicePrincipals.values().next().value;
    const roles = principal?.appRoles.splice(0) ?? [];
    const bare = await world.token(world.intuneScope);
    principal?.appRoles.push(...roles);
    expect((await call('GET', messages(randomUUID()), undefined, bare)).status).toBe(403);
  });
});

describe('connection', () => {
  test('before provisioning an upload is refused inside HTTP 200', async () => {
    const answer = await upload([entity(4, '2026-01-01T00:00:00Z', { complianceStatus: 'compliant' })]);
    expect(answer.status).toBe(200);
    expect(answer.body?.ErrorCode).toBe(403);
    expect(answer.body?.ErrorDetail).toContain(tenantId);
    expect((await call('GET', messages(answer.messageId))).status).toBe(404);
  });

  test('provisioning, its validation and a refusal in the body', async () => {
    expect((await provision(3)).status).toBe(400);
    expect((await provision(1, { PartnerEnrollmentUrl: 'http://gateway.example' })).status).toBe(400);
    await switched({ partnerTenantsRefusal: { httpStatusCode: 409, errorDetail: 'busy' } });
    const refused = await provision(1);
    expect([refused.status, refused.body?.HttpStatusCode, refused.body?.ErrorDetail]).toEqual([
      200,
      409,
      'busy',
    ]);
    await switched({ partnerTenantsRefusal: null });
    expect((await provision(1)).body).toMatchObject({
      Key: tenantId,
      ContextId: tenantId,
      Provisioned: 1,
      HttpStatusCode: 200,
      ErrorDetail: null,
    });
  });

  test('heartbeat keeps the partner enabled; silence makes it unresponsive', async () => {
    const resyncTimestamp = '2026-02-02T00:00:00Z';
    await switched({ resyncTimestamp });
    const path = `TenantDataSyncService/PartnerTenantHeartbeat(guid'${tenantId}')?api-version=1.6`;
    const beat = await call('PUT', path, { Timestamp: new Date().toISOString() });
    expect(beat.body).toMatchObject({ HttpStatusCode: 200, ResyncTimestamp: resyncTimestamp });
    await switched({ resyncTimestamp: null });
    const state = async (): Promise<unknown> =>
      (await world.control('GET', `/tenants/${tenantId}/partner`)).body;
    expect(await state()).toMatchObject({ partnerState: 'enabled' });
    world.clock.advance(25 * 3_600_000);
    expect(await state()).toMatchObject({ partnerState: 'unresponsive' });
    token = await world.token(world.intuneScope);
  });

  test('policies: created once, assigned with a stringified answer', async () => {
    const path = 'TenantDataSyncService/PartnerCompliancePolicies';
    const body = { DisplayName: 'Macs', Description: '', Platform: 'macOS', PartnerManagedCompliance: true };
    const made = await call('POST', `${path}?api-version=1.6`, body);
    expect(made.status).toBe(201);
    expect((await call('POST', `${path}?api-version=1.6`, body)).status).toBe(409);
    const groupId = randomUUID();
    await world.control('PUT', `/tenants/${tenantId}/groups/${groupId}`, {
      displayName: 'g',
      members: [userId],
    });
    const assign = `${path}(guid'${made.body?.Id}')/Assign?api-version=1.6`;
    const assigned = await call('POST', assign, { assignments: [groupId] });
    expect(JSON.parse(String(assigned.body?.value))).toMatchObject({ Assignments: [{ GroupId: groupId }] });
  });
});

describe('uploads', () => {
  const inventory = (at: string, members: Record<string, unknown> = {}): Record<string, unknown> =>
    entity(1, at, { DeviceManagementState: 'managed', DeviceName: 'Mac', EasIds: [], ...members });
  const verdict = (at: string, complianceStatus: unknown): Record<string, unknown> =>
    entity(4, at, { complianceStatus });
  afterEach(() =>
    switched({
      answerStyle: 'json',
      uploadErrorCode: null,
      errorDetailStyle: 'string',
      assignedGroupIds: [],
    }),
  );

  test('pending, then completed, then visible in Entra', async () => {
    const at = '2026-03-01T00:00:00.000Z';
    const sent = await upload([inventory(at), verdict(at, 'compliant')]);
    expect(sent.body).toMatchObject({ ErrorCode: 202, MessageId: sent.messageId, TenantId: tenantId });
    expect((await call('GET', messages(sent.messageId))).body?.Status).toBe('Pending');
    world.clock.advance(310);
    expect((await call('GET', messages(sent.messageId))).body?.Status).toBe('Completed');
    expect(device()).toBeNull();
    world.clock.advance(210);
    world.cloud.settle();
    expect(device()).toBe(true);
    const history = world.cloud.intune.device(tenantId, deviceId).history;
    expect(history).toMatchObject([
      { messageId: sent.messageId, entityTypes: [1, 4], complianceStatus: 'compliant', deviceName: 'Mac' },
    ]);
  });

  test('misspelt names and wrong values are accepted without effect', async () => {
    const before = counters().ineffectiveEntities as number;
    for (const members of [
      { ComplianceStatus: 'notCompliant' },
      { complianceState: 'notCompliant' },
      { complianceStatus: false },
      { complianceStatus: 'noncompliant' },
    ]) {
      const answer = await deliver([entity(4, '2026-03-02T00:00:00Z', members)]);
      expect(answer.body?.Status).toBe('Completed');
    }
    expect(device()).toBe(true);
    expect(counters().ineffectiveEntities).toBe(before + 4);
  });

  test('an older or equal LastUpdateTime is ignored, seven digits compared exactly', async () => {
    await deliver([verdict('2026-03-03T00:00:00.1234567Z', 'notCompliant')]);
    expect(device()).toBe(false);
    const before = counters().staleEntities as number;
    for (const at of [
      '2026-03-02T00:00:00Z',
      '2026-03-03T00:00:00.1234567Z',
      '2026-03-03T00:00:00.1234566Z',
    ]) {
      expect((await deliver([verdict(at, 'compliant')])).body?.Status).toBe('Completed');
    }
    expect(device()).toBe(false);
    expect(counters().staleEntities).toBe(before + 3);
    await deliver([verdict('2026-03-03T00:00:00.1234568Z', 'compliant')]);
    expect(device()).toBe(true);
  });

  test('the same id twice replaces and applies once', async () => {
    const messageId = randomUUID();
    const entities = [verdict('2026-03-04T00:00:00Z', 'notCompliant')];
    await upload(entities, { messageId });
    await deliver(entities, messageId);
    const { history } = world.cloud.intune.device(tenantId, deviceId);
    expect(history.filter((state) => state.messageId === messageId)).toHaveLength(1);
    expect(counters().replayed).toBe(1);
  });

  test('notManaged means not compliant', async () => {
    await deliver([
      inventory('2026-03-05T00:00:00Z', { DeviceManagementState: 'notManaged' }),
      verdict('2026-03-05T00:00:00Z', 'compliant'),
    ]);
    expect(world.tenant.devices.get(deviceId)).toMatchObject({ isCompliant: false, isManaged: false });
  });

  test('missing EasIds, unknown device and user, user outside the group: Failed', async () => {
    const at = '2026-03-06T00:00:00Z';
    const withoutEasIds = await deliver([inventory(at, { EasIds: undefined })]);
    expect(withoutEasIds.body).toMatchObject({ Status: 'Failed', ErrorDetail: 'EasIds is required.' });
    const stranger = randomUUID();
    expect((await deliver([{ ...verdict(at, 'compliant'), UserId: stranger }])).body?.Status).toBe('Failed');
    await switched({ errorDetailStyle: 'object' });
    const unknownDevice = await deliver([{ ...verdict(at, 'compliant'), DeviceId: stranger }]);
    expect(unknownDevice.body).toMatchObject({
      Status: 'Failed',
      ErrorDetail: { ErrorCode: 'DeviceNotFound', DeviceErrors: [{ DeviceId: stranger }] },
    });
    const { policies } = world.cloud.intune.tenant(tenantId);
    for (const policy of policies) policy.assignments = [stranger];
    expect((await deliver([verdict(at, 'compliant')])).body?.Status).toBe('Failed');
    for (const policy of policies) policy.assignments = [];
  });

  test('a device of another partner stays pending until it is released', async () => {
    const path = `/tenants/${tenantId}/devices/${deviceId}`;
    await world.control('PATCH', path, { boundToOtherPartner: true });
    const sent = await upload([verdict('2026-03-07T00:00:00Z', 'compliant')]);
    world.clock.advance(60_000);
    expect((await call('GET', messages(sent.messageId))).body?.Status).toBe('Pending');
    await world.control('PATCH', path, { boundToOtherPartner: false });
    expect((await call('GET', messages(sent.messageId))).body?.Status).toBe('Completed');
  });

  test('each api-version takes its own form of Content only', async () => {
    const entities = [verdict('2026-03-08T00:00:00Z', 'compliant')];
    expect((await upload(entities, { raw: true })).status).toBe(400);
    expect((await upload(entities, { version: '1.1' })).status).toBe(400);
    const legacy = await upload(entities, { version: '1.1', raw: true });
    expect([legacy.status, legacy.body?.ErrorCode]).toEqual([200, 0]);
  });

  test('answer styles and in-body codes', async () => {
    const entities = [verdict('2026-03-09T00:00:00Z', 'compliant')];
    await switched({ answerStyle: 'no-content' });
    const noContent = await upload(entities);
    expect(noContent.status).toBe(204);
    expect(noContent.location).toContain(`DataUploadMessages(guid'${noContent.messageId}')`);
    await switched({ answerStyle: 'empty' });
    const empty = await upload(entities);
    expect([empty.status, empty.body]).toEqual([200, undefined]);
    await switched({ answerStyle: 'json', uploadErrorCode: '202' });
    expect((await upload(entities)).body?.ErrorCode).toBe('202');
    await switched({ uploadErrorCode: 404 });
    const refused = await upload(entities);
    expect([refused.status, refused.body?.ErrorCode]).toEqual([200, 404]);
    expect((await call('GET', messages(refused.messageId))).status).toBe(404);
  });

  test('after the partner is deprovisioned uploads are refused', async () => {
    await provision(2);
    const answer = await upload([verdict('2026-03-10T00:00:00Z', 'compliant')]);
    expect(answer.body?.ErrorDetail).toContain('not provisioned');
  });

  test('the control API shows devices and uploads', async () => {
    const devices = (await world.control('GET', `/tenants/${tenantId}/devices`)).body;
    expect(devices).toMatchObject({ devices: [{ deviceId, history: expect.any(Array) }] });
    const uploads = (await world.control('GET', `/tenants/${tenantId}/uploads?deviceId=${deviceId}`)).body;
    expect(uploads).toMatchObject({ counters: { replayed: 1 }, uploads: expect.any(Array) });
  });
});
