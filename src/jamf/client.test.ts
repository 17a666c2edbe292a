import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { BodyInterrupted, BodyTooLarge, type OutboundResult, type Send } from '../outbound/port.ts';
import { createJamfClient, type JamfClientOptions } from './client.ts';
import { testConnection } from './connection-test.ts';

type Handler = (request: IncomingMessage, response: ServerResponse, body: string) => void;

/** A small `Send` on global fetch; the real ones are the runtime's. */
const send: Send = async (request): Promise<OutboundResult> => {
  const timeout = AbortSignal.timeout(request.timeoutMs);
  const signal = request.signal ? AbortSignal.any([timeout, request.signal]) : timeout;
  let response: Response;
  try {
    const body = typeof request.body === 'string' ? request.body : undefined;
    const { method, headers } = request;
    response = await fetch(request.url, { method, headers, body, redirect: 'manual', signal });
  } catch (error) {
    const failure = timeout.aborted ? 'timeout' : 'unreachable';
    return { ok: false, failure, detail: error instanceof Error ? error.message : 'unknown' };
  }
  return {
    ok: true,
    status: response.status,
    headers: response.headers,
    body: response.body ?? (async function* () {})(),
    text: async (limitBytes) => {
      try {
        const text = await response.text();
        if (text.length > limitBytes) throw new BodyTooLarge();
        return text;
      } catch (error) {
        throw error instanceof BodyTooLarge ? error : new BodyInterrupted();
      }
    },
    discard: async () => response.body?.cancel(),
  };
};

let nowMs = 0;
let lifetimeSeconds: unknown = 60;
let tokensIssued = 0;
let revoked = new Set<string>();
let seen: string[] = [];
let routes: Record<string, Handler> = {};
let baseUrl = '';
let close: () => Promise<void>;

function json(
  response: ServerResponse,
  status: number,
  body: unknown,
  headers: Record<string, string> = {},
): void {
  response.writeHead(status, { 'content-type': 'application/json', ...headers });
  response.end(body === undefined ? '' : JSON.stringify(body, null, 2));
}

function html(response: ServerResponse, status: number): void {
  response.writeHead(status, { 'content-type': 'text/html' }).end('<html><body>Sorry, s3cret</body></html>');
}

const notFound = { httpStatus: 404, errors: [{ code: 'INVALID_ID', description: 's3cret', field: null }] };

const issueToken: Handler = (_request, response, body) => {
  const form = new URLSearchParams(body);
  if (form.get('client_secret') !== 's3cret&=') {
    json(response, 401, {
      error: 'invalid_client',
      error_description: `bad secret ${form.get('client_secret')}`,
    });
    return;
  }
  tokensIssued += 1;
  json(response, 200, {
    access_token: `token-${tokensIssued}`,
    token_type: 'Bearer',
    expires_in: lifetimeSeconds,
  });
};

beforeEach(async () => {
  nowMs = Date.parse('2026-11-20T09:00:00Z');
  lifetimeSeconds = 60;
  tokensIssued = 0;
  revoked = new Set();
  seen = [];
  routes = {
    'POST /api/v1/oauth/token': issueToken,
    'GET /api/v1/jamf-pro-version': (_request, response) => json(response, 200, { version: '11.30.1-t178' }),
  };
  const server = createServer(async (request, response) => {
    let body = '';
    for await (const chunk of request) body += String(chunk);
    const path = (request.url ?? '').split('?')[0] ?? '';
    seen.push(`${request.method} ${path}`);
    const token = request.headers.authorization?.replace('Bearer ', '');
    const handler = routes[`${request.method} ${path}`];
    const isTokenPath = path.endsWith('/oauth/token');
    if (isTokenPath && handler) handler(request, response, body);
    else if (!isTokenPath && (token === undefined || revoked.has(token)))
      json(response, 401, { httpStatus: 401, errors: [] });
    else if (handler) handler(request, response, body);
    else response.writeHead(404, { 'content-type': 'text/plain' }).end('404 page not found');
  });
  await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
  const address = server.address();
  baseUrl = `http://127.0.0.1:${typeof address === 'object' && address ? address.port : 0}`;
  close = async () => {
    server.closeAllConnections();
    await new Promise((closed) => server.close(closed));
  };
});

afterEach(() => close());

function client(options: Partial<JamfClientOptions> = {}) {
  return createJamfClient({
    send,
    baseUrl: `${baseUrl}/`,
    clientId: '4f2a0c6e-7b1d-4a55-9f0e-0c1d2e3f4a5b',
    clientSecret: async () => 's3cret&=',
    now: () => nowMs,
    date: () => nowMs,
    timeoutMs: 2000,
    ...options,
  });
}

function tokenRequests(): number {
  return seen.filter((line) => line.endsWith('/oauth/token')).length;
}

describe('token', () => {
  test('one request serves all callers until it is renewed in its last third', async () => {
    const jamf = client();
    await Promise.all([jamf.version(), jamf.version(), jamf.authorization()]);
    nowMs += 39_000;
    await jamf.version();
    expect(tokenRequests()).toBe(1);
    nowMs += 2000;
    await jamf.version();
    expect(tokenRequests()).toBe(2);
  });

  test('a long-lived one is renewed 30 seconds before its end', async () => {
    lifetimeSeconds = '600';
    const jamf = client();
    await jamf.version();
    nowMs += 569_000;
    await jamf.version();
    expect(tokenRequests()).toBe(1);
    nowMs += 1000;
    await jamf.version();
    expect(tokenRequests()).toBe(2);
  });

  test('the older path is used where the newer one is missing, and remembered', async () => {
    delete routes['POST /api/v1/oauth/token'];
    routes['POST /api/oauth/token'] = issueToken;
    const jamf = client();
    expect(await jamf.version()).toEqual({ ok: true, version: '11.30.1-t178' });
    nowMs += 60_000;
    await jamf.version();
    expect(seen.filter((line) => line === 'POST /api/v1/oauth/token')).toHaveLength(1);
    expect(tokensIssued).toBe(2);
  });

  test('so it is where the newer one is guarded although missing', async () => {
    routes['POST /api/v1/oauth/token'] = (_request, response) =>
      json(response, 401, { httpStatus: 401, errors: [] });
    routes['POST /api/oauth/token'] = issueToken;
    expect(await client().version()).toMatchObject({ ok: true });
    delete routes['POST /api/oauth/token'];
    expect(await client().version()).toMatchObject({ failure: 'unauthenticated', status: 401 });
  });

  test('no token path at all is an invalid answer, never a computer that is gone', async () => {
    delete routes['POST /api/v1/oauth/token'];
    expect(await client().computer('17')).toMatchObject({
      ok: false,
      failure: 'invalid-answer',
      status: 404,
    });
  });

  test('one that died early is renewed once; a second refusal is told', async () => {
    const jamf = client();
    await jamf.version();
    revoked.add('token-1');
    expect(await jamf.version()).toMatchObject({ ok: true });
    expect(tokensIssued).toBe(2);
    revoked.add('token-2').add('token-3');
    expect(await jamf.version()).toMatchObject({ ok: false, failure: 'unauthenticated', status: 401 });
    expect(tokensIssued).toBe(3);
  });

  test('authorization gives the token and forgets it when told, but no newer one', async () => {
    const jamf = client();
    const first = await jamf.authorization();
    if (!first.ok) throw new Error(first.detail);
    expect(first.authorization).toMatchObject({ token: 'token-1', expiresAtMs: nowMs + 60_000 });
    first.authorization.invalidate();
    expect(await jamf.authorization()).toMatchObject({ authorization: { token: 'token-2' } });
    first.authorization.invalidate();
    expect(await jamf.authorization()).toMatchObject({ authorization: { token: 'token-2' } });
  });

  test('the cached one is told without a request, as long as it need not be renewed', async () => {
    const jamf = client();
    expect(jamf.cachedToken()).toBeUndefined();
    expect(seen).toEqual([]);
    const granted = await jamf.authorization();
    expect(jamf.cachedToken()).toBe('token-1');
    nowMs += 41_000;
    expect(jamf.cachedToken()).toBeUndefined();
    nowMs -= 41_000;
    if (granted.ok) granted.authorization.invalidate();
    expect(jamf.cachedToken()).toBeUndefined();
    expect(tokenRequests()).toBe(1);
  });

  test.each([
    { access_token: 'a\r\nx: y', token_type: 'Bearer', expires_in: 60 },
    { access_token: 'a', token_type: 'mac', expires_in: 60 },
    { expires_in: 60 },
    ['x'],
  ])('an unusable one is refused: %j', async (body) => {
    routes['POST /api/v1/oauth/token'] = (_request, response) => json(response, 200, body);
    expect(await client().version()).toMatchObject({ ok: false, failure: 'invalid-answer' });
  });

  test('a refused client is unauthenticated, and no detail repeats the secret', async () => {
    const wrong = await client({ clientSecret: async () => 'wrong-secret' }).version();
    expect(wrong).toMatchObject({ failure: 'unauthenticated', status: 401 });
    routes['POST /api/v1/oauth/token'] = (_request, response) =>
      json(response, 400, { error: 'invalid_scope' });
    const refused = await client().version();
    expect(refused).toMatchObject({
      failure: 'unauthenticated',
      status: 400,
      detail: expect.stringContaining('scope'),
    });
    expect(JSON.stringify([wrong, refused])).not.toMatch(/s3cret|wrong-secret/);
    const sealed = client({ clientSecret: () => Promise.reject(new Error('no key')) });
    expect(await sealed.version()).toMatchObject({ ok: false, failure: 'no-secret' });
  });
});

describe('answers', () => {
  test.each<[string, Handler, object]>([
    ['HTML 403 of a firewall', (_q, r) => html(r, 403), { failure: 'invalid-answer', status: 403 }],
    ['HTML 503 of maintenance', (_q, r) => html(r, 503), { failure: 'invalid-answer', status: 503 }],
    ['HTML 200', (_q, r) => html(r, 200), { failure: 'invalid-answer', status: 200 }],
    ['an empty 200', (_q, r) => json(r, 200, undefined), { failure: 'invalid-answer' }],
    ['JSON of another shape', (_q, r) => json(r, 200, [1]), { failure: 'invalid-answer' }],
    ['a redirect', (_q, r) => json(r, 302, undefined, { location: '/' }), { failure: 'invalid-answer' }],
    ['403', (_q, r) => json(r, 403, { httpStatus: 403, errors: [] }), { failure: 'forbidden', status: 403 }],
    ['404', (_q, r) => json(r, 404, notFound), { failure: 'not-found', detail: 'HTTP 404 (INVALID_ID)' }],
    ['500', (_q, r) => json(r, 500, {}), { failure: 'error', status: 500 }],
    [
      '503 with a wait',
      (_q, r) => json(r, 503, undefined, { 'retry-after': '7' }),
      { failure: 'overloaded', retryAfterSeconds: 7 },
    ],
    [
      '429 with a date',
      (_q, r) => json(r, 429, {}, { 'retry-after': 'Fri, 20 Nov 2026 09:00:30 GMT' }),
      { failure: 'overloaded', retryAfterSeconds: 30 },
    ],
    ['silence', () => {}, { failure: 'timeout' }],
    ['a broken connection', (q) => q.socket.destroy(), { failure: 'unreachable' }],
    [
      'a body that breaks off',
      (q, r) => {
        r.writeHead(200, { 'content-length': '100' }).write('{');
        setTimeout(() => q.socket.destroy(), 20);
      },
      { failure: 'unreachable', status: 200 },
    ],
  ])('%s', async (_name, handler, expected) => {
    routes['GET /api/v1/jamf-pro-version'] = handler;
    const result = await client({ timeoutMs: 300 }).version();
    expect(result).toMatchObject({ ok: false, ...expected });
    expect(JSON.stringify(result)).not.toContain('s3cret');
  });

  test('a refused address and a closed port', async () => {
    const refuse: Send = async () => ({ ok: false, failure: 'refused-address', detail: 'private' });
    expect(await client({ send: refuse }).version()).toMatchObject({ failure: 'refused-address' });
    expect(await client({ baseUrl: 'http://127.0.0.1:1' }).version()).toMatchObject({
      failure: 'unreachable',
    });
  });

  test('at most `concurrency` requests at a time, token requests included', async () => {
    let running = 0;
    let maxRunning = 0;
    routes['GET /api/v1/jamf-pro-version'] = (_request, response) => {
      running += 1;
      maxRunning = Math.max(maxRunning, running);
      setTimeout(() => {
        running -= 1;
        json(response, 200, { version: '11.0.0' });
      }, 10);
    };
    const jamf = client({ concurrency: 2 });
    const results = await Promise.all(Array.from({ length: 12 }, () => jamf.version()));
    expect(results.every(({ ok }) => ok)).toBe(true);
    expect(maxRunning).toBe(2);
    expect(tokenRequests()).toBe(1);
  });
});

/** Serves one version of the inventory with these computers. */
function serveInventory(version: number, ids: readonly number[]): void {
  routes[`GET /api/v${version}/computers-inventory`] = (_request, response) =>
    json(response, 200, {
      totalCount: ids.length,
      results: ids.map((id) => ({ id: String(id), general: null })),
    });
  for (const id of [...ids, 404]) {
    routes[`GET /api/v${version}/computers-inventory-detail/${id}`] = (_request, response) =>
      id === 404
        ? json(response, 404, notFound)
        : json(response, 200, { id: String(id), udid: `udid-${id}` });
  }
}

describe('inventory', () => {
  test('the newest version that answers is found and remembered', async () => {
    serveInventory(2, [17]);
    const jamf = client();
    expect(await jamf.computer('17')).toMatchObject({
      ok: true,
      inventoryVersion: 2,
      computer: { udid: 'udid-17' },
    });
    seen = [];
    await jamf.computer('17');
    expect(seen).toEqual(['GET /api/v2/computers-inventory-detail/17']);
  });

  test('the version is told without a request for ten minutes after it was asked for', async () => {
    serveInventory(2, [17]);
    const jamf = client();
    expect(jamf.cachedInventoryVersion()).toBeUndefined();
    expect(await jamf.inventoryVersion()).toMatchObject({ inventoryVersion: 2 });
    seen = [];
    expect(jamf.cachedInventoryVersion()).toBe(2);
    nowMs += 601_000;
    expect(jamf.cachedInventoryVersion()).toBeUndefined();
    expect(seen).toEqual([]);
  });

  test('a missing record is told from a missing path', async () => {
    serveInventory(3, [17]);
    const jamf = client();
    expect(await jamf.computer('404')).toMatchObject({ ok: false, failure: 'not-found' });
    expect(seen).toContain('GET /api/v3/computers-inventory');
    expect(seen.some((line) => line.includes('/v2/'))).toBe(false);
  });

  test('a downgraded server is followed', async () => {
    serveInventory(4, [17]);
    const jamf = client();
    await jamf.computer('17');
    for (const path of Object.keys(routes).filter((route) => route.includes('/v4/'))) delete routes[path];
    serveInventory(1, [17]);
    expect(await jamf.computer('17')).toMatchObject({ ok: true, inventoryVersion: 1 });
  });

  test('a failing probe decides nothing', async () => {
    serveInventory(4, [17]);
    routes['GET /api/v4/computers-inventory'] = (_request, response) => json(response, 503, undefined);
    expect(await client().computer('404')).toMatchObject({ failure: 'overloaded' });
  });

  test('a server without any inventory is an invalid answer', async () => {
    expect(await client().computer('17')).toMatchObject({
      ok: false,
      failure: 'invalid-answer',
      status: 404,
    });
  });

  test("another computer's record, an unreadable one and a bad id are refused", async () => {
    serveInventory(4, [17, 18]);
    routes['GET /api/v4/computers-inventory-detail/17'] = (_request, response) =>
      json(response, 200, { id: '18' });
    routes['GET /api/v4/computers-inventory-detail/18'] = (_request, response) =>
      json(response, 200, { id: 'x' });
    const jamf = client();
    expect(await jamf.computer('17')).toMatchObject({ failure: 'invalid-answer' });
    expect(await jamf.computer('18')).toMatchObject({
      failure: 'invalid-answer',
      detail: expect.stringContaining('id must be'),
    });
    seen = [];
    expect(await jamf.computer('../1')).toMatchObject({ failure: 'error' });
    expect(await jamf.complianceInformation('1;2')).toMatchObject({ failure: 'error' });
    expect(seen).toEqual([]);
  });

  test('changed computers come in pages, oldest first; a bad record fails nothing', async () => {
    let asked = new URLSearchParams();
    routes['GET /api/v3/computers-inventory'] = (request, response) => {
      asked = new URL(request.url ?? '', baseUrl).searchParams;
      const results = [
        { id: '1' },
        { id: '2', general: { reportDate: 'x' } },
        { id: '3', localUserAccounts: 'x' },
        {},
      ];
      json(response, 200, { totalCount: 203, results });
    };
    const jamf = client();
    const first = await jamf.computersChangedSince('2026-11-20T08:00:00+00:00', 1);
    expect(first).toMatchObject({
      ok: true,
      page: {
        totalCount: 203,
        last: false,
        items: [
          { computer: { jamfComputerId: '1' } },
          { computer: { jamfComputerId: '2' }, warnings: [{ field: 'general.reportDate' }] },
        ],
        rejected: [{ jamfComputerId: '3' }, { jamfComputerId: undefined }],
      },
    });
    expect(asked.get('filter')).toBe('general.reportDate>"2026-11-20T08:00:00.000Z"');
    expect(asked.get('sort')).toBe('general.reportDate:asc,id:asc');
    expect(asked.getAll('section')).toContain('LOCAL_USER_ACCOUNTS');
    expect(asked.get('page')).toBe('1');
    expect(await jamf.computersChangedSince(undefined, 2)).toMatchObject({ page: { last: true } });
    expect(asked.has('filter')).toBe(false);
    expect(await jamf.computersChangedSince('x" or id=="1', 0)).toMatchObject({ failure: 'error' });
  });

  test('computers follow an id, lowest first; a server that ignores filter or order is noticed', async () => {
    let asked = new URLSearchParams();
    let results: unknown[] = [{ id: '18' }, { id: '19', localUserAccounts: 1 }, { id: '101' }];
    let totalCount = 203;
    routes['GET /api/v3/computers-inventory'] = (request, response) => {
      asked = new URL(request.url ?? '', baseUrl).searchParams;
      json(response, 200, { totalCount, results });
    };
    const jamf = client();
    const page = await jamf.computersAfter(17);
    expect(page).toMatchObject({
      page: { ids: [18, 19, 101], last: false, rejected: [{ jamfComputerId: '19' }] },
    });
    expect([asked.get('filter'), asked.get('sort'), asked.get('page')]).toEqual(['id>"17"', 'id:asc', '0']);
    expect(asked.getAll('section')).toEqual(['GENERAL', 'LOCAL_USER_ACCOUNTS']);
    const ignored = { failure: 'invalid-answer', detail: expect.stringContaining('by id') };
    expect(await jamf.computersAfter(18)).toMatchObject(ignored);
    results = [{ id: '30' }, { id: '20' }];
    expect(await jamf.computersAfter(19)).toMatchObject(ignored);
    results = [{}];
    expect(await jamf.computersAfter(19)).toMatchObject(ignored);
    [results, totalCount] = [[], 0];
    expect(await jamf.computersAfter(101)).toMatchObject({ page: { ids: [], last: true } });
    expect(await jamf.computersAfter(-1)).toMatchObject({ failure: 'error' });
  });
});

const compliancePath = 'GET /api/v1/conditional-access/device-compliance-information/computer';

describe('compliance, privileges and the test', () => {
  test('compliance is read per vendor; none and not found are told apart', async () => {
    const vendor = {
      deviceId: '17',
      applicable: true,
      complianceState: 'COMPLIANT',
      complianceVendor: 'Intune',
    };
    routes[`${compliancePath}/17`] = (_request, response) => json(response, 200, [vendor]);
    routes[`${compliancePath}/18`] = (_request, response) => json(response, 200, []);
    routes[`${compliancePath}/19`] = (_request, response) => json(response, 404, notFound);
    routes[`${compliancePath}/20`] = (_request, response) => json(response, 200, [vendor]);
    const jamf = client();
    expect(await jamf.complianceInformation('17')).toMatchObject({
      ok: true,
      records: [{ state: 'COMPLIANT' }],
    });
    expect(await jamf.complianceInformation('18')).toEqual({ ok: true, records: [], warnings: [] });
    expect(await jamf.complianceInformation('19')).toMatchObject({ failure: 'not-found' });
    expect(await jamf.complianceInformation('20')).toMatchObject({ failure: 'invalid-answer' });
  });

  test('privileges as far as the instance tells them', async () => {
    const account = { privilegesBySite: { '-1': ['Read Computers', 'Read JSS URL'], 2: ['Read Computers'] } };
    let body: unknown = { account, accountGroups: null, authenticationType: 'CLIENT_CREDENTIALS' };
    routes['GET /api/v1/auth'] = (_request, response) => json(response, 200, body);
    const privileges = ['Read Computers', 'Read JSS URL'];
    expect(await client().privileges()).toEqual({
      ok: true,
      authenticationType: 'CLIENT_CREDENTIALS',
      privileges,
    });
    body = { account: null };
    expect(await client().privileges()).toMatchObject({ ok: true, privileges: undefined });
  });

  test('the test goes through every step', async () => {
    serveInventory(4, [17]);
    routes[`${compliancePath}/17`] = (_request, response) => json(response, 200, []);
    expect((await client().test()).steps).toEqual([
      { name: 'token', ok: true, detail: 'A token was issued.' },
      { name: 'version', ok: true, detail: 'Jamf Pro 11.30.1-t178' },
      { name: 'inventory', ok: true, detail: 'Inventory v4, 1 computers' },
      { name: 'compliance', ok: true, detail: 'Compliance information can be read.' },
    ]);
    routes[`${compliancePath}/17`] = (_request, response) =>
      json(response, 403, { httpStatus: 403, errors: [] });
    const { steps } = await client().test();
    expect(steps.at(-1)).toMatchObject({
      name: 'compliance',
      ok: false,
      remedy: expect.stringContaining('Read Device Compliance Information'),
    });
  });

  test('the test ends in its own time when the instance never does, and says so', async () => {
    const never = () => new Promise<never>(() => undefined);
    const token = async () => ({ ok: true as const });
    const { steps } = await testConnection(
      { token, version: never, inventory: never, compliance: never },
      50,
    );
    expect(steps.map(({ ok }) => ok)).toEqual([true, false, false, false]);
    for (const { detail } of steps.slice(1)) expect(detail).toContain('timeout: no answer within the 0.05 s');
  });

  test('without a token nothing else is tried', async () => {
    const { steps } = await client({ clientSecret: async () => 'wrong' }).test();
    expect(steps.map(({ name, ok }) => [name, ok])).toEqual([
      ['token', false],
      ['version', false],
      ['inventory', false],
      ['compliance', false],
    ]);
    expect(steps[0]?.remedy).toContain('client id and secret');
    expect(seen).toHaveLength(1);
  });
});
