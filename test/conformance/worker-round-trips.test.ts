import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type DatabaseDoor, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { createFlightCounter } from './flights.ts';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker } from './workerd.ts';

/**
 * What a call of a Worker costs in round trips to the database: its client is new, so that whatever a connection asks before
 * its first statement is asked in each request. A statement with parameters takes two, one to describe it.
 */

let scene: WorkerScene;
let door: DatabaseDoor;
let worker: RunningWorker;
const counter = createFlightCounter();

beforeAll(async () => {
  scene = await openWorkerScene();
  door = await openDoor();
  await door.meetBy(counter.leadTo(scene.database.url));
  const url = new URL(scene.database.url);
  url.port = String(door.port);
  worker = await scene.start({ url: url.href });
  await worker.fetch(`${publicUrl}/health/live`);
});
afterEach(() => {
  counter.mayFollow = true;
});
afterAll(async () => {
  await worker?.close();
  await door?.close();
  await scene?.close();
});

async function costOf(call: () => Promise<{ status: number }>, status: number) {
  counter.reset();
  expect((await call()).status, worker.output()).toBe(status);
  return { flights: counter.flights, connections: counter.connections };
}

const webhook = (key: string) => () =>
  worker.fetch(`${publicUrl}/jamf/${scene.instanceId}/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: JSON.stringify({
      webhook: { id: 1, name: 'w', webhookEvent: 'ComputerInventoryCompleted', eventTimestamp: Date.now() },
      event: { jssID: 41, udid: '', deviceName: 'a Mac', serialNumber: '' },
    }),
  });

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const deviceCall = (token: string) => () =>
  worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/compliance`, {
    headers: { authorization: `Bearer ${token}` },
  });

test('a device call asks for tenant, route and instance, and right afterwards for nothing', async () => {
  const call = deviceCall(await scene.callerToken(scene.tenantId));
  expect(await costOf(call, 200)).toEqual({ flights: 6, connections: 1 });
  expect(counter.asked).not.toContain('pg_type');
  // Twice within a second, on whatever machine.
  await eventually(async () => expect(await costOf(call, 200)).toEqual({ flights: 0, connections: 0 }));
});

test('calls a second or several seconds apart ask for nothing', async () => {
  const call = deviceCall(await scene.callerToken(scene.tenantId));
  await eventually(async () => expect(await costOf(call, 200)).toEqual({ flights: 0, connections: 0 }));
  for (const apartMs of [1_100, 1_100, 2_500, 6_000, 12_000]) {
    await pause(apartMs);
    expect(await costOf(call, 200), `${apartMs} ms apart`).toEqual({ flights: 0, connections: 0 });
  }
}, 60_000);

test('a token that was verified is known by its digest, whatever its address did since', async () => {
  const token = await scene.callerToken(scene.tenantId);
  const call = (bearer: string) =>
    worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/compliance`, {
      headers: { authorization: `Bearer ${bearer}`, 'cf-connecting-ip': '198.51.100.7' },
    });
  expect((await call(token)).status).toBe(200);
  await eventually(async () => {
    const wrong = await Promise.all(Array.from({ length: 60 }, () => call(`${token}x`)));
    // Whatever had to be verified would be refused like the last of these.
    const [known, last] = await Promise.all([call(token), call(`${token}x`)]);
    expect(wrong.map(({ status }) => status)).toContain(429);
    expect([known.status, last.status]).toEqual([200, 429]);
  });
});

test('where the versions cannot be read everything is asked again after the bound', async () => {
  const call = deviceCall(await scene.callerToken(scene.tenantId));
  await eventually(async () => expect(await costOf(call, 200)).toEqual({ flights: 0, connections: 0 }));
  counter.mayFollow = false;
  await pause(2_000);
  expect(await costOf(call, 200)).toEqual({ flights: 6, connections: 1 });
  await pause(2_000);
  expect(await costOf(call, 200)).toEqual({ flights: 6, connections: 1 });
  counter.mayFollow = true;
  await eventually(async () => {
    await pause(2_000);
    expect(await costOf(call, 200)).toEqual({ flights: 0, connections: 0 });
  });
  expect(worker.output()).toContain('directory.not-read');
}, 60_000);

test('a webhook asks for its key, notes its use once a minute, and is written by one statement', async () => {
  await costOf(webhook(scene.instanceKey), 202);
  // Its use is noted behind the answer, on the request's second connection.
  await eventually(() => expect(counter.flights).toBe(6));
  expect(counter.asked).not.toContain('pg_type');
  await eventually(async () =>
    expect(await costOf(webhook(scene.instanceKey), 202)).toEqual({ flights: 2, connections: 1 }),
  );
  // Its tenant is known by now, and its key holds as long as the tenant's version.
  await pause(2_500);
  await webhook(scene.instanceKey)();
  for (const apartMs of [1_100, 2_500]) {
    await pause(apartMs);
    expect(await costOf(webhook(scene.instanceKey), 202)).toEqual({ flights: 2, connections: 1 });
  }
}, 60_000);
