import { createHash, generateKeyPairSync } from 'node:crypto';
import { decodeProtectedHeader, exportPKCS8, importSPKI, jwtVerify } from 'jose';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, type LoopbackHandler, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { builtInClouds, type Cloud } from './clouds.ts';
import { type Credential, certificateCredential } from './credentials.ts';
import { createTokenBroker, type TokenBroker, type TokenQuery, type TokenResult } from './tokens.ts';

const tenantId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const otherTenantId = 'cccccccc-1111-4222-8333-dddddddddddd';
const clientId = '99999999-1111-4222-8333-000000000000';
const secret = (text: string): Credential => ({ kind: 'secret', clientId, secret: text });

let entra: Loopback;
let nowMs: number;
let cloud: Cloud;
let credentials: readonly Credential[];
let broker: TokenBroker;
let issued: number;
beforeAll(async () => {
  entra = await startLoopback();
});
beforeEach(() => {
  entra.seen.length = 0;
  issued = 0;
  nowMs = Date.now();
  credentials = [secret('s1')];
  entra.handle = issue();
  const base = builtInClouds.get('public');
  if (base === undefined) throw new Error('no public cloud');
  cloud = { ...base, authority: entra.origin, graph: 'https://graph.example.test' };
  broker = createTokenBroker({
    sharing: 'process',
    send: entra.send,
    now: () => nowMs,
    credentials: () => credentials,
    timeoutMs: 500,
  });
});
afterAll(() => entra.close());

const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
const issue =
  (more: object = {}): LoopbackHandler =>
  (_request, response) => {
    issued += 1;
    const accessToken = `${encoded({ alg: 'none' })}.${encoded({ roles: ['Directory.Read.All'], n: issued })}.x`;
    sendJson(response, 200, { token_type: 'Bearer', expires_in: 3600, access_token: accessToken, ...more });
  };
const refuse =
  (
    status: number,
    code: number,
    error = 'invalid_client',
    headers: Record<string, string> = {},
  ): LoopbackHandler =>
  (_request, response) =>
    sendJson(
      response,
      status,
      { error, error_description: `AADSTS${code}: no.`, error_codes: [code], trace_id: 't' },
      headers,
    );
const ask = (more: Partial<TokenQuery> = {}): Promise<TokenResult> =>
  broker.token({ cloud, tenantId, resource: 'graph', ...more });
const failureOf = async (more: Partial<TokenQuery> = {}) => {
  const result = await ask(more);
  return result.ok ? undefined : result.failure;
};
const form = (index: number): URLSearchParams => new URLSearchParams(entra.seen[index]?.body);
const requests = (): number => entra.seen.length;

describe('the request', () => {
  test('is one POST to the tenant’s token endpoint, with no discovery before it', async () => {
    const result = await ask();
    expect(result).toMatchObject({ ok: true, expiresAt: nowMs + 3_600_000, roles: ['Directory.Read.All'] });
    expect(entra.seen).toHaveLength(1);
    expect(entra.seen[0]?.method).toBe('POST');
    // The library adds its request id as a query.
    expect(entra.seen[0]?.url.split('?')[0]).toBe(`/${tenantId}/oauth2/v2.0/token`);
    expect(Object.fromEntries(form(0))).toMatchObject({
      grant_type: 'client_credentials',
      client_id: clientId,
      client_secret: 's1',
      scope: 'https://graph.example.test/.default',
    });
  });

  test('scopes of the resources; the two slashes survive', async () => {
    await ask({ resource: 'intune' });
    await ask({ resource: { scope: 'https://x.test/.default' } });
    expect(form(0).get('scope')).toBe('https://api.manage.microsoft.com//.default');
    expect(form(1).get('scope')).toBe('https://x.test/.default');
  });

  test('a certificate signs PS256 with the endpoint as audience', async () => {
    const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
    const der = Buffer.from('any bytes stand for a certificate: only its thumbprint is sent');
    const certificatePem = `-----BEGIN CERTIFICATE-----\n${der.toString('base64')}\n-----END CERTIFICATE-----\n`;
    const keyPem = pair.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString();
    const made = await certificateCredential(clientId, certificatePem, keyPem);
    if (!made.ok) throw new Error(made.detail);
    credentials = [made.credential];
    expect((await ask()).ok).toBe(true);
    expect(form(0).get('client_assertion_type')).toBe(
      'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    );
    const assertion = form(0).get('client_assertion') ?? '';
    expect(decodeProtectedHeader(assertion)).toEqual({
      alg: 'PS256',
      typ: 'JWT',
      'x5t#S256': createHash('sha256').update(der).digest('base64url'),
    });
    const spki = await importSPKI(pair.publicKey.export({ format: 'pem', type: 'spki' }).toString(), 'PS256');
    const { payload } = await jwtVerify(assertion, spki, {
      audience: `${entra.origin}/${tenantId}/oauth2/v2.0/token`,
      issuer: clientId,
      subject: clientId,
    });
    expect(payload.jti).toMatch(/^[0-9a-f-]{36}$/);
    expect((payload.exp ?? 0) - (payload.nbf ?? 0)).toBe(600);
  });

  test('certificate files that are none', async () => {
    const key = await exportPKCS8(generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey);
    const certificate = '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----';
    expect(await certificateCredential(clientId, 'x', key)).toMatchObject({
      ok: false,
      fault: 'certificate',
    });
    for (const bad of ['x', '-----BEGIN RSA PRIVATE KEY-----\nAAAA\n-----END RSA PRIVATE KEY-----']) {
      expect(await certificateCredential(clientId, certificate, bad)).toMatchObject({
        ok: false,
        fault: 'key',
      });
    }
  });
});

describe('the cache', () => {
  test('one request for many callers, one per tenant, resource and application', async () => {
    await Promise.all(Array.from({ length: 20 }, () => ask()));
    await ask({ tenantId: tenantId.toUpperCase() });
    expect(requests()).toBe(1);
    await Promise.all([
      ask({ tenantId: otherTenantId }),
      ask({ resource: 'intune' }),
      ask({ application: 'diagnostic' }),
    ]);
    expect(requests()).toBe(4);
  });

  test('renews 5 minutes before the end behind the caller’s back', async () => {
    const before = await ask();
    nowMs += 3_299_000;
    await ask();
    expect(requests()).toBe(1);
    nowMs += 1_000;
    expect(await ask()).toEqual(before);
    await expect.poll(requests).toBe(2);
    await expect.poll(() => ask()).not.toEqual(before);
    expect(requests()).toBe(2);
  });

  test('a short life is renewed at two thirds, refresh_in earlier', async () => {
    entra.handle = issue({ expires_in: 60 });
    await ask();
    nowMs += 39_000;
    await ask();
    expect(requests()).toBe(1);
    nowMs += 1_000;
    await ask();
    await expect.poll(requests).toBe(2);
    entra.handle = issue({ refresh_in: 100 });
    await ask({ tenantId: otherTenantId });
    nowMs += 100_000;
    await ask({ tenantId: otherTenantId });
    await expect.poll(requests).toBe(4);
  });

  test('in its last minute the caller waits for a new one, or takes the old one if there is none', async () => {
    const before = await ask();
    nowMs += 3_541_000;
    entra.handle = refuse(503, 90033, 'temporarily_unavailable');
    expect(await ask()).toEqual(before);
    expect(requests()).toBe(2);
    entra.handle = issue();
    expect(await ask()).not.toEqual(before);
    nowMs += 3_600_000;
    entra.handle = refuse(503, 90033, 'temporarily_unavailable');
    expect((await ask()).ok).toBe(false);
  });

  test('fresh goes past it and replaces it; forget empties it', async () => {
    const before = await ask();
    const [one, two] = await Promise.all([ask({ fresh: true }), ask({ fresh: true })]);
    expect(one).toEqual(two);
    expect(one).not.toEqual(before);
    expect(await ask()).toEqual(one);
    expect(requests()).toBe(2);
    broker.forget(cloud, tenantId);
    await ask();
    expect(requests()).toBe(3);
  });

  test('is bounded', async () => {
    broker = createTokenBroker({
      sharing: 'process',
      send: entra.send,
      now: () => nowMs,
      credentials: () => credentials,
      tokens: 1,
    });
    await ask();
    await ask({ tenantId: otherTenantId });
    await ask();
    expect(requests()).toBe(3);
  });
});

describe('refusals', () => {
  test('carry what Entra said', async () => {
    entra.handle = refuse(400, 700016, 'unauthorized_client');
    expect(await failureOf()).toMatchObject({
      scope: 'tenant',
      cause: 'consent-required',
      code: 700016,
      httpStatus: 400,
      traceId: 't',
    });
  });

  test('a 503 does not blank the tenant: the next call asks again', async () => {
    entra.handle = (_request, response) => {
      response.writeHead(503, { 'content-type': 'text/html' }).end('<h1>Service Unavailable</h1>');
    };
    expect(await failureOf()).toMatchObject({
      scope: 'transient',
      cause: 'entra-unavailable',
      httpStatus: 503,
    });
    entra.handle = issue();
    expect((await ask()).ok).toBe(true);
  });

  test('429 in plain text: that tenant and scope wait as told, nobody else', async () => {
    entra.handle = (_request, response) => {
      response.writeHead(429, { 'retry-after': '60' }).end('Too Many Requests');
    };
    expect(await failureOf()).toMatchObject({ cause: 'throttled', retryAfterSeconds: 60 });
    entra.handle = issue();
    nowMs += 59_000;
    expect(await failureOf()).toMatchObject({ cause: 'throttled', retryAfterSeconds: 1 });
    expect(await failureOf({ fresh: true })).toMatchObject({ cause: 'throttled' });
    expect(requests()).toBe(1);
    expect((await ask({ resource: 'intune' })).ok).toBe(true);
    expect((await ask({ tenantId: otherTenantId })).ok).toBe(true);
    nowMs += 1_000;
    expect((await ask()).ok).toBe(true);
  });

  test('a 429 without a number waits 60 s', async () => {
    entra.handle = refuse(429, 90055, 'temporarily_unavailable');
    await ask();
    expect(await failureOf()).toMatchObject({ retryAfterSeconds: 60 });
    expect(requests()).toBe(1);
  });

  test('silence, a broken connection, a page, a token without life', async () => {
    entra.handle = () => undefined;
    expect(await failureOf()).toMatchObject({ cause: 'entra-timeout', scope: 'transient' });
    entra.handle = (_request, response) => {
      response.socket?.destroy();
    };
    expect(await failureOf()).toMatchObject({ cause: 'entra-unreachable', scope: 'transient' });
    for (const body of ['<html>', '{}', '{"access_token":"x","token_type":"Bearer"}', '[]']) {
      entra.handle = (_request, response) => {
        response.writeHead(200).end(body);
      };
      expect(await failureOf()).toMatchObject({ cause: 'unexpected-answer' });
    }
  });

  test('a tenant that is no GUID never becomes part of an address', async () => {
    for (const bad of ['common', '../x', '']) {
      expect(await failureOf({ tenantId: bad })).toMatchObject({ cause: 'tenant-not-found' });
    }
    expect(requests()).toBe(0);
  });
});

describe('two credentials', () => {
  const onlySecond: LoopbackHandler = (request, response) =>
    new URLSearchParams(request.body).get('client_secret') === 's2'
      ? issue()(request, response)
      : refuse(401, 7000222)(request, response);

  test.each([7000215, 7000222, 700027])('%i tries the other one, which then comes first', async (code) => {
    credentials = [secret('s1'), secret('s2')];
    entra.handle = (request, response) =>
      new URLSearchParams(request.body).get('client_secret') === 's2'
        ? issue()(request, response)
        : refuse(401, code)(request, response);
    expect((await ask()).ok).toBe(true);
    expect((await ask({ tenantId: otherTenantId })).ok).toBe(true);
    expect(entra.seen.map((_, index) => form(index).get('client_secret'))).toEqual(['s1', 's2', 's2']);
  });

  test('a refusal for the tenant does not try the other one', async () => {
    credentials = [secret('s1'), secret('s2')];
    entra.handle = refuse(400, 700016);
    await ask();
    expect(requests()).toBe(1);
  });

  test('both refused: Entra is left alone for a while, unless a fresh token is asked', async () => {
    credentials = [secret('s1'), secret('s0')];
    entra.handle = onlySecond;
    expect(await failureOf()).toMatchObject({ scope: 'registration', cause: 'credential-expired' });
    expect(await failureOf({ tenantId: otherTenantId })).toMatchObject({ cause: 'credential-expired' });
    expect(requests()).toBe(2);
    credentials = [secret('s1'), secret('s2')];
    expect((await ask({ fresh: true })).ok).toBe(true);
    expect((await ask({ tenantId: otherTenantId })).ok).toBe(true);
  });

  test('none configured, or unreadable', async () => {
    credentials = [];
    expect(await failureOf()).toMatchObject({ cause: 'credential-not-configured' });
    broker = createTokenBroker({
      sharing: 'process',
      send: entra.send,
      now: () => nowMs,
      credentials: () => Promise.reject(new Error('secret text')),
    });
    expect(await failureOf()).toMatchObject({ cause: 'credential-unreadable' });
    expect(requests()).toBe(0);
  });
});

test('no failure holds a secret or an assertion', async () => {
  credentials = [secret('very-secret-value')];
  entra.handle = refuse(401, 7000215);
  expect(JSON.stringify(await failureOf())).not.toContain('very-secret');
});
