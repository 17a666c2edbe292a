import { Hono } from 'hono';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createJamfFixture, type JamfFixture } from '../../../test/harness/simulated-jamf.ts';
import { jamfControl } from './control.ts';
import { fleetControl } from './fleet-control.ts';

let world: JamfFixture;
const app = new Hono();

beforeAll(async () => {
  world = await createJamfFixture();
  await world.start('berlin');
  await world.start('paris');
  const { instances, fleet, directory } = world;
  app.route('/control/jamf', jamfControl({ instances }));
  app.route(
    '/control/fleet',
    fleetControl({
      fleet,
      hasTenant: (tenantId) => directory.tenant(tenantId) !== undefined,
      hasInstance: (name) => instances.has(name),
    }),
  );
});
afterAll(() => world.close());

const ask = async (method: string, path: string, body?: unknown) => {
  const response = await app.request(`/control${path}`, {
    method,
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await response.text();
  return { status: response.status, body: text === '' ? undefined : JSON.parse(text) };
};

test('lists instances without secrets and shows one only when rotated', async () => {
  const { body } = await ask('GET', '/jamf/instances');
  expect(body).toMatchObject([{ name: 'berlin' }, { name: 'paris' }]);
  const secret = world.instances.get('berlin')?.tokens.clients.get(body[0].clientId)?.clientSecret;
  expect(JSON.stringify((await ask('GET', '/jamf/instances/berlin')).body)).not.toContain(secret);
  const rotated = await ask('POST', `/jamf/instances/berlin/clients/${body[0].clientId}/rotate`);
  expect(rotated.body.clientSecret).not.toBe(secret);
});

test('switches versions, clients, variants and trust', async () => {
  const version = '11.25.2-t1772925731845';
  expect((await ask('PUT', '/jamf/instances/berlin/version', { version })).body.version).toBe(version);
  const { clientId } = (await ask('GET', '/jamf/instances/berlin')).body;
  const disabled = await ask('PATCH', `/jamf/instances/berlin/clients/${clientId}`, { enabled: false });
  expect(disabled.body.clients[0].enabled).toBe(false);
  const variants = await ask('PATCH', '/jamf/instances/berlin/variants/compliance', { calculatingMs: 20 });
  expect(variants.body).toMatchObject({ calculatingMs: 20, deviceInformation: 'array' });
  expect((await ask('PUT', '/jamf/webhook-trust', { pem: world.authorityPem })).status).toBe(204);
});

test.each([
  ['PUT', '/jamf/instances/berlin/version', { version: 'eleven' }, 'version'],
  ['PATCH', '/jamf/instances/berlin/variants/webhooks', { lateShare: 2 }, 'lateShare'],
  ['PATCH', '/jamf/instances/berlin/variants/tokens', { colour: 'red' }, 'colour'],
  ['POST', '/fleet/macs', { tenantId: 'x', instance: 'berlin', count: 1 }, 'tenantId'],
  ['POST', '/fleet/macs', { tenantId: 'x', instance: 'berlin', count: 0 }, 'count'],
  ['POST', '/fleet/check-in', {}, 'deviceId'],
  ['POST', '/fleet/set-compliant', { deviceId: 'x' }, 'compliant'],
])('%s %s %o names the field', async (method, path, body, field) => {
  const refused = await ask(method, path, body);
  expect(refused.status).toBe(400);
  expect(refused.body.errors[0].field).toBe(field);
});

test('adds Macs and acts on them by device or record', async () => {
  const { tenantId } = world;
  const added = await ask('POST', '/fleet/macs', {
    tenantId,
    instance: 'paris',
    count: 2,
    compliantShare: 1,
  });
  expect(added.status).toBe(201);
  const [{ deviceIds, computerId }] = added.body;
  const byDevice = { deviceId: deviceIds[0] };
  const byRecord = { instance: 'paris', computerId };
  const truth = async () =>
    (await ask('GET', '/fleet/truth')).body.find(
      (device: { deviceId: string }) => device.deviceId === deviceIds[0],
    );
  expect(await truth()).toMatchObject({ instance: 'paris', jamfComputerId: 1, compliant: true });
  await ask('POST', '/fleet/set-compliant', { ...byDevice, compliant: false });
  expect(await truth()).toMatchObject({ compliant: false });
  await ask('POST', '/fleet/update-inventory', { ...byRecord, changes: { name: 'New name' } });
  expect(await truth()).toMatchObject({ deviceName: 'New name' });
  expect((await ask('POST', '/fleet/move-to', { ...byDevice, to: 'nowhere' })).status).toBe(400);
  await ask('POST', '/fleet/move-to', { ...byDevice, to: 'berlin' });
  expect(await truth()).toMatchObject({ instance: 'berlin' });
  await ask('POST', '/fleet/unregister', byDevice);
  expect(await truth()).toBeUndefined();
  expect((await ask('POST', '/fleet/check-in', { deviceId: 'none' })).status).toBe(404);
  expect((await ask('POST', '/fleet/start', { everyMs: 5 })).body).toEqual({ alive: true });
  expect((await ask('POST', '/fleet/stop')).body).toEqual({ alive: false });
  expect((await ask('POST', '/fleet/announce', {})).body).toEqual({ macs: 2 });
});
