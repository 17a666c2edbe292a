import { dirname, join } from 'node:path';
import type { Expression, ImportDeclaration, TaggedTemplateExpression, TemplateLiteral } from 'oxc-parser';
import { parseSync, Visitor } from 'oxc-parser';

/**
 * Finds who writes which table in the product's source: a table has one writer, a file or folder of `src/store/`,
 * and notifications are sent from there only. Written by SQL and by drizzle's query builder count alike. Statements
 * are read without resolving their holes, since the table of a write is always part of its text or a table's name.
 */

/** One file that writes one table; `pg_notify` stands for the table where it sends a notification. */
export interface Write {
  readonly file: string;
  readonly line: number;
  readonly table: string;
}

export const notification = 'pg_notify';

/** By the name under which code imports it (`connectionAttempts`), the table's name (`connection_attempts`). */
export type Tables = ReadonlyMap<string, string>;

const schemaFiles = ['src/store/schema.ts', 'src/store/operator-schema.ts'];

/** The simulator keeps its own database, tests may prepare any state, and the schema itself writes nothing. */
export const isProduct = (path: string): boolean =>
  !path.startsWith('src/simulator/') && !/\.test\.tsx?$/.test(path) && !schemaFiles.includes(path);

/** Template tags that are no SQL (`at` encodes the parts of a path, src/console/api.ts); every other tag is read as SQL, so that no statement escapes by the name of its client. */
export const otherTags = new Set(['at', 'html', 'String.raw']);

export const isSql = (node: TaggedTemplateExpression, text: string): boolean =>
  !otherTags.has(text.slice(node.tag.start, node.tag.end));

/** What stands for a hole: no word of SQL, so that nothing is matched across it. */
const hole = (index: number): string => `\u27e8${index}\u27e9`;
const holePattern = /^\u27e8(\d+)\u27e9$/;

const textOf = (template: TemplateLiteral): string =>
  template.quasis
    .map(({ value }, index) => (index === 0 ? '' : hole(index - 1)) + (value.cooked ?? value.raw))
    .join('');

/** `for update` and `on conflict … do update` name no table. The schema may be a hole. */
const writePattern =
  /(?:\binsert\s+into|(?<!\bfor\s+|\bno\s+key\s+|\bdo\s+)\bupdate|\bdelete\s+from|\bmerge\s+into|\btruncate(?:\s+table)?)\s+(?:only\s+)?(?:\u27e8\d+\u27e9\.)?("?[\w.]+"?|\u27e8\d+\u27e9)/gi;
const copyPattern = /\bcopy\s+("?[\w.]+"?|\u27e8\d+\u27e9)\s*(?:\([^)]*\))?\s*from\b/gi;

const withoutRemarks = (text: string): string =>
  text.replace(/--[^\n]*|\/\*[\s\S]*?\*\//g, ' ').replace(/'(?:[^']|'')*'/g, "''");

/** The tables that a text writes, as they stand in it: a name or a hole. */
function targetsOf(text: string): string[] {
  const sql = withoutRemarks(text);
  return [writePattern, copyPattern].flatMap((pattern) =>
    [...sql.matchAll(pattern)].map(([, to = '']) => to),
  );
}

interface Names {
  /** The file's own names of tables that it imports from the schema. */
  readonly local: Map<string, string>;
  /** Names of `import * as schema`. */
  readonly whole: Set<string>;
}

function readImport(node: ImportDeclaration, file: string, tables: Tables, names: Names): void {
  if (!schemaFiles.includes(join(dirname(file), node.source.value))) return;
  for (const specifier of node.specifiers) {
    if (specifier.type === 'ImportNamespaceSpecifier') names.whole.add(specifier.local.name);
    if (specifier.type !== 'ImportSpecifier' || specifier.imported.type !== 'Identifier') continue;
    const table = tables.get(specifier.imported.name);
    if (table !== undefined) names.local.set(specifier.local.name, table);
  }
}

function tableOf(node: Expression | undefined, tables: Tables, names: Names): string | undefined {
  if (node?.type === 'Identifier') return names.local.get(node.name);
  if (node?.type !== 'MemberExpression' || node.object.type !== 'Identifier' || node.computed)
    return undefined;
  const { object, property } = node;
  return names.whole.has(object.name) && property.type === 'Identifier'
    ? tables.get(property.name)
    : undefined;
}

const builderVerbs = new Set(['insert', 'update', 'delete']);

/** Every write of one file; a statement whose table is a hole that names no table of the schema writes `?`. */
export function findWrites(file: string, text: string, tables: Tables): Write[] {
  const { errors, program } = parseSync(file, text);
  if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`);
  const names: Names = { local: new Map(), whole: new Set() };
  const known = new Set(tables.values());
  const writes: Write[] = [];
  const add = (start: number, table: string): void => {
    writes.push({ file, line: text.slice(0, start).split('\n').length, table });
  };
  const readSql = (start: number, sql: string, holes: readonly Expression[]): void => {
    for (const target of targetsOf(sql)) {
      const index = holePattern.exec(target)?.[1];
      if (index !== undefined) add(start, tableOf(holes[Number(index)], tables, names) ?? '?');
      else if (known.has(target.replaceAll('"', '').replace(/^.*\./, ''))) {
        add(start, target.replaceAll('"', '').replace(/^.*\./, ''));
      }
    }
    if (/\bpg_notify\s*\(/i.test(sql)) add(start, notification);
  };
  new Visitor({ ImportDeclaration: (node) => readImport(node, file, tables, names) }).visit(program);
  new Visitor({
    TaggedTemplateExpression: (node) => {
      if (isSql(node, text)) readSql(node.start, textOf(node.quasi), node.quasi.expressions);
    },
    CallExpression: ({ arguments: [first], callee, start }) => {
      if (callee.type !== 'MemberExpression' || callee.property.type !== 'Identifier') return;
      const verb = callee.property.name;
      if (first === undefined || first.type === 'SpreadElement') return;
      const table = builderVerbs.has(verb) ? tableOf(first, tables, names) : undefined;
      if (table !== undefined) add(start, table);
      if (verb === 'notify') add(start, notification);
      if (verb === 'unsafe' && first.type === 'TemplateLiteral')
        readSql(start, textOf(first), first.expressions);
      if (verb === 'unsafe' && first.type === 'Literal') readSql(start, String(first.value), []);
    },
  }).visit(program);
  return writes;
}

/** Restores the rows of a whole tenant as they were: no verb of a writer would keep what each of them had promised. */
const wholeRows: ReadonlySet<string> = new Set(['src/store/cells/tenant-rows.ts']);

/** `tenants` of `src/store/tenants.ts` and of everything in `src/store/tenants/`; undefined outside the store. */
export const moduleOf = (file: string): string | undefined =>
  /^src\/store\/([^/]+?)(?:\.ts$|\/)/.exec(file)?.[1];

/**
 * The writes that break the rule, each file and table once: those outside the store, and all of a table that several
 * modules of the store write, for no rule says which of them is the right one.
 */
export function findSecondWriters(writes: readonly Write[]): (Write & { readonly reason: string })[] {
  const modules = new Map<string, Set<string>>();
  for (const { file, table } of writes) {
    const module = moduleOf(file);
    if (module !== undefined) modules.set(table, (modules.get(table) ?? new Set()).add(module));
  }
  const found = new Map<string, Write & { readonly reason: string }>();
  for (const write of writes) {
    const { file, table } = write;
    const writers = [...(modules.get(table) ?? [])].sort();
    const refuse = (reason: string) => {
      if (!found.has(`${file} ${table}`)) found.set(`${file} ${table}`, { ...write, reason });
    };
    if (table === '?' && wholeRows.has(file)) continue;
    if (table === '?') refuse('writes a table that cannot be read out of the statement');
    else if (moduleOf(file) === undefined) {
      const where = writers.map((name) => `src/store/${name}`).join(', ') || 'a module of src/store';
      refuse(
        table === notification
          ? 'sends a notification, which only src/store does'
          : `writes ${table}, whose writer is ${where}`,
      );
    } else if (table !== notification && writers.length > 1) {
      refuse(`writes ${table}, which ${writers.length} modules of src/store write: ${writers.join(', ')}`);
    }
  }
  return [...found.values()];
}
