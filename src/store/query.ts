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
  prepare(name: string): {
    getQuery(): { readonly sql: string; readonly params: unknown[] };
    execute(): Promise<Row[]>;
  };
}

/** Reads many rows and makes something of each, in lots between which the event loop has its turn. */
export async function readInLots<Row, Made>(
  sql: Queries,
  select: (db: PgRemoteDatabase) => Select<Row>,
  make: (row: Row) => Made,
  { lotRows, work }: { readonly lotRows: number; readonly work: Work },
): Promise<Made[]> {
  let lot: unknown[] = [];
  const selected = select(drizzle(async () => ({ rows: lot }))).prepare('');
  const { params, sql: text } = selected.getQuery();
  const rows = await ask(sql, text, params).values();
  const made: Made[] = [];
  for (let from = 0; from < rows.length; from += lotRows) {
    if (from === 0 || work.isOver()) await work.turn();
    lot = rows.slice(from, from + lotRows);
    for (const row of await selected.execute()) made.push(make(row));
  }
  if (rows.length > 0) work.isOver();
  return made;
}
