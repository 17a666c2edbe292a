import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { getTableName, isTable } from 'drizzle-orm';
import * as operatorSchema from '../src/store/operator-schema.ts';
import * as schema from '../src/store/schema.ts';
import { readTree } from './layers.ts';
import { openSchema, prepareAll, readStatements, type StatementFault } from './prepare.ts';
import { native, readAtRunTime, runTimeSql } from './run-time-sql.ts';
import { findSecondWriters, findWrites, isProduct, type Tables, type Write } from './writers.ts';

/**
 * The rules for SQL in the product: `node .ci/statements.ts` prints one line a fault and exits 1 when there is one.
 */

/** Of the real schema. */
export const tables: Tables = new Map(
  Object.entries({ ...schema, ...operatorSchema }).flatMap(([name, value]) =>
    isTable(value) ? [[name, getTableName(value)] as const] : [],
  ),
);

export const readWrites = (files: ReadonlyMap<string, string>): Write[] =>
  [...files].flatMap(([file, text]) => (isProduct(file) ? findWrites(file, text, tables) : []));

const checkWriters = (): string[] =>
  findSecondWriters(readWrites(readTree())).map(({ file, line, reason }) => `${file}:${line} ${reason}`);

const migrations = join(import.meta.dirname, '../migrations');

/** PostgreSQL with all migrations of the project applied. */
export const openMigrated = () =>
  openSchema(
    readdirSync(migrations)
      .filter((name) => name.endsWith('.sql'))
      .sort()
      .map((name) => readFileSync(join(migrations, name), 'utf8')),
  );

async function checkStatements(): Promise<string[]> {
  const files = new Map([...readTree()].filter(([file]) => isProduct(file)));
  const { faults, statements } = readStatements(files, { known: runTimeSql, native });
  const database = await openMigrated();
  const refused = await prepareAll(database, statements);
  await database.close();
  const counts = ({ file }: StatementFault): boolean => readAtRunTime[file] === undefined;
  return [...faults, ...refused].filter(counts).map(({ file, line, reason }) => `${file}:${line} ${reason}`);
}

if (import.meta.main) {
  const faults = [...checkWriters(), ...(await checkStatements())];
  for (const found of faults) console.error(found);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
