/** Every event that the product writes to its log, read from the calls: docs/events.md is made of it. */

import type { Node } from 'oxc-parser';
import { readSyntax } from './syntax.ts';
import { isProduct } from './writers.ts';

export interface LogEvent {
  /** A part that only run time knows stands as `…`. */
  readonly name: string;
  readonly levels: readonly string[];
  /** Names of the fields that stand in the call; others may come of what is spread into it. */
  readonly fields: readonly string[];
}

const levels = ['debug', 'info', 'warn', 'error'];

/** Files that hand on what another file has named. */
const handsOn = new Set(['src/store/episodes.ts', 'src/telemetry/log.ts']);

type Call = Extract<Node, { type: 'CallExpression' }>;

/** The levels of a call on a log; undefined: it is none. */
function levelsOf({ callee }: Call, textOf: (node: Node) => string): readonly string[] | undefined {
  if (callee.type !== 'MemberExpression' || !/(?:^|[.#?])log$/.test(textOf(callee.object))) return undefined;
  const property = textOf(callee.property);
  if (!callee.computed) return levels.includes(property) ? [property] : undefined;
  const named = levels.filter((level) => property.includes(`'${level}'`));
  return named.length > 0 ? named : ['info', 'warn'];
}

function namesOf(node: Node | undefined): readonly string[] {
  if (node?.type === 'Literal' && typeof node.value === 'string') return [node.value];
  if (node?.type === 'ConditionalExpression')
    return [...namesOf(node.consequent), ...namesOf(node.alternate)];
  if (node?.type === 'TemplateLiteral')
    return [node.quasis.map(({ value }) => value.cooked ?? value.raw).join('…')];
  return [];
}

function fieldsOf(node: Node | undefined): readonly string[] {
  if (node?.type !== 'ObjectExpression') return [];
  return node.properties.flatMap((property) => {
    if (property.type === 'SpreadElement') {
      const inner = property.argument;
      return inner.type === 'ObjectExpression' ? fieldsOf(inner as Node) : [];
    }
    return property.key.type === 'Identifier' && !property.computed ? [property.key.name] : [];
  });
}

/** `files`: path from the project's root to text. Throws for a call whose event cannot be read. */
export function logEvents(files: ReadonlyMap<string, string>): readonly LogEvent[] {
  const product = new Map([...files].filter(([file]) => isProduct(file) && !handsOn.has(file)));
  // What episodes.ts says itself stands in it as for any other file.
  const own = new Map([...files].filter(([file]) => handsOn.has(file)));
  const found = new Map<string, { levels: Set<string>; fields: Set<string> }>();
  const read = (sources: ReadonlyMap<string, string>, mayHandOn: boolean): void => {
    const syntax = readSyntax(sources);
    for (const call of syntax.all('CallExpression')) {
      const at = levelsOf(call, syntax.textOf);
      if (at === undefined) continue;
      const names = namesOf(call.arguments[0] as Node | undefined);
      if (names.length === 0 && !mayHandOn)
        throw new Error(
          `${syntax.sourceOf(call).file}:${syntax.lineOf(call)} logs an event without a fixed name`,
        );
      for (const name of names) {
        const event = found.get(name) ?? { levels: new Set(), fields: new Set() };
        for (const level of at) event.levels.add(level);
        for (const field of fieldsOf(call.arguments[1] as Node | undefined)) event.fields.add(field);
        found.set(name, event);
      }
    }
  };
  read(product, false);
  read(own, true);
  return [...found]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, event]) => ({
      name,
      levels: levels.filter((level) => event.levels.has(level)),
      fields: [...event.fields].sort(),
    }));
}
