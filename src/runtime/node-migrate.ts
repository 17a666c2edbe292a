import { fileURLToPath } from 'node:url';
import { migrationPausesMs } from '../limits.ts';
import { openDatabase, type Sql } from '../store/database.ts';
import { appliedMigration } from '../store/migration-journal.ts';
import { storeFailure } from '../store/store-failure.ts';
import { readMigrations, readTimes } from './node-migrations/files.ts';
import { MigrationFailed } from './node-migrations/migration-failed.ts';
import { withLockRetries } from './node-migrations/patience.ts';
import { type Progress, takeStep } from './node-migrations/step.ts';
import { missingGrants } from './node-missing-grants.ts';

/**
 * Brings the schema of a database up to date beside processes that work on it. Each migration is a transaction of its
 * own, so that no lock is held longer than one of them takes; what was applied before a failure stays, and every
 * version of the schema in between serves the processes of the version before. Any number of processes may migrate at
 * the same time.
 */

const ownFolder = fileURLToPath(new URL('../../migrations', import.meta.url));

const newestIn = async (folder: string): Promise<number> => Math.max(0, ...(await readTimes(folder)));

/** The `when` of the newest migration in this build: what the database's newest applied one must equal. */
export const newestMigration = (): Promise<number> => newestIn(ownFolder);

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

export interface MigrateOptions {
  /** Breaks it off: the server rolls back what was begun. */
  readonly signal?: AbortSignal | undefined;
  /** Folder of the migrations; default: this build's. */
  readonly folder?: string;
  /** Pauses between the tries for a lock; default: those of src/limits.ts. */
  readonly pausesMs?: readonly number[];
}

/**
 * Applies what is pending. Throws `MigrationFailed`; with the code 55P03 it may pass by itself, since a session holds a
 * lock that a migration needs.
 */
export async function migrateDatabase(
  url: string,
  { folder = ownFolder, pausesMs = migrationPausesMs, signal }: MigrateOptions = {},
): Promise<void> {
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
    let isCurrent = (await appliedMigration(client)) >= (await newestIn(folder));
    const migrations = isCurrent ? [] : await readMigrations(folder);
    while (!isCurrent)
      isCurrent = await withLockRetries(() => takeStep(client, { migrations, progress, signal }), {
        client,
        pausesMs,
        progress,
        signal,
      });
  } catch (error) {
    throw await explain(client, error, progress.doing);
  } finally {
    signal?.removeEventListener('abort', breakOff);
    await client.end({ timeout: signal?.aborted ? 0 : 5 });
  }
}
