import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  finishDisconnects,
  type LifecycleOptions,
  leaveEmptyTenants,
} from '../../src/connection/lifecycle.ts';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { takeDeprovisions } from '../../src/store/tenants/deprovision.ts';
import { dueHeartbeats } from '../../src/store/tenants/heartbeat.ts';
import { takePartnerWatch, takePermissionWatch } from '../../src/store/tenants/watches.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The looks for what is due of a tenant's connection are repeated every few seconds: none may read every tenant. */
describe('what is due of tenants', () => {
  let database: TestDatabase;
  let sql: Sql;

  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
    sql = openDatabase(database.url, { connections: 1, applicationName: 'test' });
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state,
        next_heartbeat_at, partner_state_at, permissions_checked_at)
      select md5('tenant' || n)::uuid, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{}', 'connected',
        now() + interval '1 hour', now(), now()
      from generate_series(1, 3000) n`;
    await sql`vacuum analyze tenants`;
  });
  afterAll(async () => {
    await sql?.end({ timeout: 2 });
    await database?.drop();
  });

  const scans = async (): Promise<number> => {
    await sql`select pg_stat_force_next_flush()`;
    const [row] = await sql<{ scans: number }[]>`
      select seq_scan::int as scans from pg_stat_user_tables where relname = 'tenants'`;
    return row?.scans ?? Number.NaN;
  };
  const day = { everySeconds: 86_400, limit: 10 };
  const wishes = { limit: 10, retryAfterSeconds: 60, scope: undefined, tenantId: undefined };
  // The looks alone: nothing is found, so nothing else of the options is used.
  const lifecycle = (): LifecycleOptions => ({ sql, scope: undefined }) as LifecycleOptions;

  it.each<readonly [string, () => Promise<unknown>]>([
    ['heartbeats', () => dueHeartbeats(sql, 10)],
    ['partner states', () => takePartnerWatch(sql, day)],
    ['permissions', () => takePermissionWatch(sql, day)],
    ['deprovisionings', () => takeDeprovisions(sql, wishes)],
    ['disconnects that may end', () => finishDisconnects(lifecycle())],
    ['tenants whose last instance is gone', () => leaveEmptyTenants(lifecycle())],
  ])('%s are found without a look at every tenant', async (_, look) => {
    await look();
    const before = await scans();
    await look();
    expect(await scans()).toBe(before);
  });

  it('what has come due is found', async () => {
    const [first, second] = await sql<
      { id: string }[]
    >`select tenant_id as id from tenants order by 1 limit 2`;
    await sql`update tenants set next_heartbeat_at = null, partner_state_at = null where tenant_id = ${first?.id ?? ''}`;
    await sql`update tenants set deprovision_wanted = true, permissions_checked_at = now() - interval '2 days'
      where tenant_id = ${second?.id ?? ''}`;
    const idsOf = (found: readonly { readonly tenantId: string }[]) => found.map(({ tenantId }) => tenantId);
    expect(idsOf(await dueHeartbeats(sql, 10))).toEqual([first?.id]);
    expect(idsOf(await takePartnerWatch(sql, day))).toEqual([first?.id]);
    expect(idsOf(await takePermissionWatch(sql, day))).toEqual([second?.id]);
    expect(idsOf(await takeDeprovisions(sql, wishes))).toEqual([second?.id]);
    expect(idsOf(await takePartnerWatch(sql, day)), 'for one process alone').toEqual([]);
  });
});
