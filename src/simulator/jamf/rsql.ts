/**
 * The RSQL of the Jamf Pro API's `filter` parameter (domain/jamf.md 8, "Filter"): comparisons joined by `;` or
 * `and`, `,` or `or`, with parentheses; `and` binds tighter.
 */

export type Operator = '==' | '!=' | '<' | '<=' | '>' | '>=' | '=in=' | '=out=';

export interface Comparison {
  readonly kind: 'comparison';
  readonly field: string;
  readonly operator: Operator;
  readonly values: readonly string[];
}

export type Expression = Comparison | { readonly kind: 'and' | 'or'; readonly terms: readonly Expression[] };

export type Parsed =
  | { readonly kind: 'expression'; readonly expression: Expression }
  | { readonly kind: 'malformed'; readonly at: number; readonly reason: string };

type Token =
  | { readonly type: 'word' | 'quoted' | 'operator'; readonly text: string; readonly at: number }
  | { readonly type: '(' | ')' | 'and' | 'or' | 'end'; readonly at: number };

class Malformed extends Error {
  readonly at: number;
  constructor(at: number, reason: string) {
    super(reason);
    this.at = at;
  }
}

const operatorPattern = /=in=|=out=|=lt=|=le=|=gt=|=ge=|==|!=|<=|>=|<|>/y;
const wordPattern = /[^\s"'();,=<>!~]+/y;
const quotedPattern = /"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'/y;

const operatorOf: Readonly<Record<string, Operator>> = {
  '==': '==',
  '!=': '!=',
  '<': '<',
  '=lt=': '<',
  '<=': '<=',
  '=le=': '<=',
  '>': '>',
  '=gt=': '>',
  '>=': '>=',
  '=ge=': '>=',
  '=in=': '=in=',
  '=out=': '=out=',
};

function tokenAt(text: string, at: number): { token: Token; next: number } {
  const match = (pattern: RegExp): RegExpExecArray | null => {
    pattern.lastIndex = at;
    return pattern.exec(text);
  };
  const char = text.charAt(at);
  if (char === '(' || char === ')') return { token: { type: char, at }, next: at + 1 };
  if (char === ';') return { token: { type: 'and', at }, next: at + 1 };
  if (char === ',') return { token: { type: 'or', at }, next: at + 1 };
  const operator = match(operatorPattern);
  if (operator) return { token: { type: 'operator', text: operator[0], at }, next: at + operator[0].length };
  const quoted = match(quotedPattern);
  if (quoted) {
    const content = (quoted[1] ?? quoted[2] ?? '').replaceAll(/\\(.)/g, '$1');
    return { token: { type: 'quoted', text: content, at }, next: at + quoted[0].length };
  }
  const word = match(wordPattern);
  if (!word) throw new Malformed(at, `unexpected character ${char}`);
  const next = at + word[0].length;
  const lower = word[0].toLowerCase();
  if (lower === 'and' || lower === 'or') return { token: { type: lower, at }, next };
  return { token: { type: 'word', text: word[0], at }, next };
}

function tokenize(text: string): Token[] {
  const tokens: Token[] = [];
  let at = 0;
  while (at < text.length) {
    if (/\s/.test(text.charAt(at))) {
      at += 1;
      continue;
    }
    const { token, next } = tokenAt(text, at);
    tokens.push(token);
    at = next;
  }
  tokens.push({ type: 'end', at });
  return tokens;
}

function parser(tokens: readonly Token[]) {
  let index = 0;
  const peek = (): Token => tokens[index] ?? { type: 'end', at: 0 };
  const take = (): Token => {
    const token = peek();
    index += 1;
    return token;
  };
  const expect = (type: Token['type'], what: string): Token => {
    const token = take();
    if (token.type !== type) throw new Malformed(token.at, `expected ${what}`);
    return token;
  };

  const value = (): string => {
    const token = take();
    if (token.type === 'word' || token.type === 'quoted') return token.text;
    throw new Malformed(token.at, 'expected a value');
  };
  const list = (): string[] => {
    expect('(', 'a list in parentheses');
    const values = [value()];
    while (peek().type === 'or') {
      take();
      values.push(value());
    }
    expect(')', 'the end of the list');
    return values;
  };
  const comparison = (): Comparison => {
    const field = take();
    if (field.type !== 'word') throw new Malformed(field.at, 'expected a field');
    const token = take();
    const operator = token.type === 'operator' ? operatorOf[token.text] : undefined;
    if (operator === undefined) throw new Malformed(token.at, 'expected a comparison operator');
    const values = operator === '=in=' || operator === '=out=' ? list() : [value()];
    return { kind: 'comparison', field: field.text, operator, values };
  };
  const term = (): Expression => {
    if (peek().type !== '(') return comparison();
    take();
    const inner = joined('or');
    expect(')', 'a closing parenthesis');
    return inner;
  };
  const joined = (kind: 'and' | 'or'): Expression => {
    const next = kind === 'or' ? () => joined('and') : term;
    const first = next();
    const terms = [first];
    while (peek().type === kind) {
      take();
      terms.push(next());
    }
    return terms.length === 1 ? first : { kind, terms };
  };
  return { parse: () => joined('or'), end: () => expect('end', 'the end of the filter') };
}

/** Parses a filter; a malformed one is a value with its position (counted in characters from 0). */
export function parseRsql(text: string): Parsed {
  try {
    const reading = parser(tokenize(text));
    const expression = reading.parse();
    reading.end();
    return { kind: 'expression', expression };
  } catch (error) {
    if (error instanceof Malformed) return { kind: 'malformed', at: error.at, reason: error.message };
    throw error;
  }
}

/** The comparisons of an expression, for checks of field names before evaluation. */
export function comparisons(expression: Expression): Comparison[] {
  return expression.kind === 'comparison' ? [expression] : expression.terms.flatMap(comparisons);
}

/** The value of a field: text, a number, a flag, an instant in milliseconds, or nothing. */
export type FieldKind = 'text' | 'number' | 'flag' | 'instant';
export type FieldValue = string | number | boolean | null;

const wildcard = (pattern: string): RegExp =>
  new RegExp(
    `^${pattern
      .split('*')
      .map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&'))
      .join('.*')}$`,
    'is',
  );

/** Reads a filter's value as the field's kind; undefined when it cannot be one. */
export function readValue(kind: FieldKind, text: string): string | number | boolean | undefined {
  if (kind === 'text') return text;
  if (kind === 'flag') return text === 'true' ? true : text === 'false' ? false : undefined;
  const read = kind === 'number' ? Number(text) : Date.parse(text);
  return text === '' || Number.isNaN(read) ? undefined : read;
}

function equals(actual: FieldValue, wanted: string, kind: FieldKind): boolean {
  // Texts compare as in the database's collation: without regard to case.
  if (kind === 'text') return typeof actual === 'string' && wildcard(wanted).test(actual);
  return actual === readValue(kind, wanted);
}

function compare(actual: FieldValue, comparison: Comparison, kind: FieldKind): boolean {
  // An absent value compares with nothing, as in SQL.
  if (actual === null) return false;
  const { operator, values } = comparison;
  const isAny = values.some((value) => equals(actual, value, kind));
  if (operator === '==' || operator === '=in=') return isAny;
  if (operator === '!=' || operator === '=out=') return !isAny;
  const wanted = readValue(kind, values[0] ?? '');
  if (wanted === undefined) return false;
  if (operator === '<') return actual < wanted;
  if (operator === '<=') return actual <= wanted;
  if (operator === '>') return actual > wanted;
  return actual >= wanted;
}

/** True where an object passes the filter, given how to read its fields. */
export function matches(
  expression: Expression,
  field: (name: string) => { readonly kind: FieldKind; readonly value: FieldValue },
): boolean {
  if (expression.kind === 'comparison') {
    const { kind, value } = field(expression.field);
    return compare(value, expression, kind);
  }
  return expression.kind === 'and'
    ? expression.terms.every((term) => matches(term, field))
    : expression.terms.some((term) => matches(term, field));
}
