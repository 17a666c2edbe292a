import { afterAll, beforeAll, expect, test } from 'vitest';
import {
  connectorId,
  redirectUri,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world.close());

interface Landing {
  readonly status: number;
  readonly query: Record<string, string>;
  readonly page: string;
}

async function consent(path: string, changes: Record<string, string> = {}): Promise<Landing> {
  const query = new URLSearchParams({
    client_id: connectorId,
    redirect_uri: redirectUri,
    scope: world.graphScope,
    state: 'one-time',
    ...changes,
  });
  const answer = await world.request(`${world.cloud.origins.entra}${path}?${query}`);
  const location = answer.headers.get('location');
  return {
    status: answer.status,
    query: location === null ? {} : Object.fromEntries(new URL(location).searchParams),
    page: await answer.text(),
  };
}

const v2 = `/${tenantId}/v2.0/adminconsent`;
const settings = (change: unknown): Promise<unknown> =>
  world.control('PATCH', `/tenants/${tenantId}/consent`, change);

test('approval redirects back and grants after the delay', async () => {
  const path = `/tenants/${tenantId}/service-principals/${connectorId}`;
  const before = world.tenant.servicePrincipals.get(connectorId)?.objectId;
  await world.control('DELETE', path);
  await settings({ delayMs: 120_000 });
  const landed = await consent(v2);
  expect(landed.status).toBe(302);
  expect(landed.query).toEqual({
    admin_consent: 'True',
    tenant: tenantId,
    state: 'one-time',
    scope: world.graphScope,
  });
  const principal = world.tenant.servicePrincipals.get(connectorId);
  expect(principal?.objectId).not.toBe(before);
  expect(principal?.appRoles).toHaveLength(3);
  expect(principal?.appRoles[0]?.effectiveAt).toBeGreaterThan(world.clock.now() + 100_000);
  await settings({ delayMs: 0 });
});

test('an unknown client or redirect address gets a page, never a redirect', async () => {
  const unknownClient = await consent(v2, { client_id: tenantId });
  expect(unknownClient.status).toBe(400);
  expect(unknownClient.page).toContain('AADSTS700016');
  const unknownAddress = await consent(v2, { redirect_uri: `${redirectUri}/` });
  expect(unknownAddress.status).toBe(400);
  expect(unknownAddress.page).toContain('AADSTS50011');
});

test('declined, lost state, tampered tenant', async () => {
  await settings({ appId: connectorId, behaviour: 'decline' });
  expect((await consent(v2)).query).toMatchObject({ error: 'consent_required', state: 'one-time' });
  const v1 = await consent(`/${tenantId}/adminconsent`);
  expect(v1.query.error).toBe('permission_denied');
  expect(v1.query.error_description).toContain('AADSTS65004');
  await settings({ appId: connectorId, behaviour: 'lose-state' });
  expect((await consent(v2)).query).not.toHaveProperty('state');
  await settings({ appId: connectorId, behaviour: 'tamper-tenant', tamperedTenantId: connectorId });
  expect((await consent(v2)).query.tenant).toBe(connectorId);
  await settings({ appId: connectorId, behaviour: 'approve' });
});

test('the shared address needs someone signed in', async () => {
  expect((await consent('/organizations/v2.0/adminconsent')).status).toBe(400);
  await world.control('PATCH', '/clouds/public', { signedInTenantId: tenantId });
  expect((await consent('/organizations/v2.0/adminconsent')).query.tenant).toBe(tenantId);
  expect((await consent('/common/adminconsent')).query.tenant).toBe(tenantId);
  expect((await consent('/common/v2.0/adminconsent')).status).toBe(400);
});

test('a tenant without Intune cannot consent to its permissions', async () => {
  await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: false });
  expect((await consent(v2)).query.error_description).toContain('AADSTS650052');
  await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: true });
});
