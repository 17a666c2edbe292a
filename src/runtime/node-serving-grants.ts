/**
 * The rights of a role that serves beside another one that migrates and owns the tables: `migrations/grants/serving.sql`,
 * which `espalier migrate --grant-to` applies and a start compares with what its role has.
 */

import { readFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { openDatabase, type Sql } from '../store/database.ts';
import { findDeployment } from '../store/migration-journal.ts';

const grantsFile = fileURLToPath(new URL('../../migrations/grants/serving.sql', import.meta.url));

/** Any fixed number: two that grant at once would write the same rows of the catalogue, and one of them would fail. */
const grantLock = 7_276_154_013;

const quoted = (name: string): string => `"${name.replaceAll('"', '""')}"`;

/** The statements, with psql's variables `:"name"` replaced. */
function statementsOf(text: string, variables: Readonly<Record<string, string>>): string[] {
  return text
    .replaceAll(/^--.*$/gm, '')
    .replaceAll(/:"(\w+)"/g, (_, name: string) => quoted(variables[name] ?? name))
    .split(';')
    .map((statement) => statement.trim())
    .filter((statement) => statement !== '');
}

/** Gives `role` what serving needs, all or nothing; safe to repeat. The connection's role has to own the tables. */
export async function grantServing(url: string, role: string): Promise<void> {
  const client = openDatabase(url, { connections: 1, applicationName: 'espalier-migrate', patient: true });
  try {
    await client.begin(async (tx) => {
      await tx`select pg_advisory_xact_lock(${grantLock}::bigint)`;
      const { journalSchema, schema } = await findDeployment(tx);
      if (schema === undefined || journalSchema === undefined)
        throw new Error('there are no tables to grant rights on');
      const text = await readFile(grantsFile, 'utf8');
      for (const statement of statementsOf(text, { role, schema, journal: journalSchema }))
        await tx.unsafe(statement);
    });
  } finally {
    await client.end({ timeout: 5 });
  }
}

const tableGrant = /^grant ([a-z, ]+) on "(\w+)" to /gm;
const sequenceGrant = /^grant usage on sequence "(\w+)" to /gm;

interface Needed {
  readonly name: string;
  readonly right: string;
}

/** Tables that a newer schema no longer has are not missed. */
async function lackedOf(
  sql: Sql,
  tables: readonly Needed[],
  sequences: readonly string[],
): Promise<Needed[]> {
  return sql<Needed[]>`
    select needed.name, needed."right" from unnest(${tables.map(({ name }) => name)}::text[],
      ${tables.map(({ right }) => right)}::text[]) as needed(name, "right")
    where not has_table_privilege(to_regclass(quote_ident(needed.name)), needed."right")
    union all
    select sequence, 'usage' from unnest(${sequences}::text[]) as sequence
    where not has_sequence_privilege(to_regclass(quote_ident(sequence)), 'usage')`;
}

/** Rights that the connection's role lacks for serving, as one sentence for whoever owns the tables; undefined: none. */
export async function describeMissingRights(url: string): Promise<string | undefined> {
  const text = await readFile(grantsFile, 'utf8');
  const tables = [...text.matchAll(tableGrant)].flatMap(([, list = '', name = '']) =>
    list.split(', ').map((right) => ({ name, right })),
  );
  const sequences = [...text.matchAll(sequenceGrant)].map(([, name = '']) => name);
  const sql = openDatabase(url, { connections: 1, applicationName: 'espalier-start' });
  try {
    const [first, ...others] = await lackedOf(sql, tables, sequences);
    if (first === undefined) return undefined;
    const [row] = await sql<{ role: string }[]>`select current_user::text as role`;
    const role = row?.role ?? 'this role';
    const more = others.length > 0 ? ` and ${others.length} more` : '';
    return `the role ${role} lacks ${first.right} on ${first.name}${more}: espalier migrate --grant-to ${role}`;
  } finally {
    await sql.end({ timeout: 0 });
  }
}
