import { drizzle, type PgRemoteDatabase } from 'drizzle-orm/pg-proxy';
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
    const values = parameters.map((value) =>
      typeof value === 'object' && value !== null ? sql.json(value) : value,
    );
    const asked = sql.unsafe(text, values, { prepare: true });
    // Where drizzle maps no columns (`$count`), it reads rows by name.
    const rows: PromiseLike<unknown[]> = method === 'execute' ? asked : asked.values();
    return { rows: rows as unknown as unknown[] };
  });
