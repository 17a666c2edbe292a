import { type Token, tokenize } from './imports.ts';

/**
 * Refuses what Node does not document, and changes to what is Node's own, outside of the one file that is tried before it
 * is used: a mistake with either ends the process. `node .ci/layers.ts` runs this.
 */

export interface ReachIntoNode {
  readonly file: string;
  readonly line: number;
  readonly what: string;
}

const home = 'src/runtime/lane/node-internals.ts';

/** Words that nobody needs who keeps to Node's documentation. */
const undocumented = new Set([
  'getOwnPropertySymbols',
  'ownKeys',
  'internalBinding',
  'useUserBuffer',
  'writeLatin1String',
  'writeUtf8String',
  'writeBuffer',
  'WriteWrap',
  'ShutdownWrap',
]);
const changesObjects = new Set(['defineProperty', 'defineProperties', 'setPrototypeOf', 'deleteProperty']);
/** Methods of sockets, servers, requests and responses. */
const methods = new Set(
  'addListener close connect cork destroy emit end flushHeaders listen off on once pause pipe push read resume setHeader uncork unshift write writeHead'.split(
    ' ',
  ),
);
/** Files that change objects of their own by name. */
const ownObjects: Readonly<Record<string, string>> = {
  'src/untrusted/json-document.ts': 'a member may be called __proto__',
};

const isMark = (token: Token | undefined, value: string): boolean =>
  token?.kind === 'mark' && token.value === value;

/** What the token at `at` reaches for; undefined: nothing. */
function reachAt(tokens: readonly Token[], at: number, file: string): string | undefined {
  const [before, token, next, later] = [tokens[at - 1], tokens[at], tokens[at + 1], tokens[at + 2]];
  if (token?.kind === 'text') {
    const isKey = isMark(before, '[') && isMark(next, ']') && tokens[at - 2]?.kind !== 'mark';
    return isKey && /^_[a-z]/i.test(token.value) ? `'${token.value}'` : undefined;
  }
  if (token?.kind !== 'word') return undefined;
  const { value } = token;
  if (undocumented.has(value)) return value;
  if (changesObjects.has(value) && ownObjects[file] === undefined) return value;
  const isMember = isMark(before, '.');
  // `{ _handle: handle }` takes a member apart; a variable of one's own may begin so where it is unused.
  const isTakenApart = isMark(next, ':') && (isMark(before, '{') || isMark(before, ','));
  if (/^_[a-z]/i.test(value) && (isMember || isTakenApart)) return value;
  if (!isMember) return undefined;
  if (value === 'prototype') return 'a prototype';
  if (value === 'binding' && tokens[at - 2]?.value === 'process') return 'process.binding';
  const isAssigned = isMark(next, '=') && !isMark(later, '=') && !isMark(later, '>');
  return methods.has(value) && isAssigned ? `a new .${value}` : undefined;
}

/** `files`: path from the project's root to text. Tests may reach where they like. */
export function checkNodeInternals(files: ReadonlyMap<string, string>): ReachIntoNode[] {
  return [...files]
    .filter(([file]) => file !== home && !/\.test\.ts$/.test(file))
    .flatMap(([file, text]) => {
      const tokens = tokenize(text);
      return tokens.flatMap(({ line }, at) => {
        const what = reachAt(tokens, at, file);
        return what === undefined ? [] : [{ file, line, what }];
      });
    });
}

export const describeReach = ({ file, line, what }: ReachIntoNode): string =>
  `${file}:${line} uses ${what}: what Node does not document, and changes to what is Node's, belong in ${home}`;
