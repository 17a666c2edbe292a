/**
 * Settings that every connection must have, whatever the server, the database or the role says: how values are written
 * and read, how long a statement may take, what a commit means. They are set by a statement after connecting and not as
 * start-up parameters, since a pooler refuses those that it does not know.
 *
 * `default_transaction_read_only` is left as it is: who froze a database, or found its disk full, is obeyed.
 */

/** Settings that the client's parsers and the queries assume. */
const pinned: Readonly<Record<string, string>> = {
  client_encoding: 'UTF8',
  datestyle: 'ISO, MDY',
  intervalstyle: 'postgres',
  timezone: 'UTC',
  extra_float_digits: '1',
  bytea_output: 'hex',
  standard_conforming_strings: 'on',
  escape_string_warning: 'on',
  array_nulls: 'on',
  transform_null_equals: 'off',
  xmloption: 'content',
  quote_all_identifiers: 'off',
  // The locks are written for READ COMMITTED: they see what was committed while they waited.
  default_transaction_isolation: 'read committed',
  default_transaction_deferrable: 'off',
  row_security: 'on',
  // Foreign keys cascade by triggers, which a replica's role does not fire.
  session_replication_role: 'origin',
  // It would leave out rows at random.
  gin_fuzzy_search_limit: '0',
  // A connection that waits for a notification is idle on purpose.
  idle_session_timeout: '0',
  transaction_timeout: '0',
};

export interface SessionNeeds {
  readonly statementTimeoutMs: number;
  readonly lockTimeoutMs: number;
  readonly idleTransactionMs: number;
  /** False: a commit does not wait for the disk. */
  readonly durable: boolean;
}

const literal = (text: string): string => `'${text.replaceAll("'", "''")}'`;

/** A commit waits for the disk at least; a standby's disk too where the server says so. */
const durableCommit = `case pg_catalog.current_setting('synchronous_commit') when 'off' then 'on' else pg_catalog.current_setting('synchronous_commit') end`;

/**
 * One statement that sets what differs. A setting that this version of PostgreSQL does not have is passed over; one that
 * differs and that the role may not set fails, and the connection with it. `local`: for the transaction only.
 */
export function sessionSettings(needs: SessionNeeds, local = false): string {
  const rows = Object.entries({
    ...pinned,
    statement_timeout: String(needs.statementTimeoutMs),
    lock_timeout: String(needs.lockTimeoutMs),
    idle_in_transaction_session_timeout: String(needs.idleTransactionMs),
    // A plan made while a table was small would be kept until somebody analyses it.
    plan_cache_mode: 'force_custom_plan',
  }).map(([name, value]) => `(${literal(name)}, ${literal(value)})`);
  rows.push(`('synchronous_commit', ${needs.durable ? durableCommit : "'off'"})`);
  return `select pg_catalog.set_config(name, value, ${local}) from (values ${rows.join(', ')}) as pinned (name, value)
    where pg_catalog.current_setting(name, true) <> value`;
}
