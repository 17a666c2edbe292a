import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
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

const listed = join(import.meta.dirname, 'second-writers.txt');

/**
 * Second writers there were when the rule came. The list only shrinks: what is not on it is refused, and so is an
 * entry that is no longer needed; `--shrink` takes those out.
 */
function checkWriters(shrink: boolean): string[] {
  const allowed = new Set(readFileSync(listed, 'utf8').split('\n').filter(Boolean));
  const found = findSecondWriters(readWrites(readTree()));
  const keys = new Set(found.map(({ file, table }) => `${file} ${table}`));
  const stale = [...allowed].filter((entry) => !keys.has(entry));
  if (shrink) {
    const left = [...allowed].filter((entry) => keys.has(entry)).sort();
    writeFileSync(listed, left.map((entry) => `${entry}\n`).join(''));
  }
  return [
    ...found
      .filter(({ file, table }) => !allowed.has(`${file} ${table}`))
      .map(({ file, line, reason }) => `${file}:${line} ${reason}`),
    ...(shrink
      ? []
      : stale.map(
          (entry) =>
            `.ci/second-writers.txt: '${entry}' is no longer needed; take it out with node .ci/statements.ts --shrink`,
        )),
  ];
}

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
  const faults = [...checkWriters(process.argv.includes('--shrink')), ...(await checkStatements())];
  for (const found of faults) console.error(found);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
