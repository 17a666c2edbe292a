import { randomUUID } from 'node:crypto';
import { connect as dial, type Socket } from 'node:net';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type DatabaseDoor, openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { type DatabaseWay, openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker, WorkerAnswer } from './workerd.ts';

/** A Worker whose database is away: by its own address, and behind Hyperdrive, whose failures have no codes. */

let scene: WorkerScene;
let token: string;

beforeAll(async () => {
  scene = await openWorkerScene();
  token = await scene.callerToken(scene.tenantId);
});
afterAll(() => scene?.close());

/** Leads to the database and ends the connection at the moment at which it is first asked something that `says` this. */
const leadingUntil =
  (url: string, says: string, end: (socket: Socket) => void) =>
  (socket: Socket): void => {
    const { hostname, port } = new URL(url);
    const other = dial(Number(port), hostname);
    other.on('error', () => socket.destroy()).on('close', () => socket.destroy());
    socket.on('close', () => other.destroy());
    other.pipe(socket);
    socket.on('data', (chunk) => {
      if (!chunk.includes(says)) other.write(chunk);
      else end(socket);
    });
  };

const ways = ['DATABASE_URL', 'HYPERDRIVE'] as const;
const wayTo = (way: (typeof ways)[number], url: string): DatabaseWay =>
  way === 'HYPERDRIVE' ? { hyperdrive: url } : { url };

const webhook = (worker: RunningWorker): Promise<WorkerAnswer> =>
  worker.fetch(`${publicUrl}/jamf/${scene.instanceId}/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': scene.instanceKey },
    body: JSON.stringify({
      webhook: { id: 1, name: 'w', webhookEvent: 'ComputerInventoryCompleted', eventTimestamp: Date.now() },
      event: { jssID: 41, udid: '', deviceName: 'a Mac', serialNumber: '' },
    }),
  });
const deviceCall = (worker: RunningWorker): Promise<WorkerAnswer> =>
  worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/compliance`, {
    headers: { authorization: `Bearer ${token}` },
  });

const expectUnavailable = (answer: WorkerAnswer, worker: RunningWorker): void => {
  expect([answer.status, JSON.parse(answer.text)], worker.output()).toEqual([
    503,
    expect.objectContaining({ type: 'https://espalier.dev/problems/store-unavailable' }),
  ]);
  expect(Number(answer.headers.get('retry-after'))).toBeGreaterThan(0);
};

describe.each(ways)('by %s', (way) => {
  let door: DatabaseDoor;
  let worker: RunningWorker;
  beforeAll(async () => {
    door = await openDoor();
    const url = new URL(scene.database.url);
    url.port = String(door.port);
    worker = await scene.start(wayTo(way, url.href));
    // An isolate's first request also compiles it.
    await worker.fetch(`${publicUrl}/health/live`);
  });
  afterAll(async () => {
    await worker?.close();
    await door?.close();
  });

  const expectAway = async (): Promise<void> => {
    for (const ask of [webhook, deviceCall]) expectUnavailable(await ask(worker), worker);
    const page = await worker.fetch(`${publicUrl}/t/${scene.tenantId}/enroll`);
    expect([page.status, page.headers.has('retry-after')], worker.output()).toEqual([503, true]);
    const state = `${scene.tenantId}.${randomUUID()}`;
    const query = new URLSearchParams({ state, tenant: scene.tenantId, admin_consent: 'True' });
    expect((await worker.fetch(`${publicUrl}/microsoft/consent?${query}`)).status).toBe(503);
    expect((await worker.fetch(`${publicUrl}/health/ready`)).status).toBe(503);
  };

  test('nobody listens', async () => {
    await door.close();
    await expectAway();
  });

  test('nobody answers', async () => {
    await door.meetBy(() => undefined);
    await expectAway();
  });

  test('connections are reset', async () => {
    await door.meetBy((socket) => socket.resetAndDestroy());
    await expectAway();
  });

  test.each([
    ['closed', (socket: Socket) => socket.end()],
    ['reset', (socket: Socket) => socket.resetAndDestroy()],
  ])('the connection is %s in the middle of a request', async (_how, end) => {
    await door.meetBy(leadingUntil(scene.database.url, 'insert into computers', end));
    expectUnavailable(await webhook(worker), worker);
    await door.meetBy(leadingUntil(scene.database.url, 'from routes', end));
    expectUnavailable(await deviceCall(worker), worker);
  });

  test('the connection falls silent in the middle of a request', async () => {
    await door.meetBy(leadingUntil(scene.database.url, 'insert into computers', () => undefined));
    expectUnavailable(await webhook(worker), worker);
  });

  test('all is well as soon as it is back', async () => {
    await door.leadTo(scene.database.url);
    await eventually(async () => expect((await webhook(worker)).status, worker.output()).toBe(202));
    expect((await deviceCall(worker)).status).toBe(200);
    expect((await worker.fetch(`${publicUrl}/health/ready`)).status).toBe(200);
  });
});
