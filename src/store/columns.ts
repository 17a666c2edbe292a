import type { GetColumnData, Table } from 'drizzle-orm';
import { getTableColumns } from 'drizzle-orm';
import type { PgColumn } from 'drizzle-orm/pg-core';
import type { Fragment, Queries } from './database.ts';

/** Columns of the schema by the names that code uses; drizzle's `select` takes the same shape. */
export type Columns = Readonly<Record<string, PgColumn>>;

/** A row as a query returns it that selects `columns(sql, shape)`. */
export type Row<Shape extends Columns> = { readonly [Name in keyof Shape]: GetColumnData<Shape[Name]> };

type ColumnName<Source extends Table> = keyof Source['_']['columns'] & string;

/** Some columns of a table, by name. */
export function pick<Source extends Table, const Name extends ColumnName<Source>>(
  table: Source,
  ...names: readonly Name[]
): Pick<Source['_']['columns'], Name> {
  const all = getTableColumns(table);
  return Object.fromEntries(names.map((name) => [name, all[name]])) as Pick<Source['_']['columns'], Name>;
}

/** All columns of a table but some, by name. */
export function omit<Source extends Table, const Name extends ColumnName<Source>>(
  table: Source,
  ...names: readonly Name[]
): Omit<Source['_']['columns'], Name> {
  const left = Object.entries(getTableColumns(table)).filter(
    ([name]) => !(names as readonly string[]).includes(name),
  );
  return Object.fromEntries(left) as Omit<Source['_']['columns'], Name>;
}

/** The list of a `select` or `returning`: `c."tenant_id" as "tenantId", …`, where `alias` is how the query names the table. */
export function columns(sql: Queries, shape: Columns, alias?: string): Fragment {
  const of = alias === undefined ? '' : `${alias}.`;
  return sql.unsafe(
    Object.entries(shape)
      .map(([name, column]) => `${of}"${column.name}" as "${name}"`)
      .join(', '),
  );
}

/** A row of such columns that went through JSON, where a date is a text. */
export const rowOfJson = <Shape extends Columns>(shape: Shape, json: Record<string, unknown>): Row<Shape> =>
  Object.fromEntries(
    Object.entries(shape).map(([name, { dataType }]) => {
      const value = json[name];
      return [name, dataType === 'date' && typeof value === 'string' ? new Date(value) : value];
    }),
  ) as Row<Shape>;

const rowsPerPage = 1_000;

/** All rows of a query in the order of a key: `page` gives those behind a row, the first ones behind none. */
export async function* pagesOf<Row>(
  page: (after: Row | undefined, limit: number) => PromiseLike<readonly Row[]>,
): AsyncGenerator<readonly Row[]> {
  let last: Row | undefined;
  do {
    const rows = await page(last, rowsPerPage);
    yield rows;
    last = rows.length < rowsPerPage ? undefined : rows.at(-1);
  } while (last !== undefined);
}
