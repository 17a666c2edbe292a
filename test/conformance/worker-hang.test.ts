import { randomUUID } from 'node:crypto';
import { gzipSync } from 'node:zlib';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { hashKey } from '../../src/secrets/keys.ts';
import { fullRecord } from '../harness/full-record.ts';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker, WorkerAnswer } from './workerd.ts';

/**
 * A request of a Worker that waits for what another one began is cancelled with it, or hangs. So in each case the
 * first request hangs at somebody outside and its caller leaves; the others, at the same time and afterwards, are
 * answered. One that is not answered runs into the test's timeout.
 */

/** Longer than any of these tests, and shorter than what closing the simulators waits for. */
const hangsMs = 60_000;
const others = 20;

let scene: WorkerScene;
let worker: RunningWorker;

beforeAll(async () => {
  scene = await openWorkerScene();
});
beforeEach(async () => {
  worker = await scene.start();
  // An isolate's first request also compiles it.
  expect((await worker.fetch(`${publicUrl}/health/live`)).status).toBe(200);
});
afterEach(async () => {
  scene.world.faults.clear();
  await worker?.close();
});
afterAll(() => scene?.close());

type Ask = (signal?: AbortSignal) => Promise<WorkerAnswer>;

/** The answers of twenty that come while the first request hangs and after its caller has left. */
async function askBesideOneThatHangs(
  at: { readonly service: string; readonly path: string },
  ask: (nth: number) => Ask,
): Promise<WorkerAnswer[]> {
  const { faults } = scene.world;
  const { id } = faults.add({ ...at, delayMs: hangsMs, times: 1 });
  const caller = new AbortController();
  const first = ask(0)(caller.signal).then(
    () => 'answered',
    () => 'left',
  );
  await expect.poll(() => faults.list().some((fault) => fault.id === id)).toBe(false);
  const beside = Array.from({ length: others / 2 }, (_, index) => ask(index + 1)());
  caller.abort();
  expect(await first).toBe('left');
  const after = Array.from({ length: others / 2 }, (_, index) => ask(others / 2 + index + 1)());
  return Promise.all([...beside, ...after]);
}

const statusesOf = (answers: readonly WorkerAnswer[]): number[] => [
  ...new Set(answers.map(({ status }) => status)),
];

describe('a request that hangs and is left keeps nobody waiting', () => {
  const deviceCall =
    (token: string, what: 'compliance' | 'inventory'): Ask =>
    (signal) =>
      worker.fetch(`${publicUrl}/t/${scene.tenantId}/devices/${scene.device.deviceId}/${what}`, {
        headers: { authorization: `Bearer ${token}` },
        ...(signal ? { signal } : {}),
      });

  test("at the issuer's key set", async () => {
    const token = await scene.callerToken(scene.tenantId);
    const at = { service: 'entra', path: `${scene.tenantId}/discovery` };
    const answers = await askBesideOneThatHangs(at, () => deviceCall(token, 'compliance'));
    expect(statusesOf(answers), worker.output()).toEqual([200]);
  });

  test("at the instance's token endpoint", async () => {
    const token = await scene.callerToken(scene.tenantId);
    const at = { service: 'jamf:berlin', path: '/oauth/token' };
    const answers = await askBesideOneThatHangs(at, () => deviceCall(token, 'compliance'));
    expect(statusesOf(answers), worker.output()).toEqual([200]);
  });

  test('at the look for the version of the inventory', async () => {
    const token = await scene.callerToken(scene.tenantId);
    const at = { service: 'jamf:berlin', path: '/computers-inventory' };
    const answers = await askBesideOneThatHangs(at, () => deviceCall(token, 'inventory'));
    expect(statusesOf(answers), worker.output()).toEqual([200]);
  });

  test('at the proof of a consent, which is a token of Entra', async () => {
    const { database, tenantId } = scene;
    // The tenant has to have consented to the connector.
    await scene.callerToken(tenantId);
    const states = Array.from({ length: others + 1 }, () => `${tenantId}.${randomUUID()}`);
    for (const state of states) {
      await database.sql`
        insert into consents (tenant_id, state_hash, application, expires_at)
        values (${tenantId}, ${await hashKey(state)}, 'connector', now() + interval '1 minute')`;
    }
    const at = { service: 'entra', path: `${tenantId}/oauth2/v2.0/token` };
    const answers = await askBesideOneThatHangs(at, (nth) => (signal) => {
      const query = new URLSearchParams({
        state: states[nth] ?? '',
        tenant: tenantId,
        admin_consent: 'True',
      });
      return worker.fetch(`${publicUrl}/microsoft/consent?${query}`, signal ? { signal } : {});
    });
    for (const { status, text } of answers)
      expect([200, 302], `${text}\n${worker.output()}`).toContain(status);
  });
});

test('forty compressed pushes at once are all answered, and what comes after them is', async () => {
  const push = (nth: number) =>
    worker.fetch(`${publicUrl}/jamf/${scene.instanceId}/inventory`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'content-encoding': 'gzip',
        'x-api-key': scene.instanceKey,
      },
      body: gzipSync(JSON.stringify([fullRecord(String(1000 + nth)), fullRecord(String(2000 + nth))])),
    });
  const answers = await Promise.all(Array.from({ length: 40 }, (_, nth) => push(nth)));
  expect(statusesOf(answers), `${answers[0]?.text}\n${worker.output()}`).toEqual([202]);
  const later = await push(41);
  expect([later.status, later.text]).toEqual([202, expect.stringContaining('"accepted":2')]);
});
