import type { PGlite } from '@electric-sql/pglite';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { functionFaults, functionNeeds, rightsOf } from '../../.ci/serving-grants.ts';
import { openMigrated } from '../../.ci/statements.ts';

let database: PGlite;
beforeAll(async () => {
  database = await openMigrated();
}, 120_000);
afterAll(() => database?.close());

const found = async (...texts: string[]) =>
  Object.fromEntries(
    [...(await rightsOf(database, texts))].map(([table, rights]) => [table, [...rights].sort()]),
  );

it('a statement gets the fewest rights with which PostgreSQL takes it, on each of its tables', async () => {
  expect(await found('select 1 from tenants')).toEqual({});
  expect(await found('select 1 from reports for update skip locked')).toEqual({ reports: ['update'] });
  expect(
    await found(
      `with gone as (delete from sessions returning session_id)
       insert into watch ("one") select true from gone`,
    ),
  ).toEqual({ sessions: ['delete'], watch: ['insert'] });
  expect(
    await found(
      `insert into route_versions (tenant_id, version) values ($1, 1)
       on conflict (tenant_id) do update set version = route_versions.version + 1`,
    ),
  ).toEqual({ route_versions: ['insert', 'update'] });
});

it('a temporary table is the role’s own', async () => {
  expect(
    await found(
      'create temporary table plan_of_it (one int)',
      'delete from plan_of_it',
      'drop table plan_of_it',
    ),
  ).toEqual({});
});

it('a function of the schema that is not listed is named, and so is one that is listed and gone', () => {
  const [first = '', ...others] = Object.keys(functionNeeds);
  expect(functionFaults([...others, 'espalier_new'])).toEqual([
    '.ci/serving-grants.ts does not say what the function espalier_new needs',
    `.ci/serving-grants.ts lists the function ${first}, which is not there`,
  ]);
});
