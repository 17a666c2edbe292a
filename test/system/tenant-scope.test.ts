import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { lookAtSchedules } from '../../src/store/schedules.ts';
import { inScope, shardOf } from '../../src/store/tenant-scope.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The tenants of a shard, as the code and the database see them. */

const ids = Array.from({ length: 200 }, () => randomUUID());
const edges = ['00000000-0000-4000-8000-000000000000', 'ffffffff-ffff-4fff-bfff-ffffffffffff'];
const shardCounts = [1, 2, 7, 64];

describe('a shard', () => {
  let database: TestDatabase;

  beforeAll(async () => {
    database = await createTestDatabase();
  });
  afterAll(async () => database?.drop());

  it('has the same tenants in the database and in the code, and each tenant has one', async () => {
    const { sql } = database;
    for (const of of shardCounts) {
      const found: string[] = [];
      for (let shard = 0; shard < of; shard += 1) {
        const rows = await sql<{ id: string }[]>`
          select id from unnest(${[...ids, ...edges]}::uuid[]) as given(id) where ${inScope(sql, { shard, of }, sql`id`)}`;
        expect(rows.map(({ id }) => shardOf(id, of))).toEqual(rows.map(() => shard));
        found.push(...rows.map(({ id }) => id));
      }
      expect(found.sort()).toEqual([...ids, ...edges].sort());
    }
  });

  it('finds the due rows of its tenants, and without a scope there are all', async () => {
    const { sql } = database;
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing)
      select id, 'public', id::text, 'device-compliance', 'cloud-connector', '{}' from unnest(${ids}::uuid[]) as given(id)`;
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      select tenant_id, tenant_id, 'x', 'https://jamf.example', 'x', '{}' from tenants`;
    await sql`
      insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, done_revision, attempts, background, next_try_at)
      select tenant_id, tenant_id, 1, 1, 0, 0, false, now() from tenants`;
    const tenantsOf = (found: readonly { readonly schedule: { readonly tenantId: string } }[]) =>
      found.map(({ schedule }) => schedule.tenantId).sort();
    expect(tenantsOf(await lookAtSchedules(sql, 'computers'))).toEqual([...ids].sort());
    for (let shard = 0; shard < 3; shard += 1) {
      const own = ids.filter((id) => shardOf(id, 3) === shard).sort();
      expect(own.length).toBeGreaterThan(0);
      expect(tenantsOf(await lookAtSchedules(sql, 'computers', { shard, of: 3 }))).toEqual(own);
    }
    expect(await lookAtSchedules(sql, 'reports', { shard: 0, of: 3 })).toEqual([]);
  });
});
