import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { drizzle } from 'drizzle-orm/postgres-js';
import { migrate } from 'drizzle-orm/postgres-js/migrator';
import postgres from 'postgres';

/** Any fixed number: the lock that lets one process migrate while the others wait. */
const migrationLock = 7_276_154_011;

const folder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** The `when` of the newest migration in this build: what the database's newest applied one must equal. */
export async function newestMigration(): Promise<number> {
  const journal = JSON.parse(await readFile(`${folder}/meta/_journal.json`, 'utf8')) as {
    entries: { when: number }[];
  };
  return Math.max(0, ...journal.entries.map((entry) => entry.when));
}

/**
 * Applies what is pending, one process at a time. A client of its own: drizzle changes the JSON serialisers of
 * the client it is given (design section 6).
 */
export async function migrateDatabase(url: string): Promise<void> {
  const client = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 10 });
  try {
    await client`select pg_advisory_lock(${migrationLock}::bigint)`;
    await migrate(drizzle(client), { migrationsFolder: folder });
    await client`select pg_advisory_unlock(${migrationLock}::bigint)`;
  } finally {
    await client.end({ timeout: 5 });
  }
}
