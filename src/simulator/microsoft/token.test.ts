import { decodeJwt } from 'jose';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connectorId,
  signAssertion,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';
import { intuneApiAppId, registerMicrosoftCaller } from './applications.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown>;
}

async function ask(
  form: Record<string, string>,
  options: { tenant?: string; authorization?: string } = {},
): Promise<Answer> {
  const answer = await world.request(
    `${world.cloud.origins.entra}/${options.tenant ?? tenantId}/oauth2/v2.0/token`,
    {
      method: 'POST',
      headers: options.authorization === undefined ? {} : { authorization: options.authorization },
      body: new URLSearchParams({ grant_type: 'client_credentials', scope: world.graphScope, ...form }),
    },
  );
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const byAssertion = (assertion: string): Promise<Answer> =>
  ask({
    client_id: connectorId,
    client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    client_assertion: assertion,
  });

const codes = (answer: Answer): unknown => answer.body.error_codes;
const secret = { client_id: connectorId, client_secret: 'connector+secret' };

describe('certificate assertions', () => {
  test('PS256 with x5t#S256 and RS256 with x5t are accepted', async () => {
    for (const alg of ['PS256', 'RS256'] as const) {
      const answer = await byAssertion(await signAssertion(world, { alg }));
      expect(answer.status).toBe(200);
      const claims = decodeJwt(String(answer.body.access_token));
      expect(claims).toMatchObject({ appid: connectorId, appidacr: '2', roles: ['Directory.Read.All'] });
    }
  });

  test('a tampered one is refused with 700027', async () => {
    const assertion = await signAssertion(world);
    const [header, , signature] = assertion.split('.');
    const [, other] = (await signAssertion(world)).split('.');
    const answer = await byAssertion(`${header}.${other}.${signature}`);
    expect([answer.status, answer.body.error, codes(answer)]).toEqual([401, 'invalid_client', [700027]]);
  });

  test.each([
    ['an unknown thumbprint', { header: { 'x5t#S256': 'AAAA' } }, 700027],
    ['RS256 with the SHA-256 thumbprint only', { alg: 'RS256', header: { x5t: undefined } }, 700027],
    ['another audience', { claims: { aud: 'https://login.example/token' } }, 50027],
    ['subject unlike issuer', { claims: { sub: tenantId } }, 50048],
    ['an expired one', { claims: { exp: 1_700_000_000 } }, 500133],
    ['one not valid yet', { claims: { nbf: Math.floor(Date.now() / 1000) + 3600 } }, 500133],
    ['no jti', { claims: { jti: undefined } }, 50027],
  ] as const)('%s is refused', async (_name, changes, code) => {
    const answer = await byAssertion(await signAssertion(world, changes));
    expect([answer.status, codes(answer)]).toEqual([401, [code]]);
  });

  test('the same one twice is refused', async () => {
    const assertion = await signAssertion(world);
    expect((await byAssertion(assertion)).status).toBe(200);
    expect(codes(await byAssertion(assertion))).toEqual([50013]);
  });
});

describe('secrets', () => {
  test('in the body and as HTTP Basic with url-encoding', async () => {
    expect((await ask(secret)).status).toBe(200);
    const basic = Buffer.from(`${connectorId}:${encodeURIComponent('connector+secret')}`).toString('base64');
    expect((await ask({}, { authorization: `Basic ${basic}` })).status).toBe(200);
  });

  test('a wrong one is 7000215 in the full error shape', async () => {
    const answer = await ask({ ...secret, client_secret: 'wrong' });
    expect(answer.status).toBe(401);
    expect(answer.body).toEqual({
      error: 'invalid_client',
      error_description: expect.stringMatching(
        /^AADSTS7000215: .* Trace ID: [\w-]{36} Correlation ID: [\w-]{36} Timestamp: \d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ$/,
      ),
      error_codes: [7000215],
      timestamp: expect.any(String),
      trace_id: expect.any(String),
      correlation_id: expect.any(String),
      error_uri: `${world.cloud.origins.entra}/error?code=7000215`,
    });
  });

  test('an expired one is 7000222', async () => {
    const expiry = (expiresAt: string | null): Promise<unknown> =>
      world.control('POST', `/clouds/public/applications/${connectorId}/secrets-expiry`, { expiresAt });
    await expiry('2020-01-01T00:00:00Z');
    expect(codes(await ask(secret))).toEqual([7000222]);
    await expiry(null);
    expect((await ask(secret)).status).toBe(200);
  });
});

describe('tenants, resources and roles', () => {
  test.each([
    ['common', 9001023],
    ['organizations', 50059],
    ['99999999-9999-4999-8999-999999999999', 90002],
  ])('tenant %s is refused', async (tenant, code) => {
    const answer = await ask(secret, { tenant });
    expect([answer.status, codes(answer)]).toEqual([400, [code]]);
  });

  test('a tenant of another cloud is 90038', async () => {
    const elsewhere = '88888888-8888-4888-8888-888888888888';
    world.directory.addTenant({ tenantId: elsewhere, cloud: 'usgov', displayName: 'Gov' });
    expect(codes(await ask(secret, { tenant: elsewhere }))).toEqual([90038]);
  });

  test('scopes: one resource, with /.default, present in the tenant', async () => {
    const scoped = async (scope: string): Promise<unknown> => codes(await ask({ ...secret, scope }));
    expect(await scoped(`${world.graphScope} ${world.intuneScope}`)).toEqual([28002]);
    expect(await scoped('https://graph.microsoft.com/User.Read')).toEqual([70011]);
    expect(await scoped('https://nothing.example/.default')).toEqual([500011]);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: false });
    expect(await scoped(world.intuneScope)).toEqual([500011]);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: true });
    expect(await scoped('')).toEqual([900144]);
  });

  test('two slashes keep the audience its slash, one does not', async () => {
    const audience = async (scope: string): Promise<unknown> => decodeJwt(await world.token(scope)).aud;
    expect(await audience(world.intuneScope)).toBe('https://api.manage.public.simulated.test/');
    expect(await audience(world.intuneScope.replace('//.default', '/.default'))).toBe(
      'https://api.manage.public.simulated.test',
    );
  });

  test('roles are those in effect at issue time, left out when there are none', async () => {
    const path = `/tenants/${tenantId}/service-principals/${connectorId}/roles`;
    await world.control('DELETE', `${path}/update_device_attributes`);
    await world.control('DELETE', `${path}/manage_partner_compliance_policy`);
    expect(decodeJwt(await world.token(world.intuneScope))).not.toHaveProperty('roles');
    await world.control('POST', path, {
      resourceAppId: intuneApiAppId,
      roleId: '7b3c62c0-bbe4-4ceb-971b-ecc50a191b3e',
      value: 'update_device_attributes',
      delayMs: 60_000,
    });
    expect(decodeJwt(await world.token(world.intuneScope))).not.toHaveProperty('roles');
    world.clock.advance(61_000);
    expect(decodeJwt(await world.token(world.intuneScope)).roles).toEqual(['update_device_attributes']);
  });

  test('a caller of the gateway gets a v2 token for the connector', async () => {
    const callerId = '77777777-7777-4777-8777-777777777777';
    const caller = { connectorAppId: connectorId, appId: callerId, displayName: 'Caller', secret: 's' };
    registerMicrosoftCaller(world.cloud.applications, caller);
    const form = { client_id: callerId, client_secret: 's', scope: `api://${connectorId}/.default` };
    expect(codes(await ask(form))).toEqual([700016]);
    await world.control('PUT', `/tenants/${tenantId}/service-principals/${callerId}`, {});
    const answer = await ask(form);
    expect(decodeJwt(String(answer.body.access_token))).toMatchObject({
      ver: '2.0',
      aud: connectorId,
      azp: callerId,
      iss: `${world.cloud.origins.entra}/${tenantId}/v2.0`,
      roles: ['Device.Read', 'Device.Write'],
      tid: tenantId,
    });
    await world.control('PATCH', `/tenants/${tenantId}/service-principals/${callerId}`, {
      accountEnabled: false,
    });
    expect(codes(await ask(form))).toEqual([7000112]);
  });

  test('the lifetime is between 60 and 90 minutes', async () => {
    const { exp = 0, iat = 0 } = decodeJwt(await world.token(world.graphScope));
    expect(exp - iat).toBeGreaterThanOrEqual(3600);
    expect(exp - iat).toBeLessThanOrEqual(5400);
  });
});
