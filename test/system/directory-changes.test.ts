import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type ActOptions, actOnDirectoryChanges } from '../../src/delivery/directory/act-on-changes.ts';
import { anything, recordDirectoryChanges } from '../../src/store/directory.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** What becomes of a change in a directory when acting on it fails; test/system/notifications.test.ts has the rest. */

let database: TestDatabase;
let options: ActOptions;
const tenants = [randomUUID(), randomUUID()] as const;
const [broken, well] = tenants;
const retrySeconds = 3;

beforeAll(async () => {
  database = await createTestDatabase();
  const { sql } = database;
  for (const tenantId of tenants) {
    const instanceId = randomUUID();
    await sql`
      insert into tenants (tenant_id, cloud, display_name, mode, connection_type, landing, connection_state)
      values (${tenantId}, 'public', 'a tenant', 'device-compliance', 'cloud-connector', '{}', 'connected')`;
    await sql`
      insert into instances (tenant_id, instance_id, name, url, api_client_id, compliance)
      values (${tenantId}, ${instanceId}, 'one', 'https://one.example.test', 'client', '{"source":"jamf"}')`;
    await sql`insert into computers (tenant_id, instance_id, jamf_computer_id, wanted_revision, done_revision)
      values (${tenantId}, ${instanceId}, 1, 1, 1)`;
  }
  options = {
    ...{ sql, retrySeconds: () => retrySeconds, timeoutMs: 1_000, clouds: new Map() },
    log: createLog({ level: 'error', format: 'json', write: () => undefined }),
    // A change of anything asks nobody.
    send: () => Promise.reject(new Error('nobody is to be asked')),
    graphToken: () => Promise.reject(new Error('no token is needed')),
  };
});
afterAll(() => database?.drop());

const waiting = () => database.sql<{ tenantId: string; inSeconds: number }[]>`
  select tenant_id as "tenantId", extract(epoch from next_try_at - now())::float8 as "inSeconds"
  from directory_changes`;

it('is tried again soon, and keeps nobody else, when the database refused what follows from it', async () => {
  const { sql } = database;
  await sql.unsafe(`
    create function refuse() returns trigger language plpgsql as $$ begin raise exception 'refused by a test'; end $$;
    create trigger refuse before update on computers for each row
      when (old.tenant_id = '${broken}') execute function refuse()`);
  for (const tenantId of tenants) await recordDirectoryChanges(sql, tenantId, [anything(tenantId)]);
  await expect(actOnDirectoryChanges(options)).rejects.toThrow('refused by a test');
  const left = await waiting();
  expect(left.map(({ tenantId }) => tenantId)).toEqual([broken]);
  expect(left[0]?.inSeconds).toBeLessThanOrEqual(retrySeconds);

  await sql`drop trigger refuse on computers`;
  await sql`update directory_changes set next_try_at = now()`;
  await actOnDirectoryChanges(options);
  expect(await waiting()).toEqual([]);
  const due = await sql<{ tenantId: string }[]>`
    select tenant_id as "tenantId" from computers where wanted_revision > done_revision`;
  expect(due.map(({ tenantId }) => tenantId).sort()).toEqual([broken, well].sort());
});
