import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { leaseMs } from '../../src/limits.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createReaders } from '../../src/store/computers/readers.ts';
import { type InstanceRef, instanceKey } from '../../src/store/instances/instance.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** One process at a time reads from an instance. */
describe('readers of instances', () => {
  let database: TestDatabase;
  let instances: InstanceRef[];
  let nowMs = 0;
  const owner = () => crypto.randomUUID();
  const process = (id = owner()) => createReaders(database.sql, id, () => nowMs);
  const keys = (some: readonly InstanceRef[]) => new Set(some.map(instanceKey));
  /** As if the process had been silent for so long, by every clock. */
  const pass = async (ms: number) => {
    nowMs += ms;
    await database.sql`update instance_reading set reader_until = reader_until - ${ms} * interval '1 millisecond'`;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());
  beforeEach(async () => {
    const { sql } = database;
    await sql`delete from instances`;
    await sql`delete from tenants`;
    instances = await Promise.all(
      ['a', 'b', 'c'].map(async (name) => {
        const [tenantId, instanceId] = [crypto.randomUUID(), crypto.randomUUID()];
        await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
          values (${tenantId}, 'public', ${name}, 'device-compliance', 'cloud-connector', '{}')`;
        await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
          values (${tenantId}, ${instanceId}, ${name}, 'https://jamf.example', 'x', '{}')`;
        return { tenantId, instanceId };
      }),
    );
  });

  it('leases free ones to whoever asks first, also where there was no row', async () => {
    const [one, other] = [process(), process()];
    expect(await one.hold(instances.slice(0, 2))).toEqual(keys(instances.slice(0, 2)));
    expect(await other.hold(instances)).toEqual(keys(instances.slice(2)));
    expect(await one.hold(instances)).toEqual(keys(instances.slice(0, 2)));
  });

  it('never gives one instance to two who ask at once', async () => {
    const processes = Array.from({ length: 6 }, () => process());
    const held = await Promise.all(processes.map((one) => one.hold(instances)));
    for (const instance of instances) {
      expect(held.filter((some) => some.has(instanceKey(instance)))).toHaveLength(1);
    }
  });

  it('keeps what is renewed and loses the rest, here before there', async () => {
    const [one, other] = [process(), process()];
    await one.hold(instances);
    await pass(leaseMs / 2);
    await one.renew();
    await pass(leaseMs / 2 + 1);
    expect(await other.hold(instances)).toEqual(new Set());
    expect(await one.hold(instances)).toEqual(keys(instances));
    await pass(leaseMs);
    expect(await other.hold(instances)).toEqual(keys(instances));
    await one.renew();
    expect(await one.hold(instances)).toEqual(new Set());
  });

  it('counts a lease as lost before the others may take it', async () => {
    const one = process();
    await one.hold(instances.slice(0, 1));
    nowMs += leaseMs - 1_000;
    const [before] =
      await database.sql`select reader_until from instance_reading where reader_owner is not null`;
    // Not held by its own clock any more, so it is asked for again: the row shows it.
    expect(await one.hold(instances.slice(0, 1))).toEqual(keys(instances.slice(0, 1)));
    const [after] =
      await database.sql`select reader_until from instance_reading where reader_owner is not null`;
    expect(after!.reader_until.getTime()).toBeGreaterThan(before!.reader_until.getTime());
  });

  it('asks the database only for what it does not hold', async () => {
    const one = process();
    await one.hold(instances);
    await database.sql`update instance_reading set reader_owner = ${owner()}`;
    expect(await one.hold(instances)).toEqual(keys(instances));
    await one.renew();
    expect(await one.hold(instances)).toEqual(new Set());
  });

  it('gives back one, or all', async () => {
    const [one, other] = [process(), process()];
    await one.hold(instances);
    await one.yield(instances.slice(0, 1));
    expect(await other.hold(instances)).toEqual(keys(instances.slice(0, 1)));
    expect(await one.hold(instances)).toEqual(keys(instances.slice(1)));
    await one.release();
    expect(await other.hold(instances)).toEqual(keys(instances));
  });

  it('passes over an instance that is gone', async () => {
    await database.sql`delete from instances where instance_id = ${instances[0]!.instanceId}`;
    expect(await process().hold(instances)).toEqual(keys(instances.slice(1)));
  });
});
