import { dirname } from 'node:path';
import type { Node } from 'oxc-parser';
import { readSyntax, type Syntax } from './syntax.ts';
import { isProduct, moduleOf, notification, type Write } from './writers.ts';

/**
 * Says for each table which module of the store writes it, through which of its functions others have it written, and
 * who they are: docs/tables.md, made of what the code imports and calls.
 */

/** A function or value that a file of the store declares for itself or for others. */
interface Declared {
  readonly file: string;
  readonly name: string;
  readonly writes: Set<string>;
  /** What it uses of its own module. */
  readonly uses: Set<Declared>;
  /** Folders and files of `src` outside its module that use it. */
  readonly users: Set<string>;
}

const definitionsOf = (statement: Node): readonly (readonly [string, Node])[] => {
  if (statement.type === 'ExportNamedDeclaration')
    return statement.declaration === null ? [] : definitionsOf(statement.declaration);
  if (statement.type === 'FunctionDeclaration' && statement.id !== null)
    return [[statement.id.name, statement]];
  if (statement.type !== 'VariableDeclaration') return [];
  return statement.declarations.flatMap(({ id, init }) =>
    id.type === 'Identifier' && init !== null ? [[id.name, init] as const] : [],
  );
};

/** By the node that a name is bound to, with the writes that stand in it. */
function declaredInStore(syntax: Syntax, writes: readonly Write[]): Map<Node, Declared> {
  const declared = new Map<Node, Declared>();
  for (const { file, program, text } of syntax.sources.values()) {
    if (moduleOf(file) === undefined || program.type !== 'Program') continue;
    const lineOf = (offset: number): number => text.slice(0, offset).split('\n').length;
    const own = writes.filter((write) => write.file === file && write.table !== notification);
    for (const [name, node] of program.body.flatMap((statement) => definitionsOf(statement as Node))) {
      const [first, last] = [lineOf(node.start), lineOf(node.end)];
      const within = own.filter(({ line }) => line >= first && line <= last).map(({ table }) => table);
      declared.set(node, { file, name, writes: new Set(within), uses: new Set(), users: new Set() });
    }
  }
  return declared;
}

/** Whether an identifier is the name of a member, which is bound to nothing. */
function namesMember(node: Node, parent: Node | undefined): boolean {
  if (parent?.type === 'MemberExpression') return parent.property === node && !parent.computed;
  return parent?.type === 'Property' && parent.key === node && !parent.computed && !parent.shorthand;
}

function followUses(syntax: Syntax, declared: ReadonlyMap<Node, Declared>): void {
  const names = new Set([...declared.values()].map(({ name }) => name));
  for (const { imported, local } of syntax.all('ImportSpecifier'))
    if (imported.type === 'Identifier' && names.has(imported.name)) names.add(local.name);
  const enclosing = (node: Node): Declared | undefined => {
    for (let at: Node | undefined = node; at !== undefined; at = syntax.parentOf(at)) {
      const found = declared.get(at);
      if (found !== undefined) return found;
    }
    return undefined;
  };
  for (const node of syntax.all('Identifier')) {
    if (!names.has(node.name) || namesMember(node, syntax.parentOf(node))) continue;
    const binding = syntax.find(node.name, node);
    const used = binding && 'node' in binding ? declared.get(binding.node) : undefined;
    if (used === undefined || syntax.parentOf(node)?.type === 'ImportSpecifier') continue;
    const { file } = syntax.sourceOf(node);
    if (moduleOf(file) !== moduleOf(used.file)) used.users.add(`${dirname(file).replace(/^src\/?/, '')}/`);
    else {
      const user = enclosing(node);
      if (user !== undefined && user !== used) user.uses.add(used);
    }
  }
}

function reaches(from: Declared, table: string, seen = new Set<Declared>()): boolean {
  if (from.writes.has(table)) return true;
  seen.add(from);
  return [...from.uses].some((used) => !seen.has(used) && reaches(used, table, seen));
}

export interface TableOwner {
  readonly table: string;
  /** Its writer below src/, a file or a folder. */
  readonly module: string;
  /** Its verbs that others call, each with the folders that do. */
  readonly verbs: string;
}

/** `files`: path from the project's root to text. In the order of the tables' names. */
export function tableOwners(
  files: ReadonlyMap<string, string>,
  writes: readonly Write[],
): readonly TableOwner[] {
  const product = new Map(
    [...files].filter(
      ([file, text]) => isProduct(file) && (moduleOf(file) !== undefined || text.includes('/store/')),
    ),
  );
  const syntax = readSyntax(product);
  const declared = declaredInStore(syntax, writes);
  followUses(syntax, declared);
  const owned = writes.filter(({ file, table }) => moduleOf(file) !== undefined && table !== notification);
  return [...new Set(owned.map(({ table }) => table))].sort().map((table) => {
    const module = moduleOf(owned.find((write) => write.table === table)?.file ?? '');
    const isFolder = [...product.keys()].some((file) => file.startsWith(`src/store/${module}/`));
    const verbs = [...declared.values()]
      .filter((one) => moduleOf(one.file) === module && one.users.size > 0 && reaches(one, table))
      .map(({ name, users }) => `\`${name}\` (${[...users].sort().join(', ')})`)
      .sort();
    return { table, module: `store/${module}${isFolder ? '/' : '.ts'}`, verbs: verbs.join(', ') };
  });
}
