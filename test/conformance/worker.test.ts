import { randomBytes, randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseClouds } from '../../src/entra/clouds.ts';
import { adminConsentUrl } from '../../src/entra/consent.ts';
import { newestMigration } from '../../src/runtime/node-migrate.ts';
import { newestMigrationAt } from '../../src/runtime/worker/health.ts';
import { hashKey, newKey } from '../../src/secrets/keys.ts';
import { webSha256 } from '../../src/secrets/sha256.ts';
import type { World } from '../../src/simulator/world.ts';
import { changesOf, nextVersion, type RouteWrite, writeRoutes } from '../../src/store/routes/routes.ts';
import type { TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { call } from '../harness/http.ts';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import { type RunningWorker, startWorker } from './workerd.ts';

let scene: WorkerScene;
let world: World;
let database: TestDatabase;
let worker: RunningWorker;
let tenantId: string;
let strangerId: string;
let instanceId: string;
let instanceKey: string;
let device: WorkerScene['device'];
let callerToken: WorkerScene['callerToken'];

beforeAll(async () => {
  scene = await openWorkerScene();
  ({ callerToken, database, device, instanceId, instanceKey, strangerId, tenantId, world } = scene);
  worker = await scene.start();
});

afterAll(async () => {
  await worker?.close();
  await scene?.close();
});

const deviceCall = (what: 'compliance' | 'inventory', token: string, signal?: AbortSignal) =>
  worker.fetch(`${publicUrl}/t/${tenantId}/devices/${device.deviceId}/${what}`, {
    headers: { authorization: `Bearer ${token}` },
    ...(signal ? { signal } : {}),
  });

const compliance = (token: string, signal?: AbortSignal) => deviceCall('compliance', token, signal);

const tokenRequests = (): number =>
  world.journal.list({ service: 'jamf:berlin', path: '/oauth/token' }).length;

const webhook = (computer: number, headers: Record<string, string>, cf?: Record<string, unknown>) =>
  worker.fetch(`${publicUrl}/jamf/${instanceId}/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({
      webhook: { id: 1, name: 'w', webhookEvent: 'ComputerInventoryCompleted', eventTimestamp: Date.now() },
      event: { jssID: computer, udid: '', deviceName: 'a Mac', serialNumber: '' },
    }),
    ...(cf ? { cf } : {}),
  });

const isDue = async (computer: number): Promise<boolean> => {
  const [row] = await database.sql<{ due: boolean }[]>`
    select wanted_revision > done_revision as due from computers
    where tenant_id = ${tenantId} and instance_id = ${instanceId} and jamf_computer_id = ${computer}`;
  return row?.due ?? false;
};

describe('health', () => {
  test('is live and ready, and metrics are not on the public address', async () => {
    const live = await worker.fetch(`${publicUrl}/health/live`);
    expect([live.status, JSON.parse(live.text)]).toEqual([200, { status: 'live' }]);
    const ready = await worker.fetch(`${publicUrl}/health/ready`);
    expect([ready.status, JSON.parse(ready.text)], worker.output()).toEqual([200, { status: 'ready' }]);
    expect((await worker.fetch(`${publicUrl}/metrics`)).status).toBe(404);
    expect((await worker.fetch(`${publicUrl}/api/v1/version`)).status).toBe(404);
  });

  test('knows the newest migration of this build', async () => {
    expect(newestMigrationAt, 'src/runtime/worker/health.ts').toBe(await newestMigration());
  });
});

describe('device calls', () => {
  test("answer the instance's JSON to a token of the tenant, and take one instance token for many calls", async () => {
    const token = await callerToken(tenantId);
    const answers = await Promise.all([compliance(token), compliance(token), compliance(token)]);
    for (const answer of answers) {
      expect(answer.status, `${answer.text}\n${worker.output()}`).toBe(200);
      expect(answer.headers.get('content-type')).toMatch(/^application\/json/);
      const [record] = JSON.parse(answer.text);
      expect(record.deviceId, answer.text).toBe(String(device.jamfComputerId));
    }
    const before = tokenRequests();
    expect(before).toBeGreaterThan(0);
    expect((await compliance(token)).status).toBe(200);
    expect(tokenRequests()).toBe(before);
  });

  test('renew the token that the instance refuses', async () => {
    const before = tokenRequests();
    world.faults.add({
      service: 'jamf:berlin',
      path: 'device-compliance-information',
      status: 401,
      times: 1,
    });
    expect((await compliance(await callerToken(tenantId))).status).toBe(200);
    expect(tokenRequests()).toBe(before + 1);
  });

  test("stream the whole inventory, by the instance's newest version", async () => {
    const answer = await deviceCall('inventory', await callerToken(tenantId));
    expect(answer.status, answer.text).toBe(200);
    expect(JSON.parse(answer.text).id).toBe(String(device.jamfComputerId));
  });

  test('given up by their callers leave nothing behind that the next ones could meet', async () => {
    const token = await callerToken(tenantId);
    world.faults.add({ service: 'jamf:berlin', path: 'device-compliance', delayMs: 300, times: 1 });
    await expect(compliance(token, AbortSignal.timeout(100))).rejects.toThrow();
    expect((await compliance(token)).status).toBe(200);
  });

  test('follow a device that has moved, within two seconds or so', async () => {
    const { deviceId, jamfComputerId } = device;
    const place = (to: RouteWrite['to']) =>
      database.sql.begin(async (tx) => {
        const version = await nextVersion(tx, tenantId);
        const changes = changesOf(tx, [{ deviceId, before: undefined, to }], () => ({
          author: 'a',
          reason: 'r',
        }));
        await writeRoutes(tx, tenantId, version, changes);
      });
    const token = await callerToken(tenantId);
    expect((await compliance(token)).status).toBe(200);
    await place(undefined);
    await eventually(async () => expect((await compliance(token)).status).toBe(404), 5_000);
    const mac = { serialNumber: null, udid: null, pinned: false, rule: 'only-claim', placedAt: null };
    await place({ instanceId, jamfComputerId, ...mac });
    expect((await compliance(token)).status).toBe(200);
  });

  test('are passed through when they are listed, with a body, and not otherwise', async () => {
    const token = await callerToken(tenantId);
    const pass = (path: string, more: { method?: string; body?: string } = {}) =>
      worker.fetch(`${publicUrl}/t/${tenantId}/devices/${device.deviceId}/jamf${path}`, {
        ...more,
        headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      });
    const listed = await pass('/api/v1/computers-inventory-detail/{id}?x=1');
    expect(listed.status, `${listed.text}\n${worker.output()}`).toBe(200);
    expect(JSON.parse(listed.text).id).toBe(String(device.jamfComputerId));
    const small = await pass('/api/v1/computers/{id}/recalculate-smart-groups', {
      method: 'POST',
      body: '{}',
    });
    const long = await pass('/api/v1/computers/{id}/recalculate-smart-groups', {
      method: 'POST',
      body: 'x'.repeat(200_000),
    });
    expect([small.status, long.status], small.text).toEqual([200, 200]);
    const path = '/api/v1/computers/{id}/recalculate-smart-groups';
    expect((await pass(path, { method: 'POST', body: 'x'.repeat(1_048_577) })).status).toBe(413);
    for (const other of [
      `/api/v1/computers-inventory-detail/${device.jamfComputerId}`,
      '/api/v1/computers-inventory-detail/{id}/..%2F1',
      '/api/v1/computers-inventory',
    ]) {
      expect((await pass(other)).status).toBe(404);
    }
  });

  test("refuse another tenant's token, with 403 where that tenant is served here too", async () => {
    const token = await callerToken(strangerId);
    const asked = () => world.journal.list({ service: 'entra', path: `${strangerId}/discovery` }).length;
    const unknown = await compliance(token);
    expect([unknown.status, asked()], unknown.text).toEqual([401, 0]);
    const { sql } = database;
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${strangerId}, 'public', 'Stranger', 'device-compliance', 'cloud-connector', ${sql.json({ choice: 'default' })})`;
    try {
      await eventually(async () => {
        const answer = await compliance(token);
        expect(answer.status, answer.text).toBe(403);
        expect(JSON.parse(answer.text).type).toMatch(/tenant-mismatch$/);
      });
    } finally {
      await sql`delete from tenants where tenant_id = ${strangerId}`;
    }
  });

  test('refuse no token and two Authorization headers with 401 problem+json', async () => {
    const token = await callerToken(tenantId);
    const none = await worker.fetch(`${publicUrl}/t/${tenantId}/devices/${device.deviceId}/compliance`);
    const two = await compliance(`${token}, Bearer ${token}`);
    for (const answer of [none, two]) {
      expect(answer.status).toBe(401);
      expect(answer.headers.get('content-type')).toBe('application/problem+json');
      expect(answer.headers.get('www-authenticate')).toMatch(/^Bearer/);
      expect(JSON.parse(answer.text)).toMatchObject({ status: 401, owner: 'caller' });
    }
  });
});

describe('landing pages', () => {
  const visit = (path: string, language = 'fr') =>
    worker.fetch(`${publicUrl}${path}`, { headers: { 'accept-language': language } });

  test("send a browser to the instance, tell a known Mac's state, and say nothing of strangers", async () => {
    const { url } = world.instance('berlin');
    const query = `?x=1&DeviceId=${device.deviceId.toUpperCase()}`;
    for (const path of [`/t/${tenantId}/enroll`, `/t/${tenantId}/enroll${query}`]) {
      const sent = await visit(path);
      expect([sent.status, sent.headers.get('location')], worker.output()).toEqual([
        302,
        `${url}/DeviceRegistration.html`,
      ]);
    }
    const known = await visit(`/t/${tenantId}/remediate${query}`);
    expect(known.status, known.text).toBe(200);
    expect(known.text).toContain('Ce Mac est en cours d’évaluation');
    expect(known.text).toContain('<dd>berlin</dd>');
    expect(known.headers.get('content-security-policy')).toMatch(/^default-src 'none'; style-src 'sha256-/);
    const unknown = await visit(`/t/${strangerId}/enroll`, 'en');
    expect(unknown.status).toBe(404);
    expect((await visit('/t/contoso/enroll', 'en')).text).toBe(unknown.text);
  });
});

describe('webhooks', () => {
  test("with the instance's key are answered 202 once the computer is due in the database", async () => {
    const answer = await webhook(41, { 'x-api-key': instanceKey });
    expect([answer.status, answer.text], worker.output()).toEqual([202, '{"status":"accepted"}']);
    expect(await isDue(41)).toBe(true);
  });

  test('are refused without effect when the key is wrong', async () => {
    const answer = await webhook(42, { 'x-api-key': newKey() });
    expect(answer.status).toBe(401);
    expect(await isDue(42)).toBe(false);
  });

  test('are taken with the client certificate that Cloudflare has verified, and no other', async () => {
    const presented = { certPresented: '1', certVerified: 'SUCCESS', certRevoked: '0' };
    const own = { ...presented, certFingerprintSHA256: scene.certificateSha256 };
    const refused = [
      { ...own, certVerified: 'FAILED:self signed certificate' },
      { ...own, certRevoked: '1' },
      { ...presented, certFingerprintSHA256: randomBytes(32).toString('hex') },
    ];
    for (const tlsClientAuth of refused) expect((await webhook(43, {}, { tlsClientAuth })).status).toBe(401);
    expect(await isDue(43)).toBe(false);
    expect((await webhook(43, {}, { tlsClientAuth: own })).status).toBe(202);
    expect(await isDue(43)).toBe(true);
  });
});

/** A browser's request, to the Worker or to Microsoft. */
async function browse(url: string): Promise<{ status: number; text: string; location: string | undefined }> {
  if (url.startsWith(publicUrl)) {
    const { headers, status, text } = await worker.fetch(url);
    return { status, text, location: headers.get('location') ?? undefined };
  }
  const { headers, status, text } = await call(url, { ca: world.authority.certificatePem });
  return { status, text, location: headers.location?.toString() };
}

describe('change notifications', () => {
  const notify = (body: string, query = '') =>
    worker.fetch(`${publicUrl}/t/${tenantId}/notifications${query}`, { method: 'POST', body });
  const noted = () =>
    database.sql`select kind, object_id as "objectId", change from directory_changes where tenant_id = ${tenantId}`;

  test('answer the handshake, and are noted when the client state is right', async () => {
    const shaken = await notify('', '?validationToken=Validation%3a+a%2bb');
    expect([shaken.status, shaken.text]).toEqual([200, 'Validation: a+b']);
    expect(shaken.headers.get('content-type')).toBe('text/plain; charset=utf-8');
    const objectId = randomUUID();
    await database.sql`
      insert into subscriptions (tenant_id, resource, subscription_id, client_state_hash, state)
      values (${tenantId}, 'users', 'one', ${await webSha256('right')}, 'active')`;
    const about = (clientState: string) =>
      JSON.stringify({
        value: [
          { subscriptionId: 'one', clientState, changeType: 'deleted', resourceData: { id: objectId } },
        ],
      });
    expect((await notify(about('wrong'))).status, worker.output()).toBe(202);
    expect(await noted()).toEqual([]);
    expect((await notify(about('right'))).status, worker.output()).toBe(202);
    expect(await noted()).toEqual([{ kind: 'user', objectId, change: 'deleted' }]);
    await database.sql`delete from subscriptions where tenant_id = ${tenantId}`;
  });
});

describe('consent', () => {
  test('is finished by the redirects of both applications, with a token taken as proof', async () => {
    const clouds = parseClouds(world.cloudsFile());
    const cloud = clouds.ok ? clouds.clouds.get('public')! : expect.fail('clouds');
    const state = `${tenantId}.${randomUUID()}`;
    await database.sql`update tenants set connection_state = 'consenting' where tenant_id = ${tenantId}`;
    await database.sql`
      insert into consents (tenant_id, state_hash, application, expires_at)
      values (${tenantId}, ${await hashKey(state)}, 'connector', ${new Date(Date.now() + 60_000)})`;
    let url = adminConsentUrl({
      cloud,
      tenantId,
      clientId: world.applications.get('public')!.connector.clientId,
      redirectUri: `${publicUrl}/microsoft/consent`,
      scope: `${cloud.graph}/.default`,
      state,
    });
    for (let hop = 0; hop < 8; hop += 1) {
      const next = await browse(url);
      if (next.location === undefined) {
        expect(next.status, `${next.text}\n${worker.output()}`).toBe(200);
        expect(next.text).toContain('Consent given');
        break;
      }
      url = new URL(next.location, url).href;
    }
    const [row] = await database.sql`select connection_state from tenants where tenant_id = ${tenantId}`;
    expect(row?.connection_state).toBe('consented');
  });
});

describe('connections', () => {
  test('to the database are closed after the answers', async () => {
    await eventually(async () => {
      const [row] = await database.sql<{ open: number }[]>`
        select count(*)::int as open from pg_stat_activity where application_name = 'espalier-worker'
          and datname = current_database()`;
      expect(row?.open).toBe(0);
    }, 5_000);
    expect(worker.output()).not.toMatch(/uncaught|unhandled|"level":"error"/i);
  });
});

describe('a wrong configuration', () => {
  test('is told by readiness and the log, without a value of a secret', async () => {
    const faulty = await startWorker({
      bundle: scene.bundle,
      trust: world.authority.certificatePem,
      bindings: { ESPALIER_SECRETS_KEY: 'c2VjcmV0', ESPALIER_ENTRA_CERT_FILE: '/etc/espalier/connector.crt' },
    });
    try {
      expect((await faulty.fetch(`${publicUrl}/health/live`)).status).toBe(200);
      expect((await faulty.fetch(`${publicUrl}/health/ready`)).status).toBe(503);
      const answer = await faulty.fetch(`${publicUrl}/jamf/${instanceId}/webhooks`, { method: 'POST' });
      expect([answer.status, JSON.parse(answer.text).owner]).toEqual([500, 'configuration']);
      for (const name of ['DATABASE_URL', 'ESPALIER_SECRETS_KEY', 'ESPALIER_ENTRA_CERT_FILE']) {
        expect(faulty.output()).toContain(`"variable":"${name}"`);
      }
      expect(faulty.output()).toContain('no files on Workers');
      expect(faulty.output()).not.toContain('c2VjcmV0');
    } finally {
      await faulty.close();
    }
  });
});
