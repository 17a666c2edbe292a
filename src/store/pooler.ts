import { openDatabase } from './database.ts';

/**
 * Between Espalier and its database may stand a pooler. One that gives each session a connection of its own is as good as
 * none. One that gives each transaction another (pgbouncer's pool_mode transaction or statement) loses what a session has:
 * prepared statements, settings, LISTEN. It does so without a word, and at random.
 */

const rounds = 10;
/** A connection that was cut and made anew changes its session once. */
const changesThatProve = 2;

/**
 * True where sessions are shared, so that the statements of one connection may run in a session that others use as
 * well. Two connections ask in turns which session answers: only with a pooler between does one of them meet the
 * other's session, or now one and now another.
 */
export async function sharesSessions(url: string): Promise<boolean> {
  const open = () => openDatabase(url, { connections: 1, applicationName: 'espalier-pooler', pooled: true });
  const [first, second] = [open(), open()];
  const sessionOf = async (sql: typeof first): Promise<string> => {
    const [row] = await sql<{ session: string }[]>`
      select pg_backend_pid() || ' ' || coalesce(inet_server_addr()::text, '') || ' ' || pg_postmaster_start_time() as session`;
    return row?.session ?? '';
  };
  try {
    let own = await sessionOf(first);
    let changes = 0;
    for (let round = 0; round < rounds; round += 1) {
      if ((await sessionOf(second)) === own) return true;
      const next = await sessionOf(first);
      if (next !== own) changes += 1;
      if (changes >= changesThatProve) return true;
      own = next;
    }
    return false;
  } finally {
    await Promise.all([first.end({ timeout: 0 }), second.end({ timeout: 0 })]);
  }
}

export const poolerProblem =
  'a pooler gives each transaction another session, as pgbouncer does with pool_mode = transaction or statement: set pool_mode = session for this database, or name PostgreSQL itself';
