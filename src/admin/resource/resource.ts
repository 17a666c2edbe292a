/**
 * A resource declares once what the admin API shows of one kind of object: the schema in the document, the columns that
 * are read, the names in `filter` and `sort`, a page of the list and the answer itself follow from it.
 */

import { z } from '@hono/zod-openapi';
import { and, count, inArray, type SQL, type Subquery } from 'drizzle-orm';
import type { PgColumn, PgTable, SelectedFields } from 'drizzle-orm/pg-core';
import type { PgRemoteDatabase } from 'drizzle-orm/pg-proxy';
import type { Context, TypedResponse } from 'hono';
import type { JSONParsed } from 'hono/utils/types';
import { listLot } from '../../limits.ts';
import type { Queries } from '../../store/database.ts';
import { query, readInLots } from '../../store/query.ts';
import type { Turns } from '../../untrusted/turns.ts';
import { tagOf } from '../entity-tags.ts';
import { requireFilter } from '../filter.ts';
import type { FilterFields } from '../filter-fields.ts';
import { conditionSql } from '../filter-sql.ts';
import { filteredPaging, filterText, type ListColumn, listOf, parseSort } from '../schemas.ts';
import {
  type FieldMakers,
  type Fields,
  fieldMakers,
  type Input,
  type RowField,
  type RowOf,
  type Selection,
} from './fields.ts';

interface Source {
  readonly from: PgTable | Subquery;
  /** Left joins that add no rows. */
  readonly joins?: readonly (readonly [table: PgTable, on: SQL | undefined])[];
  /**
   * Tells the rows of one request's scope apart. Where there may be very many a page is chosen by it, so that what is sorted are
   * narrow rows, and only those of the page are joined.
   */
  readonly rowId?: PgColumn;
}

interface Declaration<S extends Selection, F extends Fields> extends Source {
  /** Names of the two schemas in the OpenAPI document. */
  readonly names: readonly [one: string, list: string];
  /** The fields may be made of these; only those that they need are read. */
  readonly columns: S;
  readonly fields: (makers: FieldMakers<S>) => F;
  /** Columns of the list in the command line. */
  readonly table: readonly ListColumn[];
  /** Names that a filter may use beside the fields. */
  readonly filters?: FilterFields;
  /** Unless the request says another. */
  readonly sort: string;
  /** Orders what is equal, so that no row is on two pages. */
  readonly key: readonly (PgColumn | SQL)[];
}

type Shape<F> = { [K in keyof F]: F[K] extends { readonly schema: infer Z extends z.ZodType } ? Z : never };
type Inputs<F, Kind extends keyof Input> = {
  -readonly [K in keyof F as InputOf<F[K], Kind> extends never ? never : K]: InputOf<F[K], Kind>;
};
type InputOf<Field, Kind extends keyof Input> = Field extends { readonly input?: infer I }
  ? NonNullable<I> extends { readonly [K in Kind]: infer Z extends z.ZodType }
    ? Z
    : never
  : never;
type Beside<F> = {
  readonly [K in keyof F as F[K] extends { readonly beside: true } ? K : never]: F[K] extends {
    readonly schema: infer Z extends z.ZodType;
  }
    ? z.input<Z>
    : never;
};
/** Names of the columns that the fields are made of. */
type Needs<F> = {
  [K in keyof F]: F[K] extends { readonly needs: readonly (infer N)[] } ? N : never;
}[keyof F];
type Given<F> = keyof Beside<F> extends never ? [] : [beside: Beside<F>];

interface PageQuery {
  readonly filter?: string | undefined;
  readonly page: number;
  readonly 'page-size': number;
  readonly sort?: string | undefined;
}

type PageArguments = [
  asked: PageQuery,
  scope: SQL | undefined,
  rows?: PgTable | Subquery,
  knownTotal?: () => Promise<number | undefined>,
];

/** Where pages are read, and what they give way by. */
interface Lists {
  readonly sql: Queries;
  readonly turns: Turns;
}

interface Page<Row> {
  readonly totalCount: number;
  readonly rows: readonly Row[];
}

/** A row as it is shown, made JSON. */
interface RowText<Shown> {
  readonly text: string;
  readonly shown?: Shown;
}

/** The answer of a list, in whose making the event loop had its turns. */
export async function answerList<Shown>(
  c: Context,
  { rows, totalCount }: Page<RowText<Shown>>,
  headers?: Record<string, string>,
): Promise<Response & TypedResponse<JSONParsed<{ totalCount: number; results: Shown[] }>, 200, 'json'>> {
  const text = `{"totalCount":${totalCount},"results":[${rows.map((row) => row.text).join(',')}]}`;
  const answer: unknown = c.body(text, 200, {
    'content-type': 'application/json',
    etag: await tagOf(text),
    ...headers,
  });
  return answer as Response &
    TypedResponse<JSONParsed<{ totalCount: number; results: Shown[] }>, 200, 'json'>;
}

/** Nothing is read without a condition that says whose rows it is about; one on all of them is written out. */
function certain(condition: SQL | undefined): SQL {
  if (condition === undefined) throw new Error('rows are read without a condition');
  return condition;
}

interface Reading {
  readonly select: SelectedFields;
  readonly sortColumns: Parameters<typeof parseSort>[1];
  readonly matching: (filter: string) => SQL;
}

/** Reads one row or a page of them. */
function createReads<Row>(
  {
    from,
    joins = [],
    key,
    rowId,
    sort: usualOrder,
  }: Source & Pick<Declaration<Selection, Fields>, 'key' | 'sort'>,
  { matching, select, sortColumns }: Reading,
) {
  const source = (db: PgRemoteDatabase, selected: SelectedFields, joining: boolean, rows = from) => {
    const asked = db
      .select(selected)
      .from(rows as PgTable)
      .$dynamic();
    for (const [table, on] of joining ? joins : []) asked.leftJoin(table, on);
    return asked;
  };

  /** The first row that a condition holds for. */
  const read = async (queries: Queries, where: SQL | undefined): Promise<Row | undefined> => {
    const [row] = await source(query(queries), select, true).where(certain(where)).limit(1);
    return row as Row | undefined;
  };

  /**
   * What `make` makes of a page of the rows that `scope` holds for; `rows` stands in for `from` where that depends on the
   * request, and `knownTotal` for counting where there is a number that is kept. Throws `ProblemError` for a filter or
   * order that cannot be read.
   */
  const makePage = async <Made>(
    { sql, turns }: Lists,
    make: (row: Row) => Made,
    asked: PageQuery,
    scope: SQL | undefined,
    rows: PgTable | Subquery = from,
    knownTotal: () => Promise<number | undefined> = async () => undefined,
  ): Promise<Page<Made>> => {
    const { filter: text, page, 'page-size': size, sort } = asked;
    const filter = text === undefined ? undefined : matching(text);
    const order = parseSort(sort, sortColumns, usualOrder);
    const where = and(certain(scope), filter);
    const pageOf = (db: PgRemoteDatabase, selected: SelectedFields, joining: boolean) =>
      source(db, selected, joining, rows)
        .where(where)
        .orderBy(...order, ...key)
        .limit(size)
        .offset(page * size);
    const chosen = (db: PgRemoteDatabase) =>
      rowId === undefined
        ? pageOf(db, select, true)
        : source(db, select, true, rows)
            .where(and(scope, inArray(rowId, pageOf(db, { id: rowId }, filter !== undefined))))
            .orderBy(...order, ...key);
    const lots = { work: turns.work('lists'), lotRows: listLot };
    const found = await readInLots(sql, chosen, (row) => make(row as Row), lots);
    const known = page * size + found.length;
    const isLast = found.length < size && (found.length > 0 || page === 0);
    if (isLast) return { totalCount: known, rows: found };
    const kept = await knownTotal();
    if (kept !== undefined) return { totalCount: kept, rows: found };
    // Rows are counted without what only a filter could need.
    const counted = source(query(sql), { count: count() }, filter !== undefined, rows);
    const [total] = await counted.where(where);
    return { totalCount: Number(total?.count ?? 0), rows: found };
  };
  return { read, makePage };
}

export function resource<S extends Selection, F extends Fields>(declaration: Declaration<S, F>) {
  type Row = Pick<RowOf<S>, Needs<F> & keyof S>;
  const { columns } = declaration;
  const fields = declaration.fields(fieldMakers(columns));
  const entries = Object.entries(fields);
  const rowFields = entries.filter(
    (entry): entry is [string, RowField<string, z.ZodType>] => 'of' in entry[1],
  );
  const filterFields: FilterFields = {
    ...Object.fromEntries(rowFields.flatMap(([name, { filter }]) => (filter ? [[name, filter]] : []))),
    ...declaration.filters,
  };
  const select = Object.fromEntries(
    entries.flatMap(([, { needs }]) => needs.map((name) => [name, columns[name as string]])),
  ) as SelectedFields;
  const sortColumns = Object.fromEntries(
    rowFields.flatMap(([name, { sort }]) => (sort ? [[name, sort]] : [])),
  );
  const shape = Object.fromEntries(entries.map(([name, { schema }]) => [name, schema])) as Shape<F>;
  const schema = z.object(shape).openapi(declaration.names[0]);
  type Shown = z.output<typeof schema>;

  /** The body of a request that makes or changes one. */
  const body = <Kind extends keyof Input>(kind: Kind) =>
    z.strictObject(
      Object.fromEntries(
        rowFields.flatMap(([name, { input }]) => (input?.[kind] ? [[name, input[kind]]] : [])),
      ) as Inputs<F, Kind>,
    );

  const show = (row: Row, ...[beside]: Given<F>): Shown =>
    Object.fromEntries(
      entries.map(([name, field]) => [
        name,
        'of' in field ? field.of(row as never) : (beside as Record<string, unknown>)[name],
      ]),
    ) as Shown;

  /** Throws `ProblemError`, `invalid-request`, with every fault of the filter. */
  const matching = (filter: string): SQL => conditionSql(requireFilter(filter, filterFields));

  const { read, makePage } = createReads<Row>(declaration, { select, sortColumns, matching });

  return {
    schema,
    body,
    /** The schema of a list's answer. */
    list: listOf(schema, declaration.names[1], declaration.table),
    /** The schema of a list request's query. */
    query: filteredPaging(filterFields),
    /** Describes a filter that is given outside of a list's request. */
    filterText: filterText(filterFields),
    filterFields,
    matching,
    show,
    /** The fields that operators set, as the history shows them. */
    settings: (row: Row): Readonly<Record<string, unknown>> =>
      Object.fromEntries(
        rowFields.flatMap(([name, { of, setting }]) => (setting ? [[name, of(row as never)]] : [])),
      ),
    read,
    readPage: (lists: Lists, ...asked: PageArguments): Promise<Page<Row>> =>
      makePage(lists, (row) => row, ...asked),
    /** A list whose rows say all that is shown, for `answerList`. */
    page: (lists: Lists, ...asked: PageArguments): Promise<Page<RowText<Shown>>> =>
      makePage(
        lists,
        (row) => ({ text: JSON.stringify(show(row, ...([] as unknown as Given<F>))) }),
        ...asked,
      ),
  };
}
