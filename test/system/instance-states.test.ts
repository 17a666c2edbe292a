import { afterAll, beforeAll, expect, it } from 'vitest';
import { openDatabase, type Sql } from '../../src/store/database.ts';
import { createInstanceStates } from '../../src/store/instances/states.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { explain } from '../harness/explained.ts';

/** Three pages of instances, of which every hundredth is down. */
const instances = 2_500;

let database: TestDatabase;
let sql: Sql;

beforeAll(async () => {
  database = await createTestDatabase();
  sql = openDatabase(database.url, { connections: 1, applicationName: 'states' });
  await sql`
    insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
    select md5('tenant' || n)::uuid, 'public', 'Tenant ' || n, 'device-compliance', 'cloud-connector', '{}', 'new'
    from generate_series(1, ${instances}::int) n`;
  await sql`
    insert into instances (tenant_id, instance_id, name, url, api_client_id, api_secret_ref, compliance, last_error)
    select md5('tenant' || n)::uuid, md5('instance' || n)::uuid, 'instance', 'https://jamf.example', 'client', 'env:SECRET',
      '{"source":"jamf"}', case when n % 100 = 0 then 'it did not answer' end
    from generate_series(1, ${instances}::int) n`;
  await sql`vacuum analyze instances`;
});
afterAll(async () => {
  await sql.end({ timeout: 1 });
  await database.drop();
});

const minuteMs = 60_000;

it('every enabled instance has a state, and what changed is read when that is heard of', async () => {
  let nowMs = 0;
  const states = createInstanceStates(sql, () => nowMs, { keptForMs: minuteMs });
  const first = await states.read();
  expect(first).toHaveLength(instances);
  expect(first.filter(({ up }) => !up)).toHaveLength(instances / 100);

  await sql`update instances set last_error = null where last_error is not null`;
  await sql`update instances set enabled = false where instance_id = md5('instance1')::uuid`;
  const second = await states.read();
  // What is down is read each time, and the list when somebody says that it changed.
  expect(second.every(({ up }) => up)).toBe(true);
  expect(second).toHaveLength(instances);
  expect(second[0]?.labels).toBe(first[0]?.labels);
  states.changed();
  expect(await states.read()).toHaveLength(instances - 1);

  await sql`update instances set enabled = true`;
  nowMs = minuteMs;
  expect(await states.read()).toHaveLength(instances);
});

it('names come with the ids where they are asked for, and a new one when a change is heard of', async () => {
  const idsOnly = await createInstanceStates(sql, () => 0, { keptForMs: minuteMs }).read();
  expect(idsOnly.filter(({ names }) => names !== undefined)).toEqual([]);

  const states = createInstanceStates(sql, () => 0, { keptForMs: minuteMs, named: true });
  const first = await states.read();
  expect(first).toHaveLength(instances);
  for (const { labels, names } of first)
    expect(names).toMatchObject({ ...labels, instance_name: 'instance' });
  expect(new Set(first.map(({ names }) => names?.tenant_name)).size).toBe(instances);

  await sql`update tenants set display_name = 'Contoso "Ltd"' where tenant_id = md5('tenant7')::uuid`;
  states.changed();
  const second = await states.read();
  const renamed = second.filter(({ names }, at) => names !== first[at]?.names);
  expect(renamed.map(({ names }) => names?.tenant_name)).toEqual(['Contoso "Ltd"']);
});

it('a look reads those that are down, and not the instances', async () => {
  const states = createInstanceStates(sql, () => 0, { keptForMs: minuteMs });
  await states.read();
  const { plans } = await explain(sql, async (explained) => {
    const again = createInstanceStates(explained, () => 0, { keptForMs: minuteMs });
    await again.read().catch(() => undefined);
  });
  expect(plans.at(-1)).toMatch(/Index (?:Only )?Scan using instances_down/);
});
