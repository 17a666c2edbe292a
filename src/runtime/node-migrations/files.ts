import { readFile } from 'node:fs/promises';

/** The migrations of a folder, as drizzle-kit writes them. */

export interface Migration {
  /** Milliseconds; orders the migrations and names one in the database's journal. */
  readonly when: number;
  /** Its file's name without the ending, such as `0004_delivery`. */
  readonly tag: string;
  readonly hash: string;
  readonly statements: readonly string[];
}

interface JournalEntry {
  readonly when: number;
  readonly tag: string;
}

async function readJournal(folder: string): Promise<readonly JournalEntry[]> {
  const journal = JSON.parse(await readFile(`${folder}/meta/_journal.json`, 'utf8')) as {
    entries: JournalEntry[];
  };
  return journal.entries;
}

/** Times of the migrations, without their text: every start asks for these, few for the others. */
export const readTimes = async (folder: string): Promise<readonly number[]> =>
  (await readJournal(folder)).map(({ when }) => when);

/** drizzle-orm is loaded when it is needed: it costs a start most of a second. */
export async function readMigrations(folder: string): Promise<readonly Migration[]> {
  const [{ readMigrationFiles }, entries] = await Promise.all([
    import('drizzle-orm/migrator'),
    readJournal(folder),
  ]);
  return readMigrationFiles({ migrationsFolder: folder }).map(({ folderMillis: when, hash, sql }) => ({
    when,
    hash,
    statements: sql,
    tag: entries.find((entry) => entry.when === when)?.tag ?? 'a migration',
  }));
}
