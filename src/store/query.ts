import { drizzle, type PgRemoteDatabase } from 'drizzle-orm/pg-proxy';
import type { Queries } from './database.ts';

/**
 * Drizzle's query builder over the one client, or over a transaction of it. Its own adapter for postgres.js replaces the
 * client's parsers and serialisers, so that tagged templates would return dates as text; here the client's count for
 * both. What drizzle hands over as an object is the value of a JSON column (`json-column.ts`), for it writes dates and
 * arrays as text.
 */
export const query = (sql: Queries): PgRemoteDatabase =>
  drizzle(async (text, parameters, method) => {
    const values = parameters.map((value) =>
      typeof value === 'object' && value !== null ? sql.json(value) : value,
    );
    const asked = sql.unsafe(text, values, { prepare: true });
    // Where drizzle maps no columns (`$count`) it reads rows by name.
    return { rows: method === 'execute' ? await asked : await asked.values() };
  });
