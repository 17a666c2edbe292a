import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openDatabase, type Sql, type Transaction } from '../store/database.ts';
import {
  appliedMigration,
  createJournal,
  findDeployment,
  newestIn,
  recordMigration,
} from '../store/migration-journal.ts';
import { storeFailure } from '../store/store-failure.ts';
import { missingGrants } from './node-missing-grants.ts';

/** Any fixed number: the lock that lets one process migrate while the others wait. */
const migrationLock = 7_276_154_011;

const folder = fileURLToPath(new URL('../../migrations', import.meta.url));

/** A migration that the database refuses; the server's reason and, where a grant is missing, which. */
export class MigrationFailed extends Error {
  override readonly name = 'MigrationFailed';
  /** The server's SQLSTATE. */
  readonly code: string;

  constructor(code: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.code = code;
  }
}

interface JournalEntry {
  readonly when: number;
  readonly tag: string;
}

async function readJournal(): Promise<readonly JournalEntry[]> {
  const journal = JSON.parse(await readFile(`${folder}/meta/_journal.json`, 'utf8')) as {
    entries: JournalEntry[];
  };
  return journal.entries;
}

/** The `when` of the newest migration in this build: what the database's newest applied one must equal. */
export async function newestMigration(): Promise<number> {
  return Math.max(0, ...(await readJournal()).map((entry) => entry.when));
}

/** The step under way, for the message of a failure. */
interface Progress {
  doing: string;
}

/** drizzle-kit's files are read by drizzle-orm, loaded when they are needed: it costs a start most of a second. */
async function applyPending(tx: Transaction, progress: Progress): Promise<void> {
  const { schema, journalSchema: found } = await findDeployment(tx);
  if (schema === undefined)
    throw new MigrationFailed(
      '3F000',
      'the search_path of this role names no schema that exists and that it may use: create one, or grant USAGE and CREATE on it',
    );
  // The names in the migrations are unqualified: whatever they make or refer to is in this one schema.
  await tx`select set_config('search_path', quote_ident(${schema}), true)`;
  progress.doing = 'its journal';
  const journalSchema = found ?? (await createJournal(tx, schema));
  const [{ readMigrationFiles }, names] = await Promise.all([import('drizzle-orm/migrator'), readJournal()]);
  const newest = await newestIn(tx, journalSchema);
  for (const { folderMillis: when, hash, sql } of readMigrationFiles({ migrationsFolder: folder })) {
    if (when <= newest) continue;
    progress.doing = names.find((entry) => entry.when === when)?.tag ?? 'a migration';
    for (const statement of sql) await tx.unsafe(statement);
    await recordMigration(tx, journalSchema, { hash, when });
  }
}

/** Checks that every migration of this build was applied; a newer schema is current too. */
export async function migrationState(url: string): Promise<{ isCurrent: boolean }> {
  const client = openDatabase(url, { connections: 1, applicationName: 'espalier-migrate' });
  try {
    return { isCurrent: (await appliedMigration(client)) >= (await newestMigration()) };
  } finally {
    await client.end({ timeout: 0 });
  }
}

async function explain(client: Sql, error: unknown, doing: string): Promise<unknown> {
  const { code, detail, message, severity } = error as Partial<Record<string, string>>;
  if (code === undefined || severity === undefined || storeFailure(error) !== undefined) return error;
  // 42501: insufficient_privilege.
  const grants = code === '42501' ? await missingGrants(client) : [];
  const said = detail === undefined ? message : `${message}: ${detail}`;
  const advice = grants.length > 0 ? `. What is missing: ${grants.join('; ')}` : '';
  return new MigrationFailed(code, `migrating failed at ${doing}: ${said}${advice}`, { cause: error });
}

/**
 * Applies what is pending, all or nothing, one process at a time. The signal breaks it off: the server rolls back what was
 * begun. Throws `MigrationFailed`.
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
  const progress: Progress = { doing: 'its beginning' };
  try {
    signal?.throwIfAborted();
    const newest = await newestMigration();
    await client.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${migrationLock}::bigint)`;
      if ((await appliedMigration(tx)) < newest) await applyPending(tx, progress);
    });
  } catch (error) {
    throw await explain(client, error, progress.doing);
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await client.end({ timeout: signal?.aborted ? 0 : 5 });
  }
}
