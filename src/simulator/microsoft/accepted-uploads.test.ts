import { afterAll, beforeAll, expect, test } from 'vitest';
import { eventually } from '../../../test/harness/eventually.ts';
import {
  createTestCalls,
  inventory,
  type TestCalls,
  verdict,
} from '../../../test/harness/microsoft-calls.ts';
import {
  deviceId,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';

let world: TestWorld;
let calls: TestCalls;
beforeAll(async () => {
  world = await startTestWorld();
  calls = createTestCalls(world);
  await calls.provision(1);
});
afterAll(() => world.close());

const view = async (path: string): Promise<unknown> =>
  (await world.control('GET', `/tenants/${tenantId}/${path}`)).body;

test('a verdict shows in Entra by itself, however late its message was processed', async () => {
  // Nothing was uploaded before, whose time would come meanwhile.
  await calls.switched('intune', { processingDelayMs: 20, visibilityDelayMs: 150 });
  await calls.upload([inventory('2026-02-01T00:00:00Z', { DeviceManagementState: 'notManaged' })]);
  // A busy machine: what is due after 20 ms is done after 120, and nobody asks Intune anything afterwards.
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120);
  await eventually(() => expect(world.tenant.devices.get(deviceId)?.isManaged).toBe(false), 2_000);
});

test('the control API counts accepted uploads and their entities', async () => {
  await calls.upload([inventory('2026-03-01T00:00:00Z'), verdict('2026-03-01T00:00:00Z', 'compliant')]);
  await calls.upload([verdict('2026-03-02T00:00:00Z', 'notCompliant')]);
  expect(await view('counters')).toMatchObject({ accepted: 3, acceptedEntities: 4 });
});

test('only uploads since a time are shown', async () => {
  world.clock.advance(60_000);
  const since = new Date(world.clock.now()).toISOString();
  await calls.upload([verdict('2026-03-03T00:00:00Z', 'compliant')]);
  expect(await view(`uploads?since=${since}`)).toMatchObject({ uploads: [{ attempts: 1 }] });
});

test('a token that was accepted before is refused once its key is withdrawn or its time is over', async () => {
  expect((await calls.heartbeat()).status).toBe(200);
  const token = await world.token(world.intuneScope);
  const { intunePort } = world.cloud.cloudsFileEntry();
  const path = `StatelessPartnerTenantDataSyncService/PartnerTenantHeartbeat(guid'${tenantId}')?api-version=1.6`;
  const heartbeat = async (): Promise<number> => {
    const answer = await world.request(`https://127.0.0.1:${intunePort}/${path}`, {
      method: 'PUT',
      headers: { authorization: `Bearer ${token}`, 'content-type': 'application/json' },
      body: JSON.stringify({ Timestamp: new Date(world.clock.now()).toISOString() }),
    });
    return answer.status;
  };
  expect(await heartbeat()).toBe(200);
  world.clock.advance(2 * 3_600_000);
  expect(await heartbeat()).toBe(401);
  world.clock.advance(-2 * 3_600_000);
  expect(await heartbeat()).toBe(200);
  await world.cloud.keys.rollover('emergency');
  expect(await heartbeat()).toBe(401);
});
