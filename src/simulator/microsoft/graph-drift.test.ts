import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createTestCalls, type TestCalls } from '../../../test/harness/microsoft-calls.ts';
import {
  connectorId,
  diagnosticId,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';
import { graphAppId, graphRole } from './applications.ts';

let world: TestWorld;
let calls: TestCalls;
beforeAll(async () => {
  world = await startTestWorld();
  calls = createTestCalls(world);
});
afterAll(() => world.close());

const path = `/tenants/${tenantId}/service-principals/${connectorId}`;
const principal = `servicePrincipals(appId='${connectorId}')`;

interface Item {
  readonly appRoleId: string;
  readonly principalId: string;
  readonly consentType: string;
  readonly scope: string;
}

const listed = async (relation: string): Promise<Item[]> =>
  (await calls.graph(`${principal}/${relation}`)).body.value;

describe('drift', () => {
  test('a missing and an extra role', async () => {
    const extra = graphRole('User.Read.All');
    await world.control('DELETE', `${path}/roles/manage_partner_compliance_policy`);
    await world.control('POST', `${path}/roles`, extra);
    const ids = (await listed('appRoleAssignments')).map(({ appRoleId }) => appRoleId);
    expect(ids).toHaveLength(3);
    expect(ids).toContain(extra.roleId);
    await world.control('DELETE', `${path}/roles/User.Read.All`);
  });

  test('consent of one user only, another scope, none at all', async () => {
    await world.control('PATCH', path, { consentType: 'Principal' });
    const [one] = await listed('oauth2PermissionGrants');
    expect(one).toMatchObject({ consentType: 'Principal', principalId: expect.any(String) });
    const grants = [{ resourceAppId: graphAppId, scope: 'User.Read Mail.Read' }];
    expect((await world.control('PUT', `${path}/delegated-grants`, { grants })).status).toBe(200);
    expect(await listed('oauth2PermissionGrants')).toMatchObject([
      { consentType: 'AllPrincipals', scope: 'User.Read Mail.Read' },
    ]);
    await world.control('PUT', `${path}/delegated-grants`, { grants: [] });
    expect(await listed('oauth2PermissionGrants')).toEqual([]);
  });

  test('re-created: the same roles under a new object id', async () => {
    const before = await listed('appRoleAssignments');
    await world.control('POST', `${path}/recreate`);
    const after = await listed('appRoleAssignments');
    expect(after.map(({ appRoleId }) => appRoleId)).toEqual(before.map(({ appRoleId }) => appRoleId));
    expect(after[0]?.principalId).not.toBe(before[0]?.principalId);
  });

  test('disabled, and by whom', async () => {
    const disabledByMicrosoftStatus = 'DisabledDueToViolationOfServicesAgreement';
    const token = await world.token(world.graphScope);
    await world.control('PATCH', path, { accountEnabled: false, disabledByMicrosoftStatus });
    expect((await calls.graph(principal, { token })).body).toMatchObject({
      accountEnabled: false,
      disabledByMicrosoftStatus,
    });
    await world.control('PATCH', path, { accountEnabled: true, disabledByMicrosoftStatus: null });
  });

  test('pages', async () => {
    await calls.switched('discovery', { pageSize: 1 });
    const first = await calls.graph(`${principal}/appRoleAssignments`);
    expect(first.body.value).toHaveLength(1);
    const second = await calls.graph(first.body['@odata.nextLink']);
    expect(second.body.value).toHaveLength(1);
    expect(second.body).not.toHaveProperty('@odata.nextLink');
    await calls.switched('discovery', { pageSize: null });
  });
});

test("Graph's own delay: 403 with a token that has the role, nothing listed, then both", async () => {
  await world.control('DELETE', path);
  await world.control('PUT', path, { delayMs: 0, graphDelayMs: 90_000 });
  const token = await world.token(world.graphScope);
  expect((await calls.graph(principal, { token })).status).toBe(403);
  world.clock.advance(91_000);
  expect((await calls.graph(principal, { token })).status).toBe(200);
  expect(await listed('appRoleAssignments')).toHaveLength(3);
});

describe('trouble', () => {
  test('fresh tokens are unknown to Graph at first', async () => {
    await calls.switched('graph', { freshToken401: { share: 1, times: 2 } });
    const token = await world.token(world.graphScope);
    const again = (): Promise<{ status: number; body: unknown }> => calls.graph(principal, { token });
    expect(await again()).toMatchObject({
      status: 401,
      body: { error: { code: 'Authentication_MissingOrMalformed' } },
    });
    expect((await again()).status).toBe(401);
    expect((await again()).status).toBe(200);
    const older = await world.token(world.graphScope);
    world.clock.advance(61_000);
    expect((await calls.graph(principal, { token: older })).status).toBe(200);
    await calls.switched('graph', { freshToken401: null });
  });

  test('429 with and without Retry-After, by quota and by fault', async () => {
    const quotas = { identityUnits: 5, partnerRequests: 1, partnerWrites: 1 };
    await calls.switched('graph', { quotas });
    // Two units a call.
    const token = await world.token(world.graphScope);
    const costly = (): Promise<{ status: number; headers: Readonly<Record<string, string>> }> =>
      calls.graph(`${principal}/appRoleAssignments`, { token });
    expect((await costly()).headers).toMatchObject({ 'x-ms-resource-unit': '2' });
    expect((await costly()).headers).toMatchObject({ 'x-ms-throttle-limit-percentage': '0.80' });
    const refused = await costly();
    expect(refused.status).toBe(429);
    expect(Number(refused.headers['retry-after'])).toBeGreaterThan(0);
    await calls.switched('graph', { retryAfter: 'omit' });
    expect((await costly()).headers).not.toHaveProperty('retry-after');
    world.clock.advance(10_001);
    expect((await costly()).status).toBe(200);
    const partners = 'deviceManagement/deviceManagementPartners';
    expect((await calls.graph(partners, { clientId: diagnosticId })).status).toBe(200);
    expect((await calls.graph(partners, { clientId: diagnosticId })).status).toBe(429);
    await calls.switched('graph', { quotas: 'documented', retryAfter: 'send' });
    expect((await calls.graph(partners, { clientId: diagnosticId })).status).toBe(200);
    await calls.switched('graph', { quotas: 'off' });
    world.faults.add({ service: 'graph', status: 429, times: 1, body: '{}' });
    const faulty = await calls.graph(principal);
    expect([faulty.status, faulty.headers['retry-after']]).toEqual([429, undefined]);
  });

  test('a wrong method is 405', async () => {
    expect((await calls.graph(principal, { method: 'DELETE' })).status).toBe(405);
  });
});
