/**
 * Finds what a TypeScript file imports, without a compiler: TypeScript 7 has no stable API for it. Comments, texts
 * and regular expressions are skipped as the language defines them, so that a word inside them counts for nothing.
 */

export interface Import {
  readonly line: number;
  /** The text between the quotes; undefined when a dynamic import's argument is computed. */
  readonly specifier: string | undefined;
  /** `import type`, `export type` and `typeof import('…')`: gone when the code runs. */
  readonly typeOnly: boolean;
}

export interface Token {
  readonly kind: 'word' | 'text' | 'template' | 'mark';
  readonly value: string;
  readonly line: number;
}

const wordPattern = /[\p{ID_Start}$_#][\p{ID_Continue}$\u200c\u200d]*/uy;
const numberPattern = /\d[\w.]*/y;
const textPattern = /'(?:[^'\\\n]|\\[\s\S])*'|"(?:[^"\\\n]|\\[\s\S])*"/y;
const regexPattern = /\/(?![*/])(?:[^/\\[\n]|\\.|\[(?:[^\]\\\n]|\\.)*\])+\/[a-z]*/y;

/** After these a slash begins a regular expression; after any other word it divides. */
const beforeOperand = new Set(
  'await case delete do else extends in instanceof new of return throw typeof void yield'.split(' '),
);

const dividesAfter = (token: Token | undefined): boolean => {
  if (token === undefined) return false;
  if (token.kind === 'word') return !beforeOperand.has(token.value);
  return token.kind !== 'mark' || [')', ']', '}'].includes(token.value);
};

const matchAt = (pattern: RegExp, source: string, at: number): string | undefined => {
  pattern.lastIndex = at;
  return pattern.exec(source)?.[0];
};

/** Where the template that begins at `start` goes on after a chunk: its end, or the code inside `${`. */
function templateChunk(source: string, start: number): { end: number; code: boolean } {
  let at = start;
  while (at < source.length) {
    if (source[at] === '\\') at += 2;
    else if (source[at] === '`') return { end: at + 1, code: false };
    else if (source.startsWith('${', at)) return { end: at + 2, code: true };
    else at += 1;
  }
  return { end: at, code: false };
}

/** The length of a comment or of blanks at `at`, else 0. */
function skipped(source: string, at: number): number {
  if (source.startsWith('//', at) || (at === 0 && source.startsWith('#!'))) {
    const end = source.indexOf('\n', at);
    return (end < 0 ? source.length : end) - at;
  }
  if (source.startsWith('/*', at)) {
    const end = source.indexOf('*/', at + 2);
    return (end < 0 ? source.length : end + 2) - at;
  }
  return /\s/.test(source[at] ?? '') ? 1 : 0;
}

/** A token other than a template; a slash that begins a regular expression is a text without a value. */
function plainToken(
  source: string,
  at: number,
  line: number,
  previous: Token | undefined,
): Token & { length: number } {
  const text = matchAt(textPattern, source, at);
  if (text !== undefined) return { kind: 'text', value: text.slice(1, -1), line, length: text.length };
  const word = matchAt(wordPattern, source, at) ?? matchAt(numberPattern, source, at);
  if (word !== undefined) return { kind: 'word', value: word, line, length: word.length };
  const regex = dividesAfter(previous) ? undefined : matchAt(regexPattern, source, at);
  if (regex !== undefined) return { kind: 'template', value: '', line, length: regex.length };
  return { kind: 'mark', value: source[at] ?? '', line, length: 1 };
}

/** Comments and blanks are left out. */
export function tokenize(source: string): Token[] {
  const tokens: Token[] = [];
  /** Open braces inside each `${…}` that is being read. */
  const templates: number[] = [];
  let at = 0;
  let line = 1;
  const advance = (length: number): void => {
    line += source.slice(at, at + length).split('\n').length - 1;
    at += length;
  };
  const readTemplate = (): void => {
    const { end, code } = templateChunk(source, at + 1);
    const whole = source[at] === '`' && !code;
    tokens.push({
      kind: whole ? 'text' : 'template',
      value: whole ? source.slice(at + 1, end - 1) : '',
      line,
    });
    if (code) templates.push(0);
    advance(end - at);
  };
  while (at < source.length) {
    const blank = skipped(source, at);
    if (blank > 0) {
      advance(blank);
      continue;
    }
    const character = source[at];
    const depth = templates.at(-1);
    if (character === '`') {
      readTemplate();
    } else if (character === '}' && depth === 0) {
      templates.pop();
      readTemplate();
    } else {
      if (depth !== undefined && character === '{') templates[templates.length - 1] = depth + 1;
      if (depth !== undefined && character === '}') templates[templates.length - 1] = depth - 1;
      const { length, ...token } = plainToken(source, at, line, tokens.at(-1));
      tokens.push(token);
      advance(length);
    }
  }
  return tokens;
}

/** The text after `from`, when one follows the clause that begins at `start`. */
function fromClause(tokens: readonly Token[], start: number): Token | undefined {
  for (let at = start; at < tokens.length; at += 1) {
    const token = tokens[at];
    const next = tokens[at + 1];
    if (token?.value === 'from' && token.kind === 'word' && next?.kind === 'text') return next;
    const inClause = token?.kind === 'word' || (token?.kind === 'mark' && '{},*'.includes(token.value));
    // `{ 'odd name' as x }` is the one place where a text stands inside a clause.
    const oddName = token?.kind === 'text' && next?.value === 'as';
    if (!inClause && !oddName) return undefined;
    if (token?.value === '}' && next?.value !== 'from') return undefined;
  }
  return undefined;
}

/** `import type …` and `export type …`, but not a default import that is named `type`. */
const saysType = (tokens: readonly Token[], at: number): boolean => {
  const [word, next] = [tokens[at], tokens[at + 1]];
  if (word?.kind !== 'word' || word.value !== 'type') return false;
  return next?.value !== ',' && (next?.value !== 'from' || tokens[at + 2]?.value === 'from');
};

const callArgument = (tokens: readonly Token[], at: number): Pick<Import, 'line' | 'specifier'> => {
  const [argument, after] = [tokens[at], tokens[at + 1]];
  const literal = argument?.kind === 'text' && (after?.value === ')' || after?.value === ',');
  return { line: argument?.line ?? 0, specifier: literal ? argument.value : undefined };
};

function importAt(tokens: readonly Token[], at: number): Import | undefined {
  const [previous, token, next] = [tokens[at - 1], tokens[at], tokens[at + 1]];
  if (token?.kind !== 'word' || (previous?.kind === 'mark' && previous.value === '.')) {
    const builtIn = token?.kind === 'word' && token.value === 'getBuiltinModule' && next?.value === '(';
    return builtIn ? { ...callArgument(tokens, at + 2), typeOnly: false } : undefined;
  }
  if (
    (token.value === 'import' || token.value === 'require') &&
    next?.kind === 'mark' &&
    next.value === '('
  ) {
    const argument = callArgument(tokens, at + 2);
    if (token.value === 'require' && argument.specifier === undefined) return undefined;
    return { ...argument, typeOnly: previous?.kind === 'word' && previous.value === 'typeof' };
  }
  if (token.value === 'import' && next?.kind === 'text') {
    return { line: next.line, specifier: next.value, typeOnly: false };
  }
  const clause = token.value === 'import' ? next?.value !== '.' : token.value === 'export';
  if (!clause || !(next?.kind === 'word' || next?.value === '{' || next?.value === '*')) return undefined;
  const typeOnly = saysType(tokens, at + 1);
  const first = tokens[typeOnly ? at + 2 : at + 1];
  if (token.value === 'export' && first?.value !== '{' && first?.value !== '*') return undefined;
  const source = fromClause(tokens, at + 1);
  return source && { line: source.line, specifier: source.value, typeOnly };
}

/** Every import of a file, in the order of the text. */
export function findImports(source: string): Import[] {
  const tokens = tokenize(source);
  return tokens.flatMap((_, at) => importAt(tokens, at) ?? []);
}
