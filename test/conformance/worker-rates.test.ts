import { afterAll, beforeAll, expect, test } from 'vitest';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker, WorkerAnswer } from './workerd.ts';

/** Limits that isolates have in common, by the platform's bindings. Those of the settings are never reached here. */

const limit = 6;
const isolates = [undefined, 'espalier-twin'];
const minuteMs = 60_000;

let scene: WorkerScene;
let token: string;
let worker: RunningWorker;

beforeAll(async () => {
  scene = await openWorkerScene();
  token = await scene.callerToken(scene.tenantId);
  worker = await scene.start(undefined, {
    rates: { RATE_TENANT: limit, RATE_INSTANCE: limit },
    twins: ['espalier-twin'],
  });
});

afterAll(async () => {
  await worker?.close();
  await scene?.close();
});

const webhook = (isolate: string | undefined, key = scene.instanceKey) =>
  worker.fetch(`${publicUrl}/jamf/${scene.instanceId}/webhooks`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': key },
    body: '{}',
    ...(isolate === undefined ? {} : { isolate }),
  });

const push = (isolate: string | undefined) =>
  worker.fetch(`${publicUrl}/jamf/${scene.instanceId}/inventory`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'x-api-key': scene.instanceKey },
    body: '[]',
    ...(isolate === undefined ? {} : { isolate }),
  });

const deviceCall = (isolate: string | undefined) =>
  worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/compliance`, {
    headers: { authorization: `Bearer ${token}` },
    ...(isolate === undefined ? {} : { isolate }),
  });

/** As many as the limit allows through each isolate, within one of the platform's minutes, which begin by the clock. */
async function withinOneMinute(ask: (isolate: string | undefined) => Promise<WorkerAnswer>) {
  for (;;) {
    const minute = Math.floor(Date.now() / minuteMs);
    const answers: WorkerAnswer[] = [];
    for (let count = 0; count < limit; count += 1)
      for (const isolate of isolates) answers.push(await ask(isolate));
    if (Math.floor(Date.now() / minuteMs) === minute) return answers;
  }
}

test('device calls of a tenant through two isolates do not exceed its limit together', async () => {
  const answers = await withinOneMinute(deviceCall);
  expect(answers.map(({ status }) => status)).toEqual([
    ...Array<number>(limit).fill(200),
    ...Array<number>(limit).fill(429),
  ]);
  const refused = answers.at(-1)!;
  expect(refused.headers.get('retry-after')).toBe('10');
  expect(JSON.parse(refused.text)).toMatchObject({ type: 'https://espalier.dev/problems/rate-limited' });
});

test('webhooks and pushes of an instance through two isolates do not exceed its limit together', async () => {
  let count = 0;
  const answers = await withinOneMinute(async (isolate) => {
    count += 1;
    // A stranger takes nothing from it.
    const stranger = await webhook(isolate, `esp_${'a'.repeat(43)}`);
    expect(stranger.status).not.toBe(202);
    return count % 2 === 0 ? webhook(isolate) : push(isolate);
  });
  const refused = answers.filter(({ status }) => status === 429);
  expect(refused).toHaveLength(limit);
  expect(answers.slice(limit)).toEqual(refused);
  expect(refused[0]?.headers.get('retry-after')).toBe('10');
});
