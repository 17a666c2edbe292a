import { asc, sql as drizzleSql, eq, like } from 'drizzle-orm';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { columns, pick } from '../../src/store/columns.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { query, readInLots } from '../../src/store/query.ts';
import { apiKeys, instances, tenants } from '../../src/store/schema.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Both ways of writing a statement go through one client: what one writes, the other must read as the same value. */
describe('the query builder and tagged templates', () => {
  let database: TestDatabase;
  let sql: Sql;
  const tenantId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a01';
  const keyId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a02';
  const connectedAt = new Date('2026-03-04T05:06:07.089Z');
  const landing = { choice: 'custom', customUrl: 'https://example.org/"quoted"' } as const;
  const messageErrors = ['text', 1, true, null, { nested: [] }];
  beforeAll(async () => {
    database = await createTestDatabase();
    sql = openDatabase(database.url, { connections: 1, applicationName: 'query-builder' });
    await query(sql).insert(tenants).values({
      tenantId,
      cloud: 'global',
      displayName: 'Contoso',
      mode: 'device-compliance',
      connectionType: 'manual',
      landing,
      messageErrors,
      connectedAt,
    });
    await query(sql)
      .insert(apiKeys)
      .values({ keyId, name: 'a', role: 'viewer', tenantIds: [tenantId], keyHash: 'h', prefix: 'p' });
  });
  afterAll(async () => {
    await sql.end({ timeout: 1 });
    await database.drop();
  });

  const shape = pick(
    tenants,
    'tenantId',
    'landing',
    'messageErrors',
    'connectedAt',
    'hold',
    'paused',
    'version',
  );
  const written = { tenantId, landing, messageErrors, connectedAt, hold: null, paused: false, version: 1 };

  it('read dates, JSON, booleans, numbers and nothing alike', async () => {
    const built = await query(sql).select(shape).from(tenants).where(eq(tenants.tenantId, tenantId));
    const tagged = await sql`select ${columns(sql, shape, 't')} from tenants t where tenant_id = ${tenantId}`;
    expect(built).toEqual([written]);
    expect([...tagged]).toEqual([written]);
  });

  it('give way within a large answer, whose rows are the same', async () => {
    await sql`insert into api_keys (key_id, name, role, key_hash, prefix)
      select gen_random_uuid(), 'lot ' || lpad(n::text, 3, '0'), 'viewer', 'h' || n, 'p' from generate_series(1, 120) n`;
    const keysLike = (pattern: string) => (db: ReturnType<typeof query>) =>
      db.select().from(apiKeys).where(like(apiKeys.name, pattern)).orderBy(asc(apiKeys.name));
    const turns: number[] = [];
    const made: string[] = [];
    const work = { turn: async () => void turns.push(made.length), isOver: () => true, end: () => undefined };
    const lots = { work, lotRows: 50 };
    const read = (pattern: string) =>
      readInLots(sql, keysLike(pattern), (row) => made.push(row.name) && row, lots);
    expect(await read('lot %')).toEqual(await keysLike('lot %')(query(sql)));
    expect([turns, made.length]).toEqual([[0, 50, 100], 120]);
    expect(await read('nothing')).toEqual([]);
    // PostgreSQL's own error, by whose code failures are known.
    const failing = readInLots(
      sql,
      (db) => db.select({ n: drizzleSql<number>`1 / 0` }).from(apiKeys),
      (row) => row,
      lots,
    );
    await expect(failing).rejects.toMatchObject({ code: '22012' });
    await sql`delete from api_keys where name like 'lot %'`;
  });

  it('write JSON as JSON, not as text that holds JSON', async () => {
    const [{ kinds } = { kinds: null }] = await sql`
      select jsonb_typeof(landing) || ' ' || jsonb_typeof(message_errors) as kinds from tenants`;
    expect(kinds).toBe('object array');
    await sql`update tenants set hold = ${sql.json({ cause: 'paused' })} where tenant_id = ${tenantId}`;
    const [row] = await query(sql).select({ hold: tenants.hold }).from(tenants);
    expect(row).toEqual({ hold: { cause: 'paused' } });
    await query(sql).update(tenants).set({ hold: null });
    const [bare] = await sql`select hold from tenants where hold is null`;
    expect(bare).toEqual({ hold: null });
  });

  it('read arrays alike', async () => {
    const [built] = await query(sql).select(pick(apiKeys, 'tenantIds')).from(apiKeys);
    const [tagged] = await sql`select ${columns(sql, pick(apiKeys, 'tenantIds'))} from api_keys`;
    expect(built).toEqual({ tenantIds: [tenantId] });
    expect(tagged).toEqual(built);
  });

  it("fails with PostgreSQL's own error, which has a code and not the statement's values", async () => {
    const again = { keyId, name: 'a', role: 'viewer', keyHash: 'secret-hash', prefix: 'p' } as const;
    const failure = await query(sql)
      .insert(apiKeys)
      .values(again)
      .catch((error: unknown) => error);
    expect(failure).toMatchObject({ name: 'PostgresError', code: '23505' });
    expect(String(failure)).not.toContain('secret-hash');
  });

  it('takes part in the transaction that it is given', async () => {
    const instanceId = '5b6cb3e1-4b1e-4ab1-9fc5-0a8a3a4a8a03';
    const failed = sql.begin(async (tx) => {
      await query(tx)
        .insert(instances)
        .values({
          tenantId,
          instanceId,
          name: 'one',
          url: 'https://one',
          apiClientId: 'c',
          compliance: { source: 'jamf' },
        });
      expect(await query(tx).$count(instances)).toBe(1);
      throw new Error('undone');
    });
    await expect(failed).rejects.toThrow('undone');
    expect(await query(sql).$count(instances)).toBe(0);
  });
});
