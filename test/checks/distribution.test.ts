import type { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkKeys, checkTriggersAndSequences, compareAcross, findAcross } from '../../.ci/distribution.ts';
import { openMigrated } from '../../.ci/statements.ts';

/** Whether rows can be distributed by tenant: `npm run check:distribution` looks at all statements of the product. */

let database: PGlite;
beforeAll(async () => {
  database = await openMigrated();
}, 60_000);
afterAll(() => database.close());

/** What is found after a change of the schema, which is undone. */
async function changed<T>(change: string, look: () => Promise<T>): Promise<T> {
  await database.exec(`begin; ${change}`);
  try {
    return await look();
  } finally {
    await database.exec('rollback');
  }
}

describe('the schema', () => {
  it('has keys that begin with the tenant, and triggers and sequences that are listed', async () => {
    expect(await checkKeys(database)).toEqual([]);
    expect(await checkTriggersAndSequences(database)).toEqual([]);
  });

  it.each([
    ['create unique index odd on reports (device_id)', 'unique key odd of reports begins with device_id'],
    [
      'create unique index odd on reports (lower(state))',
      'unique key odd of reports begins with an expression',
    ],
    ['create table odd (id int primary key)', 'reference table odd is not listed'],
    ['create table odd (tenant_id uuid, id int primary key)', 'primary key odd_pkey of odd begins with id'],
    [
      'alter table watch add column t uuid, add column d uuid, add constraint odd foreign key (t, d) references reports',
      'foreign key odd: watch, a reference table, refers to rows of tenants in reports',
    ],
    ['drop table oldest_waiting', 'reference table oldest_waiting is listed and there is none'],
  ])('%s is a fault', async (change, fault) => {
    expect(await changed(change, () => checkKeys(database))).toContain(fault);
  });

  it('a new trigger or sequence is a fault', async () => {
    const change =
      'create sequence odd; create trigger odd after insert on reports execute function espalier_feed_move()';
    expect(await changed(change, () => checkTriggersAndSequences(database))).toEqual([
      'trigger odd is not listed',
      'sequence odd is not listed',
    ]);
  });
});

describe('a statement', () => {
  const tablesOf = async (text: string): Promise<readonly string[]> =>
    (await findAcross(database, [{ file: 'src/a.ts', line: 1, text }]))[0]?.tables ?? [];

  it.each([
    'select 1 from reports where tenant_id = $1 and device_id = any($2)',
    'select 1 from tenants',
    'select 1 from claims c join routes r on r.tenant_id = c.tenant_id and r.device_id = c.device_id where c.tenant_id = $1',
    'with due as materialized (select tenant_id, device_id from reports where tenant_id = $1 limit 3) update reports r set attempts = 0 from due where r.tenant_id = due.tenant_id and r.device_id = due.device_id',
    'insert into claims (tenant_id, device_id, instance_id, jamf_computer_id) select $1, d, $2, 1 from unnest($3::uuid[]) d returning (select name from instances i where i.tenant_id = claims.tenant_id limit 1)',
    'select 1 from routes where tenant_id = (select tenant_id from instances where instance_id = $1)',
  ])('%s stays within one tenant', async (text) => {
    expect(await tablesOf(text)).toEqual([]);
  });

  it.each([
    ['select count(*) from reports', ['reports']],
    ['select 1 from reports where tenant_id = any($1)', ['reports']],
    ['select 1 from reports where tenant_id > $1', ['reports']],
    ['select 1 from reports where (tenant_id = $1 and attempts = 0) or attempts = $2', ['reports']],
    ['select 1 from reports r join claims c using (device_id) where r.tenant_id = $1', ['claims']],
    ['select 1 from tenants t join reports r on r.tenant_id = t.tenant_id', ['reports']],
    [
      'update reports r set attempts = 0 from unnest($1::uuid[], $2::uuid[]) as given(tenant_id, device_id) where r.tenant_id = given.tenant_id and r.device_id = given.device_id',
      ['reports'],
    ],
    [
      "insert into timeline (tenant_id, device_id, stage) select t, d, 'x' from unnest($1::uuid[], $2::uuid[]) as given(t, d)",
      ['timeline'],
    ],
    ['delete from claim_history where recorded_at < now()', ['claim_history']],
  ])('%s goes over several', async (text, tables) => {
    expect(await tablesOf(text)).toEqual(tables);
  });

  it('over several tenants is a fault in a file that is not listed, and one too few in a file that is', () => {
    const found = compareAcross([{ file: 'src/a.ts', line: 3, tables: ['reports'] }]);
    expect(found).toContain(
      'src/a.ts: 1 statements go over several tenants, 0 are listed: lines 3 (reports)',
    );
    expect(found).toContain('src/store/timeline.ts is listed and has no statement over several tenants');
  });
});
