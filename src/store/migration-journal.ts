import type { Queries } from './database.ts';

/**
 * Finds the schema of a deployment's tables, and the journal of the migrations that were applied to them. The tables
 * are in the schema that the role's search_path finds. The journal is beside them, or in a schema of its own name,
 * where the first versions put it and where it goes on being put for a deployment in `public`.
 */

export interface Deployment {
  /** The schema of the tables, or the one they will be in; undefined: search_path names none that there is. */
  readonly schema: string | undefined;
  /** The schema of the journal; undefined: there is no journal yet. */
  readonly journalSchema: string | undefined;
}

/** Schema and table names are drizzle-kit's; the table is `__drizzle_migrations`. */
const journalSchemaOfItsOwn = 'drizzle';

/** A table of the first migration whose name no other product is likely to use. */
const tableOfOurs = 'route_versions';

/** Schemas that the role may not look into count as absent, and so do tables of another role's deployment. */
export async function findDeployment(sql: Queries): Promise<Deployment> {
  const [row] = await sql<
    { current: string | null; tables: string | null; beside: boolean; apart: boolean }[]
  >`
    with found as (
      select path.schema, c.oid from unnest(current_schemas(false)) with ordinality as path (schema, place)
      join pg_catalog.pg_namespace n on n.nspname = path.schema
      join pg_catalog.pg_class c on c.relnamespace = n.oid and c.relname = ${tableOfOurs} and c.relkind in ('r', 'p')
      where has_table_privilege(c.oid, 'select')
      order by place limit 1),
    journals as (
      select n.nspname as schema from pg_catalog.pg_class c join pg_catalog.pg_namespace n on n.oid = c.relnamespace
      where c.relname = '__drizzle_migrations' and c.relkind in ('r', 'p'))
    select current_schema()::text as current, (select schema from found)::text as tables,
      exists (select from journals where schema = coalesce((select schema from found), current_schema())) as beside,
      exists (select from journals where schema = ${journalSchemaOfItsOwn}) as apart`;
  if (row === undefined) return { schema: undefined, journalSchema: undefined };
  const schema = row.tables ?? row.current ?? undefined;
  if (row.beside) return { schema, journalSchema: schema };
  // A journal apart without tables that this role sees is another deployment's.
  return { schema, journalSchema: row.apart && row.tables !== null ? journalSchemaOfItsOwn : undefined };
}

/** The `when` of the newest migration that was applied; 0: none. */
export async function appliedMigration(sql: Queries): Promise<number> {
  const { journalSchema } = await findDeployment(sql);
  return journalSchema === undefined ? 0 : newestIn(sql, journalSchema);
}

/** The same of a journal that is known. */
export async function newestIn(sql: Queries, journalSchema: string): Promise<number> {
  const [row] = await sql<{ applied: number | null }[]>`
    select max(created_at)::int8 as applied from ${sql(journalSchema)}.__drizzle_migrations`;
  return row?.applied ?? 0;
}

/** Makes the journal of a deployment that has none, and says in which schema. */
export async function createJournal(sql: Queries, schema: string): Promise<string> {
  const [row] = await sql<{ apart: boolean }[]>`
    select ${schema} = 'public' and has_database_privilege(current_database(), 'create')
      and not exists (select from pg_catalog.pg_namespace where nspname = ${journalSchemaOfItsOwn}) as apart`;
  const journalSchema = row?.apart ? journalSchemaOfItsOwn : schema;
  if (row?.apart) await sql`create schema ${sql(journalSchema)}`;
  await sql`create table ${sql(journalSchema)}.__drizzle_migrations (
    id serial primary key, hash text not null, created_at bigint)`;
  return journalSchema;
}

export async function recordMigration(
  sql: Queries,
  journalSchema: string,
  migration: { readonly hash: string; readonly when: number },
): Promise<void> {
  await sql`
    insert into ${sql(journalSchema)}.__drizzle_migrations (hash, created_at) values (${migration.hash}, ${migration.when})`;
}
