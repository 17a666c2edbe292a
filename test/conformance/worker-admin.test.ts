import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { gatewayEnvironment, gatewayFiles } from '../../src/simulator/gateway-settings.ts';
import { clientSecretOf, createWorld, type World } from '../../src/simulator/world.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { addOperator, tokenOf } from '../harness/entra-operator.ts';
import { bootstrapKey } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { hasPgbouncer, type Pgbouncer, startPgbouncer } from '../harness/pgbouncer.ts';
import { bundleWorker } from './bundles.ts';
import { type RunningWorker, startWorker, type WorkerCall } from './workerd.ts';

/** The admin API, the console and sign-in as the second Worker, beside the one of the data plane. */

const publicUrl = 'https://gateway.example.test';
const adminUrl = 'https://admin.example.test';
const sealingKey = randomBytes(32).toString('base64');
const address = '203.0.113.7';

/** Debian's package; .ci/run installs it, and where it is missing there nothing is skipped. */
const isPooled = hasPgbouncer() || process.env.CI !== undefined;

let world: World;
let database: TestDatabase;
let admin: RunningWorker;
let data: RunningWorker;
let pooler: Pgbouncer | undefined;
let hyperdrive: string;
let bundle: string;
let tenantId: string;
let trust: string;

/** On Workers a variable holds what on Node lies in the file that it names. */
function bindings(): Record<string, string> {
  const files = gatewayFiles(world);
  const { NODE_EXTRA_CA_CERTS: _, ...variables } = gatewayEnvironment(
    world,
    (file) => files.get(file)?.content ?? '',
  );
  return {
    ...variables,
    ESPALIER_SECRETS_KEY: sealingKey,
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ESPALIER_INSTANCE_BERLIN: clientSecretOf(world.instance('berlin')),
    ESPALIER_LOG_LEVEL: 'debug',
  };
}

beforeAll(async () => {
  const bundling = Promise.all([bundleWorker('admin'), bundleWorker('data')]);
  world = await createWorld({
    seed: 12,
    clouds: ['public'],
    publicUrl,
    adminUrl,
    tenants: [
      { displayName: 'Contoso', instances: [{ name: 'berlin', macs: 3 }] },
      { displayName: 'Fabrikam', instances: [] },
    ],
  });
  [tenantId = ''] = world.tenants.map((tenant) => tenant.tenantId);
  trust = world.authority.certificatePem;
  database = await createTestDatabase();
  await migrateDatabase(database.url);
  const bundles = await bundling;
  [bundle] = bundles;
  // Hyperdrive is a pooler in transaction mode, and the local one none: a real pooler stands behind it.
  if (isPooled)
    pooler = await startPgbouncer(database.url, ['pool_mode = transaction', 'default_pool_size = 4']);
  hyperdrive = pooler?.url ?? database.url;
  const options = { trust, bindings: bindings(), hyperdrive };
  admin = await startWorker({ ...options, which: 'admin', bundle });
  data = await startWorker({ ...options, bundle: bundles[1] });
}, 120_000);

afterAll(async () => {
  await Promise.all([admin?.close(), data?.close()]);
  await pooler?.close();
  await database?.drop();
  await world?.close();
});

const visit = (path: string, more: WorkerCall = {}) =>
  admin.fetch(adminUrl + path, { ...more, headers: { 'cf-connecting-ip': address, ...more.headers } });

async function api(
  method: string,
  path: string,
  body?: unknown,
  { key = bootstrapKey, headers = {} }: { key?: string; headers?: Record<string, string> } = {},
) {
  const answer = await visit(`/api/v1${path}`, {
    method,
    headers: {
      authorization: `Bearer ${key}`,
      ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      ...headers,
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const isJson = /^application\/(problem\+)?json\b/.test(answer.headers.get('content-type') ?? '');
  return { ...answer, json: isJson && answer.text !== '' ? JSON.parse(answer.text) : undefined };
}

const slugOf = ({ json }: { json: { type?: string } | undefined }) => json?.type?.split('/').at(-1);

describe('configuration', () => {
  it('without the address of the admin Worker is told with its variable', async () => {
    const { ESPALIER_ADMIN_URL: _, ...rest } = bindings();
    const faulty = await startWorker({ which: 'admin', bundle, trust, bindings: rest, hyperdrive });
    try {
      expect((await faulty.fetch(`${adminUrl}/api/v1/version`)).status).toBe(500);
      expect((await faulty.fetch(`${adminUrl}/health/ready`)).status).toBe(503);
      expect(faulty.output()).toMatch(/"event":"config.fault".*ESPALIER_ADMIN_URL/);
    } finally {
      await faulty.close();
    }
  });

  it('is ready with the schema of this build', async () => {
    const ready = await visit('/health/ready');
    expect(ready.status, `${ready.text}\n${admin.output()}`).toBe(200);
  });
});

describe('the admin API on workerd', () => {
  it('answers a problem with its owner to who has no key, and to a wrong one alike', async () => {
    for (const key of ['esp_wrong', 'x']) {
      const refused = await api('GET', '/tenants', undefined, { key });
      expect([refused.status, slugOf(refused), refused.json.owner]).toEqual([
        401,
        'unauthenticated',
        'caller',
      ]);
    }
    expect((await api('GET', '/nothing')).status).toBe(404);
    expect((await api('DELETE', '/tenants')).status).toBe(405);
    const document = await visit('/api/v1/openapi.json');
    expect(Object.keys(JSON.parse(document.text).paths).length).toBeGreaterThan(50);
  });

  it('creates a tenant, tells faults by their fields, and keeps versions', async () => {
    const faulty = await api('POST', '/tenants', { tenantId: 'x', cloud: 'mars' });
    expect([faulty.status, slugOf(faulty)]).toEqual([400, 'invalid-request']);
    expect(faulty.json.errors.map(({ field }: { field: string }) => field)).toContain('tenantId');
    const given = { tenantId, cloud: 'public', displayName: 'Contoso' };
    const headers = { 'idempotency-key': 'make-contoso' };
    const made = await api('POST', '/tenants', given, { headers });
    expect(made.status, `${made.text}\n${admin.output()}`).toBe(201);
    const again = await api('POST', '/tenants', given, { headers });
    expect([again.status, again.headers.get('idempotent-replayed')]).toEqual([201, 'true']);
    expect((await api('POST', '/tenants', given)).status).toBe(409);
    const read = await api('GET', `/tenants/${tenantId}`);
    const tag = read.headers.get('etag') ?? '';
    expect(
      (await api('GET', `/tenants/${tenantId}`, undefined, { headers: { 'if-none-match': tag } })).status,
    ).toBe(304);
    const stale = { headers: { 'if-match': '"99"' } };
    expect((await api('PATCH', `/tenants/${tenantId}`, { displayName: 'C' }, stale)).status).toBe(412);
    expect((await api('GET', '/tenants?filter=nothing==1')).status).toBe(400);
    expect((await api('GET', '/tenants?page-size=1')).json).toMatchObject({ totalCount: 1 });
    const history = await api('GET', `/history?filter=tenantId==${tenantId}`);
    expect(history.json.results.at(-1), history.text).toMatchObject({ action: 'tenant.create' });
    expect(history.text).toContain(address);
  });

  it('refuses what Workers cannot do when it is asked for, and names the field', async () => {
    const path = `/tenants/${tenantId}/instances`;
    const berlin = world.instance('berlin');
    const good = {
      name: 'berlin',
      url: berlin.url,
      apiClient: { clientId: berlin.clientId, secretRef: 'env:ESPALIER_INSTANCE_BERLIN' },
    };
    const refused = async (more: object) => {
      const answer = await api('POST', path, { ...good, ...more });
      return [answer.status, slugOf(answer), answer.json.errors?.[0]?.field];
    };
    const withSecret = (secretRef: string) => ({ apiClient: { clientId: 'x', secretRef } });
    expect(await refused({ caCertificate: trust })).toEqual([400, 'invalid-request', 'caCertificate']);
    for (const reference of ['file:/run/secrets/berlin', 'env:ESPALIER_SECRETS_KEY'])
      expect(await refused(withSecret(reference))).toEqual([400, 'invalid-request', 'apiClient.secretRef']);
    for (const host of ['10.0.0.1', '[fd00::1]', 'jamf', 'jamf.corp.internal'])
      expect(await refused({ url: `https://${host}` })).toEqual([400, 'address-refused', 'url']);
    const made = await api('POST', path, good);
    expect(made.status, `${made.text}\n${admin.output()}`).toBe(201);
    const changed = await api('PATCH', `${path}/${made.json.id}`, { caCertificate: trust });
    expect([changed.status, changed.json.errors?.[0]?.field]).toEqual([400, 'caCertificate']);
    const sealed = await api('PATCH', `${path}/${made.json.id}`, {
      apiClient: { clientId: berlin.clientId, clientSecret: clientSecretOf(berlin) },
    });
    expect(sealed.status, sealed.text).toBe(200);
    expect(sealed.text).not.toContain(clientSecretOf(berlin));
    const [row] = await database.sql<{ sealed: string }[]>`
      select api_secret_sealed::text as sealed from instances`;
    expect(row?.sealed).not.toContain(clientSecretOf(berlin));
  });

  it('connects and confirms a tenant, whose consents come back to the other Worker', async () => {
    const { json } = await api('POST', `/tenants/${tenantId}/connect`);
    let next: string = json.consentUrls[0].url;
    for (let hop = 0; hop < 10; hop += 1) {
      const answer = next.startsWith(publicUrl)
        ? await data.fetch(next)
        : await call(next, { ca: trust }).then(({ headers, ...rest }) => ({
            ...rest,
            headers: new Headers({ location: String(headers.location ?? '') }),
          }));
      if (answer.status !== 302) break;
      next = new URL(answer.headers.get('location') ?? '', next).href;
    }
    const confirmed = await api('POST', `/tenants/${tenantId}/confirm`);
    expect(confirmed.json?.ok, `${confirmed.text}\n${admin.output()}`).toBe(true);
    const lines = await api('POST', `/tenants/${tenantId}/confirm`, undefined, {
      headers: { accept: 'application/x-ndjson' },
    });
    const last = JSON.parse(lines.text.trimEnd().split('\n').at(-1) ?? '');
    expect(last.result.ok, lines.text).toBe(true);
  });

  it('knows a person by a token of Entra, with the role of that token', async () => {
    const scene = { world } as Parameters<typeof tokenOf>[0];
    const person = addOperator(scene, world.operators.tenantId, 'vera', 'Espalier.Viewer');
    const key = await tokenOf(scene, person, 'Espalier.Viewer');
    const seen = await api('GET', '/session', undefined, { key });
    expect([seen.status, seen.json?.role], seen.text).toEqual([200, 'viewer']);
    const refused = await api('POST', `/tenants/${tenantId}/pause`, undefined, { key });
    expect([refused.status, slugOf(refused)]).toEqual([403, 'forbidden']);
  });

  it('streams what changes, each stream by itself', async () => {
    const opening = [1, 2, 3].map(() => api('GET', '/events?seconds=6'));
    // Everything that a stream tells of comes after its first look, which comes with it.
    await new Promise((resolve) => setTimeout(resolve, 1_500));
    expect((await api('POST', `/tenants/${tenantId}/pause`)).status).toBe(200);
    for (const { status, text } of await Promise.all(opening)) {
      expect(status).toBe(200);
      expect(text, admin.output()).toContain(`{"kind":"tenant","tenantId":"${tenantId}"}`);
    }
    expect((await api('POST', `/tenants/${tenantId}/resume`)).status).toBe(200);
  });

  it('answers everybody after callers who left', async () => {
    const leaving = Array.from({ length: 8 }, () =>
      visit('/api/v1/reports', {
        headers: { authorization: `Bearer ${bootstrapKey}` },
        signal: AbortSignal.timeout(5),
      }).catch(() => undefined),
    );
    await Promise.all(leaving);
    const answers = await Promise.all(
      Array.from({ length: 12 }, () => api('GET', `/tenants/${tenantId}/instances`)),
    );
    expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
    expect((await api('GET', '/reports')).status, admin.output()).toBe(200);
  });
});

describe('routes as files on workerd', () => {
  const devices = Array.from({ length: 3_000 }, () => randomUUID());
  const send = (text: string, query: string) =>
    visit(`/api/v1/tenants/${tenantId}/devices/import?${query}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'text/csv' },
      body: text,
    });
  const file = (instanceId: string, rows: readonly string[]): string =>
    [
      'deviceId,instanceId,jamfComputerId',
      ...rows.map((id, index) => `${id},${instanceId},${index + 1}`),
    ].join('\n');

  it.skipIf(!isPooled)('come in through a pooler and go out as they are', async () => {
    const [instance] = (await api('GET', `/tenants/${tenantId}/instances`)).json.results;
    const good = file(instance.id, devices);
    const bad = `${good}\nno-device,${instance.id},1\n${devices[0]},${instance.id},1`;
    expect((await send(bad, 'mode=atomic')).status).toBe(400);
    const dryRun = JSON.parse((await send(bad, 'dry-run=true')).text);
    expect(dryRun, JSON.stringify(dryRun)).toMatchObject({ dryRun: true, changed: 3_000, rejectedCount: 2 });
    // Side by side: the pooler has fewer connections than these ask for.
    const [taken, ...others] = await Promise.all([
      send(bad, 'mode=partial'),
      ...Array.from({ length: 6 }, () => api('GET', `/tenants/${tenantId}/instances`)),
    ]);
    expect(taken.status, `${taken.text}\n${admin.output()}`).toBe(200);
    expect(JSON.parse(taken.text)).toMatchObject({ accepted: 3_000, changed: 3_000, rejectedCount: 2 });
    expect(others.map(({ status }) => status)).toEqual(others.map(() => 200));
    expect(JSON.parse((await send(good, 'mode=atomic')).text)).toMatchObject({ accepted: 3_000, changed: 0 });
    const path = `/tenants/${tenantId}/devices/export?format=csv`;
    const [exported, again] = await Promise.all([api('GET', path), api('GET', path)]);
    expect(exported.text.trimEnd().split('\n')).toHaveLength(3_001);
    expect(again.text).toBe(exported.text);
    for (let round = 0; round < 6; round += 1) expect((await api('GET', path)).status).toBe(200);
    const left =
      await database.sql`select relname from pg_class where relname like 'import\\_%' and relpersistence = 't'`;
    expect(left).toHaveLength(0);
  });
});

describe('the console on workerd', () => {
  const cookieOf = (headers: Headers): string =>
    headers
      .getSetCookie()
      .map((line) => line.split(';')[0])
      .join('; ');
  const signedIn = async (): Promise<string> => {
    const answer = await visit('/sign-in/key', {
      method: 'POST',
      headers: { 'content-type': 'application/x-www-form-urlencoded', origin: adminUrl },
      body: new URLSearchParams({ key: bootstrapKey }).toString(),
    });
    expect(answer.status, `${answer.text}\n${admin.output()}`).toBe(303);
    return cookieOf(answer.headers);
  };

  it('leads who is not signed in to the sign-in page', async () => {
    const led = await visit('/tenants');
    expect([led.status, led.headers.get('location')]).toEqual([303, '/sign-in?returnTo=%2Ftenants']);
    expect((await visit('/sign-in')).text).toContain('/sign-in/start');
  });

  it('shows pages under a strict policy, and their files by the digest of what is in them', async () => {
    const cookie = await signedIn();
    const page = await visit('/', { headers: { cookie } });
    expect(page.status, `${page.text}\n${admin.output()}`).toBe(200);
    expect(page.text).toContain('Contoso');
    expect(page.headers.get('content-security-policy')).toContain("script-src 'self'");
    expect(page.headers.get('strict-transport-security')).toBe('max-age=31536000');
    const files = [...page.text.matchAll(/"(\/console\/[^"]+\?v=[0-9a-f]{16})"/g)].map(([, path]) => path!);
    expect(files.length).toBeGreaterThan(3);
    for (const path of files) {
      const file = await visit(path);
      expect([file.status, file.headers.get('cache-control')]).toEqual([
        200,
        'public, max-age=31536000, immutable',
      ]);
      expect(file.text.length).toBeGreaterThan(100);
    }
  });

  it('takes forms with the token of the session, and refuses them without', async () => {
    const cookie = await signedIn();
    const session = JSON.parse((await visit('/api/v1/session', { headers: { cookie } })).text);
    const plan = await visit(`/tenants/${tenantId}/actions/pause`, { headers: { cookie } });
    const version = /name="version" value="([^"]*)"/.exec(plan.text)?.[1]?.replaceAll('&quot;', '"') ?? '';
    const post = (form: Record<string, string>) =>
      visit(`/tenants/${tenantId}/actions/pause/go`, {
        method: 'POST',
        headers: {
          cookie,
          origin: adminUrl,
          'sec-fetch-site': 'same-origin',
          'content-type': 'application/x-www-form-urlencoded',
        },
        body: new URLSearchParams({ version, ...form }).toString(),
      });
    expect((await post({})).status).toBe(403);
    const done = await post({ csrf: session.session.csrfToken });
    expect(done.status, `${done.text}\n${admin.output()}`).toBe(303);
    expect(
      JSON.parse((await visit(`/api/v1/tenants/${tenantId}`, { headers: { cookie } })).text).paused,
    ).toBe(true);
    const { results } = (await api('GET', `/history?filter=tenantId==${tenantId}&page-size=1`)).json;
    expect(results[0], 'the address goes with what the console asks').toMatchObject({ source: address });
  });
});
