import { decodeJwt } from 'jose';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJamfFixture, formType, type JamfFixture } from '../../../test/harness/simulated-jamf.ts';
import type { JamfInstance } from './instance.ts';

let world: JamfFixture;
let berlin: JamfInstance;

beforeAll(async () => {
  world = await createJamfFixture();
  berlin = await world.start('berlin', { contextPath: '/jss', user: { username: 'ana', password: 'pw:1' } });
});
afterAll(() => world.close());

const form = (instance: JamfInstance, changes: Record<string, string> = {}): string =>
  new URLSearchParams({
    grant_type: 'client_credentials',
    client_id: instance.clientId,
    client_secret: instance.tokens.clients.get(instance.clientId)?.clientSecret ?? '',
    ...changes,
  }).toString();

const post = (instance: JamfInstance, body: string, headers: Record<string, string> = formType) =>
  world.call(instance, '/api/oauth/token', { method: 'POST', headers, body });

const version = (instance: JamfInstance, token: string) =>
  world.call(instance, '/api/v1/jamf-pro-version', { token });

test('an API client gets a token with the claims of real ones and one second less', async () => {
  const answer = await post(berlin, form(berlin));
  expect(answer.status).toBe(200);
  const body: Record<string, unknown> = answer.json();
  expect(body).toMatchObject({ token_type: 'Bearer', scope: 'api-role:1 api-role:2', expires_in: 59 });
  const claims = decodeJwt(String(body.access_token));
  expect(claims).toMatchObject({
    iss: `${berlin.origin}/jss`,
    sub: berlin.clientId,
    aud: berlin.clientId,
    'subject-type': 'REGISTERED_CLIENT_ID',
    'authentication-type': 'CLIENT_CREDENTIALS',
    scope: ['api-role:1', 'api-role:2'],
  });
  expect(Number(claims.exp) - Number(claims.iat)).toBe(60);
  expect((await version(berlin, String(body.access_token))).status).toBe(200);
});

test.each([
  ['invalid_request', 400, { grant_type: '' }],
  ['unsupported_grant_type', 400, { grant_type: 'password' }],
  ['invalid_client', 401, { client_secret: 'wrong' }],
  ['invalid_client', 401, { client_id: 'nobody' }],
  ['invalid_scope', 400, { scope: 'api-role:1 api-role:9' }],
])('%s with %i for %o', async (error, status, changes: Record<string, string>) => {
  const answer = await post(berlin, form(berlin, changes));
  expect(answer.status).toBe(status);
  expect(answer.json()).toMatchObject({ error });
});

test('the body must be a form', async () => {
  const answer = await post(berlin, '{"grant_type":"client_credentials"}', {
    'content-type': 'application/json',
  });
  expect(answer.status).toBe(400);
  expect(answer.json()).toMatchObject({ error: 'invalid_request' });
});

test('a wrong secret can answer 400', async () => {
  berlin.tokens.variants.wrongSecretStatus = 400;
  expect((await post(berlin, form(berlin, { client_secret: 'wrong' }))).status).toBe(400);
  berlin.tokens.variants.wrongSecretStatus = 401;
});

test('a token dies with its time, and without one nothing opens', async () => {
  const paris = await world.start('paris', { tokenLifetimeSeconds: 2 });
  const token = await world.token(paris);
  expect((await version(paris, token)).status).toBe(200);
  world.clock.advance(3000);
  const refused = await version(paris, token);
  expect(refused.status).toBe(401);
  expect(refused.json()).toEqual({
    httpStatus: 401,
    errors: [{ code: 'INVALID_TOKEN', description: 'Unauthorized', id: '0', field: null }],
  });
  expect((await world.call(paris, '/api/v1/nowhere')).status).toBe(401);
});

test("another instance's token is refused", async () => {
  const rome = await world.start('rome');
  expect((await version(rome, await world.token(berlin))).status).toBe(401);
});

test('rotation and disabling refuse new tokens and leave old ones alive', async () => {
  const oslo = await world.start('oslo');
  const before = form(oslo);
  const token = await world.token(oslo);
  oslo.tokens.rotateSecret(oslo.clientId);
  expect((await post(oslo, before)).status).toBe(401);
  const client = oslo.tokens.clients.get(oslo.clientId);
  if (client) client.enabled = false;
  expect((await post(oslo, form(oslo))).status).toBe(401);
  expect((await version(oslo, token)).status).toBe(200);
});

test('scope narrows the privileges: 403 with the envelope', async () => {
  const token = await world.token(berlin, { scope: 'api-role:2' });
  const refused = await world.call(berlin, '/api/v1/computers-inventory', { token });
  expect(refused.status).toBe(403);
  expect(refused.json()).toMatchObject({ httpStatus: 403, errors: [{ code: 'INVALID_PRIVILEGE' }] });
  expect((await world.call(berlin, '/JSSResource/webhooks', { token })).status).toBe(200);
});

test('user tokens: basic, keep-alive kills the old one, invalidate ends with an empty 401', async () => {
  const basic = (pair: string) => ({ authorization: `Basic ${Buffer.from(pair).toString('base64')}` });
  const login = (pair: string) =>
    world.call(berlin, '/api/v1/auth/token', { method: 'POST', headers: basic(pair) });
  expect((await login('ana:nope')).status).toBe(401);
  const made: { token: string; expires: string } = (await login('ana:pw:1')).json();
  expect(made.expires).toMatch(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/);
  expect(decodeJwt(made.token)).toMatchObject({ 'authenticated-app': 'GENERIC' });

  const kept = await world.call(berlin, '/api/v1/auth/keep-alive', { method: 'POST', token: made.token });
  const next: { token: string } = kept.json();
  expect((await version(berlin, made.token)).status).toBe(401);
  expect((await version(berlin, next.token)).status).toBe(200);

  const ended = await world.call(berlin, '/api/v1/auth/invalidate-token', {
    method: 'POST',
    token: next.token,
  });
  expect(ended.status).toBe(204);
  expect((await version(berlin, next.token)).json()).toEqual({ httpStatus: 401, errors: [] });
  berlin.tokens.variants.revokedTokenAnswer = 'invalid-token';
  expect((await version(berlin, next.token)).json()).toMatchObject({ errors: [{ code: 'INVALID_TOKEN' }] });
});

test('some paths need no token', async () => {
  expect((await world.call(berlin, '/api/v1/cloud-information')).json()).toMatchObject({
    cloudInstance: true,
  });
  expect((await world.call(berlin, '/api/v1/health-check')).status).toBe(204);
});

test("the pages for a person's browser: HTML, read only, under their exact names", async () => {
  for (const path of ['/DeviceRegistration.html', '/enroll']) {
    const page = await world.call(berlin, path, { headers: { accept: 'text/html' } });
    expect([page.status, page.headers['content-type']]).toEqual([200, 'text/html; charset=UTF-8']);
    expect(page.text).toContain('berlin');
    expect((await world.call(berlin, path, { headers: { accept: 'application/json' } })).status).toBe(406);
    const posted = await world.call(berlin, path, { method: 'POST' });
    expect([posted.status, posted.headers.allow]).toEqual([405, 'GET, HEAD']);
    expect((await world.call(berlin, path.toUpperCase())).status).toBe(404);
  }
  const registration = await world.call(berlin, '/DeviceRegistration.html');
  expect(registration.text).toContain(`href="${berlin.url}/enroll"`);
});

test('the journal never holds a secret or token', () => {
  const text = JSON.stringify(world.journal.list());
  expect(text).toContain('/api/oauth/token');
  expect(text).not.toMatch(/eyJ|client_secret/);
});
