import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { migrateDatabase } from '../../src/runtime/node-migrate.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';

/** Tables that are written with every check-in or report must not grow by a fifth before they are vacuumed. */
describe('autovacuum', () => {
  let database: TestDatabase;
  beforeAll(async () => {
    database = await createTestDatabase();
    await migrateDatabase(database.url);
  });
  afterAll(() => database?.drop());

  it('begins at 2 % of dead rows in hot tables, and sooner in short ones', async () => {
    const rows = await database.sql<{ name: string; deadRows: number }[]>`
      select name, coalesce((select option_value from pg_options_to_table(c.reloptions)
          where option_name = 'autovacuum_vacuum_threshold'), current_setting('autovacuum_vacuum_threshold'))::float8
        + 10000000 * coalesce((select option_value from pg_options_to_table(c.reloptions)
          where option_name = 'autovacuum_vacuum_scale_factor'), current_setting('autovacuum_vacuum_scale_factor'))::float8
        as "deadRows"
      from unnest(array['computers', 'claims', 'reports', 'directory_devices', 'change_feed', 'report_count_changes']) as name
      join pg_class c on c.oid = name::regclass`;
    expect(rows).toHaveLength(6);
    for (const { deadRows, name } of rows)
      expect({ name, soon: deadRows <= 10_000_000 * 0.0201 }).toEqual({ name, soon: true });
  });
});
