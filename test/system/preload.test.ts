import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { formatGuid } from '../../src/routing/guid-words.ts';
import { moreRoutesThan, preloadRoutes } from '../../src/routing/preload.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The whole table out of the real database, as it lies in the packed one. */
describe('preloading routes', () => {
  let database: TestDatabase;
  const tenantId = randomUUID();
  const instanceId = randomUUID();
  const count = 5_000;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    const { sql } = database;
    await sql`insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'one', 'device-compliance', 'cloud-connector', '{"choice":"default"}', 'new')`;
    await sql`insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'berlin', 'https://berlin.example', 'x', '{"source":"jamf"}')`;
    await sql`insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, rule, version)
      select ${tenantId}, gen_random_uuid(), ${instanceId}, n, 'only-claim', 4294967296 + n from generate_series(1, ${count}) n`;
  });
  afterAll(() => database?.drop());

  const preload = async (options: Parameters<typeof preloadRoutes>[2] = {}): Promise<[number, string[]]> => {
    const sql = openDatabase(database.url, { connections: 1, applicationName: 'preload' });
    const seen: string[] = [];
    try {
      const rows = await preloadRoutes(
        sql,
        (key, instance, computer, version) =>
          seen.push(
            [formatGuid(key, 0), formatGuid(key, 4), formatGuid(instance, 0), computer, version].join(),
          ),
        options,
      );
      return [rows, seen];
    } finally {
      await sql.end({ timeout: 1 });
    }
  };

  it('gives every route with the words of its ids and the low half of its version', async () => {
    const [rows, seen] = await preload();
    expect(rows).toBe(count);
    const stored = await database.sql<{ line: string }[]>`
      select concat_ws(',', tenant_id, device_id, instance_id, jamf_computer_id, version - 4294967296) as line from routes`;
    expect(seen.sort()).toEqual(stored.map(({ line }) => line).sort());
  });

  it("gives one tenant's only, and nothing of an empty one", async () => {
    expect((await preload({ tenantId }))[0]).toBe(count);
    expect((await preload({ tenantId: randomUUID() }))[0]).toBe(0);
  });

  it('ends early when told to, with an error', async () => {
    await expect(preload({ stopped: () => true })).rejects.toThrow('stopped');
  });

  it('counts no further than asked', async () => {
    expect(await moreRoutesThan(database.sql, count - 1)).toBe(true);
    expect(await moreRoutesThan(database.sql, count)).toBe(false);
  });
});
