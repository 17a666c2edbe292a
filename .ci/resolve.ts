import type { Node } from 'oxc-parser';
import { type Functions, isFunction, type Syntax } from './syntax.ts';

/**
 * What an expression is worth where SQL is put together: fragments, texts, and functions that return them are
 * followed through names, files and calls; all else is a value of run time, which a statement has as a parameter.
 * Where the code decides (`?:`, `if`, several callers), each arm is taken in turn.
 */

/** Stands for a parameter in a text; numbered when the statement is complete. */
export const parameter = '\u27e8?\u27e9';

type Bound = ReadonlyMap<Node, readonly (() => Value)[]>;

export type Value =
  /** `parts` are the templates that the text was made of. */
  | { readonly kind: 'sql'; readonly text: string; readonly parts?: readonly Node[] }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'list'; readonly items: readonly (() => Value)[] }
  | { readonly kind: 'object'; readonly members: ReadonlyMap<string, () => Value> }
  | { readonly kind: 'function'; readonly node: Functions; readonly bound: Bound }
  | { readonly kind: 'native'; readonly value: unknown }
  /** Known at run time only; `arms` are what it can be, where that can be told. */
  | { readonly kind: 'run-time'; readonly key: string; readonly arms?: () => readonly (() => Value)[] };

/** An arm for each decision that was met; the same condition is decided the same way within a statement. */
export interface Decisions {
  readonly taken: ReadonlyMap<string, number>;
  readonly met: Map<string, number>;
  /** Holes of which nobody can tell whether they are fragments. */
  readonly unresolved: { readonly node: Node; readonly reason: string }[];
}

/** Functions of the product that are not followed: what they return is said here; undefined, where another is called. */
export type Known = ReadonlyMap<string, (args: readonly Value[]) => Value | undefined>;

export interface ResolverOptions {
  readonly syntax: Syntax;
  readonly isSql: (tag: Node) => boolean;
  readonly known: Known;
  /** What an exported name is worth, where the code itself can be asked: a table of the schema. */
  readonly native: (file: string, name: string) => unknown;
}

const deepest = 60;
const runTime = (key: string): Value => ({ kind: 'run-time', key });
const absent: Value = { kind: 'native', value: undefined };

export function createResolver({ syntax, isSql, known, native }: ResolverOptions) {
  let depth = 0;
  const callers = indexCallers(syntax);
  const members = indexMembers(syntax);

  const keyOf = (node: Node): string => `${syntax.sourceOf(node).file}:${syntax.textOf(node)}`;

  function choose(key: string, arms: number, decisions: Decisions): number {
    decisions.met.set(key, Math.max(arms, decisions.met.get(key) ?? 0));
    return Math.min(decisions.taken.get(key) ?? 0, arms - 1);
  }

  function template(
    node: Extract<Node, { type: 'TaggedTemplateExpression' }>,
    bound: Bound,
    decisions: Decisions,
  ): Value {
    const parts: Node[] = [node];
    const { expressions, quasis } = node.quasi;
    const text = quasis.map(({ value }, index) => {
      const before = index === 0 ? '' : hole(expressions[index - 1] as Node, bound, decisions, parts);
      return before + (value.cooked ?? value.raw);
    });
    return { kind: 'sql', text: text.join(''), parts };
  }

  /** The text that a hole leaves in its statement. */
  function hole(node: Node, bound: Bound, decisions: Decisions, parts: Node[]): string {
    const value = settle(evaluate(node, bound, decisions), ['sql'], decisions);
    if (value.kind === 'sql') {
      parts.push(...(value.parts ?? []));
      return value.text;
    }
    if (value.kind === 'run-time' && mayBeFragment(node)) {
      decisions.unresolved.push({ node, reason: 'it may be a fragment, and nobody can tell which' });
    }
    return parameter;
  }

  /** A call that is given the client returns a fragment; so does what is declared to be one. */
  function mayBeFragment(node: Node): boolean {
    if (node.type === 'CallExpression') {
      const text = syntax.textOf(node.callee);
      if (/\.(json|array|typed)$/.test(text)) return false;
      return node.arguments.some(
        (each) => each.type === 'Identifier' && /^(sql|tx|queries|bulk)$/.test(each.name),
      );
    }
    if (node.type !== 'Identifier') return false;
    const binding = syntax.find(node.name, node);
    if (binding?.kind !== 'parameter' || binding.path.length > 0) return false;
    return /:\s*Fragment\b/.test(syntax.textOf(binding.of.params[binding.index] as Node));
  }

  /** Takes one arm of a value that only run time knows, if some of them are what is looked for. */
  function settle(value: Value, kinds: readonly Value['kind'][], decisions: Decisions, left = 3): Value {
    if (value.kind !== 'run-time' || value.arms === undefined || left === 0 || depth > deepest) return value;
    depth += 1;
    const fit = value
      .arms()
      .map((arm) => settle(arm(), kinds, decisions, left - 1))
      .filter(({ kind }) => kinds.includes(kind));
    depth -= 1;
    if (fit.length === 0) return value;
    return fit[fit.length === 1 ? 0 : choose(value.key, fit.length, decisions)] as Value;
  }

  function memberOf(value: Value, name: string, key: string, decisions: Decisions): Value {
    if (value.kind === 'object') return value.members.get(name)?.() ?? absent;
    if (value.kind === 'list') return value.items[Number(name)]?.() ?? absent;
    if (value.kind === 'native' && typeof value.value === 'object' && value.value !== null) {
      return { kind: 'native', value: (value.value as Record<string, unknown>)[name] };
    }
    if (value.kind !== 'run-time') return runTime(key);
    const { arms } = value;
    if (arms !== undefined) {
      return {
        kind: 'run-time',
        key: value.key,
        arms: () => arms().map((arm) => () => memberOf(arm(), name, key, decisions)),
      };
    }
    return runTime(key);
  }

  function identifier(
    node: Extract<Node, { type: 'Identifier' }>,
    bound: Bound,
    decisions: Decisions,
  ): Value {
    if (node.name === 'undefined') return absent;
    const binding = syntax.find(node.name, node);
    const along = (value: Value, path: readonly string[]): Value =>
      path.reduce((held, name) => memberOf(held, name, `${keyOf(node)}.${name}`, decisions), value);
    if (binding?.kind === 'function') return { kind: 'function', node: binding.node, bound };
    if (binding?.kind === 'elsewhere') {
      const value = native(binding.from, binding.name);
      return value === undefined ? runTime(node.name) : { kind: 'native', value };
    }
    if (binding?.kind === 'value') {
      const parent = syntax.parentOf(binding.node);
      const { file } = syntax.sourceOf(binding.node);
      const value = parent?.type === 'VariableDeclarator' ? native(file, node.name) : undefined;
      return value === undefined
        ? along(evaluate(binding.node, bound, decisions), binding.path)
        : { kind: 'native', value };
    }
    if (binding?.kind !== 'parameter') return runTime(node.name);
    const given = bound.get(binding.of)?.[binding.index];
    if (given !== undefined) return along(given(), binding.path);
    const { index, of, path } = binding;
    return {
      kind: 'run-time',
      key: `${syntax.sourceOf(of).file}:${of.start}`,
      arms: () =>
        callersOf(of).map((call) => () => {
          const argument = call.arguments[index] as Node | undefined;
          return argument === undefined ? absent : along(evaluate(argument, new Map(), decisions), path);
        }),
    };
  }

  const callersOf = (node: Functions) => callers.get(node) ?? [];

  function call(node: Extract<Node, { type: 'CallExpression' }>, bound: Bound, decisions: Decisions): Value {
    const args = node.arguments.map((each) => () => evaluate(each as Node, bound, decisions));
    const { callee } = node;
    if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier') {
      const method = callee.property.name;
      if (method === 'unsafe') return asText(node, args[0], decisions);
      const found = methodOf(callee.object, method, args, bound, decisions);
      if (found !== undefined) return found;
    }
    if (isClient(callee) && args.length > 0)
      return asText(node, args[0], decisions, (text) => `"${text.replaceAll('.', '"."')}"`);
    const target = evaluate(callee, bound, decisions);
    const name = callee.type === 'Identifier' ? callee.name : '';
    const special = known.get(name);
    const said = special?.(args.map((arg) => settle(arg(), ['object'], decisions)));
    if (said !== undefined) return said;
    if (target.kind === 'native' && typeof target.value === 'function') return runTime(keyOf(node));
    const settled = settle(target, ['function'], decisions);
    if (settled.kind === 'function')
      return run(settled.node, new Map([...settled.bound, [settled.node, args]]), decisions);
    const named = members.get(name);
    if (named === undefined || target.kind !== 'run-time') return runTime(keyOf(node));
    const arms = named.map((each) => () => run(each, new Map([[each, args]]), decisions));
    return { kind: 'run-time', key: `.${name}()`, arms: () => arms };
  }

  const isClient = (node: Node): boolean =>
    node.type === 'Identifier' && /^(sql|tx|queries|bulk)$/.test(node.name);

  /** `sql.unsafe(text)` and `sql(name)`: the text has to be known. */
  function asText(
    node: Node,
    given: (() => Value) | undefined,
    decisions: Decisions,
    quote = (text: string): string => text,
  ): Value {
    const value = given === undefined ? absent : settle(given(), ['text'], decisions);
    if (value.kind === 'text') return { kind: 'sql', text: quote(value.text) };
    if (value.kind === 'native' && typeof value.value === 'string')
      return { kind: 'sql', text: quote(value.value) };
    decisions.unresolved.push({ node, reason: 'its text is not known' });
    return { kind: 'sql', text: 'unknown_text' };
  }

  function methodOf(
    object: Node,
    method: string,
    args: readonly (() => Value)[],
    bound: Bound,
    decisions: Decisions,
  ): Value | undefined {
    if (method === 'join' || method === 'replaceAll') {
      const value = settle(evaluate(object, bound, decisions), ['text', 'list'], decisions);
      const texts = args.map((arg) => arg()).map((arg) => (arg.kind === 'text' ? arg.text : undefined));
      if (value.kind === 'list' && method === 'join') {
        const items = value.items.map((item) => item());
        if (items.every((item) => item.kind === 'text')) {
          return { kind: 'text', text: items.map(({ text }) => text).join(texts[0] ?? ',') };
        }
      }
      if (value.kind === 'text' && texts[0] !== undefined) {
        return { kind: 'text', text: value.text.replaceAll(texts[0], texts[1] ?? '') };
      }
      return undefined;
    }
    const named = members.get(method);
    const holder = settle(evaluate(object, bound, decisions), ['object'], decisions);
    if (holder.kind !== 'run-time' || named === undefined) return undefined;
    const arms = named.map((node) => () => run(node, new Map([[node, args]]), decisions));
    return { kind: 'run-time', key: `.${method}()`, arms: () => arms };
  }

  function run(node: Functions, bound: Bound, decisions: Decisions): Value {
    if (depth > deepest || node.body === null) return runTime(keyOf(node));
    depth += 1;
    const value =
      node.body.type === 'BlockStatement'
        ? (block(node.body.body as readonly Node[], bound, decisions) ?? runTime(keyOf(node)))
        : evaluate(node.body as Node, bound, decisions);
    depth -= 1;
    return value;
  }

  function block(statements: readonly Node[], bound: Bound, decisions: Decisions): Value | undefined {
    for (const statement of statements) {
      if (statement.type === 'ReturnStatement') {
        return statement.argument === null ? absent : evaluate(statement.argument, bound, decisions);
      }
      const inner = arms(statement);
      if (inner === undefined) continue;
      const arm = inner.bodies[choose(inner.key, inner.bodies.length, decisions)] ?? [];
      const value = block(arm, bound, decisions);
      if (value !== undefined) return value;
    }
    return undefined;
  }

  function arms(statement: Node): { key: string; bodies: readonly (readonly Node[])[] } | undefined {
    const bodyOf = (node: Node): readonly Node[] =>
      (node.type === 'BlockStatement' ? node.body : [node]) as readonly Node[];
    if (statement.type === 'IfStatement') {
      const { alternate, consequent, test } = statement;
      return { key: keyOf(test), bodies: [bodyOf(consequent), alternate === null ? [] : bodyOf(alternate)] };
    }
    if (statement.type === 'SwitchStatement') {
      return {
        key: keyOf(statement.discriminant),
        bodies: statement.cases.map((each) => each.consequent as readonly Node[]),
      };
    }
    return undefined;
  }

  function either(key: string, options: readonly (() => Value)[], decisions: Decisions): Value {
    const option = options[choose(key, options.length, decisions)];
    return option === undefined ? absent : option();
  }

  function object(
    node: Extract<Node, { type: 'ObjectExpression' }>,
    bound: Bound,
    decisions: Decisions,
  ): Value {
    const found = new Map<string, () => Value>();
    for (const property of node.properties) {
      if (property.type === 'SpreadElement') {
        const spread = settle(evaluate(property.argument, bound, decisions), ['object'], decisions);
        if (spread.kind === 'object') for (const [name, value] of spread.members) found.set(name, value);
        continue;
      }
      const { key } = property;
      const name =
        key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : undefined;
      if (name !== undefined) found.set(name, () => evaluate(property.value as Node, bound, decisions));
    }
    return { kind: 'object', members: found };
  }

  function evaluate(node: Node, bound: Bound, decisions: Decisions): Value {
    if (depth > deepest) return runTime(keyOf(node));
    depth += 1;
    const value = read(node, bound, decisions);
    depth -= 1;
    return value;
  }

  function read(node: Node, bound: Bound, decisions: Decisions): Value {
    switch (node.type) {
      case 'TaggedTemplateExpression':
        return isSql(node.tag) ? template(node, bound, decisions) : runTime(keyOf(node));
      case 'TemplateLiteral': {
        const holes = node.expressions.map((each) =>
          settle(evaluate(each, bound, decisions), ['text'], decisions),
        );
        if (!holes.every((each) => each.kind === 'text')) return runTime(keyOf(node));
        const text = node.quasis.map(
          ({ value }, index) =>
            (index === 0 ? '' : (holes[index - 1]?.text ?? '')) + (value.cooked ?? value.raw),
        );
        return { kind: 'text', text: text.join('') };
      }
      case 'Literal':
        return typeof node.value === 'string'
          ? { kind: 'text', text: node.value }
          : { kind: 'native', value: node.value };
      case 'Identifier':
        return identifier(node, bound, decisions);
      case 'ConditionalExpression':
        return either(
          keyOf(node.test),
          [
            () => evaluate(node.consequent, bound, decisions),
            () => evaluate(node.alternate, bound, decisions),
          ],
          decisions,
        );
      case 'LogicalExpression': {
        const sides = [
          () => evaluate(node.left as Node, bound, decisions),
          () => evaluate(node.right, bound, decisions),
        ];
        return { kind: 'run-time', key: keyOf(node), arms: () => sides };
      }
      case 'MemberExpression': {
        const name = node.property.type === 'Identifier' && !node.computed ? node.property.name : undefined;
        if (name !== undefined)
          return memberOf(evaluate(node.object, bound, decisions), name, keyOf(node), decisions);
        const held = settle(evaluate(node.object, bound, decisions), ['object', 'list'], decisions);
        const values =
          held.kind === 'object' ? [...held.members.values()] : held.kind === 'list' ? held.items : [];
        return { kind: 'run-time', key: keyOf(node), arms: () => values };
      }
      case 'CallExpression':
        return call(node, bound, decisions);
      case 'ArrowFunctionExpression':
      case 'FunctionExpression':
        return { kind: 'function', node: node as unknown as Functions, bound };
      case 'ObjectExpression':
        return object(node, bound, decisions);
      case 'ArrayExpression':
        return {
          kind: 'list',
          items: node.elements.map(
            (each) => () => (each === null ? absent : evaluate(each as Node, bound, decisions)),
          ),
        };
      // What a statement answered is rows, no part of the next one.
      case 'AwaitExpression':
        return runTime(keyOf(node));
      case 'TSAsExpression':
      case 'TSNonNullExpression':
      case 'TSSatisfiesExpression':
      case 'ChainExpression':
        return evaluate(node.expression as Node, bound, decisions);
      default:
        return runTime(keyOf(node));
    }
  }

  return { evaluate };
}

type Call = Extract<Node, { type: 'CallExpression' }>;

function indexCallers(syntax: Syntax): ReadonlyMap<Node, readonly Call[]> {
  const found = new Map<Node, Call[]>();
  for (const node of syntax.all('CallExpression')) {
    if (node.callee.type !== 'Identifier') continue;
    const binding = syntax.find(node.callee.name, node);
    const target =
      binding?.kind === 'function' ||
      (binding?.kind === 'value' && isFunction(binding.node) && binding.path.length === 0)
        ? binding.node
        : undefined;
    if (target !== undefined) found.set(target, [...(found.get(target) ?? []), node]);
  }
  return found;
}

/** Functions that are members of an object, by name: for calls on an object that only run time knows. */
function indexMembers(syntax: Syntax): ReadonlyMap<string, readonly Functions[]> {
  const found = new Map<string, Functions[]>();
  for (const { key, value } of syntax.all('Property')) {
    if (key.type !== 'Identifier' || !isFunction(value as Node)) continue;
    if (!/Sql\(|\b(?:sql|tx|queries|bulk)`/.test(syntax.textOf(value as Node))) continue;
    found.set(key.name, [...(found.get(key.name) ?? []), value as unknown as Functions]);
  }
  return found;
}
