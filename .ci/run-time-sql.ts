import { getTableColumns, type Table } from 'drizzle-orm';
import * as operatorSchema from '../src/store/operator-schema.ts';
import * as schema from '../src/store/schema.ts';
import type { Known, Value } from './resolve-values.ts';

/**
 * Where the text of a statement depends on what a caller asks for, and what stands there while it is prepared.
 */

const sql = (text: string): Value => ({ kind: 'sql', text });

const plain = (value: Value | undefined): unknown =>
  value?.kind === 'native' ? value.value : value?.kind === 'text' ? value.text : undefined;

/** Columns of a table, all or those whose names `keeps` lets through (`src/store/columns.ts`). */
const shape =
  (keeps: (name: string, given: readonly unknown[]) => boolean) =>
  ([table, ...names]: readonly Value[]): Value => {
    const given = names.map(plain);
    const all = Object.entries(getTableColumns(plain(table) as Table));
    return { kind: 'native', value: Object.fromEntries(all.filter(([name]) => keeps(name, given))) };
  };

/** The columns of a shape, under the names that code uses. */
function columnList([, given, alias]: readonly Value[]): Value | undefined {
  const members: [string, unknown][] =
    given?.kind === 'object'
      ? [...given.members].map(([name, value]) => [name, plain(value())])
      : Object.entries((plain(given) ?? {}) as Record<string, unknown>);
  const of = plain(alias) === undefined ? '' : `${plain(alias)}.`;
  const list = members.map(
    ([name, column]) =>
      `${of}"${(column as { name?: string } | undefined)?.name ?? 'unknown_column'}" as "${name}"`,
  );
  return list.length === 0 ? undefined : sql(list.join(', '));
}

export const runTimeSql: Known = new Map<string, (args: readonly Value[]) => Value | undefined>([
  ['getTableColumns', shape(() => true)],
  ['pick', shape((name, given) => given.includes(name))],
  ['omit', shape((name, given) => !given.includes(name))],
  ['columns', columnList],
  // The condition of a filter takes its columns from the resource.
  ['fragmentOf', () => sql('true')],
]);

/** Files whose SQL is made of what only run time knows, with the reason. */
export const readAtRunTime: Readonly<Record<string, string>> = {
  'src/admin/filter-sql.ts': 'the columns are those of the filter that was sent',
  'src/routing/preload.ts': "a COPY takes no parameters, so the tenant's id is part of its text",
  'src/store/cells/tenant-rows.ts': 'it reads and writes the tables of a list',
  'src/store/migration-journal.ts': 'the journal of migrations may lie in any schema',
};

/** What an exported name of the schema is worth: a table. */
export const native = (file: string, name: string): unknown =>
  ({ 'src/store/schema.ts': schema, 'src/store/operator-schema.ts': operatorSchema })[file]?.[name as never];
