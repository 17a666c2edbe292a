import { createHash, randomBytes } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { RegisteredApplication } from '../../src/simulator/microsoft/applications.ts';
import { derivedGuid, grantApplication } from '../../src/simulator/microsoft/grants.ts';
import { assignmentsOf } from '../../src/simulator/microsoft/user-assignments.ts';
import { createBrowser, signIn } from '../harness/browser.ts';
import { type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';
import { type Answer, call } from '../harness/http.ts';

/** Entra's tokens on the admin API, and operators of several tenants. */

const clientsTenant = 'c0c0c0c0-0000-4000-8000-000000000001';
const otherTenant = 'c0c0c0c0-0000-4000-8000-000000000002';
const operatorsTenant = derivedGuid('operators 1 public tenant');
const automationId = 'a0a0a0a0-0000-4000-8000-00000000000a';

let scene: Scene;
let admin: string;
let entra: string;
const account = (name: string): string => `${name}@operators.simulated.test`;
const trusted = (): string[] => [scene.trust, scene.world.authority.certificatePem];
const cloud = () => scene.world.cloud('public');
const application = (): RegisteredApplication => cloud().applications.get(scene.world.operators.clientId)!;

beforeAll(async () => {
  scene = await startScene({
    world: {
      clouds: ['public'],
      tenants: [
        { tenantId: clientsTenant, displayName: 'Second home', instances: [] },
        { tenantId: otherTenant, displayName: 'Strangers', instances: [] },
      ],
    },
    environment: { ESPALIER_OPERATOR_TENANTS: `${operatorsTenant},${clientsTenant.toUpperCase()}` },
  });
  admin = `https://localhost:${new URL(scene.gateway.admin).port}`;
  entra = cloud().origins.entra;
  const { clock, random } = cloud().context.world;
  for (const tenantId of [clientsTenant, otherTenant]) {
    const tenant = scene.world.directory.tenant(tenantId)!;
    const user = { userId: derivedGuid(tenantId), userPrincipalName: `zoe@${tenantId}`, displayName: 'Zoë' };
    scene.world.directory.addUser(tenantId, user);
    const principal = grantApplication(tenant, {
      application: application(),
      effectiveAt: clock.now(),
      withRoles: false,
      newObjectId: random.guid,
    });
    // Every administrator can assign these roles in the own tenant: that must not be enough.
    assignmentsOf(principal).byUser.set(user.userId, ['Espalier.Admin']);
  }
});
afterAll(() => scene?.close());

const api = (token: string, path = '/session', base = admin): Promise<Answer> =>
  call(`${base}/api/v1${path}`, { ca: scene.trust, headers: { authorization: `Bearer ${token}` } });

interface Tokens {
  readonly access_token: string;
  readonly id_token: string;
}

/** A user's tokens, as a command line would get them: sign-in, then the code. */
async function userTokens(
  name: string,
  tenant = operatorsTenant,
  resource = scene.world.operators.clientId,
): Promise<Tokens> {
  const { clientId, clientSecret } = scene.world.operators;
  const verifier = randomBytes(32).toString('base64url');
  const scope = `openid profile ${resource}/.default`;
  const redirectUri = `${admin}/sign-in/callback`;
  const query = new URLSearchParams({
    client_id: clientId,
    response_type: 'code',
    redirect_uri: redirectUri,
    scope,
    state: 's',
    nonce: 'n',
    code_challenge: createHash('sha256').update(verifier).digest('base64url'),
    code_challenge_method: 'S256',
  });
  const address = `${entra}/${tenant}/oauth2/v2.0/authorize?${query}`;
  const chosen = await createBrowser(trusted()).submit(address, { username: name });
  expect(chosen.status, chosen.text).toBe(302);
  const answer = await call(`${entra}/${tenant}/oauth2/v2.0/token`, {
    method: 'POST',
    ca: trusted(),
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'authorization_code',
      client_id: clientId,
      client_secret: clientSecret,
      redirect_uri: redirectUri,
      code: new URL(String(chosen.headers.location)).searchParams.get('code') ?? '',
      code_verifier: verifier,
      scope,
    }).toString(),
  });
  expect(answer.status, answer.text).toBe(200);
  return answer.json;
}

/** Signed by the simulated Entra, with claims to get wrong. */
function signed(claims: Record<string, unknown>): Promise<string> {
  const now = Math.floor(Date.now() / 1_000);
  return cloud().keys.sign({
    aud: scene.world.operators.clientId,
    iss: cloud().context.issuer(2, operatorsTenant),
    iat: now,
    nbf: now,
    exp: now + 600,
    azp: automationId,
    oid: scene.world.operators.people[0]?.userId,
    preferred_username: account('ada'),
    roles: ['Espalier.Viewer'],
    scp: 'access_as_user',
    tid: operatorsTenant,
    ver: '2.0',
    ...claims,
  });
}

describe('an access token of a user', () => {
  test.each([
    ['ada', 'admin'],
    ['otto', 'operator'],
    ['vera', 'viewer'],
  ])('of %s has the role %s', async (name, role) => {
    const { access_token } = await userTokens(account(name));
    const me = await api(access_token);
    expect(me.status, me.text).toBe(200);
    const person = scene.world.operators.people.find((one) => one.userPrincipalName === account(name));
    expect(me.json).toEqual({
      name: account(name),
      kind: 'user',
      id: person?.userId,
      role,
      tenants: null,
      session: null,
    });
    expect((await api(access_token, '/keys')).status).toBe(role === 'admin' ? 200 : 403);
  });

  test('writes without any token against forgery: it is no cookie', async () => {
    const { access_token } = await userTokens(account('ada'));
    const made = await scene.api('POST', '/keys', { name: 'by a person', role: 'viewer' }, access_token);
    expect(made.status).toBe(201);
    const [row] = await scene.database.sql`
      select author_kind as kind, author_id as id, author from history where action = 'key.create'`;
    expect(row).toEqual({
      kind: 'user',
      id: scene.world.operators.people[0]?.userId,
      author: account('ada'),
    });
  });

  test('that lost its role is not given the answer that the role had, nor is the request made again', async () => {
    const make = async (role: string, name: string) =>
      call(`${admin}/api/v1/keys`, {
        method: 'POST',
        ca: scene.trust,
        headers: {
          authorization: `Bearer ${await signed({ roles: [role] })}`,
          'content-type': 'application/json',
          'idempotency-key': 'demoted',
        },
        body: JSON.stringify({ name, role: 'admin' }),
      });
    const first = await make('Espalier.Admin', 'once');
    expect(first.status, first.text).toBe(201);
    const demoted = await make('Espalier.Viewer', 'once');
    expect(demoted.text).not.toContain(first.json.key);
    expect([demoted.status, demoted.json.type]).toEqual([403, 'https://espalier.dev/problems/forbidden']);
    const again = await make('Espalier.Admin', 'once');
    expect([again.status, again.json.key]).toEqual([201, first.json.key]);
  });

  test('may be of version 1, for an application that asks for it', async () => {
    cloud().applications.update(application().appId, { accessTokenAcceptedVersion: 1 });
    try {
      const resource = `api://${application().appId}`;
      const { access_token } = await userTokens(account('vera'), operatorsTenant, resource);
      const claims = JSON.parse(Buffer.from(access_token.split('.')[1] ?? '', 'base64url').toString());
      expect(claims).toMatchObject({ ver: '1.0', aud: resource });
      expect((await api(access_token)).json).toMatchObject({ name: account('vera'), role: 'viewer' });
    } finally {
      cloud().applications.update(application().appId, { accessTokenAcceptedVersion: 2 });
    }
  });

  test('of any operators’ tenant counts, and of no other, whatever roles that tenant gives', async () => {
    const own = await userTokens(`zoe@${clientsTenant}`, clientsTenant);
    expect((await api(own.access_token)).json).toMatchObject({ role: 'admin' });
    const foreign = await userTokens(`zoe@${otherTenant}`, otherTenant);
    const answer = await api(foreign.access_token);
    expect(answer.status).toBe(403);
    expect(answer.json.type).toMatch(/tenant-mismatch$/);
  });

  test('without one of the app roles is told which there are', async () => {
    for (const roles of [undefined, [], ['Device.Read'], ['espalier.admin']]) {
      const answer = await api(await signed({ roles }));
      expect(answer.status).toBe(403);
      expect(answer.json.detail).toContain('Espalier.Admin, Espalier.Operator, Espalier.Viewer');
    }
  });

  test('has the highest of several roles', async () => {
    const token = await signed({ roles: ['Espalier.Viewer', 'Espalier.Admin', 'Espalier.Operator'] });
    expect((await api(token)).json.role).toBe('admin');
  });

  test('has a name that is one line of text, however Entra has it', async () => {
    const token = await signed({ preferred_username: `a\u0000b\n\u202e${'x'.repeat(500)}` });
    const { name } = (await api(token)).json;
    expect(name).toMatch(/^a b x+$/);
    expect(name).toHaveLength(100);
    expect((await api(await signed({ preferred_username: '\n' }))).json.name).toBe(
      scene.world.operators.people[0]?.userId,
    );
  });
});

describe('refused as for any caller', () => {
  const now = Math.floor(Date.now() / 1_000);
  const cases: [string, Record<string, unknown>, string][] = [
    ['another audience', { aud: 'api://other' }, 'audience'],
    ['the audience of device calls', { aud: 'connector' }, 'audience'],
    ['an end in the past', { exp: now - 100 }, 'expired'],
    ['a beginning in the future', { nbf: now + 600 }, 'not valid yet'],
    ['another issuer', { iss: 'https://login.example/x/v2.0' }, ''],
    ['another tenant than its issuer', { tid: clientsTenant }, ''],
    ['no object id', { oid: undefined }, 'no access token'],
    ['no calling application', { azp: undefined }, 'no access token'],
    ['a nonce', { nonce: 'n' }, 'no access token'],
  ];
  test.each(cases)('%s', async (_, claims, words) => {
    const given =
      claims.aud === 'connector' ? scene.world.applications.get('public')!.connector.clientId : claims.aud;
    const answer = await api(await signed({ ...claims, ...(given === undefined ? {} : { aud: given }) }));
    expect(answer.status).toBe(401);
    expect(answer.json.detail).toContain(words);
    expect(answer.headers['www-authenticate']).toContain('invalid_token');
  });

  test('an ID token opens nothing, though it is for the same application', async () => {
    const { id_token } = await userTokens(account('ada'));
    expect((await api(id_token)).status).toBe(401);
  });

  test('a broken signature, an unsigned token, a token too long', async () => {
    const token = await signed({});
    const [header = '', payload = '', signature = ''] = token.split('.');
    const none = Buffer.from('{"alg":"none","typ":"JWT","kid":"x"}').toString('base64url');
    const long = await signed({ padding: 'x'.repeat(7_000) });
    for (const bad of [
      `${header}.${payload}.${signature.slice(0, -4)}AAAA`,
      `${none}.${payload}.`,
      `${none}.${payload}.${signature}`,
      long,
    ]) {
      expect((await api(bad)).status).toBe(401);
    }
    expect((await api(token)).status).toBe(200);
  });
});

describe('an application without a user', () => {
  let token: string;
  beforeAll(async () => {
    const { clock, random } = cloud().context.world;
    const automation = cloud().applications.register({
      appId: automationId,
      displayName: 'Automation',
      secrets: [{ value: 'automation-secret' }],
      requestedRoles: application()
        .appRoles.filter(({ value }) => value === 'Espalier.Operator')
        .map((role) => ({ resourceAppId: application().appId, ...role })),
    });
    grantApplication(scene.world.directory.tenant(operatorsTenant)!, {
      application: automation,
      effectiveAt: clock.now(),
      withRoles: true,
      newObjectId: random.guid,
    });
    const answer = await call(`${entra}/${operatorsTenant}/oauth2/v2.0/token`, {
      method: 'POST',
      ca: trusted(),
      headers: { 'content-type': 'application/x-www-form-urlencoded' },
      body: new URLSearchParams({
        grant_type: 'client_credentials',
        client_id: automationId,
        client_secret: 'automation-secret',
        scope: `${application().appId}/.default`,
      }).toString(),
    });
    token = answer.json.access_token;
  });

  test('is an operator by its app role, named by its id', async () => {
    const me = await api(token);
    expect(me.status, me.text).toBe(200);
    expect(me.json).toMatchObject({ kind: 'user', name: `app ${automationId}`, role: 'operator' });
    expect((await api(token, '/keys')).status).toBe(403);
  });
});

describe('operators of several tenants', () => {
  let other: GatewayProcess | undefined;
  afterAll(async () => {
    await other?.stop();
  });

  test('sign in at the address for all organisations; the tenant decides afterwards', async () => {
    const browser = createBrowser(trusted());
    const begun = await browser.open(`${admin}/sign-in/start`);
    expect(String(begun.headers.location)).toContain('/organizations/oauth2/v2.0/authorize?');
    const page = await signIn(browser, admin, account('otto'));
    expect(page.text).toContain(account('otto'));
    const strangers = createBrowser(trusted());
    const refused = await signIn(strangers, admin, `zoe@${otherTenant}`);
    expect(refused.status).toBe(403);
    expect(refused.text).toContain('Your organisation is not an operator here');
    expect(strangers.cookies.has('__Host-espalier')).toBe(false);
  });

  test('whose tenant is taken out of the setting are out at once, and stay out', async () => {
    const browser = createBrowser(trusted());
    await signIn(browser, admin, `zoe@${clientsTenant}`);
    const me = (base: string) => browser.open(`${base}/api/v1/session`);
    expect((await me(admin)).status).toBe(200);
    other = await scene.another({ ESPALIER_OPERATOR_TENANTS: operatorsTenant });
    const without = `https://localhost:${new URL(other.admin).port}`;
    expect((await me(without)).status).toBe(401);
    expect((await me(admin)).status).toBe(401);
    const { access_token } = await userTokens(`zoe@${clientsTenant}`, clientsTenant);
    expect((await api(access_token, '/session', without)).status).toBe(403);
  });

  test('without the setting only keys open the API, and the sign-in page says so', async () => {
    await other?.stop();
    other = await scene.another({ ESPALIER_OPERATOR_TENANTS: '' });
    const keysOnly = `https://localhost:${new URL(other.admin).port}`;
    const { access_token } = await userTokens(account('ada'));
    expect((await api(access_token, '/session', keysOnly)).status).toBe(401);
    const page = await createBrowser(trusted()).open(`${keysOnly}/sign-in`);
    expect(page.status).toBe(200);
    expect(page.text).not.toContain('/sign-in/start');
    const start = await createBrowser(trusted()).open(`${keysOnly}/sign-in/start`);
    expect(start.status).toBe(404);
    expect(start.text).toContain('ESPALIER_OPERATOR_TENANTS');
    expect((await call(`${keysOnly}/sign-out`, { method: 'POST', ca: scene.trust })).status).toBe(403);
  });
});
