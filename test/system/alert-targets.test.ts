import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AlertReceiver, startAlertReceiver } from '../harness/alert-receiver.ts';
import { type Scene, startScene } from '../harness/gateway.ts';

/** `/alerts/targets`: who makes which targets, and what of them is a secret. */

const own = 'aaaaaaaa-0000-4000-8000-000000000001';
const foreign = 'bbbbbbbb-0000-4000-8000-000000000002';

let scene: Scene;
let receiver: AlertReceiver;
let admin: string;
let bound: string;

const slugOf = ({ json }: { json: { type: string } }): string | undefined => json.type.split('/').at(-1);
const make = (body: object = {}, key = admin) =>
  scene.api(
    'POST',
    '/alerts/targets',
    { name: 'on call', url: `${receiver.url}/services/T0/B0/secret-path`, ...body },
    key,
  );

beforeAll(async () => {
  scene = await startScene({ world: { tenants: [{ instances: [] }], clouds: ['public'] } });
  receiver = await startAlertReceiver(scene.world.authority);
  admin = (await scene.api('POST', '/keys', { name: 'admin', role: 'admin' })).json.key;
  for (const tenantId of [own, foreign])
    await scene.api('POST', '/tenants', { tenantId, cloud: 'public', displayName: tenantId }, admin);
  const key = { name: 'bound', role: 'admin', tenants: [own] };
  bound = (await scene.api('POST', '/keys', key, admin)).json.key;
}, 120_000);
afterAll(async () => {
  await receiver?.close();
  await scene?.close();
});

describe('a target', () => {
  it('shows its secret once and of its address the origin, and keeps both sealed', async () => {
    const made = await make();
    expect(made.status, made.text).toBe(201);
    expect(made.headers['cache-control']).toBe('no-store');
    const { id, secret } = made.json;
    expect(secret).toMatch(/^whsec_[A-Za-z0-9+/]{43}=$/);
    const read = await scene.api('GET', `/alerts/targets/${id}`, undefined, admin);
    expect(read.json).toMatchObject({
      ...{ id, name: 'on call', format: 'standard', address: receiver.url, tenants: null, kinds: null },
      ...{ history: false, enabled: true, state: 'ok', attempts: 0, version: 1 },
    });
    const stored = JSON.stringify(await scene.database.sql`select * from alert_targets`);
    const history = (await scene.api('GET', '/history', undefined, admin)).text;
    for (const text of [read.text, stored, history, scene.gateway.output()]) {
      expect(text).not.toContain(secret.slice('whsec_'.length));
      expect(text).not.toContain('secret-path');
    }
  });

  it('of a chat has no secret, and no history', async () => {
    const made = await make({ format: 'slack' });
    expect(made.json.secret).toBeNull();
    const refused = await make({ format: 'teams', history: true });
    expect([refused.status, slugOf(refused)]).toEqual([400, 'invalid-request']);
  });

  it('is changed under its version, also to another address, and removed', async () => {
    const { id } = (await make()).json;
    const path = `/alerts/targets/${id}`;
    const changed = await scene.api(
      'PATCH',
      path,
      { name: 'night', url: `${receiver.url}/other`, kinds: ['tenant-held'], enabled: false },
      admin,
    );
    expect(changed.json).toMatchObject({
      name: 'night',
      kinds: ['tenant-held'],
      state: 'disabled',
      version: 2,
    });
    receiver.received.length = 0;
    expect((await scene.api('POST', `${path}/test`, undefined, admin)).json.ok).toBe(true);
    expect(receiver.received[0]?.path).toBe('/other');
    const back = await scene.api('PATCH', path, { kinds: null, enabled: true }, admin);
    expect(back.json).toMatchObject({ kinds: null, state: 'ok', version: 3 });
    expect((await scene.api('DELETE', path, undefined, admin)).status).toBe(204);
    expect((await scene.api('GET', path, undefined, admin)).status).toBe(404);
  });

  it.each([
    ['of a private network', { url: 'https://10.1.2.3/hook' }, 'address-refused'],
    ['of a cloud’s metadata', { url: 'https://169.254.169.254/latest' }, 'address-refused'],
    ['without TLS', { url: 'http://alerts.example.com/' }, 'invalid-request'],
    ['with a password', { url: 'https://ann:secret@alerts.example.com/' }, 'invalid-request'],
    ['of an unknown kind', { kinds: ['weather'] }, 'invalid-request'],
    ['for a tenant that there is not', { tenants: [crypto.randomUUID()] }, 'invalid-request'],
    ['for no tenant', { tenants: [] }, 'invalid-request'],
  ])('%s is refused', async (_, body, slug) => {
    const answer = await make(body);
    expect({ status: answer.status, slug: slugOf(answer) }).toEqual({ status: 400, slug });
  });

  it('whose address became private is refused where the connection is made', async () => {
    const { id } = (await make()).json;
    await scene.gateway.stop();
    await scene.start({ ESPALIER_UPSTREAM_ALLOW: '192.0.2.1' });
    try {
      receiver.received.length = 0;
      const tested = await scene.api('POST', `/alerts/targets/${id}/test`, undefined, admin);
      expect(tested.json).toMatchObject({ ok: false, status: null });
      expect(tested.json.detail).toContain('address refused');
      expect(receiver.received).toEqual([]);
    } finally {
      await scene.gateway.stop();
      await scene.start({ ESPALIER_UPSTREAM_ALLOW: '127.0.0.0/8,::1/128,localhost' });
    }
  }, 60_000);
});

describe('an admin who is bound to tenants', () => {
  it('makes targets for his own tenants, and none for others or for all', async () => {
    expect((await make({ tenants: [own] }, bound)).status).toBe(201);
    for (const body of [{}, { tenants: [foreign] }, { tenants: [own, foreign] }]) {
      const refused = await make(body, bound);
      expect([refused.status, slugOf(refused)]).toEqual([403, 'forbidden']);
    }
  });

  it('neither sees, tests, changes nor removes the targets of others', async () => {
    for (const body of [{ tenants: [foreign] }, {}, { tenants: [own, foreign] }]) {
      const { id } = (await make(body)).json;
      const asked = [
        await scene.api('GET', `/alerts/targets/${id}`, undefined, bound),
        await scene.api('PATCH', `/alerts/targets/${id}`, { enabled: false }, bound),
        await scene.api('POST', `/alerts/targets/${id}/test`, undefined, bound),
        await scene.api('DELETE', `/alerts/targets/${id}`, undefined, bound),
      ];
      expect(asked.map(({ status }) => status)).toEqual([404, 404, 404, 404]);
      expect((await scene.api('GET', '/alerts/targets', undefined, bound)).text).not.toContain(id);
    }
  });

  it('does not widen a target of his own to other tenants', async () => {
    const { id } = (await make({ tenants: [own] }, bound)).json;
    for (const tenants of [null, [foreign]]) {
      const refused = await scene.api('PATCH', `/alerts/targets/${id}`, { tenants }, bound);
      expect(refused.status).toBe(403);
    }
  });

  it('has ten targets for a tenant at most', async () => {
    const statuses: number[] = [];
    for (let tried = 0; tried < 11; tried += 1) statuses.push((await make({ tenants: [own] }, bound)).status);
    expect(statuses.at(-1)).toBe(409);
    // Another tenant's room is not taken.
    expect((await make({ tenants: [foreign] })).status).toBe(201);
  });
});

it('a viewer reads targets, an operator tests them, and neither changes them', async () => {
  const { id } = (await make()).json;
  const keyOf = async (role: string) =>
    (await scene.api('POST', '/keys', { name: role, role }, admin)).json.key;
  const [viewer, operator] = [await keyOf('viewer'), await keyOf('operator')];
  expect((await scene.api('GET', `/alerts/targets/${id}`, undefined, viewer)).status).toBe(200);
  expect((await scene.api('POST', `/alerts/targets/${id}/test`, undefined, viewer)).status).toBe(403);
  expect((await scene.api('POST', `/alerts/targets/${id}/test`, undefined, operator)).status).toBe(200);
  expect((await scene.api('PATCH', `/alerts/targets/${id}`, { enabled: false }, operator)).status).toBe(403);
});
