/** The sign-in of the simulated Entra: as strict as the real one, and no more obliging. */

import { createHash } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import {
  connectorId,
  redirectUri,
  startTestWorld,
  type TestWorld,
  tenantId,
  userId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
const verifier = 'v'.repeat(43);
const challenge = createHash('sha256').update(verifier).digest('base64url');
const principal = `/tenants/${tenantId}/service-principals/${connectorId}`;

beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world.close());

type Changes = Record<string, string | undefined>;

const textOf = (fixed: Record<string, string>, changes: Changes): string =>
  new URLSearchParams(
    Object.entries({ ...fixed, ...changes }).flatMap(([name, value]) =>
      value === undefined ? [] : [[name, value]],
    ),
  ).toString();

const addressOf = (changes: Changes, tenant: string): string =>
  `${world.cloud.origins.entra}/${tenant}/oauth2/v2.0/authorize?${textOf(
    {
      client_id: connectorId,
      response_type: 'code',
      redirect_uri: redirectUri,
      scope: 'openid profile',
      state: 'the state',
      nonce: 'the nonce',
      code_challenge: challenge,
      code_challenge_method: 'S256',
    },
    changes,
  )}`;

interface Landing {
  readonly status: number;
  readonly query: Record<string, string>;
  readonly page: string;
}

async function signIn(
  changes: Changes = {},
  form: Record<string, string> = { username: 'anna@contoso.test' },
  tenant = tenantId,
): Promise<Landing> {
  const answer = await world.request(addressOf(changes, tenant), {
    method: 'POST',
    body: new URLSearchParams(form),
  });
  const location = answer.headers.get('location');
  return {
    status: answer.status,
    query: location === null ? {} : Object.fromEntries(new URL(location).searchParams),
    page: await answer.text(),
  };
}

async function redeem(code: string, changes: Changes = {}, tenant = tenantId) {
  const answer = await world.request(`${world.cloud.origins.entra}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: textOf(
      {
        grant_type: 'authorization_code',
        client_id: connectorId,
        client_secret: 'connector+secret',
        redirect_uri: redirectUri,
        code_verifier: verifier,
        code,
      },
      changes,
    ),
  });
  return { status: answer.status, body: (await answer.json()) as Record<string, unknown> };
}

const claimsOf = (token: unknown): Record<string, unknown> =>
  JSON.parse(Buffer.from(String(token).split('.')[1] ?? '', 'base64url').toString());

const codeOf = async (changes?: Changes, tenant?: string): Promise<string> => {
  const { page, query } = await signIn(changes, undefined, tenant);
  expect(query.code, page).toBeDefined();
  return query.code ?? '';
};

describe('the honest way', () => {
  test('shows a page, sends back code and state, and gives tokens about the person', async () => {
    const page = await world.request(addressOf({}, tenantId));
    expect(await page.text()).toContain('anna@contoso.test');
    const landed = await signIn();
    expect(landed.query.state).toBe('the state');
    const { body, status } = await redeem(landed.query.code ?? '');
    expect(status).toBe(200);
    expect(claimsOf(body.id_token)).toMatchObject({
      aud: connectorId,
      iss: world.cloud.context.issuer(2, tenantId),
      nonce: 'the nonce',
      oid: userId,
      preferred_username: 'anna@contoso.test',
      tid: tenantId,
      ver: '2.0',
    });
    expect(claimsOf(body.id_token)).not.toHaveProperty('roles');
    expect(claimsOf(body.id_token)).not.toHaveProperty('azp');
  });

  test('puts the app roles of the assignment into both tokens', async () => {
    await world.control('PUT', `${principal}/assignments/${userId}`, { roles: ['Device.Read'] });
    const scope = `openid ${connectorId}/.default`;
    const { body } = await redeem(await codeOf({ scope }));
    expect(claimsOf(body.id_token)).toMatchObject({ roles: ['Device.Read'] });
    expect(claimsOf(body.access_token)).toMatchObject({
      aud: connectorId,
      azp: connectorId,
      roles: ['Device.Read'],
      scp: 'access_as_user',
    });
    await world.control('DELETE', `${principal}/assignments/${userId}`);
  });

  test('goes over the address of all organisations, too', async () => {
    const { body } = await redeem(await codeOf({}, 'organizations'), {}, 'organizations');
    expect(claimsOf(body.id_token)).toMatchObject({ tid: tenantId });
  });
});

describe('a page of its own, and no way back', () => {
  test.each([
    ['an address that is not registered', { redirect_uri: `${redirectUri}/` }, 50011],
    ['no address', { redirect_uri: undefined }, 900971],
    ['no application', { client_id: undefined }, 900144],
    ['an unknown application', { client_id: userId }, 700016],
  ])('for %s', async (_, changes, code) => {
    const landed = await signIn(changes);
    expect(landed.status).toBe(400);
    expect(landed.page).toContain(`AADSTS${code}:`);
  });

  test('for an unknown person, a disabled one, an unknown tenant, an absent application', async () => {
    expect((await signIn({}, { username: 'nobody' })).page).toContain('AADSTS50034:');
    expect((await signIn({}, undefined, userId)).page).toContain('AADSTS90002:');
    await world.control('PATCH', `/tenants/${tenantId}/users/${userId}`, { accountEnabled: false });
    expect((await signIn()).page).toContain('AADSTS50057:');
    await world.control('PATCH', `/tenants/${tenantId}/users/${userId}`, { accountEnabled: true });
    await world.control('DELETE', principal);
    expect((await signIn()).page).toContain('AADSTS700016:');
    await world.control('POST', `${principal}/restore`);
    expect((await signIn()).status).toBe(302);
  });
});

describe('a refusal that the application is told', () => {
  test.each([
    ['no response type', { response_type: undefined }, 900144],
    ['another response type', { response_type: 'id_token' }, 700054],
    ['another response mode', { response_mode: 'form_post' }, 70007],
    ['no scope', { scope: undefined }, 900144],
    ['a scope without openid', { scope: 'profile' }, 70011],
    ['no nonce', { nonce: undefined }, 900144],
    ['no code challenge', { code_challenge: undefined }, 9002325],
    ['a plain code challenge', { code_challenge_method: 'plain' }, 9002313],
    ['a challenge of the wrong length', { code_challenge: 'x' }, 9002313],
    ['a silent sign-in', { prompt: 'none' }, 50058],
  ])('for %s', async (_, changes, code) => {
    const { query, status } = await signIn(changes);
    expect(status).toBe(302);
    expect(query.error_description).toContain(`AADSTS${code}:`);
    expect(query.state).toBe('the state');
    expect(query).not.toHaveProperty('code');
  });

  test('for someone who is not assigned where that is needed; or a page, as it is set', async () => {
    await world.control('PATCH', principal, { assignmentRequired: true });
    expect((await signIn()).query).toMatchObject({
      error: 'access_denied',
      error_description: expect.stringContaining('AADSTS50105:'),
    });
    world.cloud.settings.notAssigned = 'page';
    expect((await signIn()).page).toContain('AADSTS50105:');
    world.cloud.settings.notAssigned = 'redirect';
    await world.control('PUT', `${principal}/assignments/${userId}`, { roles: [] });
    expect((await signIn()).query).toHaveProperty('code');
    await world.control('PATCH', principal, { assignmentRequired: false });
  });

  test('for whoever declines', async () => {
    const { query } = await signIn({}, { cancel: 'true' });
    expect(query).toMatchObject({
      error: 'access_denied',
      error_description: expect.stringContaining('65004'),
    });
  });
});

describe('a code', () => {
  const refusal = async (code: string, changes?: Changes, tenant?: string): Promise<unknown> => {
    const { body } = await redeem(code, changes, tenant);
    return [body.error, (body.error_codes as number[] | undefined)?.[0]];
  };

  test('is good once', async () => {
    const code = await codeOf();
    expect((await redeem(code)).status).toBe(200);
    expect(await refusal(code)).toEqual(['invalid_grant', 54005]);
  });

  test('is for its address, its verifier and its tenant, and spent by a wrong one', async () => {
    const wrong = { redirect_uri: 'https://gateway.example/other' };
    expect(await refusal(await codeOf(), wrong)).toEqual(['invalid_grant', 500112]);
    const code = await codeOf();
    expect(await refusal(code, { code_verifier: 'w'.repeat(43) })).toEqual(['invalid_grant', 501481]);
    expect(await refusal(code)).toEqual(['invalid_grant', 54005]);
    expect(await refusal(await codeOf(), {}, userId)).toEqual(['invalid_grant', 700005]);
    expect(await refusal('made up')).toEqual(['invalid_grant', 9002313]);
  });

  test('is not redeemed without the right credential of its application, and not spent by a wrong one', async () => {
    const code = await codeOf();
    expect(await refusal(code, { client_secret: 'wrong' })).toEqual(['invalid_client', 7000215]);
    expect(await refusal(code, { client_secret: undefined })).toEqual(['invalid_client', 7000218]);
    expect(await refusal(code, { code_verifier: undefined })).toEqual(['invalid_request', 900144]);
    expect((await redeem(code)).status).toBe(200);
  });

  test('ends after ten minutes', async () => {
    const code = await codeOf();
    world.clock.advance(10 * 60_000 + 1);
    expect(await refusal(code)).toEqual(['invalid_grant', 70008]);
  });
});
