import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openDatabase, type Sql } from '../store/database.ts';

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

/** The `when` of the newest migration that was applied; 0: none. */
async function appliedMigration(client: Sql): Promise<number> {
  const [found] = await client<{ there: string | null }[]>`
    select to_regclass('drizzle.__drizzle_migrations')::text as there`;
  if (typeof found?.there !== 'string') return 0;
  const [row] = await client<{ applied: string | null }[]>`
    select max(created_at)::text as applied from drizzle.__drizzle_migrations`;
  return Number(row?.applied ?? 0);
}

/** Loaded when it is needed: it costs a start most of a second. */
async function applyPending(client: Sql): Promise<void> {
  const [{ drizzle }, { migrate }] = await Promise.all([
    import('drizzle-orm/postgres-js'),
    import('drizzle-orm/postgres-js/migrator'),
  ]);
  await migrate(drizzle(client), { migrationsFolder: folder });
}

/** Whether every migration of this build was applied; a newer schema is current too. */
export async function migrationState(url: string): Promise<{ isCurrent: boolean }> {
  const client = openDatabase(url, { connections: 1, applicationName: 'espalier-migrate' });
  try {
    return { isCurrent: (await appliedMigration(client)) >= (await newestMigration()) };
  } finally {
    await client.end({ timeout: 0 });
  }
}

/**
 * Applies what is pending, one process at a time. A client of its own: drizzle changes the JSON serialisers of
 * the client it is given (design section 6). The signal breaks it off: the server rolls back what was begun.
 */
export async function migrateDatabase(url: string, signal?: AbortSignal): Promise<void> {
  const client = openDatabase(url, {
    connections: 1,
    applicationName: 'espalier-migrate',
    statementTimeoutMs: 0,
    patient: true,
  });
  const breakOff = (): void => void client.end({ timeout: 0 });
  signal?.addEventListener('abort', breakOff, { once: true });
  try {
    signal?.throwIfAborted();
    await client`select pg_advisory_lock(${migrationLock}::bigint)`;
    if ((await appliedMigration(client)) < (await newestMigration())) await applyPending(client);
    await client`select pg_advisory_unlock(${migrationLock}::bigint)`;
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await client.end({ timeout: signal?.aborted ? 0 : 5 });
  }
}
