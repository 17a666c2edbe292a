import type { Node } from 'oxc-parser';
import type { Functions, Syntax } from './syntax.ts';

/** The values that an expression can have where SQL is put together, and the choice between several of them. */

/** Stands for a parameter in a text; numbered when the statement is complete. */
export const parameter = '\u27e8?\u27e9';

/** The arguments of calls that are followed, by the function that was called. */
export type Bound = ReadonlyMap<Node, readonly (() => Value)[]>;

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
  /** The value of an exported name, where the code itself can be asked: a table of the schema. */
  readonly native: (file: string, name: string) => unknown;
}

export type Call = Extract<Node, { type: 'CallExpression' }>;

/** What all steps of resolving share. */
export interface Resolver extends ResolverOptions {
  /** Calls of each function. */
  readonly callers: ReadonlyMap<Node, readonly Call[]>;
  /** Functions that are members of an object, by name. */
  readonly members: ReadonlyMap<string, readonly Functions[]>;
  readonly evaluate: (node: Node, frame: Frame) => Value;
  depth: number;
}

/** The place of an expression: in whose call it stands, and what was decided on the way there. */
export interface Frame {
  readonly resolver: Resolver;
  readonly bound: Bound;
  readonly decisions: Decisions;
}

const deepest = 60;

export const runTime = (key: string): Value => ({ kind: 'run-time', key });
export const absent: Value = { kind: 'native', value: undefined };

export const keyOf = (node: Node, { resolver: { syntax } }: Frame): string =>
  `${syntax.sourceOf(node).file}:${syntax.textOf(node)}`;

export const isTooDeep = ({ resolver }: Frame): boolean => resolver.depth > deepest;

/** Runs a step one level deeper, because the code may call itself. */
export function deeper<T>({ resolver }: Frame, step: () => T): T {
  resolver.depth += 1;
  const result = step();
  resolver.depth -= 1;
  return result;
}

export function choose(key: string, arms: number, { decisions }: Frame): number {
  decisions.met.set(key, Math.max(arms, decisions.met.get(key) ?? 0));
  return Math.min(decisions.taken.get(key) ?? 0, arms - 1);
}

export function either(key: string, options: readonly (() => Value)[], frame: Frame): Value {
  const option = options[choose(key, options.length, frame)];
  return option === undefined ? absent : option();
}

/** Takes one arm of a value that only run time knows, if some of them are what is looked for. */
export function settle(value: Value, kinds: readonly Value['kind'][], frame: Frame, left = 3): Value {
  if (value.kind !== 'run-time' || value.arms === undefined || left === 0 || isTooDeep(frame)) return value;
  const { arms } = value;
  const fit = deeper(frame, () =>
    arms()
      .map((arm) => settle(arm(), kinds, frame, left - 1))
      .filter(({ kind }) => kinds.includes(kind)),
  );
  if (fit.length === 0) return value;
  return fit[fit.length === 1 ? 0 : choose(value.key, fit.length, frame)] as Value;
}

export function memberOf(value: Value, name: string, key: string): Value {
  if (value.kind === 'object') return value.members.get(name)?.() ?? absent;
  if (value.kind === 'list') return value.items[Number(name)]?.() ?? absent;
  if (value.kind === 'native' && typeof value.value === 'object' && value.value !== null) {
    return { kind: 'native', value: (value.value as Record<string, unknown>)[name] };
  }
  if (value.kind !== 'run-time' || value.arms === undefined) return runTime(key);
  const { arms } = value;
  return {
    kind: 'run-time',
    key: value.key,
    arms: () => arms().map((arm) => () => memberOf(arm(), name, key)),
  };
}
