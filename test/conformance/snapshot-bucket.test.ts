import { randomInt, randomUUID } from 'node:crypto';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import type { VerificationKey } from '../../src/entra/rsa-key.ts';
import { createLastKnown, type LastKnown } from '../../src/runtime/worker/snapshot/last-known.ts';
import { createVault, type VaultOptions } from '../../src/runtime/worker/snapshot/vault.ts';
import { createShardWriter, type WrittenSnapshot } from '../../src/runtime/worker/snapshot/writer.ts';
import { createRandom } from '../../src/simulator/random.ts';
import { feedRoutes } from '../../src/store/change-source.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { changesOf, nextVersion, writeRoutes } from '../../src/store/routes/routes.ts';
import { shardOf } from '../../src/store/tenant-scope.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { type MemoryBucket, memoryBucket } from '../harness/memory-bucket.ts';

/** The snapshot that Workers keep in a bucket: what a shard's writer writes of a real database, and what is read of it. */

const hourMs = 3_600_000;
const key = (id: string, fill: number) => ({ id: id.padEnd(8, '0'), secret: new Uint8Array(32).fill(fill) });
const first = key('first', 1);
const shards = 2;
/** A tenant of this shard. */
const tenantOf = (shard: number): string => {
  for (;;) {
    const id = randomUUID();
    if (shardOf(id, shards) === shard) return id;
  }
};

describe('the snapshot in a bucket', { timeout: 120_000 }, () => {
  let database: TestDatabase;
  let pooled: Sql;
  let bucket: MemoryBucket;
  let today: number;
  let clockMs: number;
  const lines: string[] = [];
  let fetched: (cloud: string, tenantId: string) => readonly VerificationKey[] | undefined;
  const log = createLog({ level: 'debug', format: 'json', write: (line) => lines.push(line) });
  const vaultOf = (more: Partial<VaultOptions> = {}) =>
    createVault({ bucket, keys: [first], deployment: 'ours', schema: 7, ...more });
  const writerOf = (vault = vaultOf(), shard = 0, of = shards) =>
    createShardWriter({
      ...{ vault, log, scope: { shard, of } },
      fetchKeys: async (cloud, tenantId) => fetched(cloud, tenantId),
      now: () => performance.now(),
      date: () => today,
    });
  const write = async (writer = writerOf()): Promise<WrittenSnapshot> => {
    for (;;) {
      const written = await writer.turn(pooled);
      if (written !== undefined) return written;
    }
  };
  /** What an isolate that has just started knows. */
  const lastKnown = (more: Partial<VaultOptions> = {}) => {
    const refusals: string[] = [];
    const known: LastKnown = createLastKnown({
      ...{ vault: vaultOf(more), shards, maxAgeMs: 24 * hourMs },
      now: () => clockMs,
      date: () => today,
      onRefused: ({ cause }) => refusals.push(cause),
    });
    return { known, refusals };
  };

  beforeEach(async () => {
    database = await createTestDatabase();
    pooled = openDatabase(database.url, { connections: 3, applicationName: 'test', pooled: true });
    bucket = memoryBucket();
    today = Date.parse('2026-11-29T12:00:00Z');
    clockMs = 0;
    lines.length = 0;
    fetched = () => undefined;
  });
  afterEach(async () => {
    await pooled.end({ timeout: 1 });
    await database.drop();
  });

  async function addTenant(
    shard = 0,
    tenantId = tenantOf(shard),
  ): Promise<{ tenantId: string; instanceId: string }> {
    const { sql } = database;
    const instanceId = randomUUID();
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'Contoso of Berlin', 'device-compliance', 'cloud-connector',
        ${sql.json({ choice: 'default' })})`;
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_sealed, compliance)
      values (${tenantId}, ${instanceId}, 'berlin', 'https://berlin.example.test', 'client', 'v1.sealed',
        ${sql.json({ source: 'jamf' })})`;
    return { tenantId, instanceId };
  }
  const put = async (
    { instanceId, tenantId }: { tenantId: string; instanceId: string },
    computers: ReadonlyMap<string, number>,
  ): Promise<void> => {
    await database.sql.begin(async (tx) => {
      const version = await nextVersion(tx, tenantId);
      const to = (jamfComputerId: number) => ({
        ...{ instanceId, jamfComputerId, pinned: false, placedAt: null, rule: 'only-claim' },
        ...{ serialNumber: null, udid: null },
      });
      const writes = [...computers].map(([deviceId, computer]) => ({
        deviceId,
        before: undefined,
        to: to(computer),
      }));
      const by = () => ({ author: 'test', reason: 'test' });
      await writeRoutes(tx, tenantId, version, changesOf(tx, writes as never, by));
      await feedRoutes(tx, tenantId, version, writes.length);
    });
  };
  const macs = (count: number): Map<string, number> =>
    new Map(Array.from({ length: count }, (_, number) => [randomUUID(), number + 1]));

  it('has the tenants of its shard as the database has them', async () => {
    const ours = await addTenant();
    const other = await addTenant(1);
    const devices = macs(3);
    await put(ours, devices);
    await put(other, macs(1));
    expect(await write()).toMatchObject({ tenants: 1, looked: 1 });
    const { known } = lastKnown();
    const sheet = await known.sheet(ours.tenantId);
    const [tenant] = await database.sql`select created_at from tenants where tenant_id = ${ours.tenantId}`;
    expect(sheet?.tenant).toMatchObject({ cloud: 'public', createdAt: tenant?.created_at });
    expect(sheet?.instances).toMatchObject([
      { instanceId: ours.instanceId, url: 'https://berlin.example.test', apiSecretSealed: 'v1.sealed' },
    ]);
    for (const [deviceId, jamfComputerId] of devices)
      expect(await known.route(ours.tenantId, deviceId)).toEqual({
        instanceId: ours.instanceId,
        jamfComputerId,
      });
    expect(await known.route(ours.tenantId, randomUUID())).toBeUndefined();
    expect(await known.sheet(other.tenantId)).toBeUndefined();
    const [device = ''] = devices.keys();
    expect(await known.route(other.tenantId, device)).toBeUndefined();
    // The other shard has none yet, so the whole is not known.
    expect(await known.ageMs()).toBeUndefined();
    await write(writerOf(vaultOf(), 1));
    today += hourMs;
    expect(await lastKnown().known.ageMs()).toBe(hourMs);
  });

  it('can be read by nobody without the key, and its names say nothing', async () => {
    const { instanceId, tenantId } = await addTenant();
    const [device = ''] = [...macs(1).keys()];
    await put({ tenantId, instanceId }, new Map([[device, 1]]));
    await write();
    for (const [name, bytes] of bucket.objects) {
      expect(name).toMatch(/^v1\/2\/0\/(?:index|[0-9a-f]{32})$/);
      const text = Buffer.from(bytes).toString('latin1');
      for (const word of ['Contoso', 'berlin', 'v1.sealed', 'ours', tenantId, instanceId, device]) {
        expect(text).not.toContain(word);
        expect(name).not.toContain(word);
      }
      for (const id of [tenantId, instanceId, device])
        expect(Buffer.from(bytes).includes(Buffer.from(id.replaceAll('-', ''), 'hex'))).toBe(false);
    }
  });

  it('writes again only what changed', async () => {
    const writer = writerOf();
    const [one, other] = [await addTenant(), await addTenant()];
    await write(writer);
    bucket.written();
    expect(await write(writer)).toMatchObject({ tenants: 2, looked: 0, newBytes: 0 });
    expect(bucket.written()).toEqual(['v1/2/0/index']);
    const device = randomUUID();
    await put(one, new Map([[device, 9]]));
    await database.sql`update instances set paused = true where tenant_id = ${other.tenantId}`;
    expect(await write(writer)).toMatchObject({ tenants: 2, looked: 2 });
    expect(bucket.written()).toHaveLength(3);
    expect(bucket.objects.size).toBe(3);
    const { known } = lastKnown();
    expect(await known.route(one.tenantId, device)).toMatchObject({ jamfComputerId: 9 });
    expect((await known.sheet(other.tenantId))?.instances).toMatchObject([{ paused: true }]);
  });

  it('writes a part of a large tenant where one of its devices moved', async () => {
    const writer = writerOf();
    const large = await addTenant();
    const devices = macs(5_000);
    await put(large, devices);
    await write(writer);
    expect(bucket.objects.size).toBe(256 + 2);
    bucket.written();
    const [moved = '', ...others] = devices.keys();
    await put(large, new Map([[moved, 77_777]]));
    await write(writer);
    expect(bucket.written()).toHaveLength(3);
    expect(bucket.objects.size).toBe(256 + 2);
    const { known } = lastKnown();
    expect(await known.route(large.tenantId, moved)).toMatchObject({ jamfComputerId: 77_777 });
    for (const deviceId of others.slice(0, 300))
      expect(await known.route(large.tenantId, deviceId)).toMatchObject({
        jamfComputerId: devices.get(deviceId),
      });
    await database.sql`delete from routes where tenant_id = ${large.tenantId}`;
    await database.sql`delete from tenants where tenant_id = ${large.tenantId}`;
    expect(await write(writer)).toMatchObject({ tenants: 0 });
    expect([...bucket.objects.keys()]).toEqual(['v1/2/0/index']);
  });

  it('writes all of a large tenant whose sheet does not open, or which was deleted and made again', async () => {
    const writer = writerOf();
    const large = await addTenant();
    await put(large, macs(3_000));
    await write(writer);
    const [device = '', ...others] = (
      await database.sql<{ deviceId: string }[]>`
        select device_id as "deviceId" from routes where tenant_id = ${large.tenantId}`
    ).map(({ deviceId }) => deviceId);
    const found = await vaultOf().readIndex({ shard: 0, of: shards });
    const name = 'index' in found ? found.index.sheets[large.tenantId]?.name : undefined;
    bucket.objects.delete(name ?? '');
    expect(await lastKnown().known.route(large.tenantId, device)).toBeUndefined();
    await put(large, new Map([[device, 12_345]]));
    await write(writer);
    const { known } = lastKnown();
    expect(await known.route(large.tenantId, device)).toMatchObject({ jamfComputerId: 12_345 });
    for (const other of others.slice(0, 50)) expect(await known.route(large.tenantId, other)).toBeDefined();
    await database.sql`delete from routes where tenant_id = ${large.tenantId}`;
    await database.sql`delete from tenants where tenant_id = ${large.tenantId}`;
    const again = await addTenant(0, large.tenantId);
    const fresh = randomUUID();
    await put(again, new Map([[fresh, 3]]));
    await write(writer);
    const after = lastKnown().known;
    expect(await after.route(large.tenantId, fresh)).toEqual({
      instanceId: again.instanceId,
      jamfComputerId: 3,
    });
    for (const other of [device, ...others.slice(0, 50)])
      expect(await after.route(large.tenantId, other)).toBeUndefined();
  });

  it('has nothing of a deleted tenant after the next writing, nor of the one before it by the same id', async () => {
    const writer = writerOf();
    const [gone, again] = [await addTenant(), await addTenant()];
    const device = randomUUID();
    await put(gone, new Map([[device, 1]]));
    await put(again, macs(3_000));
    await write(writer);
    const before = new Set(bucket.objects.keys());
    for (const { tenantId } of [gone, again]) {
      await database.sql`delete from routes where tenant_id = ${tenantId}`;
      await database.sql`delete from tenants where tenant_id = ${tenantId}`;
    }
    await database.sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${again.tenantId}, 'public', 'Fabrikam', 'device-compliance', 'cloud-connector',
        ${database.sql.json({ choice: 'denied' })})`;
    expect(await write(writer)).toMatchObject({ tenants: 1 });
    expect([...bucket.objects.keys()].filter((name) => before.has(name))).toEqual(['v1/2/0/index']);
    expect(bucket.objects.size).toBe(2);
    const { known } = lastKnown();
    expect(await known.sheet(gone.tenantId)).toBeUndefined();
    expect(await known.route(gone.tenantId, device)).toBeUndefined();
    expect((await known.sheet(again.tenantId))?.tenant.displayName).toBe('Fabrikam');
  });

  it('is the old one until the new one is whole, whenever the writer ends', async () => {
    const all = await Promise.all(Array.from({ length: 6 }, () => addTenant()));
    await write();
    const device = randomUUID();
    for (const one of all) await put(one, new Map([[device, 5]]));
    for (let writes = 0; writes < 7; writes += 1) {
      bucket.failsAfter = writes;
      await expect(write()).rejects.toThrow('ended by a test');
      const { known } = lastKnown();
      for (const { tenantId } of all) {
        expect(await known.sheet(tenantId)).toBeDefined();
        expect(await known.route(tenantId, device)).toBeUndefined();
      }
    }
    bucket.failsAfter = undefined;
    await write();
    const { known } = lastKnown();
    for (const { tenantId } of all)
      expect(await known.route(tenantId, device)).toMatchObject({ jamfComputerId: 5 });
    // What the others left behind is gone.
    expect(bucket.objects.size).toBe(all.length + 1);
  });

  it('goes on from where it was, and begins anew where it cannot', async () => {
    await addTenant();
    await write();
    const changed = await addTenant();
    expect(await write()).toMatchObject({ tenants: 2, looked: 1 });
    // The key that seals is another one: all is sealed anew.
    const rotated = vaultOf({ keys: [key('second', 2), first] });
    expect(await write(writerOf(rotated))).toMatchObject({ tenants: 2, looked: 2 });
    expect(bucket.objects.size).toBe(3);
    const { known } = lastKnown({ keys: [key('second', 2)] });
    expect(await known.sheet(changed.tenantId)).toBeDefined();
    // Another number of shards.
    expect(await write(writerOf(rotated, 0, 1))).toMatchObject({ tenants: 2, looked: 2 });
    expect([...bucket.objects.keys()].every((name) => name.startsWith('v1/1/0/'))).toBe(true);
  });

  it('writes anew what somebody deleted', async () => {
    const { tenantId } = await addTenant();
    await write();
    for (const name of bucket.objects.keys()) if (!name.endsWith('index')) bucket.objects.delete(name);
    const { known, refusals } = lastKnown();
    expect(await known.sheet(tenantId)).toBeUndefined();
    expect(refusals).toEqual(['damaged']);
    const writer = writerOf();
    await write(writer);
    await write(writer);
    expect(await lastKnown().known.sheet(tenantId)).toBeDefined();
    bucket.objects.clear();
    await write(writer);
    expect(await lastKnown().known.sheet(tenantId)).toBeDefined();
    expect(bucket.objects.size).toBe(2);
  });

  it('goes on after a failure of the bucket where it was', async () => {
    const writer = writerOf();
    const all = await Promise.all(Array.from({ length: 4 }, () => addTenant()));
    for (let writes = 0; writes < 3; writes += 1) {
      bucket.failsAfter = writes;
      await expect(write(writer)).rejects.toThrow('ended by a test');
      bucket.failsAfter = undefined;
    }
    await write(writer);
    const { known } = lastKnown();
    for (const { tenantId } of all) expect(await known.sheet(tenantId)).toBeDefined();
    expect(bucket.objects.size).toBe(all.length + 1);
  });

  it('is not served where it was cut or altered anywhere', async () => {
    const random = createRandom(randomInt(1_000_000));
    const ours = await addTenant();
    const devices = macs(20);
    await put(ours, devices);
    await write();
    const [device = ''] = devices.keys();
    const whole = new Map(bucket.objects);
    for (let round = 0; round < 400; round += 1) {
      const [name = '', bytes = new Uint8Array()] = [...whole][round % whole.size] ?? [];
      const at = Math.floor(random.next() * bytes.length);
      const broken = Uint8Array.from(bytes);
      if (round % 4 < 2) broken[at] = (broken[at] ?? 0) ^ (1 << (round % 8));
      bucket.objects.set(name, round % 4 < 2 ? broken : bytes.subarray(0, at));
      const { known, refusals } = lastKnown();
      expect(await known.route(ours.tenantId, device), `${name} at ${at}`).toBeUndefined();
      expect(refusals).not.toEqual([]);
      bucket.objects.set(name, bytes);
    }
    expect(await lastKnown().known.route(ours.tenantId, device)).toBeDefined();
  });

  it('does not open under another name, nor as part of another deployment', async () => {
    const [one, other] = [await addTenant(), await addTenant()];
    await write();
    const [a = '', b = ''] = [...bucket.objects.keys()].filter((name) => !name.endsWith('index'));
    const [first = new Uint8Array(), second = new Uint8Array()] = [
      bucket.objects.get(a),
      bucket.objects.get(b),
    ];
    bucket.objects.set(a, second).set(b, first);
    for (const { tenantId } of [one, other]) expect(await lastKnown().known.sheet(tenantId)).toBeUndefined();
    bucket.objects.set(a, first).set(b, second);
    const cases = [
      ['another-deployment', { deployment: 'theirs' }],
      ['another-schema', { schema: 8 }],
      ['another-key', { keys: [key('other', 3)] }],
      ['damaged', { keys: [key('first', 3)] }],
    ] as const;
    for (const [cause, more] of cases) {
      const { known, refusals } = lastKnown(more);
      expect(await known.sheet(one.tenantId)).toBeUndefined();
      expect(await known.ageMs()).toBeUndefined();
      expect(refusals).toContain(cause);
    }
    expect(await lastKnown().known.sheet(one.tenantId)).toBeDefined();
  });

  it('is not served when it is too old or dated in the future, also by an isolate that served it before', async () => {
    const { tenantId } = await addTenant();
    await write();
    const { known, refusals } = lastKnown();
    today += 24 * hourMs;
    expect(await known.sheet(tenantId)).toBeDefined();
    today += 1;
    expect(await known.sheet(tenantId)).toBeUndefined();
    expect(refusals).toEqual(['too-old']);
    today -= 25 * hourMs;
    const ahead = lastKnown();
    expect(await ahead.known.sheet(tenantId)).toBeUndefined();
    expect(ahead.refusals).toEqual(['from-the-future']);
  });

  it('is read anew by an isolate whose index is old, and when what it named is gone', async () => {
    const writer = writerOf();
    const ours = await addTenant();
    await write(writer);
    const { known } = lastKnown();
    const device = randomUUID();
    expect(await known.route(ours.tenantId, device)).toBeUndefined();
    const neighbour = await addTenant();
    await put(ours, new Map([[device, 4]]));
    await write(writer);
    clockMs += 29_999;
    expect(await known.sheet(neighbour.tenantId)).toBeUndefined();
    clockMs += 1;
    expect(await known.route(ours.tenantId, device)).toMatchObject({ jamfComputerId: 4 });
    const fresh = lastKnown();
    expect(await fresh.known.sheet(neighbour.tenantId)).toBeDefined();
    await put(ours, new Map([[device, 6]]));
    await write(writer);
    expect(await fresh.known.route(ours.tenantId, device)).toMatchObject({ jamfComputerId: 6 });
    expect(fresh.refusals).toEqual([]);
  });

  it('has the keys of Entra, those that tenants share once, until nobody needs them', async () => {
    const keysOf = (kid: string): VerificationKey[] => [{ kid, kty: 'RSA', n: 'n', e: 'AQAB' }];
    const [one, other, alone] = [await addTenant(), await addTenant(), await addTenant()];
    const asked: string[] = [];
    fetched = (_cloud, tenantId) => {
      asked.push(tenantId);
      return keysOf(tenantId === alone.tenantId ? 'own' : 'common');
    };
    const writer = writerOf();
    await write(writer);
    expect(bucket.objects.size).toBe(1 + 3 + 2);
    const { known } = lastKnown();
    expect(await known.keys('public', one.tenantId)).toEqual({ keys: keysOf('common'), ageMs: 0 });
    expect(await known.keys('public', alone.tenantId)).toEqual({ keys: keysOf('own'), ageMs: 0 });
    expect(await known.keys('usgov', one.tenantId)).toBeUndefined();
    expect(await known.keys('public', randomUUID())).toBeUndefined();
    await write(writer);
    expect(asked).toHaveLength(3);
    // Entra does not answer: what is known stays, as old as it is.
    today += hourMs;
    fetched = () => undefined;
    await database.sql`update tenants set display_name = 'Fabrikam' where tenant_id = ${one.tenantId}`;
    await write(writer);
    expect(await lastKnown().known.keys('public', one.tenantId)).toMatchObject({ ageMs: hourMs });
    // Another writer goes on with them, and the keys roll over.
    fetched = () => keysOf('next');
    await database.sql`delete from tenants where tenant_id = ${other.tenantId}`;
    await write();
    expect(await lastKnown().known.keys('public', one.tenantId)).toEqual({ keys: keysOf('next'), ageMs: 0 });
    expect(await lastKnown().known.keys('public', other.tenantId)).toBeUndefined();
    expect(bucket.objects.size).toBe(1 + 2 + 1);
  });

  it('is written with the date of the look, not of its end', async () => {
    await addTenant();
    const lookedAt = today;
    const vault = vaultOf();
    const slow = {
      ...vault,
      write: async (...given: Parameters<typeof vault.write>) => {
        today += hourMs;
        return vault.write(...given);
      },
    };
    await write(writerOf(slow));
    expect(await vault.readIndex({ shard: 0, of: shards })).toMatchObject({ index: { knownAt: lookedAt } });
  });
});
