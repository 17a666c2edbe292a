/**
 * The rights that a process of Espalier needs in the database while it serves, found by asking PostgreSQL: each statement of
 * the product is explained as a role that has only what the statements before it needed, and gets what this one lacks.
 * `migrations/grants/serving.sql` is written of it by `npm run docs`; a statement that needs more makes that file stale.
 */

import type { PGlite } from '@electric-sql/pglite';
import { readTree } from './layers.ts';
import { readStatements, selectOf, temporary, unprepared, utility } from './prepare.ts';
import { native, runTimeSql } from './run-time-sql.ts';
import { openMigrated, tables as schemaTables } from './statements.ts';
import { isProduct } from './writers.ts';

const rights = ['insert', 'update', 'delete'] as const;
/** Only a function that clears timelines truncates, and no statement of its own shows it. */
type Right = (typeof rights)[number] | 'truncate';

/** What writes the journal of migrations is the role that migrates. */
const ofMigrations = (file: string): boolean =>
  file === 'src/store/migration-journal.ts' || file.startsWith('src/runtime/node-migrations/');

interface FunctionNeeds {
  /** Rights beside `select`; a row that is locked needs `update`. */
  readonly tables?: Readonly<Record<string, readonly Right[]>>;
  readonly sequences?: readonly string[];
  /** Statements call it; a trigger's function is called by PostgreSQL, which asks for no right. */
  readonly called?: true;
}

const slots = Array.from({ length: 14 }, (_, slot) => `timeline_${slot}`);
const forEach = (tables: readonly string[], needed: readonly Right[]) =>
  Object.fromEntries(tables.map((table) => [table, needed]));
const feeds: FunctionNeeds = { tables: { change_feed: ['insert'] } };

/** Bodies of functions are not explained with the statement that leads to them, and run with the rights of whoever serves. */
export const functionNeeds: Readonly<Record<string, FunctionNeeds>> = {
  espalier_add_timeline: {
    tables: forEach(slots, ['insert']),
    sequences: ['timeline_sequence_seq'],
    called: true,
  },
  espalier_clear_timeline: { tables: forEach(['timeline', ...slots], ['truncate']), called: true },
  espalier_count_reports: { tables: { report_count_changes: ['insert'] } },
  espalier_feed_instance: feeds,
  espalier_feed_move: feeds,
  espalier_feed_tenant: feeds,
  espalier_forget_route_changes: { tables: { route_versions: ['delete'], route_changes: ['delete'] } },
  espalier_instance_has_no_routes: {},
  espalier_raise_served: {
    tables: { served_versions: ['insert', 'update'] },
    sequences: ['served_version'],
  },
  espalier_routes_have_instances: { tables: { instances: ['update'] } },
  espalier_schedule: { tables: { schedules: ['insert', 'update'] }, called: true },
  espalier_schedule_computer: {},
  espalier_schedule_report: {},
  espalier_timeline_slot: { called: true },
};

const role = 'serving_role';

/** Every choice of them, smaller ones first. */
function choicesOf(from: readonly Right[]): Right[][] {
  const all: Right[][] = [[]];
  for (const one of from) all.push(...all.map((few) => [...few, one]));
  return all.filter((few) => few.length > 0).sort((a, b) => a.length - b.length);
}

/** The table that the role may not use as the statement does; undefined: it may, or the statement is wrong for another reason. */
async function refusedTable(database: PGlite, text: string): Promise<string | undefined> {
  await database.exec('savepoint before_it');
  try {
    await database.exec(`set local role ${role}; explain (generic_plan) ${selectOf(text)}`);
    return undefined;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    // What PostgreSQL does not prepare at all, `.ci/statements.ts` reports.
    return code === '42501' ? /permission denied for table (\S+)/.exec(message)?.[1] : undefined;
  } finally {
    await database.exec('rollback to savepoint before_it');
  }
}

/** Grants the fewest rights on `table` with which the statement is no longer refused for it. */
async function grantFor(
  database: PGlite,
  text: string,
  table: string,
  has: Set<Right>,
): Promise<readonly Right[]> {
  for (const choice of choicesOf(rights.filter((right) => !has.has(right)))) {
    await database.exec(`savepoint before_grant; grant ${choice.join(', ')} on "${table}" to ${role}`);
    if ((await refusedTable(database, text)) !== table) return choice;
    await database.exec('rollback to savepoint before_grant');
  }
  throw new Error(`no right on ${table} lets a role do: ${text}`);
}

const builderVerb = /\.(insert|update|delete)\((\w+)\)/g;

/** Writes by drizzle's builder, whose text is made at run time. */
function addBuilderWrites(files: ReadonlyMap<string, string>, found: Map<string, Set<Right>>): void {
  for (const [file, text] of files) {
    if (!file.startsWith('src/store/')) continue;
    for (const [, verb, name = ''] of text.matchAll(builderVerb)) {
      const table = schemaTables.get(name);
      if (table !== undefined) found.set(table, (found.get(table) ?? new Set()).add(verb as Right));
    }
  }
}

type TableRights = Map<string, Set<Right>>;

/** What the statements need beside `select`, which the role has on every table. */
export async function rightsOf(database: PGlite, texts: readonly string[]): Promise<TableRights> {
  const found: TableRights = new Map();
  await database.exec(
    `begin; create role ${role}; grant select on all tables in schema public to ${role};
     grant usage on all sequences in schema public to ${role}`,
  );
  for (const text of texts.filter((one) => temporary.test(one)))
    await database.exec(`set local role ${role}; ${text}; reset role`);
  for (const text of texts) {
    if (utility.test(text) || unprepared.test(text)) continue;
    for (;;) {
      const table = await refusedTable(database, text);
      if (table === undefined) break;
      const has = found.get(table) ?? new Set();
      for (const right of await grantFor(database, text, table, has)) has.add(right);
      found.set(table, has);
    }
  }
  await database.exec('rollback');
  return found;
}

interface Catalogue {
  readonly tables: readonly string[];
  readonly sequences: readonly string[];
  /** Name and arguments. */
  readonly functions: readonly { readonly name: string; readonly types: string }[];
}

async function catalogueOf(database: PGlite): Promise<Catalogue> {
  const names = async (kinds: string): Promise<string[]> => {
    const { rows } = await database.query<{ name: string }>(
      `select relname as name from pg_class where relnamespace = 'public'::regnamespace and relkind = any('{${kinds}}')
       order by relname collate "C"`,
    );
    return rows.map(({ name }) => name);
  };
  const { rows: functions } = await database.query<{ name: string; types: string }>(
    `select proname as name, oidvectortypes(proargtypes) as types from pg_proc
     where pronamespace = 'public'::regnamespace order by proname collate "C"`,
  );
  return { tables: await names('r,p'), sequences: await names('S'), functions };
}

/** A function that is there without a line, and a line without its function. */
export function functionFaults(there: readonly string[]): string[] {
  const unlisted = there.filter((name) => functionNeeds[name] === undefined);
  const gone = Object.keys(functionNeeds).filter((name) => !there.includes(name));
  return [
    ...unlisted.map((name) => `.ci/serving-grants.ts does not say what the function ${name} needs`),
    ...gone.map((name) => `.ci/serving-grants.ts lists the function ${name}, which is not there`),
  ];
}

const head = `-- What the role that serves may do, beside the role that migrates and owns the tables (docs/data.md). Made of every
-- statement of src/ by \`npm run docs\`: .ci/serving-grants.ts. \`espalier migrate --grant-to\` applies it. By hand, as the owner:
-- psql -v ON_ERROR_STOP=1 -v role=espalier_serve -v schema=public -v journal=public -f serving.sql
set search_path to :"schema";
grant usage on schema :"schema", :"journal" to :"role";
grant select on :"journal"."__drizzle_migrations" to :"role";`;

/** The text of `migrations/grants/serving.sql`; a table a line. */
export async function servingGrants(): Promise<string> {
  const files = new Map([...readTree()].filter(([file]) => isProduct(file) && !ofMigrations(file)));
  const { statements } = readStatements(files, { known: runTimeSql, native });
  const database = await openMigrated();
  try {
    const { functions, sequences, tables } = await catalogueOf(database);
    const [fault] = functionFaults(functions.map(({ name }) => name));
    if (fault !== undefined) throw new Error(fault);
    const found = await rightsOf(database, [...new Set(statements.map(({ text }) => text))]);
    addBuilderWrites(files, found);
    const needs = Object.values(functionNeeds);
    const order: readonly Right[] = [...rights, 'truncate'];
    const ofTable = (table: string): readonly string[] => {
      const ofFunctions = needs.flatMap((need) => need.tables?.[table] ?? []);
      const all = new Set([...(found.get(table) ?? []), ...ofFunctions]);
      return ['select', ...order.filter((right) => all.has(right))];
    };
    const used = sequences.filter((name) => needs.some((need) => need.sequences?.includes(name)));
    const called = functions.filter(({ name }) => functionNeeds[name]?.called);
    return `${[
      head,
      ...tables.map((table) => `grant ${ofTable(table).join(', ')} on "${table}" to :"role";`),
      ...used.map((name) => `grant usage on sequence "${name}" to :"role";`),
      ...called.map(({ name, types }) => `grant execute on function "${name}"(${types}) to :"role";`),
    ].join('\n')}\n`;
  } finally {
    await database.close();
  }
}
