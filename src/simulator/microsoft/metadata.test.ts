import { afterAll, beforeAll, expect, test } from 'vitest';
import { startTestWorld, type TestWorld, tenantId } from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world.close());

const get = async (path: string): Promise<Record<string, unknown>> =>
  (await (await world.request(`${world.cloud.origins.entra}${path}`)).json()) as Record<string, unknown>;

const keys = async (path: string): Promise<{ kid: string; issuer?: string }[]> =>
  (await get(path)).keys as { kid: string; issuer?: string }[];

test('metadata names the tenant, or the placeholder in the shared form', async () => {
  const { entra } = world.cloud.origins;
  const own = await get(`/${tenantId}/v2.0/.well-known/openid-configuration`);
  expect(own).toMatchObject({
    issuer: `${entra}/${tenantId}/v2.0`,
    token_endpoint: `${entra}/${tenantId}/oauth2/v2.0/token`,
    jwks_uri: `${entra}/${tenantId}/discovery/v2.0/keys`,
  });
  const shared = await get('/common/v2.0/.well-known/openid-configuration');
  expect(shared.issuer).toBe(`${entra}/{tenantid}/v2.0`);
  const v1 = await get(`/${tenantId}/.well-known/openid-configuration`);
  expect(v1.issuer).toBe(`https://sts.public.simulated.test/${tenantId}/`);
  expect(await get(`/${world.tenant.displayName}/v2.0/.well-known/openid-configuration`)).toMatchObject({
    error: 'invalid_tenant',
  });
});

test('the shared key set has several keys with issuers, one of them for personal accounts only', async () => {
  const shared = await keys('/common/discovery/v2.0/keys');
  expect(shared).toHaveLength(4);
  const consumer = world.cloud.keys.consumer().kid;
  expect(shared.find(({ kid }) => kid === consumer)?.issuer).toContain(
    '9188040d-6c67-4c5b-b112-36a304b66dad',
  );
  expect(shared.filter(({ issuer }) => issuer?.includes('{tenantid}'))).toHaveLength(3);
  expect((await keys(`/${tenantId}/discovery/keys`)).map(({ kid }) => kid)).not.toContain(consumer);
});

test('a planned rollover signs with the announced key, an unannounced one with a new one', async () => {
  const path = `/${tenantId}/discovery/v2.0/keys`;
  const known = (await keys(path)).map(({ kid }) => kid);
  await world.control('POST', '/clouds/public/keys/rollover', { mode: 'planned' });
  expect(known).toContain(world.cloud.keys.current().kid);
  const after = (await keys(path)).map(({ kid }) => kid);
  await world.control('POST', '/clouds/public/keys/rollover', { mode: 'unannounced' });
  expect(after).not.toContain(world.cloud.keys.current().kid);
  expect((await keys(path)).map(({ kid }) => kid)).toEqual(expect.arrayContaining(after));
});

test('the journal knows the tenant of a request', async () => {
  await get(`/${tenantId}/discovery/v2.0/keys`);
  expect(world.journal.list({ service: 'entra', tenant: tenantId }).at(-1)).toMatchObject({
    service: 'entra:public',
    status: 200,
  });
});
