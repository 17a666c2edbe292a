import { createServer, type Server } from 'node:https';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  diagnosticId,
  startTestWorld,
  type TestWorld,
  tenantId,
  userId,
} from '../../../test/harness/simulated-microsoft.ts';
import { createAuthority } from '../authority.ts';
import { graphRole } from './applications.ts';

let world: TestWorld;
let subscriber: Server;
let url: string;
let token: string;
let bodies: { value: Record<string, unknown>[] }[] = [];
let handshakes: string[] = [];
/** The subscriber answers with this status, and makes of a validation token what this function returns. */
let status = 202;
let shake: (token: string) => { status?: number; type?: string; body: string };

beforeAll(async () => {
  world = await startTestWorld();
  const authority = await createAuthority();
  const { certificatePem: cert, keyPem: key } = await authority.issue(['localhost']);
  subscriber = createServer({ cert, key }, (incoming, outgoing) => {
    const given = new URL(incoming.url ?? '', 'https://localhost').searchParams.get('validationToken');
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () => {
      if (given !== null) {
        handshakes.push(given);
        const answer = shake(given);
        outgoing.writeHead(answer.status ?? 200, { 'content-type': answer.type ?? 'text/plain' });
        outgoing.end(answer.body);
        return;
      }
      if (status === 202) bodies.push(JSON.parse(Buffer.concat(chunks).toString('utf8')));
      outgoing.writeHead(status);
      outgoing.end();
    });
  });
  await new Promise<void>((resolve) => {
    subscriber.listen(0, '127.0.0.1', resolve);
  });
  url = `https://localhost:${(subscriber.address() as AddressInfo).port}/notifications`;
  await world.control('PUT', '/browser-trust', { pem: authority.certificatePem });
  const principal = world.directory.tenant(tenantId)?.servicePrincipals.get(diagnosticId);
  for (const value of ['Group.Read.All', 'User.Read.All'] as const)
    principal?.appRoles.push({ ...graphRole(value), value, effectiveAt: 0 });
  token = await world.token(world.graphScope, diagnosticId);
});
afterAll(async () => {
  await world.close();
  await new Promise((resolve) => {
    subscriber.close(resolve);
  });
});
beforeEach(async () => {
  bodies = [];
  handshakes = [];
  status = 202;
  shake = (body) => ({ body });
  for (const { id } of world.cloud.subscriptions.of(tenantId)) await send('DELETE', `/${id}`);
});

async function send(method: string, path = '', body?: unknown, bearer = token) {
  const answer = await world.request(`${world.cloud.origins.graph}/v1.0/subscriptions${path}`, {
    method,
    headers: { authorization: `Bearer ${bearer}`, 'content-type': 'application/json' },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  return { status: answer.status, body: text === '' ? {} : JSON.parse(text) };
}
const inMinutes = (minutes: number) => new Date(Date.now() + minutes * 60_000).toISOString();
const wanted = (change: object = {}) => ({
  changeType: 'updated,deleted',
  notificationUrl: url,
  lifecycleNotificationUrl: url,
  resource: 'users',
  expirationDateTime: inMinutes(41_700),
  clientState: 'state',
  ...change,
});
const until = async (check: () => void): Promise<void> => {
  for (let tries = 0; ; tries += 1) {
    try {
      return check();
    } catch (error) {
      if (tries > 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
};

describe('a subscription', () => {
  test('is made after a handshake at each address, and shows its client state to nobody', async () => {
    const made = await send('POST', '', wanted());
    expect(made).toMatchObject({ status: 201, body: { resource: 'users', clientState: null } });
    expect(handshakes).toHaveLength(2);
    expect((await send('GET')).body.value).toEqual([expect.objectContaining({ id: made.body.id })]);
    const other = await world.token(world.graphScope);
    expect((await send('GET', '', undefined, other)).status).toBe(403);
  });

  test.each([
    ['plain http', { notificationUrl: 'http://localhost/n' }],
    ['plain http for lifecycle events', { lifecycleNotificationUrl: 'http://localhost/n' }],
    ['no address', { notificationUrl: undefined }],
    ['a client state of 129 characters', { clientState: 'a'.repeat(129) }],
    ['a minute more than 41,760', { expirationDateTime: inMinutes(41_761) }],
    ['30 days', { expirationDateTime: inMinutes(43_200) }],
    ['a time that is over', { expirationDateTime: inMinutes(-1) }],
    ['no time', { expirationDateTime: 'soon' }],
    ['another resource', { resource: 'me/messages' }],
    ['a creation', { changeType: 'created' }],
    ['an address that nobody answers', { notificationUrl: 'https://localhost:1/n' }],
  ])('is refused with %s', async (_, change) => {
    expect((await send('POST', '', wanted(change))).status).toBe(400);
    expect(world.cloud.subscriptions.of(tenantId)).toEqual([]);
  });

  test.each([
    ['another text', () => ({ body: 'token' })],
    ['HTML', (body: string) => ({ body, type: 'text/html' })],
    ['an escaped token', (body: string) => ({ body: encodeURIComponent(body) })],
    ['202', (body: string) => ({ body, status: 202 })],
  ])('is refused when the handshake answers %s', async (_, answer) => {
    shake = answer;
    const { body, status: code } = await send('POST', '', wanted());
    expect([code, body.error.message]).toEqual([400, expect.stringContaining('validation request failed')]);
  });

  test('needs the permission of its resource; a second one like it is a conflict', async () => {
    const missing = await send('POST', '', wanted(), await world.token(world.graphScope));
    expect(missing.status).toBe(403);
    expect((await send('POST', '', wanted())).status).toBe(201);
    expect((await send('POST', '', wanted())).status).toBe(409);
    expect((await send('POST', '', wanted({ resource: 'devices' }))).status).toBe(201);
    const group = `groups/${crypto.randomUUID()}`;
    expect((await send('POST', '', wanted({ resource: group }))).status).toBe(404);
  });

  test('lives 45 minutes at least, is renewed, and ends with its deletion', async () => {
    const { body } = await send('POST', '', wanted({ expirationDateTime: inMinutes(1) }));
    expect(Date.parse(body.expirationDateTime) - Date.now()).toBeGreaterThan(44 * 60_000);
    const renewed = await send('PATCH', `/${body.id}`, { expirationDateTime: inMinutes(4_000) });
    expect(renewed.status).toBe(200);
    expect(Date.parse(renewed.body.expirationDateTime) - Date.now()).toBeGreaterThan(3_999 * 60_000);
    expect((await send('PATCH', `/${body.id}`, { expirationDateTime: inMinutes(50_000) })).status).toBe(400);
    expect((await send('DELETE', `/${body.id}`)).status).toBe(204);
    expect((await send('DELETE', `/${body.id}`)).status).toBe(404);
  });
});

describe('notifications', () => {
  test('come with the client state, gathered, and again until they are answered', async () => {
    await send('POST', '', wanted());
    status = 503;
    world.directory.note({ tenantId, set: 'users', objectId: userId, change: 'updated' });
    world.directory.note({ tenantId, set: 'devices', objectId: userId, change: 'updated' });
    await new Promise((resolve) => setTimeout(resolve, 300));
    status = 202;
    await until(() => expect(bodies).toHaveLength(1));
    expect(bodies[0]?.value).toEqual([
      expect.objectContaining({
        clientState: 'state',
        changeType: 'updated',
        tenantId,
        resourceData: expect.objectContaining({ id: userId }),
      }),
    ]);
    await until(() =>
      expect(world.cloud.subscriptions.counts(tenantId)).toEqual({ delivered: 1, waiting: 0, dropped: 0 }),
    );
  });

  test('are dropped when nobody takes them for long', async () => {
    await send('POST', '', wanted());
    await world.control('PATCH', `/tenants/${tenantId}/graph`, {
      notifications: { resources: ['users'], grantedMs: null, gatherMs: 0, retryMs: 20, giveUpMs: 50 },
    });
    status = 500;
    await world.control('PATCH', `/tenants/${tenantId}/users/${userId}`, { accountEnabled: false });
    await until(() =>
      expect(world.cloud.subscriptions.counts(tenantId)).toMatchObject({ waiting: 0, dropped: 1 }),
    );
  });

  test('of a group name who joined and who left; of its life the event', async () => {
    const groupId = crypto.randomUUID();
    const path = `/tenants/${tenantId}/groups/${groupId}`;
    await world.control('PUT', path, { displayName: 'G', members: [] });
    await world.control('PATCH', `/tenants/${tenantId}/graph`, {
      notifications: { resources: ['groups'], grantedMs: null, gatherMs: 0, retryMs: 20, giveUpMs: 50 },
    });
    await send('POST', '', wanted({ resource: `groups/${groupId}` }));
    await world.control('PUT', path, { displayName: 'G', members: [userId] });
    await until(() => expect(bodies).toHaveLength(1));
    expect(bodies[0]?.value[0]?.resourceData).toMatchObject({ 'members@delta': [{ id: userId }] });
    await world.control('PUT', path, { displayName: 'G', members: [] });
    await until(() => expect(bodies).toHaveLength(2));
    expect(bodies[1]?.value[0]?.resourceData).toMatchObject({
      'members@delta': [{ id: userId, '@removed': 'deleted' }],
    });
    const event = { set: 'groups', event: 'subscriptionRemoved' };
    const lifecycle = `/tenants/${tenantId}/subscriptions/lifecycle`;
    expect((await world.control('POST', lifecycle, event)).status).toBe(202);
    await until(() =>
      expect(bodies[2]?.value).toEqual([expect.objectContaining({ lifecycleEvent: 'subscriptionRemoved' })]),
    );
    expect((await world.control('POST', lifecycle, event)).status).toBe(404);
  });
});
