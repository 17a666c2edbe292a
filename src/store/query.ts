import { Column, is, SQL, Subquery } from 'drizzle-orm';
import { drizzle, type PgRemoteDatabase, type RemoteCallback } from 'drizzle-orm/pg-proxy';
import type { Work } from '../untrusted/turns.ts';
import type { Queries } from './database.ts';

/**
 * Drizzle's query builder over the one client, or over a transaction of it. Its own adapter for postgres.js replaces the
 * client's parsers and serialisers, so that tagged templates would return dates as text; here the client's count for
 * both. What drizzle hands over as an object is the value of a JSON column (`json-column.ts`), for it writes dates and
 * arrays as text.
 *
 * The rows are handed over unawaited: drizzle wraps what its callback throws in an error that hides PostgreSQL's code,
 * by which conflicts and deadlocks are known, and that has every value of the statement in its message.
 */
export const query = (sql: Queries): PgRemoteDatabase =>
  drizzle(async (text, parameters, method) => {
    const asked = ask(sql, text, parameters);
    // Where drizzle maps no columns (`$count`), it reads rows by name.
    const rows: PromiseLike<unknown[]> = method === 'execute' ? asked : asked.values();
    return { rows: rows as unknown as unknown[] };
  });

const ask = (sql: Queries, text: string, parameters: Parameters<RemoteCallback>[1]) =>
  sql.unsafe(
    text,
    parameters.map((value) => (typeof value === 'object' && value !== null ? sql.json(value) : value)),
    { prepare: true },
  );

interface Select<Row> {
  readonly _: { readonly selectedFields: object };
  toSQL(): { readonly sql: string; readonly params: unknown[] };
  execute(): Promise<Row[]>;
}

type Decode = ((value: unknown) => unknown) | undefined;

/** Undefined: the driver's value is the column's. A column of an alias is a proxy, which is too slow to be asked for each row. */
function decodeOf(field: unknown): Decode {
  const decoder: unknown = is(field, Column) ? field : Reflect.get(Object(field), 'decoder');
  return is(decoder, Column) ? decoder.mapFromDriverValue.bind(decoder) : undefined;
}

interface Cell {
  readonly name: string;
  /** The object of the row that it is in; undefined: it is the row's own. */
  readonly of: string | undefined;
  readonly decode: Decode;
}

const isNested = (field: unknown): field is object =>
  typeof field === 'object' &&
  field !== null &&
  !is(field, Column) &&
  !is(field, SQL) &&
  !is(field, SQL.Aliased) &&
  !is(field, Subquery);

const cellsOf = (fields: object, of?: string): Cell[] =>
  Object.entries(fields).flatMap(([name, field]) =>
    isNested(field) ? cellsOf(field, name) : [{ name, of, decode: decodeOf(field) }],
  );

/**
 * Makes rows of the driver's values, as drizzle would, which finds out anew for each value what it is a value of: that took a
 * quarter of a list's time. An object of columns is that of a left join, and null where the join found nothing.
 */
function rowReader(fields: object): (values: readonly unknown[]) => unknown {
  const cells = cellsOf(fields);
  return (values) => {
    const row: Record<string, unknown> = {};
    const joined: Record<string, Record<string, unknown>> = {};
    for (const [at, { decode, name, of }] of cells.entries()) {
      const raw = values[at];
      const value = decode === undefined || raw === null ? raw : decode(raw);
      if (of === undefined) {
        row[name] = value;
        continue;
      }
      row[of] ??= null;
      joined[of] ??= {};
      joined[of][name] = value;
      if (value !== null) row[of] = joined[of];
    }
    return row;
  };
}

/**
 * Reads many rows and makes something of each. PostgreSQL is asked for a lot only when the one before is made: so no more than a
 * lot is parsed at a time, and the event loop has its turns.
 */
export async function readInLots<Row, Made>(
  sql: Queries,
  select: (db: PgRemoteDatabase) => Select<Row>,
  make: (row: Row) => Made,
  { lotRows, work }: { readonly lotRows: number; readonly work: Work },
): Promise<Made[]> {
  const selected = select(drizzle(async () => ({ rows: [] })));
  const { params, sql: text } = selected.toSQL();
  const read = rowReader(selected._.selectedFields);
  const made: Made[] = [];
  const makeLot = async (rows: readonly unknown[]): Promise<void> => {
    await work.turn();
    for (const values of rows) made.push(make(read(values as readonly unknown[]) as Row));
    work.isOver();
  };
  // The driver does not wait for what is made of the last lot.
  let last = Promise.resolve();
  await ask(sql, text, params)
    .values()
    .cursor(lotRows, (rows) => {
      last = makeLot(rows);
      return last;
    });
  await last;
  return made;
}
