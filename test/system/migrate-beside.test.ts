import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest';
import { migrateDatabase, newestMigration } from '../../src/runtime/node-migrate.ts';
import { appliedMigration } from '../../src/store/migration-journal.ts';
import { createEmptyDatabase, createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** Migrations on a database that others work on meanwhile. */

const dir = mkdtempSync(join(tmpdir(), 'espalier-migrations-'));
afterAll(() => rmSync(dir, { recursive: true, force: true }));

/** This build's migrations and one more. */
function folderWith(name: string, text: string): string {
  const folder = join(dir, name);
  cpSync(new URL('../../migrations', import.meta.url), folder, { recursive: true });
  const path = join(folder, 'meta', '_journal.json');
  const journal = JSON.parse(readFileSync(path, 'utf8'));
  const last = journal.entries.at(-1);
  journal.entries.push({ ...last, idx: last.idx + 1, when: last.when + 1_000, tag: `9999_${name}` });
  writeFileSync(path, JSON.stringify(journal));
  writeFileSync(join(folder, `9999_${name}.sql`), text);
  return folder;
}

const column = folderWith('column', 'ALTER TABLE "reports" ADD COLUMN "added" text;');
const indexes = folderWith(
  'indexes',
  'CREATE INDEX CONCURRENTLY "reports_reason" ON "reports" USING btree ("tenant_id","reason");',
);

describe('a migration', () => {
  let database: TestDatabase;
  const indexIn = async (name: string): Promise<boolean | undefined> =>
    (
      await database.sql<{ valid: boolean }[]>`
        select indisvalid as valid from pg_index where indexrelid = to_regclass(${name})`
    )[0]?.valid;
  const oneMore = async (): Promise<number> => (await newestMigration()) + 1_000;

  beforeEach(async () => {
    database = await createTestDatabase();
    // The driver never gives out a new connection that does not ask for types (docs/upstream/postgres.md).
    await database.sql`select`;
  });
  afterEach(() => database.drop());

  it('that does not get its lock lets the statements behind it pass, and comes again', async () => {
    const reader = await database.sql.reserve();
    // As pg_dump holds every table that it reads.
    await reader`begin`;
    await reader`lock table reports in access share mode`;
    let isOver = false;
    const migrating = migrateDatabase(database.url, { folder: column }).finally(() => {
      isOver = true;
    });
    // The wait for its lock shows, and goes by while the reader still has it.
    const waits = async (): Promise<boolean> =>
      (
        await reader<{ waits: boolean }[]>`
          select exists (select from pg_locks l where not l.granted and l.relation = 'reports'::regclass) as waits`
      )[0]!.waits;
    await eventually(async () => expect(await waits()).toBe(true));
    await database.sql`select 1 from reports limit 1`;
    expect(isOver).toBe(false);
    await reader`commit`;
    reader.release();
    await migrating;
    expect(await appliedMigration(database.sql)).toBe(await oneMore());
    await database.sql`select added from reports`;
  }, 60_000);

  it('that never gets its lock ends in one line that names the session which has it', async () => {
    const reader = await database.sql.reserve();
    await reader`begin`;
    await reader`lock table reports in access share mode`;
    const [own] = await reader<{ pid: number }[]>`select pg_backend_pid() as pid`;
    const options = { folder: column, pausesMs: [100] };
    await expect(migrateDatabase(database.url, options)).rejects.toMatchObject({
      code: '55P03',
      message: expect.stringMatching(
        new RegExp(`^migrating waits for a lock at 9999_column: .* ${own!.pid} \\(test\\) .* \\d+ s$`),
      ),
    });
    await reader`rollback`;
    reader.release();
    // All of it was given back.
    expect(await appliedMigration(database.sql)).toBe(await newestMigration());
  }, 60_000);

  it('of an index is built while rows are written, and again after one that was left half built', async () => {
    const writer = await database.sql.reserve();
    await writer`begin`;
    await writer`lock table reports in row exclusive mode`;
    const migrating = expect(migrateDatabase(database.url, { folder: indexes })).rejects.toThrow();
    await eventually(async () => expect(await indexIn('reports_reason')).toBe(false));
    // It waits for the writer's end, and holds no other writer up.
    await database.sql`update reports set reason = reason`;
    await writer`select pg_terminate_backend(pid, 5000) from pg_stat_activity
      where datname = current_database() and application_name = 'espalier-migrate'`;
    await migrating;
    expect(await indexIn('reports_reason')).toBe(false);
    await writer`commit`;
    writer.release();
    await migrateDatabase(database.url, { folder: indexes });
    expect(await indexIn('reports_reason')).toBe(true);
    expect(await appliedMigration(database.sql)).toBe(await oneMore());
  }, 60_000);

  it('of an index is recorded where the process that built it ended before that', async () => {
    await database.sql.unsafe(readFileSync(join(indexes, '9999_indexes.sql'), 'utf8'));
    await migrateDatabase(database.url, { folder: indexes });
    expect(await appliedMigration(database.sql)).toBe(await oneMore());
  }, 60_000);

  it('is applied once by several processes at the same time', async () => {
    for (const folder of [column, indexes]) {
      const own = await createTestDatabase();
      await Promise.all([1, 2, 3].map(() => migrateDatabase(own.url, { folder })));
      expect(await appliedMigration(own.sql)).toBe(await oneMore());
      await own.drop();
    }
  }, 60_000);
});

it('two processes that find an empty database migrate it once', async () => {
  const database = await createEmptyDatabase();
  const environment = {
    DATABASE_URL: database.url,
    ESPALIER_SECRETS_KEY: Buffer.alloc(32, 7).toString('base64'),
  };
  const both = await Promise.all([1, 2].map(() => runCommand(['migrate'], { environment })));
  expect(both).toMatchObject([
    { code: 0, stderr: '' },
    { code: 0, stderr: '' },
  ]);
  expect(await appliedMigration(database.sql)).toBe(await newestMigration());
  const twice = await database.sql`
    select hash from drizzle.__drizzle_migrations group by hash having count(*) > 1`;
  expect(twice).toEqual([]);
  await database.drop();
}, 60_000);
