import { XMLParser } from 'fast-xml-parser';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJamfFixture, type JamfFixture } from '../../../test/harness/simulated-jamf.ts';
import type { JamfInstance } from './instance.ts';
import type { Mac } from './mac.ts';

let world: JamfFixture;
let count = 0;

beforeAll(async () => {
  world = await createJamfFixture();
});
afterAll(() => world.close());

const xmlType = { 'content-type': 'application/xml' };

const setUp = async (): Promise<{ jamf: JamfInstance; mac: Mac; token: string }> => {
  count += 1;
  const name = `jamf${count}`;
  const jamf = await world.start(name, { webhookTrustPem: world.authorityPem });
  const [mac] = world.fleet.addMacs({ tenantId: world.tenantId, instance: name, count: 1 }) as [Mac];
  return { jamf, mac, token: await world.token(jamf) };
};

const xml = (elements: Record<string, string>): string =>
  `<webhook>${Object.entries({
    name: 'hook',
    enabled: 'true',
    content_type: 'application/json',
    event: 'ComputerInventoryCompleted',
    connection_timeout: '5',
    read_timeout: '2',
    authentication_type: 'NONE',
    ...elements,
  })
    .map(([name, value]) => `<${name}>${value}</${name}>`)
    .join('')}</webhook>`;

const create = (jamf: JamfInstance, token: string, elements: Record<string, string>) =>
  world.call(jamf, '/JSSResource/webhooks/id/0', {
    method: 'POST',
    token,
    headers: xmlType,
    body: xml(elements),
  });

test('JSON with BASIC', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver();
  const made = await create(jamf, token, {
    url,
    authentication_type: 'BASIC',
    username: 'jamf',
    password: 'a&amp;b',
  });
  expect(made.status).toBe(201);
  expect(made.text).toContain('<id>1</id>');
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  expect(received).toHaveLength(1);
  expect(received[0]?.headers.authorization).toBe(`Basic ${Buffer.from('jamf:a&b').toString('base64')}`);
  const body = JSON.parse(received[0]?.body ?? '');
  expect(body.webhook).toMatchObject({ id: 1, name: 'hook', webhookEvent: 'ComputerInventoryCompleted' });
  expect(String(body.webhook.eventTimestamp)).toMatch(/^\d{13}$/);
  expect(body.event).toMatchObject({
    jssID: mac.computerId,
    serialNumber: mac.facts.serialNumber,
    userDirectoryID: '-1',
  });
});

test('XML with HEADER, check-in nested or flat', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver();
  await create(jamf, token, {
    url,
    content_type: 'text/xml',
    event: 'computercheckin',
    authentication_type: 'HEADER',
    header: '{"X-Api-Key":"k1"}',
  });
  world.fleet.checkIn(mac);
  await jamf.webhooks.settled();
  jamf.webhooks.variants.flatCheckIn = true;
  jamf.webhooks.variants.omitNewFields = true;
  world.fleet.checkIn(mac);
  await jamf.webhooks.settled();
  const [nested, flat] = received.map(({ body }) => new XMLParser().parse(body).JSSEvent);
  expect(received[0]?.headers).toMatchObject({ 'x-api-key': 'k1', 'content-type': 'text/xml' });
  expect(nested.webhook.webhookEvent).toBe('ComputerCheckIn');
  expect(nested.event.computer).toMatchObject({ jssID: 1, udid: mac.facts.udid });
  expect(nested.event.trigger).toBe('CLIENT_CHECKIN');
  expect(flat.event).toMatchObject({ jssID: 1 });
  expect(flat.event).not.toHaveProperty('managementId');
  expect(flat.webhook).not.toHaveProperty('eventTimestamp');
});

test('dropped without retry on 500 and on timeout', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver([500, -1]);
  await create(jamf, token, { url, read_timeout: '1' });
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  expect(received).toHaveLength(2);
  expect(jamf.webhooks.counts()).toEqual({
    sent: 2,
    delivered: 0,
    dropped: { timeout: 1, status: 1, connection: 0 },
  });
});

test('an untrusted receiver is dropped until its certificate is trusted', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver();
  await create(jamf, token, { url });
  await jamf.webhooks.trust(undefined);
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  expect(jamf.webhooks.counts().dropped.connection).toBe(1);
  await jamf.webhooks.trust(world.authorityPem);
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  expect(received).toHaveLength(1);
});

test('group, start-up and added events', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver();
  await create(jamf, token, {
    url,
    name: 'group',
    event: 'SmartGroupComputerMembershipChange',
    smart_group_id: '3',
  });
  await create(jamf, token, { url, name: 'start', event: 'JSSStartup' });
  await create(jamf, token, { url, name: 'added', event: 'ComputerAdded' });
  world.fleet.setCompliant(mac, true);
  world.fleet.setCompliant(mac, false);
  jamf.restart();
  // A Mac that enrols again in its instance keeps its record, unless that was deleted (domain/jamf.md 6.4).
  world.fleet.deleteComputer(mac);
  world.fleet.moveTo(mac, jamf.name);
  await jamf.webhooks.settled();
  const events = received.map(({ body }) => JSON.parse(body));
  const named = (name: string) => events.filter(({ webhook }) => webhook.webhookEvent === name);
  expect(named('SmartGroupComputerMembershipChange').at(-1).event).toMatchObject({
    name: 'Device Compliance',
    jssid: 3,
  });
  expect(named('JSSStartup')[0].event.jssUrl).toBe(`${jamf.url}/`);
  expect(named('ComputerAdded')[0].event.jssID).toBe(2);
});

test('duplicates, late and out of order', async () => {
  const { jamf, mac, token } = await setUp();
  const { url, received } = await world.receiver();
  await create(jamf, token, { url });
  const { variants } = jamf.webhooks;
  variants.duplicateShare = 1;
  world.fleet.updateInventory(mac);
  await jamf.webhooks.settled();
  expect(received).toHaveLength(2);
  variants.duplicateShare = 0;
  variants.outOfOrderShare = 1;
  world.fleet.updateInventory(mac, { name: 'first' });
  world.fleet.updateInventory(mac, { name: 'second' });
  await jamf.webhooks.settled();
  const names = received.map(({ body }) => JSON.parse(body).event.deviceName);
  expect(names.slice(2)).toEqual(['second', 'first']);
  variants.outOfOrderShare = 0;
  variants.lateShare = 1;
  variants.lateMs = 50;
  world.fleet.updateInventory(mac);
  expect(received).toHaveLength(4);
  await jamf.webhooks.settled();
  expect(received).toHaveLength(5);
});

test.each([
  ['connection_timeout', '0'],
  ['read_timeout', '16'],
  ['read_timeout', '2000'],
  ['url', 'ftp://example.org'],
  ['name', ''],
])('400 for %s %s', async (element, value) => {
  const [jamf] = world.instances.values();
  if (!jamf) throw new Error('no instance');
  const refused = await create(jamf, await world.token(jamf), {
    url: 'https://example.org',
    name: 'x',
    [element]: value,
  });
  expect(refused.status).toBe(400);
  expect(refused.headers['content-type']).toContain('text/html');
});

test('the Classic API: duplicate name, list, change, delete, privileges', async () => {
  const { jamf, token } = await setUp();
  const url = 'https://example.org/a?b=1&amp;c=2';
  expect((await create(jamf, token, { url })).status).toBe(201);
  expect((await create(jamf, token, { url })).status).toBe(409);
  const one = '/JSSResource/webhooks/id/1';
  const list = await world.call(jamf, '/JSSResource/webhooks', { token });
  expect(new XMLParser().parse(list.text)).toMatchObject({
    webhooks: { size: 1, webhook: { id: 1, name: 'hook' } },
  });
  const json = { accept: 'application/json' };
  expect((await world.call(jamf, one, { token, headers: json })).json()).toMatchObject({
    webhook: { url: 'https://example.org/a?b=1&c=2', read_timeout: 2, enabled: true },
  });
  const changed = await world.call(jamf, one, {
    method: 'PUT',
    token,
    headers: xmlType,
    body: '<webhook><enabled>false</enabled></webhook>',
  });
  expect(changed.status).toBe(201);
  expect(jamf.webhooks.get(1)).toMatchObject({ enabled: false, name: 'hook' });
  const group = { url, name: 'g', event: 'SmartGroupComputerMembershipChange' };
  expect((await create(jamf, token, group)).status).toBe(201);
  expect(jamf.webhooks.byName('g')?.enabled).toBe(false);
  expect((await world.call(jamf, one, { method: 'DELETE', token })).status).toBe(200);
  expect((await world.call(jamf, one, { token })).status).toBe(404);
  const narrow = await world.token(jamf, { scope: 'api-role:1' });
  expect((await create(jamf, narrow, { url, name: 'n' })).status).toBe(403);
  expect((await world.call(jamf, one)).status).toBe(401);
});
