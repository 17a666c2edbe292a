import { afterAll, beforeAll, expect, test } from 'vitest';
import { arrayTypes } from '../../src/store/array-types.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** The types of arrays that the driver is given are the server's, and pass through it unchanged in both directions. */

let database: TestDatabase;
const clients: Sql[] = [];

beforeAll(async () => {
  database = await createTestDatabase();
});
afterAll(async () => {
  for (const sql of clients) await sql.end();
  await database?.drop();
});

const open = (pooled: boolean): Sql => {
  const sql = openDatabase(database.url, { connections: 1, applicationName: 'espalier-arrays', pooled });
  clients.push(sql);
  return sql;
};

test("have the server's numbers", async () => {
  const rows = await database.sql<{ name: string; array: number }[]>`
    select typname as name, typarray::int as array from pg_type
    where typname = any(${Object.keys(arrayTypes)}) and typnamespace = 'pg_catalog'::regnamespace`;
  const known = Object.entries(arrayTypes).map(([name, { array }]) => ({ name, array: array as number }));
  const byName = (a: { name: string }, b: { name: string }): number => (a.name < b.name ? -1 : 1);
  expect([...rows].sort(byName)).toEqual(known.sort(byName));
});

const values = {
  texts: ['a "quoted" one', 'back\\slash', '', 'NULL', '{1,2}', 'é…\n'],
  uuids: ['aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb'],
  ints: [1, -2, 2_147_483_647],
  bigs: [9_007_199_254_740_991, 0],
  floats: [0.25, -1e300],
  dates: ['2026-11-29T19:26:14.123Z'],
};

test.each([
  ['with statements of its own', false],
  ['as a pooler needs it', true],
])('pass through the driver, %s', async (_how, pooled) => {
  const sql = open(pooled);
  const { bigs, dates, floats, ints, texts, uuids } = values;
  const [row] = await sql`
    select ${texts}::text[] as texts, ${uuids}::uuid[] as uuids, ${ints}::int[] as ints, ${bigs}::int8[] as bigs,
           ${floats}::float8[] as floats, ${dates}::timestamptz[] as dates,
           ${['t', null, 'f']}::text[]::bool[] as bools, array['pg_class']::name[] as names,
           array[]::text[] as nothing, array[[1,2],[3,null]] as nested`;
  expect(row).toEqual({
    ...values,
    dates: dates.map((text) => new Date(text)),
    bools: [true, null, false],
    names: ['pg_class'],
    nothing: [],
    nested: [
      [1, 2],
      [3, null],
    ],
  });
  const found = await sql`
    select each from unnest(${texts}::text[]) each where each = any(${['', 'NULL']}) and 5 = any(${[5, 6]}::int[])`;
  expect(found.map(({ each }) => each)).toEqual(['', 'NULL']);
});
