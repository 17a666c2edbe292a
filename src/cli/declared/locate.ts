/** Finds the place of a value in a YAML document by its path; through aliases and merged mappings as well. */

import {
  type Document,
  isAlias,
  isMap,
  isPair,
  isScalar,
  isSeq,
  type LineCounter,
  type Node,
  type Pair,
} from 'yaml';
import type { Place } from './model.ts';

export type Path = readonly PropertyKey[];

const resolved = (node: unknown, document: Document): unknown =>
  isAlias(node) ? node.resolve(document) : node;

/** The key `<<` is a symbol once the parser knows it for a merge. */
const keyText = ({ key }: Pair): string => {
  const value = isScalar(key) ? key.value : key;
  return typeof value === 'symbol' ? (value.description ?? '') : String(value);
};

/** The pair of this key, the mapping's own before those that it takes over with `<<`. */
function pairOf(node: unknown, key: string, document: Document): Pair | undefined {
  const map = resolved(node, document);
  if (isSeq(map)) {
    for (const item of map.items) {
      const pair = pairOf(item, key, document);
      if (pair) return pair;
    }
    return undefined;
  }
  if (!isMap(map)) return undefined;
  const own = map.items.find((pair) => keyText(pair) === key);
  if (own) return own;
  for (const pair of map.items) {
    const inherited = keyText(pair) === '<<' ? pairOf(pair.value, key, document) : undefined;
    if (inherited) return inherited;
  }
  return undefined;
}

interface Found {
  /** The last of the path's nodes that is there. */
  readonly node: unknown;
  readonly whole: boolean;
}

function walk(document: Document, path: Path): Found {
  let node: unknown = document.contents;
  for (const [index, step] of path.entries()) {
    const here = resolved(node, document);
    let next: unknown;
    if (isSeq(here) && typeof step === 'number') next = here.items[step];
    else if (isMap(here)) {
      const pair = pairOf(here, String(step), document);
      // A key without a value stands where the key stands.
      next = pair && index === path.length - 1 ? pair.key : pair?.value;
    }
    if (next === undefined || next === null) return { node, whole: false };
    node = next;
  }
  return { node, whole: true };
}

const offsetOf = (node: unknown): number => {
  const { range } = (isPair(node) ? node.key : node) as Partial<Node>;
  return range?.[0] ?? 0;
};

/** Locates a field by its key, an item of a list by its beginning, a missing field by the mapping that lacks it. */
export function locate(document: Document, lines: LineCounter, file: string, path: Path): Place {
  const { node } = walk(document, path);
  const { col, line } = lines.linePos(node === null || node === undefined ? 0 : offsetOf(node));
  return { file, line: Math.max(line, 1), column: Math.max(col, 1) };
}

/** `tenants[0].instances[1].url`. */
export const pathText = (path: Path): string =>
  path
    .map((step, index) =>
      typeof step === 'number' ? `[${step}]` : `${index === 0 ? '' : '.'}${String(step)}`,
    )
    .join('');
