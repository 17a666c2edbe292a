import postgres from 'postgres';

export interface TableRead {
  /** With indexes and TOAST. */
  readonly bytes: number;
  /** Dead rows beyond those at which autovacuum begins: it comes once a minute, and takes them all. */
  readonly overdue: number;
}

/** What PostgreSQL says of the tables of a gateway. */
export interface TablesRead {
  readonly tables: ReadonlyMap<string, TableRead>;
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

/** SQLSTATEs of a server that starts or stops, and the driver's words for a connection that broke. */
const away = /^(57P|08|CONNECT|ECONN)/;

/** undefined: the database is away. */
export async function readTables(url: string): Promise<TablesRead | undefined> {
  const sql = postgres(url, { max: 1, onnotice: () => undefined, connect_timeout: 5 });
  try {
    const rows = await sql<{ name: string; bytes: number; overdue: number }[]>`
      select c.relname as name, pg_total_relation_size(c.oid)::float8 as bytes,
        greatest(0, n_dead_tup - own.threshold - own.factor * n_live_tup)::float8 as overdue
      from pg_stat_user_tables s join pg_class c on c.oid = s.relid
      cross join lateral (
        select coalesce(max(option_value) filter (where option_name = 'autovacuum_vacuum_threshold'),
            current_setting('autovacuum_vacuum_threshold'))::float8 as threshold,
          coalesce(max(option_value) filter (where option_name = 'autovacuum_vacuum_scale_factor'),
            current_setting('autovacuum_vacuum_scale_factor'))::float8 as factor
        from pg_options_to_table(c.reloptions)) as own
      where s.schemaname = 'public'`;
    const [counted] = await sql<{ connections: number }[]>`
      select count(*)::int as connections from pg_stat_activity
      where backend_type = 'client backend' and pid <> pg_backend_pid()`;
    return {
      tables: new Map(rows.map(({ name, ...read }) => [name, read])),
      connections: counted?.connections ?? 0,
    };
  } catch (error) {
    if (away.test((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  } finally {
    await sql.end({ timeout: 2 });
  }
}
