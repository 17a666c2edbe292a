import { parse } from '@rsql/parser';
import { filterCharacters, filterComparisons } from '../limits.ts';
import { type FieldError, ProblemError, problem } from '../problems.ts';
import type { FilterField, FilterFields } from './filter-fields.ts';
import { readValue } from './filter-values.ts';

/**
 * Filters of the admin API: RSQL (contract section 8) to a condition over an allow list of fields. Pure; what a
 * request says never becomes a column or an operator, only a value.
 */

export const comparisonOperators = ['==', '!=', '>', '>=', '<', '<=', '=in=', '=out='] as const;
export type ComparisonOperator = (typeof comparisonOperators)[number];

export type Condition =
  | { readonly kind: 'and' | 'or'; readonly parts: readonly Condition[] }
  | {
      readonly kind: 'compare';
      readonly field: FilterField;
      readonly operator: ComparisonOperator;
      /** One value, several for `=in=` and `=out=`; in the form that `readValue` gives them. */
      readonly values: readonly (string | boolean)[];
    };

export type FilterResult =
  | { readonly ok: true; readonly condition: Condition }
  | { readonly ok: false; readonly errors: readonly FieldError[] };

type Node = ReturnType<typeof parse>;
type ComparisonNode = Extract<Node, { type: 'COMPARISON' }>;

const synonyms: Readonly<Record<string, ComparisonOperator>> = {
  '=gt=': '>',
  '=ge=': '>=',
  '=lt=': '<',
  '=le=': '<=',
};
const listing: readonly ComparisonOperator[] = ['=in=', '=out='];

const operatorsOf = (field: FilterField): readonly ComparisonOperator[] => {
  switch (field.type) {
    case 'timestamp':
    case 'integer':
      return comparisonOperators;
    case 'boolean':
      return ['==', '!='];
    default:
      return ['==', '!=', ...listing];
  }
};

const fault = (code: string, description: string): FieldError => ({ code, field: 'filter', description });
/** Excerpt of the request's text, as much as it takes to find it again. */
const shown = (text: string): string => `'${text.length > 60 ? `${text.slice(0, 60)}…` : text}'`;

/** The parser's message without the whole filter that it repeats; where it ends too early is after the last sign. */
function syntaxFault(text: string, error: unknown): FieldError {
  const message = error instanceof Error ? error.message : '';
  const cut = message.lastIndexOf(` in "${text}"`);
  const head = cut < 0 ? '' : message.slice(0, cut);
  const placed = /^([\s\S]*) at position (\d+)$/.exec(head);
  const [what, position] = placed
    ? [placed[1] ?? '', placed[2] ?? '1']
    : [head === '' ? 'It is not RSQL' : head, text.length + 1];
  const where = `at position ${position}`;
  return fault('INVALID_FILTER_SYNTAX', `${where}: ${what.length > 100 ? `${what.slice(0, 100)}…` : what}.`);
}

/** Comparisons of a parsed filter, from left to right; no recursion, for it is not bounded yet. */
function comparisonsOf(root: Node): ComparisonNode[] {
  const found: ComparisonNode[] = [];
  const open: Node[] = [root];
  for (let node = open.pop(); node !== undefined; node = open.pop()) {
    if (node.type === 'COMPARISON') found.push(node);
    else open.push(node.right, node.left);
  }
  return found;
}

type Compared = { readonly condition: Condition } | { readonly error: FieldError };

function compare(node: ComparisonNode, fields: FilterFields): Compared {
  const { selector } = node.left;
  const field = Object.hasOwn(fields, selector) ? fields[selector] : undefined;
  if (field === undefined) {
    const names = Object.keys(fields).join(', ');
    return { error: fault('UNKNOWN_FIELD', `${shown(selector)} is not a field; fields: ${names}.`) };
  }
  const given = Object.hasOwn(synonyms, node.operator) ? synonyms[node.operator] : node.operator;
  const allowed = operatorsOf(field);
  const operator = allowed.find((one) => one === given);
  if (operator === undefined) {
    const known = allowed.join(' ');
    const description = `${selector}: ${shown(node.operator)} does not fit this field; operators: ${known}.`;
    return { error: fault('INVALID_OPERATOR', description) };
  }
  const texts = typeof node.right.value === 'string' ? [node.right.value] : node.right.value;
  if (texts.length > 1 && !listing.includes(operator)) {
    const description = `${selector}: ${operator} takes one value; use =in= or =out= for several.`;
    return { error: fault('INVALID_VALUE', description) };
  }
  const values: (string | boolean)[] = [];
  for (const text of texts) {
    const read = readValue(text, field, listing.includes(operator));
    if (!read.ok) return { error: fault('INVALID_VALUE', `${selector}: ${shown(text)} ${read.must}.`) };
    values.push(read.value);
  }
  return { condition: { kind: 'compare', field, operator, values } };
}

function conditionOf(node: Node, compared: ReadonlyMap<Node, Condition>): Condition {
  const known = compared.get(node);
  if (known) return known;
  if (node.type === 'COMPARISON') throw new Error('a comparison was not read');
  const kind = node.operator === ';' || node.operator === 'and' ? 'and' : 'or';
  const parts = [node.left, node.right].map((side) => conditionOf(side, compared));
  return { kind, parts };
}

/** Every fault of the filter is returned, each naming the field that it is about; a fault of syntax says where. */
export function readFilter(text: string, fields: FilterFields): FilterResult {
  if (text.length > filterCharacters) {
    const description = `has ${text.length} characters; at most ${filterCharacters} are read.`;
    return { ok: false, errors: [fault('FILTER_TOO_LONG', description)] };
  }
  let root: Node;
  try {
    root = parse(text);
  } catch (error) {
    // The parser knows no other way to say so.
    return { ok: false, errors: [syntaxFault(text, error)] };
  }
  const nodes = comparisonsOf(root);
  if (nodes.length > filterComparisons) {
    const description = `has ${nodes.length} comparisons; at most ${filterComparisons} are read. =in= takes a list.`;
    return { ok: false, errors: [fault('FILTER_TOO_LONG', description)] };
  }
  const compared = new Map<Node, Condition>();
  const errors: FieldError[] = [];
  for (const node of nodes) {
    const result = compare(node, fields);
    if ('error' in result) errors.push(result.error);
    else compared.set(node, result.condition);
  }
  return errors.length > 0 ? { ok: false, errors } : { ok: true, condition: conditionOf(root, compared) };
}

/** The condition of a request's filter. Throws `ProblemError`, `invalid-request`, with every fault. */
export function requireFilter(text: string, fields: FilterFields): Condition {
  const result = readFilter(text, fields);
  if (result.ok) return result.condition;
  const { errors } = result;
  const detail = errors.map(({ description }) => `filter: ${description}`).join(' ');
  throw new ProblemError(problem('invalid-request', detail, { errors }));
}
