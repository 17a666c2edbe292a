import { PGlite } from '@electric-sql/pglite';
import type { Node } from 'oxc-parser';
import { arrayTypes } from '../src/store/array-types.ts';
import { createResolver } from './resolve.ts';
import { type Decisions, type Known, parameter } from './resolve-values.ts';
import { readSyntax, type Syntax } from './syntax.ts';
import { otherTags } from './writers.ts';

/**
 * Prepares every statement of the product against the migrated schema, in a PostgreSQL that runs inside this process:
 * an unknown table, column, function or operator is found without a run of the statement.
 */

export interface Statement {
  readonly file: string;
  readonly line: number;
  readonly text: string;
}

export interface StatementFault {
  readonly file: string;
  readonly line: number;
  readonly reason: string;
}

export interface Reading {
  readonly statements: readonly Statement[];
  readonly faults: readonly StatementFault[];
}

type Template = Extract<Node, { type: 'TaggedTemplateExpression' }>;

const maxVariants = 200;
const verbs =
  /^\s*(?:--[^\n]*\n\s*)*(?:select|insert|update|delete|with|merge|truncate|create|drop|copy|set|lock|analyze|values|alter|declare|fetch|close|listen|notify|vacuum|show|begin|commit|reset)\b/i;

/** Each decision's arms once, beside the first arm of all others; not all combinations, which would be too many. */
function variantsOf(
  render: (decisions: Decisions) => string | undefined,
  unresolved: Decisions['unresolved'],
): Set<string> {
  const texts = new Set<string>();
  const waiting: ReadonlyMap<string, number>[] = [new Map()];
  const seen = new Set<string>();
  for (const taken of waiting) {
    if (seen.size > maxVariants) break;
    const met = new Map<string, number>();
    const text = render({ taken, met, unresolved });
    if (text !== undefined) texts.add(text);
    for (const [key, arms] of met) {
      for (let arm = 1; arm < arms; arm += 1) {
        if (taken.has(key) || seen.has(`${key}\n${arm}`)) continue;
        seen.add(`${key}\n${arm}`);
        waiting.push(new Map([...taken, [key, arm]]));
      }
    }
  }
  return texts;
}

function numbered(text: string): string {
  let count = 0;
  return text.replaceAll(parameter, () => {
    count += 1;
    return `$${count}`;
  });
}

/** Whether a tag is SQL of the client: not drizzle's, whose holes are columns, and no other language. */
const sqlTag =
  (syntax: Syntax) =>
  (tag: Node): boolean => {
    if (otherTags.has(syntax.textOf(tag))) return false;
    const binding = tag.type === 'Identifier' ? syntax.find(tag.name, tag) : undefined;
    return binding?.kind !== 'elsewhere' || !binding.from.includes('drizzle-orm');
  };

export interface ReadOptions {
  readonly known?: Known;
  readonly native?: (file: string, name: string) => unknown;
}

/** Every statement in every form that the code can give it. */
export function readStatements(
  files: ReadonlyMap<string, string>,
  { known = new Map(), native = () => undefined }: ReadOptions = {},
): Reading {
  const syntax = readSyntax(files);
  const isSql = sqlTag(syntax);
  const resolver = createResolver({ syntax, isSql, known, native });
  const templates = syntax.all('TaggedTemplateExpression').filter((node) => isSql(node.tag));
  const partOf = new Set<Node>();
  const faults = new Map<string, StatementFault>();
  const read = templates.flatMap((node) => {
    const place = { file: syntax.sourceOf(node).file, line: syntax.lineOf(node) };
    if (!verbs.test(node.quasi.quasis[0]?.value.raw ?? '') && node.quasi.quasis[0]?.value.raw.trim() !== '')
      return [];
    const unresolved: Decisions['unresolved'] = [];
    const texts = variantsOf((decisions) => {
      const value = resolver.evaluate(node, new Map(), decisions);
      if (value.kind !== 'sql') return undefined;
      for (const part of value.parts ?? []) if (part !== node) partOf.add(part);
      return value.text;
    }, unresolved);
    return [{ node, place, unresolved, texts: [...texts].filter((text) => verbs.test(text)) }];
  });
  const statements: Statement[] = [];
  for (const { node, place, texts, unresolved } of read) {
    if (partOf.has(node)) continue;
    for (const { node: at, reason } of unresolved) {
      const fault = {
        file: syntax.sourceOf(at).file,
        line: syntax.lineOf(at),
        reason: `\${${syntax.textOf(at)}}: ${reason}`,
      };
      faults.set(JSON.stringify(fault), fault);
    }
    for (const text of texts) statements.push({ ...place, text: numbered(text) });
  }
  const roots = new Set<Node>(read.filter(({ texts }) => texts.length > 0).map(({ node }) => node));
  for (const node of templates as readonly Template[]) {
    if (roots.has(node) || partOf.has(node)) continue;
    const fault = {
      file: syntax.sourceOf(node).file,
      line: syntax.lineOf(node),
      reason: 'is a fragment that is part of no statement',
    };
    faults.set(JSON.stringify(fault), fault);
  }
  return { statements, faults: [...faults.values()] };
}

/** What it says when a parameter's type is left to the client: all else was right. */
const undeterminedType = '42P18';

/** Utility statements cannot be prepared: they are run, in a transaction that is rolled back. */
export const utility = /^\s*(?:create|drop|set|lock|analyze|alter|truncate)\b/i;
export const temporary = /^\s*create temp/i;
export const unprepared = /^\s*(?:declare|fetch|close|listen|notify|vacuum|show|begin|commit|reset)\b/i;

export const selectOf = (text: string): string => {
  const inner = /^\s*copy\s*\(([\s\S]*)\)\s*to\s/i.exec(text)?.[1];
  if (inner !== undefined) return inner;
  const [, table, columns] = /^\s*copy\s+([\w.]+)\s*\(([^)]*)\)\s*(?:from|to)\b/i.exec(text) ?? [];
  return table === undefined ? text : `select ${columns} from ${table}`;
};

export async function openSchema(migrations: readonly string[]): Promise<PGlite> {
  const database = await PGlite.create();
  for (const migration of migrations) await database.exec(migration);
  return database;
}

/** The type of an array that the prepared statement takes or gives and the driver does not know. */
async function unknownArray(database: PGlite): Promise<string | undefined> {
  const known = Object.values(arrayTypes).map(({ array }) => array);
  const { rows } = await database.query<{ name: string }>(
    `select t.typname as name
     from pg_prepared_statements p, unnest(p.parameter_types || p.result_types) used join pg_type t on t.oid = used
     where p.name = 'a_statement' and t.typcategory = 'A' and t.oid <> all(array[${known.join(',')}]::oid[])`,
  );
  return rows[0]?.name;
}

async function faultOf(database: PGlite, text: string): Promise<string | undefined> {
  if (unprepared.test(text)) return undefined;
  const runs = utility.test(text);
  await database.exec('savepoint before_it');
  try {
    await database.exec(runs ? text : `prepare a_statement as ${selectOf(text)}`);
    const unknown = runs ? undefined : await unknownArray(database);
    if (!temporary.test(text)) await database.exec('rollback to savepoint before_it');
    if (!runs) await database.exec('deallocate a_statement');
    return unknown === undefined ? undefined : `${unknown} is no array that src/store/array-types.ts names`;
  } catch (error) {
    const { code, message } = error as { code?: string; message: string };
    await database.exec('rollback to savepoint before_it');
    return code === undeterminedType ? undefined : `${code} ${message}`;
  }
}

/** One fault for each statement that PostgreSQL refuses; temporary tables that statements create are there for all. */
export async function prepareAll(
  database: PGlite,
  statements: readonly Statement[],
): Promise<StatementFault[]> {
  const faults = new Map<string, StatementFault>();
  await database.exec('begin');
  const first = [...statements].sort(
    (a, b) => Number(temporary.test(b.text)) - Number(temporary.test(a.text)),
  );
  for (const { file, line, text } of first) {
    const reason = await faultOf(database, text);
    if (reason !== undefined) faults.set(`${file}:${line} ${reason}`, { file, line, reason });
  }
  await database.exec('rollback');
  return [...faults.values()];
}
