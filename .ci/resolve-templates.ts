import type { Node } from 'oxc-parser';
import { type Frame, parameter, settle, type Value } from './resolve-values.ts';

/** A tagged template as the text of a statement: its holes are fragments, whose text is put in, or parameters. */

type Tagged = Extract<Node, { type: 'TaggedTemplateExpression' }>;

/** Names of the client in the product: `sql`, or what a transaction or a caller's client is called. */
export const isClient = (node: Node): boolean =>
  node.type === 'Identifier' && /^(sql|tx|queries|bulk)$/.test(node.name);

/** A call that is given the client returns a fragment; so does what is declared to be one. */
function mayBeFragment(node: Node, { resolver: { syntax } }: Frame): boolean {
  if (node.type === 'CallExpression') {
    if (/\.(json|array|typed)$/.test(syntax.textOf(node.callee))) return false;
    return node.arguments.some((each) => isClient(each as Node));
  }
  if (node.type !== 'Identifier') return false;
  const binding = syntax.find(node.name, node);
  if (binding?.kind !== 'parameter' || binding.path.length > 0) return false;
  return /:\s*Fragment\b/.test(syntax.textOf(binding.of.params[binding.index] as Node));
}

/** The text that a hole leaves in its statement. */
function hole(node: Node, parts: Node[], frame: Frame): string {
  const value = settle(frame.resolver.evaluate(node, frame), ['sql'], frame);
  if (value.kind === 'sql') {
    parts.push(...(value.parts ?? []));
    return value.text;
  }
  if (value.kind === 'run-time' && mayBeFragment(node, frame)) {
    frame.decisions.unresolved.push({ node, reason: 'it may be a fragment, and nobody can tell which' });
  }
  return parameter;
}

export function statement(node: Tagged, frame: Frame): Value {
  const parts: Node[] = [node];
  const { expressions, quasis } = node.quasi;
  const text = quasis.map(({ value }, index) => {
    const before = index === 0 ? '' : hole(expressions[index - 1] as Node, parts, frame);
    return before + (value.cooked ?? value.raw);
  });
  return { kind: 'sql', text: text.join(''), parts };
}
