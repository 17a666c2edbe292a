import { afterAll, beforeAll, expect, it } from 'vitest';
import { readFoldable } from '../../src/store/computers/check-ins.ts';
import { dueReadings } from '../../src/store/computers/reading.ts';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { lookAtSchedules } from '../../src/store/schedules.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** What every process asks again and again must not be planned again and again: to plan it takes longer than to run it. */

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  // One connection, so that the plans are this one's.
  sql = openDatabase(database.url, { connections: 1, applicationName: 'kept-plans' });
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

const asked = { tenantId: crypto.randomUUID(), instanceId: crypto.randomUUID(), jamfComputerId: 1 };

it.each<[string, string, (client: Sql) => Promise<unknown>]>([
  [
    'the look at the schedules of computers',
    "%from schedules s%'read'%",
    (client) => lookAtSchedules(client, 'computers'),
  ],
  [
    'the look at the schedules of reports',
    "%from schedules s%'report'%",
    (client) => lookAtSchedules(client, 'reports'),
  ],
  ['the look for readings that are due', '%next_learn_at <= now()) as learn%', dueReadings],
  [
    'the look for check-ins that can be folded',
    '%"endsInMs"%',
    (client) => readFoldable(client, [asked], 900),
  ],
])('%s is planned once for a connection', async (_name, statement, look) => {
  for (let turn = 0; turn < 8; turn += 1) await look(sql);
  const found = await sql<{ once: number; anew: number }[]>`
    select generic_plans as once, custom_plans as anew from pg_prepared_statements
    where statement like ${statement} and statement not like '%pg_prepared_statements%'`;
  expect(found).toEqual([{ once: 8, anew: 0 }]);
});
