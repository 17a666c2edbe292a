import postgres from 'postgres';

/** What PostgreSQL says of the tables of a gateway. */
export interface TablesRead {
  /** By name: bytes with indexes and TOAST, and rows that a vacuum has still to take away. */
  readonly tables: ReadonlyMap<string, { readonly bytes: number; readonly dead: number }>;
  /** Of clients, this one left out. */
  readonly connections: number;
}

/**
 * Tables whose rows are kept for a time rather than for as long as something is so: they grow with what happens until that
 * time is over (docs/tables.md).
 */
const keptForATime =
  /^(timeline_\d+|history|delivery_counts|claim_history|route_changes|idempotency_keys|change_feed|api_keys|alerts|alert_tellings|approvals|sessions|mass_changes|worse_counts)$/;

export const isKept = (table: string): boolean => keptForATime.test(table);

/** undefined: the database is away. */
export async function readTables(url: string): Promise<TablesRead | undefined> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 5 });
  try {
    const rows = await sql<{ name: string; bytes: number; dead: number }[]>`
      select relname as name, pg_total_relation_size(relid)::float8 as bytes, n_dead_tup::float8 as dead
      from pg_stat_user_tables where schemaname = 'public'`;
    const [counted] = await sql<{ connections: number }[]>`
      select count(*)::int as connections from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    return {
      tables: new Map(rows.map(({ name, ...read }) => [name, read])),
      connections: counted?.connections ?? 0,
    };
  } catch {
    return undefined;
  } finally {
    await sql.end({ timeout: 2 });
  }
}
