import { describe, expect, test } from 'vitest';
import { readTree } from '../../.ci/layers.ts';
import { readWrites, tables } from '../../.ci/statements.ts';
import { findSecondWriters, findWrites, isProduct, type Tables } from '../../.ci/writers.ts';

const known: Tables = new Map([
  ['tenants', 'tenants'],
  ['instanceKeys', 'instance_keys'],
]);

const written = (text: string, file = 'src/store/example.ts'): string[] =>
  findWrites(file, text, known).map(({ line, table }) => `${line} ${table}`);

const refused = (tree: Readonly<Record<string, string>>): string[] =>
  findSecondWriters(
    Object.entries(tree).flatMap(([file, text]) => (isProduct(file) ? findWrites(file, text, known) : [])),
  ).map(({ file, line, reason }) => `${file}:${line} ${reason}`);

describe('writes are found', () => {
  test.each([
    'insert into tenants (tenant_id) values (1)',
    'UPDATE tenants SET paused = true',
    'update only tenants set paused = true',
    'delete from "tenants" where true',
    'delete from public.tenants',
    `insert into \${sql(schema)}.tenants values (1)`,
    'merge into tenants t using x on true when matched then delete',
    'truncate table tenants',
    'copy tenants (tenant_id) from stdin',
    'with gone as (delete from tenants returning 1) select * from gone',
    `update \${instanceKeys} set revoked_at = now()`,
  ])('in %s', (sql) => {
    const source = `import { instanceKeys } from './schema.ts';\nawait tx<Row[]>\`${sql}\`;`;
    expect(written(source)).toEqual([sql.includes('instanceKeys') ? '2 instance_keys' : '2 tenants']);
  });

  test.each([
    'select * from tenants for update',
    'select * from tenants for no key update of tenants',
    'select 1 -- update tenants',
    "select 'delete from tenants'",
    'insert into scratch values (1)',
    `insert into \${sql(schema)}.scratch values (1)`,
    'copy (select * from tenants) to stdout',
  ])('but not in %s', (sql) => expect(written(`sql\`${sql}\``)).toEqual([]));

  test("once where an insert updates what is there, and through a builder's verbs by any name", () => {
    expect(written('sql`insert into tenants values (1) on conflict (a) do update set a = 1`')).toEqual([
      '1 tenants',
    ]);
    const imports = `import { tenants as t } from './schema.ts'; import * as all from './schema.ts';`;
    expect(written(`${imports} db.insert(t); db.update(all.instanceKeys); seen.delete(other);`)).toEqual([
      '1 tenants',
      '1 instance_keys',
    ]);
  });

  test('in a text that is sent as it stands, and as a notification', () => {
    expect(written("sql.unsafe('delete from tenants'); sql.notify(channel, 'x');")).toEqual([
      '1 tenants',
      '1 pg_notify',
    ]);
    expect(written('tx`select pg_notify(1)`')).toEqual(['1 pg_notify']);
  });
});

describe('a second writer is refused', () => {
  const owner = { 'src/store/tenants.ts': 'sql`update tenants set a = 1`' };

  test('outside of the store, with the name of the writer', () => {
    expect(refused({ ...owner, 'src/admin/tenants/tenants.ts': '\nsql`delete from tenants`' })).toEqual([
      'src/admin/tenants/tenants.ts:2 writes tenants, whose writer is src/store/tenants',
    ]);
  });

  test('in another module of the store, but not in the folder of the same name', () => {
    expect(refused({ ...owner, 'src/store/tenants/hold.ts': 'sql`update tenants set b = 1`' })).toEqual([]);
    expect(refused({ ...owner, 'src/store/holds.ts': 'sql`update tenants set b = 1`' })).toHaveLength(2);
  });

  test('when it hides the table in a value', () => {
    expect(refused({ 'src/store/a.ts': `sql\`update \${sql(name)} set a = 1\`` })).toEqual([
      'src/store/a.ts:1 writes a table that cannot be read out of the statement',
    ]);
  });

  test('and a notification outside of the store', () => {
    expect(
      refused({ 'src/routing/a.ts': 'sql.notify(due, 1)', 'src/store/b.ts': 'sql.notify(due, 1)' }),
    ).toEqual(['src/routing/a.ts:1 sends a notification, which only src/store does']);
  });

  test('while tests and the simulator write what they like', () => {
    const text = 'sql`update tenants set a = 1`';
    expect(refused({ ...owner, 'src/a/b.test.ts': text, 'src/simulator/c.ts': text })).toEqual([]);
  });
});

test('every table of the schema is written by somebody', () => {
  const found = new Set(readWrites(readTree()).map(({ table }) => table));
  // Triggers write it (migration 0023_served).
  const byTriggers = ['served_versions'];
  expect([...tables.values()].filter((table) => !found.has(table))).toEqual(byTriggers);
});
