import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { deploymentBehindHyperdrive } from '../../src/runtime/snapshot/deployment.ts';
import { newestMigrationAt } from '../../src/runtime/worker/health.ts';
import { createVault, type ShardIndex, type Vault } from '../../src/runtime/worker/snapshot/vault.ts';
import { keyIdOf } from '../../src/secrets/seal.ts';
import { clientSecretOf } from '../../src/simulator/world.ts';
import { shardOf } from '../../src/store/tenant-scope.ts';
import { type DatabaseDoor, openDoor, refusing } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { openWorkerScene, publicUrl, type WorkerScene } from './worker-scene.ts';
import type { RunningWorker, WorkerAnswer } from './workerd.ts';

/** Workers whose database is away, and that start while it is: the snapshot in R2, which outlives them. */

const shards = 2;

interface Served {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly instanceKey: string;
  readonly deviceId: string;
  readonly token: string;
}

let scene: WorkerScene;
let door: DatabaseDoor;
let folder: string;
let served: readonly Served[];
let vault: Vault;
/** Answers to known devices and visitors while the database was there. */
let before: readonly (readonly [number, string])[];

const url = (): string => {
  const through = new URL(scene.database.url);
  through.port = String(door.port);
  return through.href;
};
const start = (variables: Readonly<Record<string, string>> = {}): Promise<RunningWorker> =>
  scene.start(
    { hyperdrive: url() },
    { keptIn: folder, variables: { ESPALIER_SHARDS: String(shards), ...variables } },
  );
const withWorker = async (
  work: (worker: RunningWorker) => Promise<void>,
  variables: Readonly<Record<string, string>> = {},
): Promise<void> => {
  const worker = await start(variables);
  try {
    await work(worker);
  } finally {
    await worker.close();
  }
};

const deviceCall = (
  worker: RunningWorker,
  { deviceId, tenantId, token }: Pick<Served, 'deviceId' | 'tenantId' | 'token'>,
): Promise<WorkerAnswer> =>
  worker.fetch(`${publicUrl}/t/${tenantId}/devices/${deviceId}/compliance`, {
    headers: { authorization: `Bearer ${token}` },
  });
const enrolPage = (worker: RunningWorker, { tenantId }: Pick<Served, 'tenantId'>): Promise<WorkerAnswer> =>
  worker.fetch(`${publicUrl}/t/${tenantId}/enroll`);
const answersTo = async (worker: RunningWorker) => {
  const answers = [];
  for (const one of served) {
    const called = await deviceCall(worker, one);
    const page = await enrolPage(worker, one);
    answers.push(
      [called.status, called.text] as const,
      [page.status, page.headers.get('location') ?? page.text] as const,
    );
  }
  return answers;
};
/** The Mac's state is nothing that the snapshot has. */
const expectRemediationPage = async (worker: RunningWorker): Promise<void> => {
  const [one] = served as [Served, Served];
  const page = await worker.fetch(`${publicUrl}/t/${one.tenantId}/remediate?deviceId=${one.deviceId}`);
  expect([page.status, page.text], worker.output()).toEqual([200, expect.stringContaining('cannot be')]);
};
const ready = async (worker: RunningWorker) => {
  const { status, text } = await worker.fetch(`${publicUrl}/health/ready`);
  return { ...(JSON.parse(text) as { degraded?: string[]; age?: number }), status };
};
const expectUnavailable = (answer: WorkerAnswer, worker: RunningWorker): void => {
  expect([answer.status, answer.headers.has('retry-after')], worker.output()).toEqual([503, true]);
};
const expectNothingServed = async (worker: RunningWorker): Promise<void> => {
  for (const one of served) {
    expectUnavailable(await deviceCall(worker, one), worker);
    expectUnavailable(await enrolPage(worker, one), worker);
  }
  expect((await ready(worker)).status, worker.output()).toBe(503);
};

/** Leads to the database until it is ready, and then nowhere. */
const silentAfterStart =
  (target: string) =>
  (socket: Socket): void => {
    const { hostname, port } = new URL(target);
    const other = dial(Number(port), hostname);
    let isReady = false;
    other.on('error', () => socket.destroy());
    socket.on('close', () => other.destroy());
    other.on('data', (chunk) => {
      socket.write(chunk);
      // ReadyForQuery, the last of an answer.
      isReady ||= chunk.includes(Buffer.from([0x5a, 0, 0, 0, 5]));
    });
    socket.on('data', (chunk) => {
      if (!isReady) other.write(chunk);
    });
  };

/** The snapshot is written once more, and ended at once after that. */
const writeAnew = async (): Promise<void> => {
  await door.leadTo(scene.database.url);
  await withWorker(async (worker) => {
    await worker.scheduled();
    await eventually(() => {
      const written = worker.output().match(/"event":"snapshot.written"/g) ?? [];
      expect(written.length, worker.output()).toBeGreaterThanOrEqual(shards);
    }, 60_000);
  });
};

/** Changes what lies in the bucket while no Worker runs that would write it anew. */
const changeIndexes = async (change: (index: ShardIndex) => ShardIndex): Promise<void> => {
  await door.close();
  await withWorker(async (worker) => {
    const bucket = await worker.bucket();
    const at = createVault({ ...(await vaultParts()), bucket });
    for (let shard = 0; shard < shards; shard += 1) {
      const found = await at.readIndex({ shard, of: shards });
      if (!('index' in found)) throw new Error(found.refused);
      await at.writeIndex({ shard, of: shards }, change(found.index));
    }
  });
};
const vaultParts = async () => ({
  keys: [{ id: await keyIdOf(scene.sealingKey), secret: scene.sealingKey }],
  deployment: deploymentBehindHyperdrive(url(), publicUrl),
  schema: newestMigrationAt,
});

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'espalier-bucket-'));
  scene = await openWorkerScene();
  door = await openDoor();
  const { device, instanceId, instanceKey, strangerId, tenantId } = scene;
  const stranger = await scene.serveStranger();
  served = [
    { tenantId, instanceId, instanceKey, ...device, token: await scene.callerToken(tenantId) },
    { ...stranger, ...stranger.device, tenantId: strangerId, token: await scene.callerToken(strangerId) },
  ];
  await door.leadTo(scene.database.url);
  await withWorker(async (worker) => {
    before = await answersTo(worker);
  });
  expect(before.map(([status]) => status)).toEqual([200, 302, 200, 302]);
  await writeAnew();
}, 240_000);
afterAll(async () => {
  await door?.close();
  await scene?.close();
  rmSync(folder, { recursive: true, force: true });
});

describe('while the database cannot be reached', { timeout: 180_000 }, () => {
  test.each([
    ['nobody listens', () => door.close()],
    ['nobody answers', () => door.meetBy(() => undefined)],
    ['connections are reset', () => door.meetBy((socket) => socket.resetAndDestroy())],
  ])(
    'known devices and visitors are answered as before by a Worker that starts when %s',
    async (_how, leave) => {
      await leave();
      await withWorker(async (worker) => {
        expect(await answersTo(worker), worker.output()).toEqual(before);
        expect(await ready(worker), worker.output()).toEqual({
          ...{ status: 200, degraded: ['database'] },
          age: expect.any(Number),
        });
        expect(worker.output()).not.toContain('"event":"snapshot.written"');
      });
    },
  );

  test('so they are when Entra cannot be reached either', async () => {
    await door.close();
    const fault = scene.world.faults.add({ service: 'entra', status: 503, body: 'away' });
    try {
      await withWorker(async (worker) => expect(await answersTo(worker), worker.output()).toEqual(before));
    } finally {
      scene.world.faults.remove(fault.id);
    }
  });

  test('what needs it is 503 with Retry-After, never 202, and so is what the snapshot does not have', async () => {
    await door.close();
    await withWorker(async (worker) => {
      const [one, other] = served as [Served, Served];
      const post = (path: string, body: unknown, headers = {}): Promise<WorkerAnswer> =>
        worker.fetch(`${publicUrl}${path}`, {
          method: 'POST',
          headers: { 'content-type': 'application/json', ...headers },
          body: JSON.stringify(body),
        });
      for (const { instanceId, instanceKey, tenantId } of served) {
        const key = { 'x-api-key': instanceKey };
        const event = { webhook: { id: 1, name: 'w', webhookEvent: 'ComputerInventoryCompleted' } };
        expectUnavailable(await post(`/jamf/${instanceId}/webhooks`, event, key), worker);
        expectUnavailable(await post(`/jamf/${instanceId}/inventory`, { id: '1' }, key), worker);
        for (const value of [[], [{ subscriptionId: randomUUID(), clientState: 's' }]])
          expectUnavailable(await post(`/t/${tenantId}/notifications`, { value }), worker);
      }
      // A device is served in its own tenant alone.
      expectUnavailable(await deviceCall(worker, { ...one, deviceId: other.deviceId }), worker);
      expectUnavailable(await deviceCall(worker, { ...one, deviceId: randomUUID() }), worker);
      expectUnavailable(await enrolPage(worker, { tenantId: randomUUID() }), worker);
      expect((await deviceCall(worker, { ...one, token: other.token })).status).toBe(403);
    });
  });

  test('a Worker that has served before goes on, and a Mac is told that its state cannot be shown', async () => {
    await door.leadTo(scene.database.url);
    await withWorker(async (worker) => {
      expect(await answersTo(worker)).toEqual(before);
      await door.close();
      expect(await answersTo(worker), worker.output()).toEqual(before);
      await expectRemediationPage(worker);
    });
  });

  test('nor does anybody wait for a database that lets a Worker in and does not answer', async () => {
    // Bytes of one start; what comes after them is not passed on.
    await door.meetBy(silentAfterStart(scene.database.url));
    await withWorker(async (worker) => {
      expect(await answersTo(worker), worker.output()).toEqual(before);
      await expectRemediationPage(worker);
      expect(worker.output()).toContain('the database does not answer');
    });
  });

  test('a database that refuses is not hidden', async () => {
    for (const [code, words] of [
      ['28P01', 'password authentication failed'],
      ['3D000', 'database does not exist'],
    ] as const) {
      await door.meetBy(refusing(code, words));
      await withWorker(expectNothingServed);
    }
  });

  test('the snapshot of another deployment, or of another key, is not served', async () => {
    await door.close();
    const otherKey = Buffer.alloc(32, 7).toString('base64');
    for (const [cause, variables] of [
      ['another-deployment', { ESPALIER_PUBLIC_URL: 'https://another.example.test' }],
      ['another-key', { ESPALIER_SECRETS_KEY: otherKey }],
      ['absent', { ESPALIER_SHARDS: '3' }],
    ] as const)
      await withWorker(async (worker) => {
        await expectNothingServed(worker);
        expect(worker.output()).toContain(`"cause":"${cause}"`);
      }, variables);
  });

  test('one that is too old is not served', async () => {
    const agedBy =
      (ms: number) =>
      (index: ShardIndex): ShardIndex => ({
        ...index,
        knownAt: index.knownAt - ms,
      });
    await changeIndexes(agedBy(3_600_000));
    const maxAge = (seconds: number) => ({ ESPALIER_SNAPSHOT_MAX_AGE_SECONDS: String(seconds) });
    await withWorker(async (worker) => {
      await expectNothingServed(worker);
      expect(worker.output()).toContain('"cause":"too-old"');
    }, maxAge(1_800));
    await withWorker(async (worker) => {
      expect(await answersTo(worker), worker.output()).toEqual(before);
      expect((await ready(worker)).age).toBeGreaterThanOrEqual(3_600);
    }, maxAge(7_200));
  });

  test('one that was cut is not served, and the other tenant is', async () => {
    await door.close();
    const [one, other] = served as [Served, Served];
    const kept: [string, Uint8Array][] = [];
    await withWorker(async (worker) => {
      const bucket = await worker.bucket();
      const at = createVault({ ...(await vaultParts()), bucket });
      const found = await at.readIndex({ shard: shardOf(one.tenantId, shards), of: shards });
      const name = 'index' in found ? found.index.sheets[one.tenantId]?.name : undefined;
      const object = name === undefined ? null : await bucket.get(name);
      if (name === undefined || object === null) throw new Error('there is no sheet');
      const bytes = new Uint8Array(await object.arrayBuffer());
      kept.push([name, bytes]);
      await bucket.put(name, bytes.subarray(0, Math.floor(bytes.length * Math.random())));
      expectUnavailable(await deviceCall(worker, one), worker);
      expectUnavailable(await enrolPage(worker, one), worker);
      expect((await deviceCall(worker, other)).status, worker.output()).toBe(200);
      expect(worker.output()).toContain('"cause":"damaged"');
    });
    await withWorker(async (worker) => {
      const bucket = await worker.bucket();
      for (const [name, bytes] of kept) await bucket.put(name, bytes);
      expect(await answersTo(worker), worker.output()).toEqual(before);
    });
  });
});

describe('when the database is back', { timeout: 180_000 }, () => {
  test('all is well at once, the age falls, and what was deleted is gone', async () => {
    await door.close();
    await withWorker(async (worker) => {
      expect(await answersTo(worker)).toEqual(before);
      const { age = 0 } = await ready(worker);
      expect(age).toBeGreaterThanOrEqual(3_600);
      await door.leadTo(scene.database.url);
      await eventually(async () => expect(await ready(worker)).toEqual({ status: 200 }));
      const [, gone] = served as [Served, Served];
      const { sql } = scene.database;
      await sql`delete from routes where tenant_id = ${gone.tenantId}`;
      await sql`delete from tenants where tenant_id = ${gone.tenantId}`;
    });
    await writeAnew();
    await door.close();
    const [one, gone] = served as [Served, Served];
    await withWorker(async (worker) => {
      expect((await deviceCall(worker, one)).status, worker.output()).toBe(200);
      expectUnavailable(await deviceCall(worker, gone), worker);
      const { age = Number.POSITIVE_INFINITY, status } = await ready(worker);
      expect([status, age < 3_600]).toEqual([200, true]);
      expect(age).toBeGreaterThanOrEqual(0);
    });
  });

  test('nothing in the bucket can be read, and opened it holds no token, key or readable secret', async () => {
    const [one, gone] = served as [Served, Served];
    const hidden = [
      ...served.flatMap(({ instanceKey, token }) => [token, instanceKey]),
      clientSecretOf(scene.world.instance('berlin')),
      Buffer.from(scene.sealingKey).toString('base64'),
    ];
    await door.close();
    await withWorker(async (worker) => {
      await deviceCall(worker, one);
      const bucket = await worker.bucket();
      vault = createVault({ ...(await vaultParts()), bucket });
      const { objects } = await bucket.list({ prefix: '' });
      expect(objects.map(({ key }) => key).filter((key) => key.endsWith('/index'))).toHaveLength(shards);
      // A tenant, and Entra's keys for it.
      expect(objects).toHaveLength(shards + 2);
      const opened: string[] = [];
      for (const { key } of objects) {
        expect(key).toMatch(/^v1\/2\/[01]\/(?:index|[0-9a-f]{32})$/);
        const bytes = Buffer.from((await (await bucket.get(key))?.arrayBuffer()) ?? new ArrayBuffer());
        for (const word of [...hidden, one.tenantId, one.instanceId, one.deviceId, 'Contoso', 'berlin'])
          expect(bytes.includes(word)).toBe(false);
        if (!key.endsWith('/index')) opened.push(Buffer.from(await vault.read(key)).toString('latin1'));
      }
      expect(opened.join()).toContain(one.instanceId);
      for (const word of [...hidden, gone.tenantId]) expect(opened.join()).not.toContain(word);
    });
  });
});
