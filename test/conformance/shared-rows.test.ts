import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { databaseReads, type ServedReads } from '../../src/forwarding/served-reads.ts';
import type { Sealing } from '../../src/runtime/snapshot/sealed-file.ts';
import { createConfirmations, createStrictClock } from '../../src/runtime/worker/confirmations.ts';
import type { DirectoryAnswer } from '../../src/runtime/worker/directory-port.ts';
import { createFollowedTenants } from '../../src/runtime/worker/followed.ts';
import { createSharedRows, type RowPlace, withSharedRows } from '../../src/runtime/worker/shared-rows.ts';
import { nextVersion } from '../../src/store/routes/routes.ts';
import { createServedReader } from '../../src/store/served.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { memorySharedCache } from '../harness/memory-shared-cache.ts';

/** Rows of a real database that isolates share through a cache in memory, and what is believed of them. */

const key = (id: string, fill: number) => ({ id: id.padEnd(8, '0'), secret: new Uint8Array(32).fill(fill) });
const ours: Sealing = { keys: [key('first', 1)], deployment: 'ours', schema: 7 };
const silent = createLog({ level: 'error', format: 'json', write: () => undefined });

describe('rows that isolates share', { timeout: 60_000 }, () => {
  let database: TestDatabase;
  let cache: ReturnType<typeof memorySharedCache>;
  let tenantId: string;
  let instanceId: string;
  const [moving, staying] = [randomUUID(), randomUUID()];

  /** The object of a shard: one for all isolates. */
  function openDirectory() {
    const followed = createFollowedTenants(() => performance.now());
    const read = createServedReader(database.sql);
    const state = { history: undefined as string | undefined, isAway: false };
    const versions = async (asked: Parameters<typeof read>[0]): Promise<DirectoryAnswer> => {
      if (state.isAway) throw new Error('it is away');
      followed.ask(asked.map((one) => one.tenantId));
      const found = await read(followed.questions());
      followed.take({ ...found, history: state.history ?? found.history });
      const tenants = asked.map(followed.answer).filter((one) => one !== undefined);
      return { ageMs: 0, history: state.history ?? found.history, tenants };
    };
    return { state, versions };
  }
  let directory: ReturnType<typeof openDirectory>;

  function isolate(sealing: Sealing = ours) {
    const asked: string[] = [];
    const behind: Promise<unknown>[] = [];
    const reads = databaseReads(database.sql);
    const counted: ServedReads = {
      ...reads,
      tenant: (...ids) => {
        asked.push('tenant');
        return reads.tenant(...ids);
      },
      instance: (...ids) => {
        asked.push('instance');
        return reads.instance(...ids);
      },
      route: (...ids) => {
        asked.push('route');
        return reads.route(...ids);
      },
    };
    const confirmations = createConfirmations({
      ...{ shards: 1, log: silent, now: createStrictClock(() => performance.now()) },
      after: (work) => void behind.push(work),
      namespace: {
        idFromName: (name) => name,
        get: () => ({ keep: async () => undefined, versions: directory.versions }),
      },
    });
    const rows = createSharedRows({ ...sealing, cache });
    const served = withSharedRows({
      ...{ confirmations, rows, reads: counted },
      after: (work) => void behind.push(work),
      onCompared: () => asked.push('moves'),
    });
    return {
      rows,
      /** What is read, and of what the database was asked for it. */
      read: async (deviceId = staying) => {
        await confirmations.ask(tenantId);
        const found = {
          tenant: await served.tenant(tenantId),
          instance: await served.instance(tenantId, instanceId),
          route: await served.route(tenantId, deviceId),
        };
        await Promise.all(behind.splice(0));
        return { found, asked: asked.splice(0) };
      },
    };
  }
  const everything = ['tenant', 'instance', 'route'];
  const placeRoute = async (deviceId: string, computer: number): Promise<void> => {
    await database.sql.begin(async (tx) => {
      const version = await nextVersion(tx, tenantId);
      await tx`
        insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
        values (${tenantId}, ${deviceId}, ${instanceId}, ${computer}, 'only-claim', ${version})
        on conflict (tenant_id, device_id) do update set jamf_computer_id = excluded.jamf_computer_id`;
      await tx`
        insert into route_changes (tenant_id, version, device_id, pinned, rule, author, reason)
        values (${tenantId}, ${version}, ${deviceId}, false, 'only-claim', 'test', 'test')`;
    });
  };

  const addTenant = async (): Promise<void> => {
    const { sql } = database;
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      values (${tenantId}, 'public', 'Contoso', 'device-compliance', 'cloud-connector', '{"choice":"default"}')`;
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_sealed, compliance)
      values (${tenantId}, ${instanceId}, 'berlin', 'https://berlin.example.test', 'client', 'v1.sealed', '{"source":"jamf"}')`;
  };

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => {
    await database?.drop();
  });
  beforeEach(async () => {
    [tenantId, instanceId] = [randomUUID(), randomUUID()];
    cache = memorySharedCache();
    directory = openDirectory();
    await addTenant();
    await placeRoute(moving, 1);
    await placeRoute(staying, 2);
  });

  it('are read by one of them, and are for the others what the database has', async () => {
    const first = await isolate().read();
    expect(first.asked).toEqual(everything);
    const second = await isolate().read();
    expect(second.asked).toEqual([]);
    const reads = databaseReads(database.sql);
    expect(second.found).toStrictEqual({
      tenant: await reads.tenant(tenantId),
      instance: await reads.instance(tenantId, instanceId),
      route: await reads.route(tenantId, staying),
    });
    expect(second.found).toStrictEqual(first.found);
  });

  it('are not believed once the tenant or an instance changed', async () => {
    await isolate().read();
    await database.sql`update instances set paused = true where tenant_id = ${tenantId}`;
    const { asked, found } = await isolate().read();
    expect([asked, found.instance?.paused]).toEqual([everything, true]);
    expect((await isolate().read()).asked).toEqual([]);
    await database.sql`update tenants set cloud = 'china' where tenant_id = ${tenantId}`;
    expect((await isolate().read()).asked).toEqual(everything);
  });

  it('tell of a tenant whose calls are compared, so that moves are looked for, and of no other', async () => {
    const { sql } = database;
    await sql`
      insert into moves (tenant_id, move_id, from_instance_id, to_instance_id, step_percent, shadow, author, reason)
      values (${tenantId}, gen_random_uuid(), ${instanceId}, gen_random_uuid(), 10, true, 'a', 'r')`;
    const asked = async () => [(await isolate().read()).asked, (await isolate().read()).asked];
    expect(await asked()).toEqual([everything, []]);
    await sql`update moves set state = 'shadowing' where tenant_id = ${tenantId}`;
    expect(await asked()).toEqual([everything, ['moves']]);
    await sql`update moves set paused = true where tenant_id = ${tenantId}`;
    expect(await asked()).toEqual([everything, []]);
  });

  it('are not believed of a tenant that was deleted and made again', async () => {
    await isolate().read();
    await database.sql`delete from routes where tenant_id = ${tenantId}`;
    await database.sql`delete from tenants where tenant_id = ${tenantId}`;
    const gone = await isolate().read();
    expect([gone.asked, gone.found.tenant, gone.found.route]).toEqual([everything, undefined, undefined]);
    await addTenant();
    const { asked, found } = await isolate().read();
    expect([asked, found.route]).toEqual([everything, undefined]);
  });

  it('are not believed of a device that moved, and are of one that stayed', async () => {
    const first = isolate();
    await first.read(moving);
    await first.read(staying);
    await placeRoute(moving, 3);
    expect((await isolate().read(staying)).asked).toEqual([]);
    const { asked, found } = await isolate().read(moving);
    expect([asked, found.route?.jamfComputerId]).toEqual([['route'], 3]);
    expect((await isolate().read(moving)).asked).toEqual([]);
    // An object that has just begun to follow cannot say who moved before.
    directory = openDirectory();
    await placeRoute(randomUUID(), 4);
    directory = openDirectory();
    expect((await isolate().read(staying)).asked).toEqual(['route']);
  });

  it('are not believed where they were put back in place of newer ones', async () => {
    await isolate().read(moving);
    const older = [...cache.entries];
    await placeRoute(moving, 5);
    await database.sql`update instances set paused = true where tenant_id = ${tenantId}`;
    await isolate().read(moving);
    for (const [name, entry] of older) cache.entries.set(name, entry);
    const { asked, found } = await isolate().read(moving);
    expect(asked).toEqual(everything);
    expect([found.instance?.paused, found.route?.jamfComputerId]).toEqual([true, 5]);
  });

  it('are those of one deployment, build, key and history of the database', async () => {
    await isolate().read();
    for (const other of [{ deployment: 'theirs' }, { schema: 8 }, { keys: [key('other', 2), ...ours.keys] }])
      expect((await isolate({ ...ours, ...other }).read()).asked, JSON.stringify(other)).toEqual(everything);
    expect((await isolate().read()).asked).toEqual([]);
    directory.state.history = 'another';
    expect((await isolate().read()).asked).toEqual(everything);
    expect((await isolate().read()).asked).toEqual([]);
  });

  it('are not opened where they were altered or cut anywhere, or stand in the place of another', async () => {
    const { rows } = isolate();
    const place: RowPlace = ['route', tenantId, staying];
    await rows.put(place, { instanceId }, { history: 'h', served: 1, routes: 1 });
    const [[name, { bytes, endsAtMs }]] = [...cache.entries] as [
      [string, { bytes: Uint8Array; endsAtMs: number }],
    ];
    const isOpened = async (instead: Uint8Array, at = place): Promise<boolean> => {
      cache.entries.set(name, { bytes: instead, endsAtMs });
      return (await rows.get(at, 'h')) !== undefined;
    };
    expect(await isOpened(bytes)).toBe(true);
    for (let at = 0; at < bytes.length; at += 1) {
      expect(await isOpened(bytes.with(at, (bytes[at] ?? 0) ^ 1)), `altered at ${at}`).toBe(false);
      expect(await isOpened(bytes.subarray(0, at)), `cut at ${at}`).toBe(false);
    }
    const other: RowPlace = ['route', tenantId, moving];
    await rows.put(other, { instanceId }, { history: 'h', served: 1, routes: 1 });
    const [, [, moved]] = [...cache.entries] as [unknown, [string, { bytes: Uint8Array }]];
    expect(await isOpened(moved.bytes)).toBe(false);
    expect(await rows.get(other, 'h')).toBeDefined();
    expect(await rows.get(other, 'another')).toBeUndefined();
  });

  it('show nothing, nor do their names', async () => {
    await isolate().read();
    expect(cache.entries.size).toBe(3);
    for (const [name, { bytes }] of cache.entries) {
      expect(name).toMatch(/^[\w-]{43}$/);
      const text = Buffer.from(bytes);
      for (const word of [
        tenantId,
        instanceId,
        staying,
        'Contoso',
        'berlin',
        'client',
        'v1.sealed',
        'landing',
      ])
        expect(text.includes(word) || name.includes(word), word).toBe(false);
    }
  });

  it('are neither read nor written without a version, nor written where there is no row', async () => {
    await isolate().read();
    directory.state.isAway = true;
    expect((await isolate().read()).asked).toEqual(everything);
    directory.state.isAway = false;
    const before = cache.entries.size;
    expect((await isolate().read(randomUUID())).found.route).toBeUndefined();
    directory.state.isAway = true;
    cache.entries.clear();
    await isolate().read();
    expect([before, cache.entries.size]).toEqual([3, 0]);
  });
});
