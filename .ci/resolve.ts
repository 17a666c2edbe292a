import type { Node } from 'oxc-parser';
import { call } from './resolve-calls.ts';
import { identifier, indexCallers, indexMembers } from './resolve-names.ts';
import { statement } from './resolve-templates.ts';
import {
  absent,
  type Bound,
  type Decisions,
  deeper,
  either,
  type Frame,
  isTooDeep,
  keyOf,
  memberOf,
  type Resolver,
  type ResolverOptions,
  runTime,
  settle,
  type Value,
} from './resolve-values.ts';
import type { Functions } from './syntax.ts';

/**
 * What an expression is worth where SQL is put together: fragments, texts, and functions that return them are
 * followed through names, files and calls; all else is a value of run time, which a statement has as a parameter.
 * Where the code decides (`?:`, `if`, several callers), each arm is taken in turn.
 */

type Of<Type extends Node['type']> = Extract<Node, { type: Type }>;

function templateLiteral(node: Of<'TemplateLiteral'>, frame: Frame): Value {
  const holes = node.expressions.map((each) => settle(frame.resolver.evaluate(each, frame), ['text'], frame));
  if (!holes.every((each) => each.kind === 'text')) return runTime(keyOf(node, frame));
  const text = node.quasis.map(
    ({ value }, index) => (index === 0 ? '' : (holes[index - 1]?.text ?? '')) + (value.cooked ?? value.raw),
  );
  return { kind: 'text', text: text.join('') };
}

function conditional({ alternate, consequent, test }: Of<'ConditionalExpression'>, frame: Frame): Value {
  const { evaluate } = frame.resolver;
  const sides = [() => evaluate(consequent, frame), () => evaluate(alternate, frame)];
  return either(keyOf(test, frame), sides, frame);
}

function logical(node: Of<'LogicalExpression'>, frame: Frame): Value {
  const { evaluate } = frame.resolver;
  const sides = [() => evaluate(node.left as Node, frame), () => evaluate(node.right, frame)];
  return { kind: 'run-time', key: keyOf(node, frame), arms: () => sides };
}

/** A member by its name; by a computed one it can be any of them. */
function member(node: Of<'MemberExpression'>, frame: Frame): Value {
  const { evaluate } = frame.resolver;
  const name = node.property.type === 'Identifier' && !node.computed ? node.property.name : undefined;
  if (name !== undefined) return memberOf(evaluate(node.object, frame), name, keyOf(node, frame));
  const held = settle(evaluate(node.object, frame), ['object', 'list'], frame);
  const values = held.kind === 'object' ? [...held.members.values()] : held.kind === 'list' ? held.items : [];
  return { kind: 'run-time', key: keyOf(node, frame), arms: () => values };
}

function object(node: Of<'ObjectExpression'>, frame: Frame): Value {
  const { evaluate } = frame.resolver;
  const found = new Map<string, () => Value>();
  for (const property of node.properties) {
    if (property.type === 'SpreadElement') {
      const spread = settle(evaluate(property.argument, frame), ['object'], frame);
      if (spread.kind === 'object') for (const [name, value] of spread.members) found.set(name, value);
      continue;
    }
    const { key } = property;
    const name =
      key.type === 'Identifier' ? key.name : key.type === 'Literal' ? String(key.value) : undefined;
    if (name !== undefined) found.set(name, () => evaluate(property.value as Node, frame));
  }
  return { kind: 'object', members: found };
}

function list(node: Of<'ArrayExpression'>, frame: Frame): Value {
  const { evaluate } = frame.resolver;
  const items = node.elements.map((each) => () => (each === null ? absent : evaluate(each as Node, frame)));
  return { kind: 'list', items };
}

function read(node: Node, frame: Frame): Value {
  switch (node.type) {
    case 'TaggedTemplateExpression':
      return frame.resolver.isSql(node.tag) ? statement(node, frame) : runTime(keyOf(node, frame));
    case 'TemplateLiteral':
      return templateLiteral(node, frame);
    case 'Literal':
      return typeof node.value === 'string'
        ? { kind: 'text', text: node.value }
        : { kind: 'native', value: node.value };
    case 'Identifier':
      return identifier(node, frame);
    case 'ConditionalExpression':
      return conditional(node, frame);
    case 'LogicalExpression':
      return logical(node, frame);
    case 'MemberExpression':
      return member(node, frame);
    case 'CallExpression':
      return call(node, frame);
    case 'ArrowFunctionExpression':
    case 'FunctionExpression':
      return { kind: 'function', node: node as unknown as Functions, bound: frame.bound };
    case 'ObjectExpression':
      return object(node, frame);
    case 'ArrayExpression':
      return list(node, frame);
    case 'TSAsExpression':
    case 'TSNonNullExpression':
    case 'TSSatisfiesExpression':
    case 'ChainExpression':
      return frame.resolver.evaluate(node.expression as Node, frame);
    // Among these is `await`: what a statement answered is rows, no part of the next one.
    default:
      return runTime(keyOf(node, frame));
  }
}

const evaluate = (node: Node, frame: Frame): Value =>
  isTooDeep(frame) ? runTime(keyOf(node, frame)) : deeper(frame, () => read(node, frame));

export function createResolver(options: ResolverOptions) {
  const { syntax } = options;
  const resolver: Resolver = {
    ...options,
    callers: indexCallers(syntax),
    members: indexMembers(syntax),
    evaluate,
    depth: 0,
  };
  return {
    evaluate: (node: Node, bound: Bound, decisions: Decisions): Value =>
      evaluate(node, { resolver, bound, decisions }),
  };
}
