import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import { type GatewayProcess, type Scene, startScene } from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** Keys of the admin API, over two processes of one database. */

let scene: Scene;
let other: GatewayProcess;
const tenantA = 'aaaaaaaa-0000-4000-8000-000000000001';
const tenantB = 'bbbbbbbb-0000-4000-8000-000000000002';

interface Made {
  readonly id: string;
  readonly key: string;
}

beforeAll(async () => {
  scene = await startScene({ world: { tenants: [{ instances: [] }], clouds: ['public'] } });
  other = await scene.another();
});
afterAll(async () => {
  await other?.stop();
  await scene?.close();
});

async function make(body: object, key?: string): Promise<Made> {
  const made = await scene.api('POST', '/keys', body, key);
  expect(made.status, made.text).toBe(201);
  expect(made.headers['cache-control']).toBe('no-store');
  expect(made.headers.location).toBe(made.json.href);
  return made.json;
}

const statusAt = async (base: string, key: string): Promise<number> =>
  (await call(`${base}/api/v1/session`, { ca: scene.trust, headers: { authorization: `Bearer ${key}` } }))
    .status;

// Other keys are made by this one: the bootstrap key ends with it.
let admin: Made;
beforeAll(async () => {
  admin = await make({ name: 'the admin', role: 'admin' });
});

describe('a key', () => {
  test('is shown once, and kept as a hash', async () => {
    expect(admin.key).toMatch(/^esp_[\w-]{43}$/);
    const read = await scene.api('GET', `/keys/${admin.id}`, undefined, admin.key);
    expect(read.json).toMatchObject({
      id: admin.id,
      name: 'the admin',
      role: 'admin',
      tenants: null,
      prefix: admin.key.slice(0, 10),
      expired: false,
    });
    expect(read.text).not.toContain(admin.key);
    expect(JSON.stringify(await scene.database.sql`select * from api_keys`)).not.toContain(admin.key);
    expect(scene.gateway.output()).not.toContain(admin.key);
  });

  test('tells who it is, with role, tenants and no session', async () => {
    const bound = await make(
      { name: 'b', role: 'operator', tenants: [tenantA.toUpperCase(), tenantA] },
      admin.key,
    );
    const me = await scene.api('GET', '/session', undefined, bound.key);
    expect(me.json).toEqual({
      name: 'key b',
      kind: 'key',
      id: bound.id,
      role: 'operator',
      tenants: [tenantA],
      session: null,
    });
  });

  test('overlaps with the one that replaces it', async () => {
    const old = await make({ name: 'rotating', role: 'viewer' }, admin.key);
    const next = await make({ name: 'rotating', role: 'viewer' }, admin.key);
    for (const { key } of [old, next]) expect(await statusAt(scene.gateway.admin, key)).toBe(200);
    await scene.api('DELETE', `/keys/${old.id}`, undefined, admin.key);
    expect(await statusAt(scene.gateway.admin, next.key)).toBe(200);
  });

  test('that is revoked opens nothing a second later, on every process', async () => {
    const { id, key } = await make({ name: 'short', role: 'viewer' }, admin.key);
    for (const base of [scene.gateway.admin, other.admin]) expect(await statusAt(base, key)).toBe(200);
    expect((await scene.api('DELETE', `/keys/${id}`, undefined, admin.key)).status).toBe(204);
    await new Promise((resolve) => setTimeout(resolve, 1_000));
    for (const base of [scene.gateway.admin, other.admin]) expect(await statusAt(base, key)).toBe(401);
    expect((await scene.api('GET', `/keys/${id}`, undefined, admin.key)).status).toBe(404);
    expect((await scene.api('DELETE', `/keys/${id}`, undefined, admin.key)).status).toBe(404);
  });

  test('ends at its time, and is still shown as expired until it is deleted', async () => {
    const expiresAt = new Date(Date.now() + 1_500).toISOString();
    const { id, key } = await make({ name: 'ending', role: 'viewer', expiresAt }, admin.key);
    expect(await statusAt(scene.gateway.admin, key)).toBe(200);
    await new Promise((resolve) => setTimeout(resolve, Date.parse(expiresAt) - Date.now() + 50));
    for (const base of [scene.gateway.admin, other.admin]) expect(await statusAt(base, key)).toBe(401);
    const read = await scene.api('GET', `/keys/${id}`, undefined, admin.key);
    expect(read.json).toMatchObject({ expired: true, expiresAt });
    expect((await scene.api('DELETE', `/keys/${id}`, undefined, admin.key)).status).toBe(204);
  });

  test('remembers when it was used', async () => {
    const { id, key } = await make({ name: 'used', role: 'viewer' }, admin.key);
    const before = await scene.api('GET', `/keys/${id}`, undefined, admin.key);
    expect(before.json.lastUsedAt).toBeNull();
    await statusAt(scene.gateway.admin, key);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/keys/${id}`, undefined, admin.key);
      expect(Date.parse(json.lastUsedAt)).toBeGreaterThan(Date.now() - 60_000);
    });
  });

  test.each([
    [{ role: 'viewer' }, 'name'],
    [{ name: '', role: 'viewer' }, 'name'],
    [{ name: 'a\u0000b', role: 'viewer' }, 'name'],
    [{ name: 'a\nb', role: 'viewer' }, 'name'],
    [{ name: 'x'.repeat(101), role: 'viewer' }, 'name'],
    [{ name: 'x', role: 'owner' }, 'role'],
    [{ name: 'x', role: 'viewer', tenants: [] }, 'tenants'],
    [{ name: 'x', role: 'viewer', tenants: ['y'] }, 'tenants.0'],
    [{ name: 'x', role: 'viewer', expiresAt: '2020-01-01T00:00:00Z' }, 'expiresAt'],
    [{ name: 'x', role: 'viewer', expiresAt: 'tomorrow' }, 'expiresAt'],
    [{ name: 'x', role: 'viewer', scope: 'all' }, 'scope'],
  ])('is not made of %j, and the answer names %s', async (body, field) => {
    const answer = await scene.api('POST', '/keys', body, admin.key);
    expect(answer.status).toBe(400);
    expect(answer.json.errors.map((error: { field: string }) => error.field)).toContain(field);
  });
});

describe('the list', () => {
  test('is paged, sorted and filtered like the others', async () => {
    for (const name of ['list c', 'list a', 'list b']) await make({ name, role: 'viewer' }, admin.key);
    const names = async (query: string) => {
      const { json, status, text } = await scene.api('GET', `/keys?${query}`, undefined, admin.key);
      expect(status, text).toBe(200);
      return [json.totalCount, ...json.results.map((key: { name: string }) => key.name)];
    };
    const filter = `filter=${encodeURIComponent('name=="list *"')}`;
    expect(await names(`${filter}&sort=name:asc`)).toEqual([3, 'list a', 'list b', 'list c']);
    expect(await names(`${filter}&sort=name:desc&page-size=2&page=1`)).toEqual([3, 'list a']);
    expect(await names(`${filter}&sort=createdAt:asc`)).toEqual([3, 'list c', 'list a', 'list b']);
    expect((await names(`filter=${encodeURIComponent('role==admin')}`))[0]).toBe(1);
    for (const query of ['filter=key_hash==x', 'sort=keyHash:asc', 'page-size=2001', 'color=red'])
      expect((await scene.api('GET', `/keys?${query}`, undefined, admin.key)).status, query).toBe(400);
  });
});

describe('an admin who is bound to tenants', () => {
  let bound: Made;
  beforeAll(async () => {
    bound = await make({ name: 'bound admin', role: 'admin', tenants: [tenantA] }, admin.key);
  });

  test('makes keys for these tenants only', async () => {
    const own = await make({ name: 'own', role: 'admin', tenants: [tenantA] }, bound.key);
    expect(await statusAt(scene.gateway.admin, own.key)).toBe(200);
    for (const tenants of [undefined, [tenantB], [tenantA, tenantB]]) {
      const answer = await scene.api('POST', '/keys', { name: 'wider', role: 'viewer', tenants }, bound.key);
      expect(answer.status).toBe(403);
    }
  });

  test('sees and revokes keys within them only; every other is not found', async () => {
    const wider = await make({ name: 'wide', role: 'viewer', tenants: [tenantA, tenantB] }, admin.key);
    const foreign = await make({ name: 'foreign', role: 'viewer', tenants: [tenantB] }, admin.key);
    const { json } = await scene.api('GET', '/keys?page-size=2000', undefined, bound.key);
    expect(json.totalCount).toBe(json.results.length);
    for (const key of json.results) expect(key.tenants).toEqual([tenantA]);
    for (const { id } of [wider, foreign, admin]) {
      expect((await scene.api('GET', `/keys/${id}`, undefined, bound.key)).status).toBe(404);
      expect((await scene.api('DELETE', `/keys/${id}`, undefined, bound.key)).status).toBe(404);
      expect((await scene.api('GET', `/keys/${id}`, undefined, admin.key)).status).toBe(200);
    }
  });

  test('keys below admin manage no keys', async () => {
    for (const role of ['viewer', 'operator']) {
      const { key } = await make({ name: role, role }, admin.key);
      expect((await scene.api('GET', '/keys', undefined, key)).status).toBe(403);
      expect((await scene.api('POST', '/keys', { name: 'x', role: 'viewer' }, key)).status).toBe(403);
    }
  });
});

test('too many wrong keys from one address wait, and a key that was right goes on', async () => {
  await statusAt(scene.gateway.admin, admin.key);
  let refused = 401;
  for (let round = 0; round < 60 && refused === 401; round += 1) {
    const tries = Array.from({ length: 10 }, (_, index) =>
      statusAt(scene.gateway.admin, `esp_${String(round * 10 + index).padStart(43, 'x')}`),
    );
    refused = (await Promise.all(tries)).includes(429) ? 429 : 401;
  }
  expect(refused).toBe(429);
  expect(await statusAt(scene.gateway.admin, admin.key)).toBe(200);
  // No credential at all costs nothing and is told what to give.
  expect((await call(`${scene.gateway.admin}/api/v1/session`, { ca: scene.trust })).status).toBe(401);
});
