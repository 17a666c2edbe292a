import type { Sql } from '../../store/database.ts';

/**
 * A migration of indexes that are built or dropped while others write to their table. PostgreSQL does that outside of a
 * transaction only, and what it does not finish it leaves behind as an index that is not valid, so each statement begins
 * by looking at what is there.
 */

const form =
  /^(?:\s|--[^\n]*\n)*(create\s+(?:unique\s+)?index|drop\s+index)\s+concurrently\s+"?([a-z_][\w-]*)"?/i;

/** Whether the migration is one of these. It holds nothing else then, which `.ci/migrations.ts` checks. */
export const isConcurrent = (statements: readonly string[]): boolean =>
  statements.some((statement) => form.test(statement));

/** `session` is one connection outside of a transaction, whose search_path is the schema of the tables. */
export async function buildIndexes(session: Sql, statements: readonly string[]): Promise<void> {
  for (const statement of statements) {
    const [, verb, name] = form.exec(statement) ?? [];
    if (verb === undefined || name === undefined)
      throw new Error(`a migration that builds indexes concurrently does something else: ${statement}`);
    const [found] = await session<{ valid: boolean }[]>`
      select indisvalid as valid from pg_catalog.pg_index where indexrelid = to_regclass(quote_ident(${name}))`;
    if (verb.toLowerCase().startsWith('drop')) {
      if (found) await session.unsafe(statement);
      continue;
    }
    // A process that ended before it could record the migration may have built it.
    if (found?.valid) continue;
    if (found) await session.unsafe(`drop index concurrently "${name}"`);
    await session.unsafe(statement);
  }
}
