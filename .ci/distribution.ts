import type { PGlite } from '@electric-sql/pglite';
import { acrossTenants, referenceTables, sequences, triggers } from './distribution-lists.ts';
import { readTree } from './layers.ts';
import { readStatements, type Statement, selectOf, temporary, unprepared, utility } from './prepare.ts';
import { native, readAtRunTime, runTimeSql } from './run-time-sql.ts';
import { openMigrated } from './statements.ts';
import { type Plan, type TenantTables, tablesAcross } from './tenant-plans.ts';
import { isProduct } from './writers.ts';

/**
 * Whether the data can be distributed by tenant over several PostgreSQL servers (docs/schema.md): `node .ci/distribution.ts`
 * prints one line a fault and exits 1 when there is one. A key that does not begin with the tenant, a trigger, a sequence
 * or a statement that goes over several tenants is a fault unless it is listed with its reason, and a line of a list that
 * nothing needs is one too.
 */

interface Key {
  readonly name: string;
  readonly table: string;
  readonly kind: 'primary key' | 'unique key' | 'foreign key';
  readonly first: string;
  readonly target: string | null;
  readonly targetFirst: string | null;
}

async function rows<T>(database: PGlite, text: string): Promise<T[]> {
  return (await database.query<T>(text)).rows;
}

const keysOf = (database: PGlite): Promise<Key[]> =>
  rows<Key>(
    database,
    `select i.indexrelid::regclass::text as name, i.indrelid::regclass::text as "table",
       case when i.indisprimary then 'primary key' else 'unique key' end as kind,
       coalesce(a.attname, '') as first, null as target, null as "targetFirst"
     from pg_index i join pg_class c on c.oid = i.indrelid and c.relnamespace = 'public'::regnamespace
     left join pg_attribute a on a.attrelid = i.indrelid and a.attnum = i.indkey[0] and a.attnum > 0
     where i.indisunique
     union all
     select f.conname, f.conrelid::regclass::text, 'foreign key', a.attname, f.confrelid::regclass::text, b.attname
     from pg_constraint f join pg_attribute a on a.attrelid = f.conrelid and a.attnum = f.conkey[1]
     join pg_attribute b on b.attrelid = f.confrelid and b.attnum = f.confkey[1]
     where f.contype = 'f'
     order by 2, 1`,
  );

/** Tables of tenants, with the place of the tenant's column. */
async function tenantTablesOf(database: PGlite): Promise<TenantTables> {
  const found = await rows<{ name: string; place: number }>(
    database,
    `select c.relname as name, a.attnum - 1 as place from pg_class c
     join pg_attribute a on a.attrelid = c.oid and a.attname = 'tenant_id'
     where c.relkind in ('r', 'p') and c.relnamespace = 'public'::regnamespace`,
  );
  return new Map(
    found.filter(({ name }) => referenceTables[name] === undefined).map(({ name, place }) => [name, place]),
  );
}

/** A fault for each thing that is there and not listed, and each line of the list without its thing. */
function compare(
  kind: string,
  there: readonly string[],
  listed: Readonly<Record<string, unknown>>,
): string[] {
  const names = new Set(there);
  return [
    ...[...names].filter((name) => listed[name] === undefined).map((name) => `${kind} ${name} is not listed`),
    ...Object.keys(listed)
      .filter((name) => !names.has(name))
      .map((name) => `${kind} ${name} is listed and there is none`),
  ];
}

export async function checkKeys(database: PGlite): Promise<string[]> {
  const tenantTables = await tenantTablesOf(database);
  const all = await rows<{ name: string }>(
    database,
    `select relname as name from pg_class where relkind in ('r', 'p') and relnamespace = 'public'::regnamespace`,
  );
  const others = all.map(({ name }) => name).filter((name) => !tenantTables.has(name));
  const faults = (await keysOf(database)).flatMap(({ first, kind, name, table, target, targetFirst }) => {
    if (!tenantTables.has(table))
      return target !== null && tenantTables.has(target)
        ? [`${kind} ${name}: ${table}, a reference table, refers to rows of tenants in ${target}`]
        : [];
    if (first !== 'tenant_id') return [`${kind} ${name} of ${table} begins with ${first || 'an expression'}`];
    return targetFirst === null || targetFirst === 'tenant_id'
      ? []
      : [`${kind} ${name} of ${table} refers to ${target} by ${targetFirst}`];
  });
  return [...faults, ...compare('reference table', others, referenceTables)];
}

export async function checkTriggersAndSequences(database: PGlite): Promise<string[]> {
  const found = await rows<{ kind: string; name: string }>(
    database,
    `select 'trigger' as kind, tgname as name from pg_trigger where not tgisinternal
     union all select 'sequence', relname from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace`,
  );
  const named = (kind: string): string[] => found.filter((one) => one.kind === kind).map(({ name }) => name);
  return [
    ...compare('trigger', named('trigger'), triggers),
    ...compare('sequence', named('sequence'), sequences),
  ];
}

async function planOf(database: PGlite, text: string): Promise<Plan | undefined> {
  await database.exec('savepoint before_it');
  try {
    const [answer] = await database.exec(`explain (generic_plan, verbose, format json) ${selectOf(text)}`);
    const [row] = (answer?.rows ?? []) as { 'QUERY PLAN': readonly { Plan: Plan }[] }[];
    return row?.['QUERY PLAN'][0]?.Plan;
  } catch {
    // What PostgreSQL does not prepare at all, `.ci/statements.ts` reports.
    return undefined;
  } finally {
    await database.exec('rollback to savepoint before_it');
  }
}

export interface Across {
  readonly file: string;
  readonly line: number;
  readonly tables: readonly string[];
}

/** The statements that may touch rows of several tenants; several forms of one count once. */
export async function findAcross(database: PGlite, statements: readonly Statement[]): Promise<Across[]> {
  const tables = await tenantTablesOf(database);
  const found = new Map<string, Across>();
  await database.exec('begin');
  for (const { text } of statements.filter((one) => temporary.test(one.text))) await database.exec(text);
  for (const { file, line, text } of statements) {
    if (utility.test(text) || unprepared.test(text)) continue;
    const plan = await planOf(database, text);
    const across = plan === undefined ? [] : tablesAcross(plan, tables);
    const before = found.get(`${file}:${line}`)?.tables ?? [];
    if (across.length > 0)
      found.set(`${file}:${line}`, { file, line, tables: [...new Set([...before, ...across])] });
  }
  await database.exec('rollback');
  return [...found.values()];
}

export function compareAcross(found: readonly Across[]): string[] {
  const byFile = Map.groupBy(found, ({ file }) => file);
  const more = [...byFile].flatMap(([file, those]) => {
    const listed = acrossTenants[file];
    if (listed !== undefined && listed.statements === those.length) return [];
    const places = those.map(({ line, tables }) => `${line} (${tables.join(', ')})`).join('; ');
    return [
      `${file}: ${those.length} statements go over several tenants, ${listed?.statements ?? 0} are listed: lines ${places}`,
    ];
  });
  const gone = Object.keys(acrossTenants).filter((file) => !byFile.has(file));
  return [...more, ...gone.map((file) => `${file} is listed and has no statement over several tenants`)];
}

if (import.meta.main) {
  const files = new Map([...readTree()].filter(([file]) => isProduct(file)));
  const { statements } = readStatements(files, { known: runTimeSql, native });
  const database = await openMigrated();
  const known = statements.filter(({ file }) => readAtRunTime[file] === undefined);
  const faults = [
    ...(await checkKeys(database)),
    ...(await checkTriggersAndSequences(database)),
    ...compareAcross(await findAcross(database, known)),
  ];
  await database.close();
  for (const fault of faults) console.error(fault);
  process.exitCode = faults.length > 0 ? 1 : 0;
}
