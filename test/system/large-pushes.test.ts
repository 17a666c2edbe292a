import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AddedInstance, connectTenant, type Scene, startScene } from '../harness/gateway.ts';

/**
 * Pushes that are small on their way and large when they are unpacked. They are read record by record: on Workers, where an
 * isolate has 128 MB for all of its requests, the run that this file is part of fails when it takes more.
 */
describe('large pushes', () => {
  let scene: Scene;
  let berlin: AddedInstance;

  beforeAll(async () => {
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 2 }] }] },
      // Nobody is to read these computers: they exist in their pushes only.
      environment: { ESPALIER_RATE_PER_INSTANCE: '1000000' },
    });
    const [{ tenantId } = { tenantId: '' }] = scene.world.tenants;
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
  });
  afterAll(() => scene?.close());

  const push = (packed: Uint8Array, type = 'application/x-ndjson') =>
    scene.data(`/jamf/${berlin.id}/inventory`, {
      method: 'POST',
      headers: { 'content-type': type, 'content-encoding': 'gzip', 'x-api-key': berlin.key },
      body: packed,
    });
  /** Records of Macs on which nobody is registered, each of so many bytes: what they are read for is the memory that it takes. */
  const lines = (from: number, count: number, bytes: number): string => {
    const record = (index: number): string => {
      const id = String(from + index);
      const head = `{"id":"${id}","general":{"name":"Mac ${id}"},"localUserAccounts":[],"applications":"`;
      return `${head.padEnd(bytes - 3, 'x')}"}`;
    };
    return Array.from({ length: count }, (_, index) => record(index)).join('\n');
  };

  it('takes 84 MiB that come as a gzip of little more than one', async () => {
    const records = 9_000;
    const unpacked = lines(1, records, Math.ceil((84 * 1024 * 1024) / records) + 1);
    expect(unpacked.length).toBeGreaterThanOrEqual(84 * 1024 * 1024);
    const packed = gzipSync(unpacked);
    expect(packed.length).toBeLessThan(1_200_000);
    const answer = await push(packed);
    expect([answer.status, answer.json.accepted, answer.json.rejected]).toEqual([202, records, []]);
  }, 240_000);

  it('refuses one record that has not ended after 84 MiB', async () => {
    const answer = await push(gzipSync(`{"id":1,"x":"${'x'.repeat(84 * 1024 * 1024)}`), 'application/json');
    expect([answer.status, answer.json.httpStatus]).toEqual([400, 400]);
  }, 120_000);

  it('takes forty packed pushes at the same time, or asks to wait, and goes on', async () => {
    const count = 100;
    const pushOf = (nth: number) => push(gzipSync(lines(100_000 + nth * count, count, 20_000)));
    let left = Array.from({ length: 40 }, (_, nth) => nth);
    for (let round = 0; left.length > 0 && round < 20; round += 1) {
      const answers = await Promise.all(left.map(async (nth) => ({ nth, answer: await pushOf(nth) })));
      for (const { answer } of answers) expect([202, 429, 503]).toContain(answer.status);
      const taken = answers.filter(({ answer }) => answer.status === 202);
      for (const { answer } of taken) expect(answer.json.accepted).toBe(count);
      left = answers.filter(({ answer }) => answer.status !== 202).map(({ nth }) => nth);
    }
    expect(left).toEqual([]);
    const [row] = await scene.database.sql<{ known: number }[]>`
      select count(*)::int as known from computers where jamf_computer_id >= 100000`;
    expect(row?.known).toBe(40 * count);
  }, 240_000);
});
