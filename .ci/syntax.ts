import { dirname, join } from 'node:path';
import type { Node } from 'oxc-parser';
import { parseSync, visitorKeys } from 'oxc-parser';

/** The product's source as trees, and what a name in it stands for: enough of the language to follow SQL through it. */

export type Functions = Extract<
  Node,
  { type: 'ArrowFunctionExpression' | 'FunctionDeclaration' | 'FunctionExpression' }
>;

/** The members on the way from what was bound to the name: `{ a: { b } }` binds `b` to `a.b`. */
type Path = readonly string[];

export type Binding =
  | { readonly kind: 'value'; readonly node: Node; readonly path: Path }
  | { readonly kind: 'parameter'; readonly of: Functions; readonly index: number; readonly path: Path }
  | { readonly kind: 'function'; readonly node: Functions }
  | { readonly kind: 'elsewhere'; readonly from: string; readonly name: string };

export interface Source {
  readonly file: string;
  readonly text: string;
  readonly program: Node;
}

export interface Syntax {
  readonly sources: ReadonlyMap<string, Source>;
  readonly sourceOf: (node: Node) => Source;
  readonly parentOf: (node: Node) => Node | undefined;
  readonly textOf: (node: Node) => string;
  readonly lineOf: (node: Node) => number;
  readonly all: <T extends Node['type']>(type: T) => readonly Extract<Node, { type: T }>[];
  readonly find: (name: string, at: Node) => Binding | undefined;
}

export const isFunction = (node: Node): node is Functions =>
  ['ArrowFunctionExpression', 'FunctionDeclaration', 'FunctionExpression'].includes(node.type);

const childrenOf = (node: Node): Node[] =>
  (visitorKeys[node.type] ?? []).flatMap((key) => {
    const child = (node as unknown as Record<string, Node | (Node | null)[] | null>)[key];
    return (Array.isArray(child) ? child : [child]).filter((each): each is Node => each != null);
  });

/** Where a pattern binds a name; undefined when it does not. */
export function pathTo(pattern: Node, name: string): Path | undefined {
  if (pattern.type === 'Identifier') return pattern.name === name ? [] : undefined;
  if (pattern.type === 'AssignmentPattern') return pathTo(pattern.left, name);
  if (pattern.type === 'ObjectPattern') {
    for (const property of pattern.properties) {
      if (property.type !== 'Property' || property.key.type !== 'Identifier') continue;
      const rest = pathTo(property.value, name);
      if (rest !== undefined) return [property.key.name, ...rest];
    }
  }
  if (pattern.type === 'ArrayPattern') {
    for (const [index, element] of pattern.elements.entries()) {
      const rest = element === null ? undefined : pathTo(element, name);
      if (rest !== undefined) return [String(index), ...rest];
    }
  }
  return undefined;
}

function declaredBy(statement: Node, name: string, file: string): Binding | undefined {
  if (statement.type === 'ExportNamedDeclaration') {
    return statement.declaration === null ? undefined : declaredBy(statement.declaration, name, file);
  }
  if (statement.type === 'FunctionDeclaration') {
    return statement.id?.name === name
      ? { kind: 'function', node: statement as unknown as Functions }
      : undefined;
  }
  if (statement.type === 'VariableDeclaration') {
    for (const { id, init } of statement.declarations) {
      const path = pathTo(id, name);
      if (path !== undefined && init !== null) return { kind: 'value', node: init, path };
    }
  }
  if (statement.type === 'ImportDeclaration') {
    for (const specifier of statement.specifiers) {
      if (specifier.local.name !== name || specifier.type !== 'ImportSpecifier') continue;
      const imported =
        specifier.imported.type === 'Identifier' ? specifier.imported.name : specifier.imported.value;
      return { kind: 'elsewhere', from: join(dirname(file), statement.source.value), name: imported };
    }
  }
  return undefined;
}

function declaredIn(scope: Node, name: string, file: string): Binding | undefined {
  if (scope.type === 'Program' || scope.type === 'BlockStatement') {
    for (const statement of scope.body) {
      const found = declaredBy(statement as Node, name, file);
      if (found !== undefined) return found;
    }
  }
  if (isFunction(scope)) {
    for (const [index, parameter] of scope.params.entries()) {
      const path = pathTo(parameter as Node, name);
      if (path !== undefined) return { kind: 'parameter', of: scope, index, path };
    }
  }
  return undefined;
}

export function readSyntax(files: ReadonlyMap<string, string>): Syntax {
  const parents = new Map<Node, Node>();
  const programs = new Map<Node, Source>();
  const byType = new Map<string, Node[]>();
  const sources = new Map<string, Source>();
  const visit = (node: Node): void => {
    byType.set(node.type, byType.get(node.type) ?? []);
    byType.get(node.type)?.push(node);
    for (const child of childrenOf(node)) {
      parents.set(child, node);
      visit(child);
    }
  };
  for (const [file, text] of files) {
    const { errors, program } = parseSync(file, text, { preserveParens: false });
    if (errors[0] !== undefined) throw new Error(`${file}: ${errors[0].message}`);
    const source = { file, text, program: program as Node };
    sources.set(file, source);
    programs.set(source.program, source);
    visit(source.program);
  }
  const parentOf = (node: Node): Node | undefined => parents.get(node);
  const sourceOf = (node: Node): Source => {
    let at = node;
    for (let up = parents.get(at); up !== undefined; up = parents.get(at)) at = up;
    const source = programs.get(at);
    if (source === undefined) throw new Error('a node of no file');
    return source;
  };
  const follow = (binding: Binding): Binding | undefined => {
    if (binding.kind !== 'elsewhere') return binding;
    const source = sources.get(binding.from);
    const found = source && declaredIn(source.program, binding.name, source.file);
    return found === undefined ? binding : follow(found);
  };
  const find = (name: string, at: Node): Binding | undefined => {
    const { file } = sourceOf(at);
    for (let scope: Node | undefined = at; scope !== undefined; scope = parents.get(scope)) {
      const found = declaredIn(scope, name, file);
      if (found !== undefined) return follow(found);
    }
    return undefined;
  };
  const textOf = (node: Node): string => sourceOf(node).text.slice(node.start, node.end);
  return {
    sources,
    sourceOf,
    parentOf,
    textOf,
    lineOf: (node) => sourceOf(node).text.slice(0, node.start).split('\n').length,
    all: ((type: string) => byType.get(type) ?? []) as Syntax['all'],
    find,
  };
}
