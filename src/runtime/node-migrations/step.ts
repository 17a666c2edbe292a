import { setTimeout as wait } from 'node:timers/promises';
import { migrationLockTimeoutMs } from '../../limits.ts';
import type { Queries, Sql, Transaction } from '../../store/database.ts';
import {
  appliedMigration,
  createJournal,
  findDeployment,
  newestIn,
  recordMigration,
} from '../../store/migration-journal.ts';
import { buildIndexes, isConcurrent } from './concurrent-indexes.ts';
import type { Migration } from './files.ts';
import { MigrationFailed } from './migration-failed.ts';

/**
 * One migration, by one process while others look for the same. A process that finds the lock taken looks again after a
 * pause and does not wait for it in the server: the snapshot of a waiting statement would hold up an index that is
 * built concurrently.
 */

/** Any fixed number: the lock that lets one process migrate. Earlier versions wait for it. */
const transactionLock = 7_276_154_011;
/** Held while indexes are built. Another one, so that a process of an earlier version that starts meanwhile does not wait. */
const indexLock = 7_276_154_012;

const lookAgainMs = 200;

/** The migration under way, for the message of a failure. */
export interface Progress {
  doing: string;
}

export interface Stepping {
  readonly migrations: readonly Migration[];
  readonly progress: Progress;
  readonly signal: AbortSignal | undefined;
}

/** The schema of the deployment's journal, made where there is none. */
async function enterDeployment(sql: Queries, progress: Progress, local: boolean): Promise<string> {
  const { schema, journalSchema } = await findDeployment(sql);
  if (schema === undefined)
    throw new MigrationFailed(
      '3F000',
      'the search_path of this role names no schema that exists and that it may use: create one, or grant USAGE and CREATE on it',
    );
  // The names in the migrations are unqualified: whatever they make or refer to is in this one schema.
  await sql`select set_config('search_path', quote_ident(${schema}), ${local})`;
  if (journalSchema !== undefined) return journalSchema;
  progress.doing = 'its journal';
  return createJournal(sql, schema);
}

/** False: another process is at it. */
const applyInTransaction = (client: Sql, migration: Migration, progress: Progress): Promise<boolean> =>
  client.begin(async (tx: Transaction) => {
    const [lock] = await tx<{ taken: boolean }[]>`
      select pg_try_advisory_xact_lock(${transactionLock}::bigint) as taken`;
    if (!lock?.taken) return false;
    const journalSchema = await enterDeployment(tx, progress, true);
    if ((await newestIn(tx, journalSchema)) >= migration.when) return true;
    progress.doing = migration.tag;
    await tx`select set_config('lock_timeout', ${String(migrationLockTimeoutMs)}, true)`;
    for (const statement of migration.statements) await tx.unsafe(statement);
    await recordMigration(tx, journalSchema, migration);
    return true;
  });

/** False: another process is at it. The lock ends with the session, whatever ends that. */
async function applyConcurrently(client: Sql, migration: Migration, progress: Progress): Promise<boolean> {
  const session = await client.reserve();
  try {
    const [lock] = await session<{ taken: boolean }[]>`
      select pg_try_advisory_lock(${indexLock}::bigint) as taken`;
    if (!lock?.taken) return false;
    try {
      const journalSchema = await enterDeployment(session, progress, false);
      if ((await newestIn(session, journalSchema)) >= migration.when) return true;
      progress.doing = migration.tag;
      await buildIndexes(session, migration.statements);
      await recordMigration(session, journalSchema, migration);
      return true;
    } finally {
      await session`select pg_advisory_unlock(${indexLock}::bigint)`;
    }
  } finally {
    session.release();
  }
}

/** Applies the next pending migration, or waits a moment for the process that does; true: none is pending. */
export async function takeStep(client: Sql, { migrations, progress, signal }: Stepping): Promise<boolean> {
  const applied = await appliedMigration(client);
  const next = migrations.find(({ when }) => when > applied);
  if (next === undefined) return true;
  const apply = isConcurrent(next.statements) ? applyConcurrently : applyInTransaction;
  if (!(await apply(client, next, progress))) await wait(lookAgainMs, undefined, signal && { signal });
  return false;
}
