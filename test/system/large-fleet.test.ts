import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readTenantPage } from '../../src/admin/overview/tenant-page.ts';
import {
  readExpiringInstanceKeys,
  readFailed,
  readInstances,
  readTenants,
} from '../../src/alerts/attention-rows.ts';
import { countSealed } from '../../src/connection/reseal.ts';
import { readBacklogCauses } from '../../src/delivery/computers/backlog.ts';
import type { Queries, Sql, Transaction } from '../../src/store/database.ts';
import { createInstanceStates } from '../../src/store/instances/states.ts';
import { lookForOldest, readOldestAges } from '../../src/store/oldest-waiting.ts';
import { addUpChanges, readReportCounts, recountTenant } from '../../src/store/reports/counts.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { buffersOf, explain } from '../harness/explained.ts';
import { type Scene, startScene } from '../harness/gateway.ts';

/**
 * What tells of a whole deployment costs as much as it has tenants and instances, and what waits: not as much as it has
 * devices. 60,000 devices of 1,000 tenants, nine of ten delivered; at that size PostgreSQL chooses the plans that it
 * chooses for millions.
 */

const tenants = 1_000;
const perTenant = 60;
const rows = tenants * perTenant;
/** All routes are read once at the start, on purpose. */
const big = ['reports', 'computers', 'timeline'] as const;

/** So that no statement takes as long as one may. */
const rowsAtOnce = 20_000;

/** Of each twenty devices one report failed and one is held; the others are delivered, and one computer waits. */
async function seedDevices(sql: Sql, from: number): Promise<void> {
  await sql`
    insert into reports (tenant_id, device_id, content, content_hash, instance_id, state, reason, due_since, failed_at, next_try_at)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('device' || n)::uuid, '{"deviceName":"Mac of somebody"}',
      md5('content' || n), md5('instance' || n % ${tenants}::int)::uuid,
      case n / ${tenants}::int % 20 when 0 then 'failed' when 1 then 'held' else 'completed' end,
      case n / ${tenants}::int % 20 when 0 then 'refused' when 1 then 'tenant-not-connected' end,
      case when n / ${tenants}::int % 20 < 2 then now() - interval '1 hour' end,
      case when n / ${tenants}::int % 20 = 0 then now() end,
      case when n / ${tenants}::int % 20 = 1 then now() + interval '1 day' end
    from generate_series(${from}::int, ${from + rowsAtOnce - 1}::int) n`;
  await sql`
    insert into computers (tenant_id, instance_id, jamf_computer_id, done_revision, next_try_at)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('instance' || n % ${tenants}::int)::uuid, 1 + n / ${tenants}::int,
      case when n / ${tenants}::int % 20 = 2 then 0 else 1 end,
      case when n / ${tenants}::int % 20 = 2 then now() + interval '1 day' end
    from generate_series(${from}::int, ${from + rowsAtOnce - 1}::int) n`;
  await sql`
    insert into routes (tenant_id, device_id, instance_id, jamf_computer_id, serial_number, rule, version)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('device' || n)::uuid, md5('instance' || n % ${tenants}::int)::uuid,
      1 + n / ${tenants}::int, 'C' || n, 'enrolled', 1
    from generate_series(${from}::int, ${from + rowsAtOnce - 1}::int) n`;
  await sql`
    insert into timeline (tenant_id, device_id, stage)
    select md5('tenant' || n % ${tenants}::int)::uuid, md5('device' || n)::uuid, 'received'
    from generate_series(${from}::int, ${from + rowsAtOnce - 1}::int) n`;
}

async function seed(sql: Sql): Promise<void> {
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    select md5('tenant' || n)::uuid, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{}', 'new'
    from generate_series(0, ${tenants - 1}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance)
    select md5('tenant' || n)::uuid, md5('instance' || n)::uuid, 'instance', 'https://jamf.example', 'client',
      'env:ESPALIER_INSTANCE_SECRET', '{"source":"jamf"}'
    from generate_series(0, ${tenants - 1}::int) n`;
  for (let from = 0; from < rows; from += rowsAtOnce) await seedDevices(sql, from);
  await sql`vacuum analyze`;
}

let database: TestDatabase;
let sql: Sql;
let scene: Scene;
let scansBefore: Readonly<Record<string, number>>;
let tenantId: string;
let deviceId: string;

/** What was scanned is told by a connection when it ends, at the latest. */
async function readScans(): Promise<Record<string, number>> {
  const found = await sql<{ table: string; scans: number }[]>`
    select relname as "table", seq_scan as scans from pg_stat_user_tables where relname = any(${[...big]}::text[])`;
  return Object.fromEntries(found.map(({ scans, table }) => [table, scans]));
}

const alone = () =>
  eventually(async () => {
    const others = await sql`
      select from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()
        and backend_type = 'client backend' and application_name <> 'test'`;
    expect(others).toHaveLength(0);
  });

beforeAll(async () => {
  database = await createTestDatabase();
  ({ sql } = database);
  await seed(sql);
  await sql.begin(async (tx) => {
    while ((await addUpChanges(tx, 10_000)) > 0);
  });
  await sql`vacuum analyze report_counts`;
  await sql`vacuum report_count_changes`;
  const [one] = await sql<{ tenantId: string; deviceId: string }[]>`
    select tenant_id as "tenantId", device_id as "deviceId" from reports where state = 'held' limit 1`;
  ({ deviceId, tenantId } = one!);
  await sql`select pg_stat_force_next_flush()`;
  scansBefore = await readScans();
  scene = await startScene({ world: { clouds: ['public'], tenants: [] }, database: async () => database });
}, 400_000);
afterAll(async () => {
  await scene?.close();
});

describe('with 60,000 devices', () => {
  const everywhere = undefined;
  /** With the pages that one statement reads at most; reading all of reports takes more than 2,000. */
  it.each<[string, number, (sql: Sql) => PromiseLike<unknown>]>([
    ['the numbers of reports', 60, (queries) => readReportCounts(queries, everywhere)],
    ['the numbers of reports of a tenant', 12, (queries) => readReportCounts(queries, [tenantId])],
    ['the ages of the oldest', 5, readOldestAges],
    // Three pages of the index for each tenant that lacks something, and what waits.
    [
      'the look for the oldest',
      4 * tenants + rows / 20,
      (queries) => lookForOldest(queries as unknown as Transaction),
    ],
    [
      'the states of instances',
      200,
      (queries) => createInstanceStates(queries, () => 0, { keptForMs: 1 }).read(),
    ],
    ['the secrets by key', 400, countSealed],
    ['the recount of a tenant', 400, (queries) => recountTenant(queries as unknown as Transaction, tenantId)],
    [
      'the tenants of the overview',
      2_500,
      (queries) => readTenantPage(queries, everywhere, { page: 0, size: 100 }),
    ],
    ['what failed', 14 * tenants, (queries) => readFailed(queries, everywhere)],
    ['tenants that need a person', 200, (queries) => readTenants(queries, everywhere)],
    ['instances that need a person', 400, (queries) => readInstances(queries, everywhere)],
    ['keys that run out', 400, (queries) => readExpiringInstanceKeys(queries, everywhere)],
    ['why computers wait', 200, (queries: Queries) => readBacklogCauses(queries, tenantId)],
  ])('%s reads at most %i pages', async (_name, pages, work) => {
    const { plans } = await explain(sql, work);
    expect(plans.length).toBeGreaterThan(0);
    for (const plan of plans) {
      expect(plan).not.toMatch(/Seq Scan on (?:reports|computers|timeline|routes)\b/);
      expect({ pages: buffersOf(plan), plan }).toSatisfy(
        (read: { readonly pages: number }) => read.pages <= pages,
      );
    }
  });

  it('nothing that is asked of a running gateway scans a large table', async () => {
    const paths = [
      ...[
        '/overview',
        '/overview?page=3',
        '/tenants',
        '/tenants?page=2',
        '/search?q=Tenant%2012',
        '/search?q=C1234',
      ],
      ...['/reports', '/reports?page=50', '/reports/causes', '/reports/causes?filter=state==failed'],
      ...['due', 'held', 'sent', 'failed', 'completed'].map((state) => `/reports?filter=state==${state}`),
      `/reports?filter=tenantId==${tenantId}`,
      `/reports?filter=${encodeURIComponent(`tenantId==${tenantId};state==held`)}`,
      ...['', '/status', '/devices', '/delivery', '/instances', '/routes/changes'].map(
        (of) => `/tenants/${tenantId}${of}`,
      ),
      ...['', '/timeline', '/explain'].map((of) => `/tenants/${tenantId}/devices/${deviceId}${of}`),
    ];
    // The slow survey of schedules may scan once meanwhile, so each is asked more often than that.
    const rounds = 3;
    for (const path of Array.from({ length: rounds }, () => paths).flat()) {
      const { status, text } = await scene.api('GET', path);
      expect({ path, status, text }).toMatchObject({ status: 200 });
    }
    const { json } = await scene.api('GET', '/reports?page-size=1');
    expect(json.totalCount).toBe(rows);
    const held = await scene.api('GET', '/reports?page-size=1&filter=state==held');
    expect(held.json.totalCount).toBe(rows / 20);
    const { json: status } = await scene.api('GET', `/tenants/${tenantId}/status`);
    expect(status).toMatchObject({
      reports: { completed: 54, held: 3, failed: 3 },
      backlog: { reports: 3, computers: 3 },
      heldReasons: { 'tenant-not-connected': 3 },
      devices: perTenant,
    });
    expect(status.oldestUndeliveredAgeSeconds).toBeGreaterThan(3_600);
    const metrics = await eventually(async () => {
      const read = await (await fetch(`${scene.gateway.ops}/metrics`)).text();
      expect(read).toMatch(/espalier_report_age_seconds\{stage="reports"[^}]*\} [1-9]/);
      return read;
    });
    expect(metrics).toMatch(new RegExp(`espalier_reports\\{state="completed"[^}]*\\} ${(rows / 20) * 18}`));
    await scene.gateway.stop();
    await alone();
    for (const [table, scans] of Object.entries(await readScans()))
      expect(scans - (scansBefore[table as keyof typeof scansBefore] ?? 0), table).toBeLessThan(rounds);
  }, 240_000);
});
