import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createRouteReader, type RouteChange, type RouteReader } from '../../src/routing/route-reader.ts';
import type { RouteTarget } from '../../src/routing/route-table.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import type { Change, ChangeSource } from '../../src/store/change-feed.ts';
import { createChangeSource, feedRoutes } from '../../src/store/change-source.ts';
import { openDatabase, type Sql, type Transaction } from '../../src/store/database.ts';
import { changesOf, nextVersion, type RouteWrite, writeRoutes } from '../../src/store/routes/routes.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { createMemoryDatabase } from '../simulation/routes/memory-database.ts';

/** The tables that the simulation uses behave as PostgreSQL's do, under the real statements and the real writer. */

interface SubjectTransaction {
  writeRoutes(tenantId: string, writes: ReadonlyMap<string, RouteTarget | undefined>): Promise<void>;
  writeTenant(tenantId: string, value: number): Promise<void>;
  deleteTenant(tenantId: string): Promise<void>;
  commit(): Promise<void>;
  rollback(): Promise<void>;
}

interface Subject {
  readonly source: ChangeSource;
  readonly reader: RouteReader;
  begin(): Promise<SubjectTransaction>;
}

const instanceOf = (tenantId: string): string => `${tenantId.slice(0, 24)}${'0'.repeat(12)}`;

function memorySubject(): Subject {
  const database = createMemoryDatabase(Date.now);
  return {
    source: database,
    reader: database,
    begin: async () => {
      const tx = database.begin();
      return {
        writeRoutes: tx.writeRoutes,
        writeTenant: async (tenantId, value) => tx.writeTenant(tenantId, value),
        deleteTenant: async (tenantId) => tx.deleteTenant(tenantId),
        commit: async () => tx.commit(),
        rollback: async () => tx.rollback(),
      };
    },
  };
}

async function putTenant(tx: Transaction, tenantId: string, value: number): Promise<void> {
  await tx`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    values (${tenantId}, 'public', ${String(value)}, 'device-compliance', 'cloud-connector', '{"choice":"default"}', 'new')
    on conflict (tenant_id) do update set display_name = excluded.display_name`;
  // Not told of: only what the routes refer to.
  await tx`alter table instances disable trigger instances_feed`;
  await tx`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
    values (${tenantId}, ${instanceOf(tenantId)}, 'berlin', 'https://berlin.example', 'x', '{"source":"jamf"}')
    on conflict do nothing`;
  await tx`alter table instances enable trigger instances_feed`;
}

function postgresSubject(sql: Sql): Subject {
  const by = () => ({ author: 'test', reason: 'test' });
  const standing = (to: RouteTarget) => ({
    ...to,
    pinned: false,
    placedAt: null,
    rule: 'only-claim',
    serialNumber: null,
    udid: null,
  });
  return {
    source: createChangeSource(sql),
    reader: createRouteReader(sql),
    begin: async () => {
      const began = Promise.withResolvers<Transaction>();
      const ended = Promise.withResolvers<void>();
      const over = sql.begin(async (tx) => {
        await tx`select pg_current_xact_id()`;
        began.resolve(tx);
        await ended.promise;
      });
      over.catch(began.reject);
      const tx = await began.promise;
      return {
        writeRoutes: async (tenantId, writes) => {
          const changes = [...writes].map(
            ([deviceId, to]): RouteWrite => ({ deviceId, before: undefined, to: to && standing(to) }),
          );
          const version = await nextVersion(tx, tenantId);
          await writeRoutes(tx, tenantId, version, changesOf(tx, changes, by));
          await feedRoutes(tx, tenantId, version, changes.length);
        },
        writeTenant: (tenantId, value) => putTenant(tx, tenantId, value),
        deleteTenant: async (tenantId) => {
          await tx`delete from routes where tenant_id = ${tenantId}`;
          await tx`alter table instances disable trigger instances_feed`;
          await tx`delete from tenants where tenant_id = ${tenantId}`;
          await tx`alter table instances enable trigger instances_feed`;
        },
        commit: async () => {
          ended.resolve();
          await over;
        },
        rollback: async () => {
          ended.reject(new Error('rolled back'));
          await over.catch(() => undefined);
        },
      };
    },
  };
}

let database: TestDatabase;
let sql: Sql;
beforeAll(async () => {
  database = await createTestDatabase();
  await migrateDatabase(database.url);
  sql = openDatabase(database.url, { connections: 6, applicationName: 'conformance' });
});
afterAll(async () => {
  await sql?.end({ timeout: 2 });
  await database?.drop();
});

const subjects: readonly (readonly [string, () => Subject])[] = [
  ['in memory', memorySubject],
  ['in PostgreSQL', () => postgresSubject(sql)],
];

describe.each(subjects)('changes %s', (_, make) => {
  const many = 1_000;
  let subject: Subject;
  let tenantId: string;
  let device: string;
  let since: string;
  beforeAll(() => {
    subject = make();
  });

  const inOne = async (work: (tx: SubjectTransaction) => Promise<void>): Promise<void> => {
    const tx = await subject.begin();
    await work(tx);
    await tx.commit();
  };
  const to = (jamfComputerId: number, tenant = tenantId): RouteTarget => ({
    instanceId: instanceOf(tenant),
    jamfComputerId,
  });
  const one = (jamfComputerId: number) => new Map([[device, to(jamfComputerId)]]);
  const fresh = async (): Promise<void> => {
    [tenantId, device] = [randomUUID(), randomUUID()];
    await inOne((tx) => tx.writeTenant(tenantId, 1));
    since = (await subject.source.poll(undefined, many)).snapshot;
  };
  const poll = async (): Promise<readonly Change[]> => {
    const found = await subject.source.poll(since, many);
    since = found.snapshot;
    return found.changes ?? [];
  };
  const version = (number: number, changes = 1): Change => ({
    kind: 'routes',
    tenantId,
    version: number,
    changes,
  });

  it('a commit is seen once, with its version and how much it changed', async () => {
    await fresh();
    await inOne((tx) =>
      tx.writeRoutes(
        tenantId,
        new Map([
          [device, to(1)],
          [randomUUID(), to(2)],
        ]),
      ),
    );
    expect(await poll()).toEqual([version(1, 2)]);
    expect(await poll()).toEqual([]);
    await inOne((tx) => tx.writeTenant(tenantId, 2));
    expect(await poll()).toEqual([{ kind: 'tenant', tenantId }]);
  });

  it('what began early and commits late is seen then, and nothing else again', async () => {
    await fresh();
    const slow = await subject.begin();
    await inOne((tx) => tx.writeRoutes(tenantId, one(1)));
    expect(await poll()).toEqual([version(1)]);
    await inOne((tx) => tx.writeRoutes(tenantId, one(2)));
    expect(await poll()).toEqual([version(2)]);
    await slow.writeRoutes(tenantId, one(3));
    expect(await poll()).toEqual([]);
    await slow.commit();
    expect(await poll()).toEqual([version(3)]);
    expect(await poll()).toEqual([]);
  });

  it('versions of a tenant are numbered in the order of their commits', async () => {
    await fresh();
    const [first, second] = [await subject.begin(), await subject.begin()];
    await second.writeRoutes(tenantId, one(2));
    const waits = first.writeRoutes(tenantId, one(1));
    await second.commit();
    await waits;
    expect(await poll()).toEqual([version(1)]);
    await first.commit();
    expect(await poll()).toEqual([version(2)]);
    expect(await subject.reader.read([{ tenantId, deviceId: device }])).toMatchObject([
      { ...to(1), version: 2 },
    ]);
  });

  it('what is rolled back is never seen', async () => {
    await fresh();
    const tx = await subject.begin();
    await tx.writeRoutes(tenantId, one(1));
    expect(await poll()).toEqual([]);
    await tx.rollback();
    expect(await poll()).toEqual([]);
    expect(await subject.reader.read([{ tenantId, deviceId: device }])).toEqual([undefined]);
  });

  it('more than asked for is said to be too many', async () => {
    await fresh();
    for (const number of [1, 2, 3]) await inOne((tx) => tx.writeRoutes(tenantId, one(number)));
    expect((await subject.source.poll(since, 2)).changes).toBeUndefined();
    expect((await subject.source.poll(since, 3)).changes).toHaveLength(3);
  });

  it('only what a snapshot saw is pruned by it', async () => {
    // A transaction of another database on the same server, older than these, keeps all of them for a while.
    await eventually(async () => {
      await fresh();
      const before = since;
      await inOne((tx) => tx.writeRoutes(tenantId, one(1)));
      const slow = await subject.begin();
      await slow.writeRoutes(tenantId, one(2));
      await poll();
      const seen = since;
      await slow.commit();
      await subject.source.prune(undefined);
      expect((await subject.source.poll(before, many)).changes).toEqual([version(1), version(2)]);
      await subject.source.prune(seen);
      expect((await subject.source.poll(before, many)).changes).toEqual([version(2)]);
      expect(await poll()).toEqual([version(2)]);
    });
  });

  it('changes of versions come in their order, the ended without a target', async () => {
    await fresh();
    await inOne((tx) => tx.writeRoutes(tenantId, one(1)));
    await inOne((tx) => tx.writeRoutes(tenantId, new Map([[device, undefined]])));
    await inOne((tx) => tx.writeRoutes(tenantId, one(3)));
    const changes: RouteChange[] = [];
    const versions = [3, 1, 2].map((number) => ({ tenantId, version: number }));
    for await (const page of subject.reader.changes(versions)) changes.push(...page);
    const change = { tenantId, deviceId: device };
    expect(changes).toEqual([
      { ...change, version: 1, to: to(1) },
      { ...change, version: 2, to: undefined },
      { ...change, version: 3, to: to(3) },
    ]);
  });

  it('routes are read in the order of their names, and no other tenant has them', async () => {
    await fresh();
    await inOne((tx) => tx.writeRoutes(tenantId, one(7)));
    const other = randomUUID();
    const names = [
      { tenantId: other, deviceId: device },
      { tenantId, deviceId: device },
      { tenantId, deviceId: randomUUID() },
    ];
    // With the birth that a read of the tenants gives: else their next change would look like another tenant's.
    const bornAtMs = (await subject.reader.births([tenantId])).get(tenantId);
    expect(bornAtMs).toEqual(expect.any(Number));
    expect(await subject.reader.read(names)).toEqual([
      undefined,
      { ...to(7), version: 1, bornAtMs },
      undefined,
    ]);
  });

  it('a tenant that is made again has another birth and begins its versions anew', async () => {
    await fresh();
    await inOne((tx) => tx.writeRoutes(tenantId, one(1)));
    const born = (await subject.reader.births([tenantId])).get(tenantId);
    await poll();
    await inOne((tx) => tx.deleteTenant(tenantId));
    expect(await poll()).toContainEqual({ kind: 'tenant', tenantId });
    expect((await subject.reader.births([tenantId])).size).toBe(0);
    await inOne((tx) => tx.writeTenant(tenantId, 1));
    await inOne((tx) => tx.writeRoutes(tenantId, one(2)));
    expect(await poll()).toContainEqual(version(1));
    const again = (await subject.reader.births()).get(tenantId);
    expect(again).toBeDefined();
    expect(again).not.toBe(born);
  });

  it('the history is the same for as long as the database is', async () => {
    await fresh();
    const first = await subject.source.poll(since, many);
    await inOne((tx) => tx.writeRoutes(tenantId, one(1)));
    expect((await subject.source.poll(since, many)).history).toBe(first.history);
  });
});

it('an instance is told of when what others remember of it changes, not at every contact', async () => {
  const [tenantId, source] = [randomUUID(), createChangeSource(sql)];
  const instanceId = instanceOf(tenantId);
  await sql.begin((tx) => putTenant(tx, tenantId, 1));
  const { snapshot } = await source.poll(undefined, 10);
  await sql`update instances set last_seen_at = now() where tenant_id = ${tenantId}`;
  expect((await source.poll(snapshot, 10)).changes).toEqual([]);
  await sql`update instances set paused = true where tenant_id = ${tenantId}`;
  expect((await source.poll(snapshot, 10)).changes).toEqual([{ kind: 'instance', tenantId, instanceId }]);
});

it('where the timeline may not be asked for, a restart counts as another history', async () => {
  const refusing = await createTestDatabase();
  await migrateDatabase(refusing.url);
  const role = `limited_${randomUUID().slice(0, 8)}`;
  try {
    await refusing.sql.unsafe(`create role ${role} login password 'limited'`);
    await refusing.sql.unsafe(`grant select on change_feed to ${role}`);
    await refusing.sql.unsafe('revoke execute on function pg_current_wal_lsn() from public');
    const url = new URL(refusing.url);
    url.username = role;
    url.password = 'limited';
    const limited = openDatabase(url.href, { connections: 1, applicationName: 'limited' });
    const source = createChangeSource(limited);
    const { history, snapshot } = await source.poll(undefined, 10);
    expect((await source.poll(snapshot, 10)).history).toBe(history);
    await limited.end();
  } finally {
    await refusing.sql.unsafe(`drop owned by ${role}`).catch(() => undefined);
    await refusing.sql.unsafe(`drop role if exists ${role}`);
    await refusing.drop();
  }
});
