import type { Sql } from '../store/database.ts';
import { findDeployment } from '../store/migration-journal.ts';

/**
 * Grants that a role lacks for a migration, as statements for the owner of the database. The server's message says it in the
 * server's language and for the first thing only; its catalogue says all.
 */
export async function missingGrants(sql: Sql): Promise<string[]> {
  const { journalSchema, schema } = await findDeployment(sql);
  if (schema === undefined) return [];
  const schemas = [...new Set([schema, ...(journalSchema === undefined ? [] : [journalSchema])])];
  const rows = await sql<{ statement: string }[]>`
    select 'GRANT USAGE, CREATE ON SCHEMA ' || quote_ident(nspname) || ' TO ' || quote_ident(current_user) as statement
    from pg_catalog.pg_namespace where nspname = any(${schemas})
      and not (has_schema_privilege(oid, 'usage') and (has_schema_privilege(oid, 'create') or nspname <> ${schema}))
    union all
    select distinct 'GRANT ' || quote_ident(pg_get_userbyid(c.relowner)) || ' TO ' || quote_ident(current_user)
      || ' (it owns the tables)'
    from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
    where n.nspname = any(${schemas}) and c.relkind in ('r', 'p') and not pg_has_role(c.relowner, 'usage')
      and (n.nspname = ${schema} or c.relname = '__drizzle_migrations')`;
  return rows.map(({ statement }) => statement);
}
