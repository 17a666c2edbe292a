import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import postgres from 'postgres';
import { startEmbeddedPostgres } from '../src/runtime/node-embedded-postgres.ts';

/** A PostgreSQL server of a benchmark's own. */
export interface Database {
  readonly url: string;
  /** One connection, for what the benchmark itself asks. */
  readonly sql: postgres.Sql;
  /** Of its first process, the parent of all others. */
  readonly pid: number;
}

/** The embedded server that Espalier comes with, as it is configured there, in `dir`; `serverSettings` come on top. */
export async function startDatabase(
  stack: AsyncDisposableStack,
  dir: string,
  serverSettings: readonly string[] = [],
): Promise<Database> {
  const server = await startEmbeddedPostgres(dir, { serverSettings });
  stack.defer(() => server.stop());
  const sql = postgres(server.url, { max: 1, onnotice: () => undefined });
  stack.defer(async () => {
    // A process that was killed may still have a statement running.
    await sql`select pg_terminate_backend(pid, 2000) from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    await sql.end({ timeout: 2 });
  });
  const pidFile = readFileSync(join(dir, 'postgres', 'data', 'postmaster.pid'), 'utf8');
  return { url: server.url, sql, pid: Number(pidFile.split('\n')[0]) };
}
