import type { Node } from 'oxc-parser';
import { absent, type Call, type Frame, keyOf, memberOf, runTime, type Value } from './resolve-values.ts';
import { type Functions, isFunction, type Syntax } from './syntax.ts';

/** A name is followed to its declaration, to another file, or to the arguments of its function's callers. */

type Named = Extract<Node, { type: 'Identifier' }>;
type Binding = NonNullable<ReturnType<Syntax['find']>>;

/** A function's parameter is what this call gives it; without one, what any of its callers gives. */
function argument(binding: Extract<Binding, { kind: 'parameter' }>, node: Node, frame: Frame): Value {
  const { callers, evaluate, syntax } = frame.resolver;
  const { index, of, path } = binding;
  const given = frame.bound.get(of)?.[index];
  if (given !== undefined) return follow(given(), path, node, frame);
  return {
    kind: 'run-time',
    key: `${syntax.sourceOf(of).file}:${of.start}`,
    arms: () =>
      (callers.get(of) ?? []).map((call) => () => {
        const passed = call.arguments[index] as Node | undefined;
        if (passed === undefined) return absent;
        return follow(evaluate(passed, { ...frame, bound: new Map() }), path, node, frame);
      }),
  };
}

/** The member of a value that a destructuring names. */
const follow = (value: Value, path: readonly string[], node: Node, frame: Frame): Value =>
  path.reduce((held, name) => memberOf(held, name, `${keyOf(node, frame)}.${name}`), value);

function declared(binding: Extract<Binding, { kind: 'value' }>, node: Named, frame: Frame): Value {
  const { evaluate, native, syntax } = frame.resolver;
  const isVariable = syntax.parentOf(binding.node)?.type === 'VariableDeclarator';
  const value = isVariable ? native(syntax.sourceOf(binding.node).file, node.name) : undefined;
  return value === undefined
    ? follow(evaluate(binding.node, frame), binding.path, node, frame)
    : { kind: 'native', value };
}

export function identifier(node: Named, frame: Frame): Value {
  if (node.name === 'undefined') return absent;
  const binding = frame.resolver.syntax.find(node.name, node);
  switch (binding?.kind) {
    case 'function':
      return { kind: 'function', node: binding.node, bound: frame.bound };
    case 'elsewhere': {
      const value = frame.resolver.native(binding.from, binding.name);
      return value === undefined ? runTime(node.name) : { kind: 'native', value };
    }
    case 'value':
      return declared(binding, node, frame);
    case 'parameter':
      return argument(binding, node, frame);
    default:
      return runTime(node.name);
  }
}

export function indexCallers(syntax: Syntax): ReadonlyMap<Node, readonly Call[]> {
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
export function indexMembers(syntax: Syntax): ReadonlyMap<string, readonly Functions[]> {
  const found = new Map<string, Functions[]>();
  for (const { key, value } of syntax.all('Property')) {
    if (key.type !== 'Identifier' || !isFunction(value as Node)) continue;
    if (!/Sql\(|\b(?:sql|tx|queries|bulk)`/.test(syntax.textOf(value as Node))) continue;
    found.set(key.name, [...(found.get(key.name) ?? []), value as unknown as Functions]);
  }
  return found;
}
