import { readdirSync, readFileSync } from 'node:fs';
import { join, relative } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { prepareAll, readStatements, type Statement } from '../../.ci/prepare.ts';
import { readAtRunTime, runTimeSql } from '../../.ci/run-time-sql.ts';
import { openMigrated } from '../../.ci/statements.ts';
import { isProduct } from '../../.ci/writers.ts';
import { type Release, unpackLastRelease } from '../harness/last-release.ts';

/** The statements of the release before this version, against this version's schema. */

const schemas = ['store/schema', 'store/operator-schema'];
let release: Release;
let statements: readonly Statement[];

/** The modules of the package under the names that they have in the checkout. */
function readModules(folder: string): Map<string, string> {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    /\.js$/.test(name),
  );
  const asSource = (name: string): string => `src/${name.replace(/\.js$/, '.ts')}`;
  return new Map(
    names
      .map((name) => [asSource(relative('', name)), readFileSync(join(folder, name), 'utf8')] as const)
      .map(
        ([name, text]) => [name, text.replaceAll(/(['"]\.{1,2}\/[^'"\n]*)\.js(['"])/g, '$1.ts$2')] as const,
      )
      .filter(([name]) => isProduct(name)),
  );
}

beforeAll(async () => {
  release = unpackLastRelease();
  const dist = join(release.folder, 'dist');
  const tables = new Map<string, Record<string, unknown>>();
  for (const name of schemas)
    tables.set(`src/${name}.ts`, await import(pathToFileURL(join(dist, `${name}.js`)).href));
  ({ statements } = readStatements(readModules(dist), {
    known: runTimeSql,
    native: (file, name) => tables.get(file)?.[name],
  }));
}, 60_000);
afterAll(() => release?.remove());

it('are all accepted', async () => {
  expect(statements.length).toBeGreaterThan(300);
  const database = await openMigrated();
  const refused = await prepareAll(
    database,
    statements.filter(({ file }) => readAtRunTime[file] === undefined),
  );
  await database.close();
  expect(refused.map(({ file, line, reason }) => `${file}:${line} ${reason}`)).toEqual([]);
}, 120_000);

it('are refused where a column that they name is gone', async () => {
  const database = await openMigrated();
  await database.exec('alter table reports drop column reason cascade');
  const refused = await prepareAll(database, statements);
  await database.close();
  expect(refused.map(({ reason }) => reason)).toContainEqual(
    expect.stringContaining('"reason" does not exist'),
  );
}, 120_000);
