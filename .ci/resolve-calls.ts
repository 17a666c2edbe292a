import type { Node } from 'oxc-parser';
import { isClient } from './resolve-templates.ts';
import {
  absent,
  type Call,
  choose,
  deeper,
  type Frame,
  isTooDeep,
  keyOf,
  runTime,
  settle,
  type Value,
} from './resolve-values.ts';
import type { Functions } from './syntax.ts';

/** A call is followed into the function that it calls, statement by statement, with what it is given. */

type Given = readonly (() => Value)[];

/** `sql.unsafe(text)` and `sql(name)`: the text has to be known. */
function asText(
  node: Node,
  given: (() => Value) | undefined,
  frame: Frame,
  quote = (text: string) => text,
): Value {
  const value = given === undefined ? absent : settle(given(), ['text'], frame);
  if (value.kind === 'text') return { kind: 'sql', text: quote(value.text) };
  if (value.kind === 'native' && typeof value.value === 'string')
    return { kind: 'sql', text: quote(value.value) };
  frame.decisions.unresolved.push({ node, reason: 'its text is not known' });
  return { kind: 'sql', text: 'unknown_text' };
}

const quoteName = (text: string): string => `"${text.replaceAll('.', '"."')}"`;

/** `join` of a list of texts and `replaceAll` of a text, which are carried out; undefined: the value is neither. */
function ofText(value: Value, method: 'join' | 'replaceAll', args: Given): Value | undefined {
  const [first, second] = args.map((arg) => arg()).map((arg) => (arg.kind === 'text' ? arg.text : undefined));
  if (value.kind === 'list' && method === 'join') {
    const items = value.items.map((item) => item());
    if (items.every((item) => item.kind === 'text'))
      return { kind: 'text', text: items.map(({ text }) => text).join(first ?? ',') };
  }
  if (value.kind === 'text' && first !== undefined)
    return { kind: 'text', text: value.text.replaceAll(first, second ?? '') };
  return undefined;
}

/** Any member of that name may be called, where only run time knows the object. */
function anyMember(named: readonly Functions[], name: string, args: Given, frame: Frame): Value {
  const arms = named.map((node) => () => run(node, { ...frame, bound: new Map([[node, args]]) }));
  return { kind: 'run-time', key: `.${name}()`, arms: () => arms };
}

function methodOf(object: Node, method: string, args: Given, frame: Frame): Value | undefined {
  const { evaluate, members } = frame.resolver;
  if (method === 'join' || method === 'replaceAll')
    return ofText(settle(evaluate(object, frame), ['text', 'list'], frame), method, args);
  const named = members.get(method);
  const holder = settle(evaluate(object, frame), ['object'], frame);
  return holder.kind === 'run-time' && named !== undefined
    ? anyMember(named, method, args, frame)
    : undefined;
}

/** The arms of a statement that decides, with the key of what it decides by; undefined for any other one. */
function armsOf(node: Node, frame: Frame): { key: string; bodies: readonly (readonly Node[])[] } | undefined {
  const bodyOf = (one: Node): readonly Node[] =>
    (one.type === 'BlockStatement' ? one.body : [one]) as readonly Node[];
  if (node.type === 'IfStatement') {
    const { alternate, consequent, test } = node;
    const bodies = [bodyOf(consequent), alternate === null ? [] : bodyOf(alternate)];
    return { key: keyOf(test, frame), bodies };
  }
  if (node.type !== 'SwitchStatement') return undefined;
  const bodies = node.cases.map((each) => each.consequent as readonly Node[]);
  return { key: keyOf(node.discriminant, frame), bodies };
}

/** The value that a block returns; undefined where it goes on behind its end. */
function block(statements: readonly Node[], frame: Frame): Value | undefined {
  for (const node of statements) {
    if (node.type === 'ReturnStatement')
      return node.argument === null ? absent : frame.resolver.evaluate(node.argument, frame);
    const inner = armsOf(node, frame);
    if (inner === undefined) continue;
    const value = block(inner.bodies[choose(inner.key, inner.bodies.length, frame)] ?? [], frame);
    if (value !== undefined) return value;
  }
  return undefined;
}

function run(node: Functions, frame: Frame): Value {
  const { body } = node;
  if (isTooDeep(frame) || body === null) return runTime(keyOf(node, frame));
  return deeper(frame, () =>
    body.type === 'BlockStatement'
      ? (block(body.body as readonly Node[], frame) ?? runTime(keyOf(node, frame)))
      : frame.resolver.evaluate(body as Node, frame),
  );
}

/** A call of a function that has a name of its own, not of a member. */
function byName(node: Call, args: Given, frame: Frame): Value {
  const { evaluate, known, members } = frame.resolver;
  const { callee } = node;
  const target = evaluate(callee, frame);
  const name = callee.type === 'Identifier' ? callee.name : '';
  const said = known.get(name)?.(args.map((arg) => settle(arg(), ['object'], frame)));
  if (said !== undefined) return said;
  if (target.kind === 'native' && typeof target.value === 'function') return runTime(keyOf(node, frame));
  const settled = settle(target, ['function'], frame);
  if (settled.kind === 'function')
    return run(settled.node, { ...frame, bound: new Map([...settled.bound, [settled.node, args]]) });
  const named = members.get(name);
  return named === undefined || target.kind !== 'run-time'
    ? runTime(keyOf(node, frame))
    : anyMember(named, name, args, frame);
}

export function call(node: Call, frame: Frame): Value {
  const args = node.arguments.map((each) => () => frame.resolver.evaluate(each as Node, frame));
  const { callee } = node;
  if (callee.type === 'MemberExpression' && callee.property.type === 'Identifier') {
    const method = callee.property.name;
    if (method === 'unsafe') return asText(node, args[0], frame);
    const found = methodOf(callee.object, method, args, frame);
    if (found !== undefined) return found;
  }
  if (isClient(callee) && args.length > 0) return asText(node, args[0], frame, quoteName);
  return byName(node, args, frame);
}
