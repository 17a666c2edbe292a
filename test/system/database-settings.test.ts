import { afterEach, describe, expect, it } from 'vitest';
import { openDatabase } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { connectTenant, type Scene, sendWebhook, startScene } from '../harness/gateway.ts';

/** What an administrator may have set for a role or a database, each to a value that is not PostgreSQL's default. */
const settings: readonly [string, string][] = [
  ['datestyle', 'German, DMY'],
  ['datestyle', 'SQL, DMY'],
  ['intervalstyle', 'sql_standard'],
  ['timezone', 'Asia/Kolkata'],
  ['extra_float_digits', '-15'],
  ['bytea_output', 'escape'],
  ['standard_conforming_strings', 'off'],
  ['escape_string_warning', 'off'],
  ['backslash_quote', 'off'],
  ['array_nulls', 'off'],
  ['transform_null_equals', 'on'],
  ['xmloption', 'document'],
  ['quote_all_identifiers', 'on'],
  ['client_encoding', 'LATIN1'],
  ['default_transaction_isolation', 'serializable'],
  ['default_transaction_isolation', 'repeatable read'],
  ['default_transaction_deferrable', 'on'],
  ['row_security', 'off'],
  ['session_replication_role', 'replica'],
  ['statement_timeout', '250'],
  ['lock_timeout', '50'],
  ['idle_in_transaction_session_timeout', '50'],
  ['idle_session_timeout', '100'],
  ['transaction_timeout', '250'],
  ['synchronous_commit', 'off'],
  ['plan_cache_mode', 'force_generic_plan'],
  ['gin_fuzzy_search_limit', '1'],
  ['enable_seqscan', 'off'],
  ['enable_indexscan', 'off'],
  ['jit', 'off'],
  ['lc_monetary', 'C'],
  ['constraint_exclusion', 'off'],
  ['work_mem', '64kB'],
];

const closing: (() => Promise<void>)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** Settings of a role are stronger than a database's; both are tried. */
async function alter(database: TestDatabase, name: string, value: string, which: 'role' | 'database') {
  const at = new URL(database.url);
  const target = which === 'role' ? `role ${at.username} in database` : 'database';
  await database.sql.unsafe(`alter ${target} ${at.pathname.slice(1)} set ${name} = '${value}'`);
}

describe('settings of the role and the database', () => {
  it.each(settings)('%s = %s changes nothing of what is written and read', async (name, value) => {
    const database = await createTestDatabase();
    closing.push(database.drop);
    for (const which of ['role', 'database'] as const) await alter(database, name, value, which);
    const sql = openDatabase(database.url, { connections: 2, applicationName: 'settings' });
    closing.push(() => sql.end({ timeout: 1 }));
    const at = new Date('2026-03-04T05:06:07.089Z');
    const text = 'a\\b\'c"d € ü';
    const [row] = await sql`
      select ${at}::timestamptz as at, ${at}::timestamptz::text as "atText", ${'2026-03-04'}::date::text as day,
        interval '1 day 2 hours' as span, (0.1::float8 + 0.2::float8) as sum, ${2 ** 52 + 1}::int8 as big,
        ${Buffer.from([0, 92, 255])}::bytea as bytes, ${text}::text as text, 'a\\b' as literal,
        ('{NULL,x}'::text[])[1] is null as missing, (${null}::text = null) as compared,
        ${sql.json({ text })}::jsonb as json`;
    expect(row).toEqual({
      at,
      atText: '2026-03-04 05:06:07.089+00',
      day: '2026-03-04',
      span: '1 day 02:00:00',
      sum: 0.30000000000000004,
      big: 2 ** 52 + 1,
      bytes: Buffer.from([0, 92, 255]),
      text,
      literal: 'a\\b',
      missing: true,
      compared: null,
      json: { text },
    });
    const [session] = await sql`
      select current_setting('transaction_isolation') as isolation, current_setting('synchronous_commit') as commit,
        current_setting('session_replication_role') as replication, current_setting('statement_timeout') as statement,
        current_setting('lock_timeout') as lock, current_setting('transaction_deferrable') as deferrable`;
    expect(session).toEqual({
      isolation: 'read committed',
      commit: 'on',
      replication: 'origin',
      statement: '30s',
      lock: '10s',
      deferrable: 'off',
    });
    // Longer than every time-out above: in a statement, within a transaction, and between statements.
    await sql.begin(async (tx) => {
      await tx`select pg_sleep(0.3)`;
      await new Promise((resolve) => setTimeout(resolve, 150));
      await tx`select 1`;
    });
    const [first] = await sql<{ pid: number }[]>`select pg_backend_pid() as pid`;
    expect(first?.pid).toBeGreaterThan(0);
  });

  it('all at once let a Mac through from webhook to Intune, and the admin API', async () => {
    const scene: Scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 3 }] }] },
    });
    closing.push(scene.close);
    for (const [name, value] of settings) await alter(scene.database, name, value, 'role');
    await scene.restart('stop');
    const { tenantId } = scene.world.tenants[0]!;
    const berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    for (const { id } of scene.world.instance('berlin').computers.list())
      expect((await sendWebhook(scene, berlin, id)).status).toBe(202);
    await eventually(async () => {
      const { json } = await scene.api('GET', '/reports?filter=state==verified');
      expect(json.totalCount).toBe(3);
    });
    const devices = await scene.api('GET', `/tenants/${tenantId}/devices`);
    const [device] = devices.json.results;
    expect(new Date(device.since ?? device.updatedAt ?? Date.now()).getTime()).toBeGreaterThan(
      Date.now() - 600_000,
    );
    const put = await scene.api('PUT', `/tenants/${tenantId}/devices/${device.deviceId}`, {
      instanceId: berlin.id,
      jamfComputerId: device.jamfComputerId,
      serialNumber: 'a\\b',
      pinned: true,
    });
    expect(put.status).toBe(200);
    const timeline = await scene.api('GET', `/tenants/${tenantId}/devices/${device.deviceId}/timeline`);
    for (const { at } of timeline.json.results)
      expect(Math.abs(Date.now() - Date.parse(at))).toBeLessThan(600_000);
    expect((await scene.api('GET', '/history/verify')).json.ok).toBe(true);
  }, 60_000);

  it('that freeze the database are obeyed: nothing is written, and it is told', async () => {
    const database = await createTestDatabase();
    closing.push(database.drop);
    await alter(database, 'default_transaction_read_only', 'on', 'database');
    const sql = openDatabase(database.url, { connections: 1, applicationName: 'settings' });
    closing.push(() => sql.end({ timeout: 1 }));
    await expect(sql`create table written (id int)`).rejects.toMatchObject({ code: '25006' });
  });
});
