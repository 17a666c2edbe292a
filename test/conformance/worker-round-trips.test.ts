import { connect as dial, type Socket } from 'node:net';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type DatabaseDoor, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker } from './workerd.ts';

/**
 * What a call of a Worker costs in round trips to the database: its client is new, so that whatever a connection asks before
 * its first statement is asked in each request. A statement with parameters takes two, one to describe it.
 */

let scene: WorkerScene;
let door: DatabaseDoor;
let worker: RunningWorker;
let flights = 0;
let connections = 0;
let asked = '';

/** A flight is what the Worker sends after it has heard from the server; those before the server is ready open the session. */
function counting(url: string): (socket: Socket) => void {
  return (socket) => {
    const { hostname, port } = new URL(url);
    const server = dial(Number(port), hostname);
    let isReady = false;
    let isFlying = false;
    connections += 1;
    server.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => server.destroy());
    server.on('data', (chunk) => {
      // ReadyForQuery, the last of an answer.
      isReady ||= chunk.includes(Buffer.from([0x5a, 0, 0, 0, 5]));
      isFlying = false;
      socket.write(chunk);
    });
    socket.on('data', (chunk) => {
      const isEnd = chunk.length === 5 && chunk[0] === 0x58;
      if (isReady && !isFlying && !isEnd) flights += 1;
      isFlying = true;
      asked += chunk.toString('latin1');
      server.write(chunk);
    });
  };
}

beforeAll(async () => {
  scene = await openWorkerScene();
  door = await openDoor();
  await door.meetBy(counting(scene.database.url));
  const url = new URL(scene.database.url);
  url.port = String(door.port);
  worker = await scene.start({ url: url.href });
  await worker.fetch(`${publicUrl}/health/live`);
});
afterAll(async () => {
  await worker?.close();
  await door?.close();
  await scene?.close();
});

async function costOf(call: () => Promise<{ status: number }>, status: number) {
  flights = 0;
  connections = 0;
  asked = '';
  expect((await call()).status, worker.output()).toBe(status);
  return { flights, connections };
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

test('a device call asks for tenant, route and instance, and right afterwards for nothing', async () => {
  const token = await scene.callerToken(scene.tenantId);
  const call = () =>
    worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/compliance`, {
      headers: { authorization: `Bearer ${token}` },
    });
  expect(await costOf(call, 200)).toEqual({ flights: 6, connections: 1 });
  expect(asked).not.toContain('pg_type');
  // Twice within a second, on whatever machine.
  await eventually(async () => expect(await costOf(call, 200)).toEqual({ flights: 0, connections: 0 }));
});

test('a webhook asks for its key, notes its use once a minute, and is written by one statement', async () => {
  expect(await costOf(webhook(scene.instanceKey), 202)).toEqual({ flights: 6, connections: 1 });
  expect(asked).not.toContain('pg_type');
  await eventually(async () =>
    expect(await costOf(webhook(scene.instanceKey), 202)).toEqual({ flights: 2, connections: 1 }),
  );
});
