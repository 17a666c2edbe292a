import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  connectorId,
  diagnosticId,
  redirectUri,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';
import { entraCodes } from './entra-catalogue.ts';

let world: TestWorld;
beforeAll(async () => {
  world = await startTestWorld();
});
afterAll(() => world.close());
afterEach(() => {
  world.cloud.settings.entraError = null;
  world.cloud.settings.tenant(tenantId).entra.entraError = null;
});

interface Answer {
  readonly status: number;
  readonly retryAfter: string | null;
  readonly body: Record<string, unknown>;
}

async function ask(clientId = connectorId, tenant = tenantId): Promise<Answer> {
  const answer = await world.request(`${world.cloud.origins.entra}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    body: new URLSearchParams({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: 'connector+secret',
      scope: world.graphScope,
    }),
  });
  return {
    status: answer.status,
    retryAfter: answer.headers.get('retry-after'),
    body: (await answer.json()) as Record<string, unknown>,
  };
}

const codes = async (clientId?: string): Promise<unknown> => (await ask(clientId)).body.error_codes;
const ofTenant = (entraError: unknown): Promise<{ status: number; body: unknown }> =>
  world.control('PATCH', `/tenants/${tenantId}/entra`, { entraError });
const ofCloud = (change: unknown): Promise<{ status: number; body: unknown }> =>
  world.control('PATCH', '/clouds/public', change);

describe('scripted refusals', () => {
  test('every code of the catalogue, in the full error shape', async () => {
    expect(entraCodes().length).toBeGreaterThan(55);
    for (const code of entraCodes()) {
      world.cloud.settings.tenant(tenantId).entra.entraError = { code, times: 1 };
      const { body, status } = await ask();
      expect(body).toMatchObject({
        error: expect.stringMatching(/^[a-z_]+$/),
        error_codes: [code],
        trace_id: expect.any(String),
        correlation_id: expect.any(String),
        timestamp: expect.any(String),
        error_uri: expect.stringContaining(String(code)),
      });
      expect(body.error_description).toMatch(new RegExp(`^AADSTS${code}: .+ Trace ID: `));
      if (status < 429) expect(status).toBe(body.error === 'invalid_client' ? 401 : 400);
    }
    expect((await ask()).status).toBe(200);
  });

  test('as often as said, for the application said', async () => {
    await ofTenant({ code: 90033, times: 2, appId: connectorId });
    expect((await ask(diagnosticId)).status).toBe(200);
    expect((await ask()).status).toBe(503);
    expect(await codes()).toEqual([90033]);
    expect((await ask()).status).toBe(200);
  });

  test('the cloud answers every tenant, a tenant before its cloud', async () => {
    await ofCloud({ entraError: { code: 7000222 } });
    expect(await codes()).toEqual([7000222]);
    expect(await codes(diagnosticId)).toEqual([7000222]);
    await ofTenant({ code: 700016, times: 1 });
    expect(await codes()).toEqual([700016]);
    expect(await codes()).toEqual([7000222]);
    expect((await world.control('GET', '/clouds/public')).body).toMatchObject({
      entraError: { code: 7000222 },
    });
  });

  test('throttling by the tenant says when to come back', async () => {
    await ofTenant({ code: 90055 });
    expect(await ask()).toMatchObject({ status: 429, retryAfter: '60' });
  });

  test('a code of no catalogue needs its OAuth error; status and text can be set', async () => {
    const answer = await ofTenant({ code: 123456 });
    expect(answer).toMatchObject({ status: 400, body: { errors: [{ field: 'entraError.code' }] } });
    await ofTenant({ code: 123456, error: 'interaction_required', status: 400, message: 'New.' });
    expect((await ask()).body).toMatchObject({
      error: 'interaction_required',
      error_description: expect.stringContaining('AADSTS123456: New.'),
    });
  });
});

describe('another cloud', () => {
  test('90038 names it: Microsoft its own, any other by its host', async () => {
    const text = async (): Promise<unknown> => (await ask()).body.error_description;
    await ofTenant({ code: 90038, cloud: 'usgov' });
    expect(await text()).toContain("National Cloud 'MicrosoftOnline.US'");
    await ofTenant({ code: 90038, cloud: 'china' });
    expect(await text()).toContain("National Cloud 'partner.microsoftonline.cn'");
    world.cloud.context.world.authorities?.set('lab', 'https://localhost:4711');
    await ofTenant({ code: 900382, cloud: 'lab' });
    expect(await text()).toContain("National Cloud 'localhost:4711'");
    world.cloud.context.world.authorities?.delete('lab');
  });

  test('a tenant that really lives there is told so', async () => {
    const elsewhere = '88888888-8888-4888-8888-888888888888';
    world.directory.addTenant({ tenantId: elsewhere, cloud: 'lab', displayName: 'Lab' });
    world.cloud.context.world.authorities?.set('lab', 'https://localhost:4711');
    const { body } = await ask(connectorId, elsewhere);
    expect(body.error_codes).toEqual([90038]);
    expect(body.error_description).toContain("'localhost:4711'. Its authority is https://localhost:4711.");
  });
});

describe('consent', () => {
  const consent = async (): Promise<{ status: number; location: string | null; page: string }> => {
    const query = new URLSearchParams({
      client_id: connectorId,
      redirect_uri: redirectUri,
      scope: world.graphScope,
      state: 'one-time',
    });
    const answer = await world.request(`${world.cloud.origins.entra}/${tenantId}/v2.0/adminconsent?${query}`);
    return {
      status: answer.status,
      location: answer.headers.get('location'),
      page: await answer.text(),
    };
  };

  test('a refusal comes with the redirect and its state, and only there', async () => {
    await ofTenant({ code: 90094, at: 'consent' });
    expect((await ask()).status).toBe(200);
    const { location } = await consent();
    const query = new URL(location ?? '').searchParams;
    expect(query.get('error')).toBe('consent_required');
    expect(query.get('error_description')).toContain('AADSTS90094');
    expect(query.get('state')).toBe('one-time');
  });

  test('the wrong account stays on a page', async () => {
    await ofTenant({ code: 50020, at: 'consent', times: 1 });
    const { status, page } = await consent();
    expect(status).toBe(400);
    expect(page).toContain('AADSTS50020');
    expect((await consent()).status).toBe(302);
  });
});

test('refresh_in is sent when asked for', async () => {
  expect((await ask()).body).not.toHaveProperty('refresh_in');
  await ofCloud({ refreshInSeconds: 1800 });
  expect((await ask()).body.refresh_in).toBe(1800);
  await ofCloud({ refreshInSeconds: null });
});

describe('withdrawn and restored', () => {
  const path = `/tenants/${tenantId}/service-principals/${connectorId}`;

  test('deleted: 700016 or 7000229 while earlier tokens work; restored with its object id', async () => {
    const token = await world.token(world.graphScope);
    const objectId = world.tenant.servicePrincipals.get(connectorId)?.objectId;
    await world.control('DELETE', path);
    expect(await codes()).toEqual([700016]);
    await world.control('PATCH', `/tenants/${tenantId}/entra`, { missingPrincipalCode: 7000229 });
    expect(await ask()).toMatchObject({ status: 401, body: { error_codes: [7000229] } });
    const answer = await world.request(`${world.cloud.origins.graph}/v1.0/users/nobody`, {
      headers: { authorization: `Bearer ${token}` },
    });
    expect(answer.status).toBe(404);
    expect((await world.control('POST', `${path}/restore`)).status).toBe(200);
    expect(world.tenant.servicePrincipals.get(connectorId)?.objectId).toBe(objectId);
    expect((await ask()).status).toBe(200);
    expect((await world.control('POST', `${path}/restore`)).status).toBe(404);
  });

  test('disabled by Microsoft: 7000112', async () => {
    const disabledByMicrosoftStatus = 'DisabledDueToViolationOfServicesAgreement';
    await world.control('PATCH', path, { disabledByMicrosoftStatus });
    expect(await codes()).toEqual([7000112]);
    await world.control('PATCH', path, { disabledByMicrosoftStatus: null });
    expect((await ask()).status).toBe(200);
  });
});
