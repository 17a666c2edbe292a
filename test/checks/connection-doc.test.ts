import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { transitions } from '../../src/connection/state.ts';
import { oauthErrorKinds, tokenErrorKinds } from '../../src/entra/error-kinds.ts';

/** docs/connection.md says what the code does: its tables are compared in both directions. */

const readText = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');
const page = readText('docs/connection.md');
const systemTest = readText('test/system/connection.test.ts');

const cellsOf = (line: string): string[] =>
  line
    .split('|')
    .slice(1, -1)
    .map((cell) => cell.trim());
const plain = (cell = ''): string => cell.replaceAll('`', '');

/** The rows under the one table of the page that has this head line. */
function rowsOf(head: string): string[][] {
  const lines = page.split('\n');
  const starts = lines.flatMap((line, at) => (line === head ? [at] : []));
  expect(starts, head).toHaveLength(1);
  const rest = lines.slice(starts[0]! + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end).map(cellsOf);
}

const stateRows = rowsOf('| State | Meaning | Delivery | Partner state | What the operator does next |');
const transitionRows = rowsOf('| State | Event | Next state | Sent to Microsoft | Test |');
const testRows = rowsOf('| | Test in `test/system/connection.test.ts` |');
const codeRows = rowsOf('| Cause | Scope | Owner | Codes (AADSTS) | Remedy |');
const oauthRows = rowsOf('| OAuth `error` | Cause |');

describe('the page of the connection', () => {
  test('has every state once', () => {
    const states = transitions.flatMap(({ from, to }) => [...from, to]);
    expect(stateRows.map(([state]) => plain(state)).sort()).toEqual([...new Set(states)].sort());
  });

  test('has every transition once, and no other', () => {
    const written = transitionRows.map(([from, event, to]) => [from, event, to].map(plain).join(' '));
    const known = transitions.flatMap(({ event, from, to }) => from.map((one) => `${one} ${event} ${to}`));
    expect(written.sort()).toEqual(known.sort());
  });

  test('names a test that exists for every transition', () => {
    const names = new Map(testRows.map(([id, name]) => [id, name]));
    expect(transitionRows.filter(([, , , sent, id]) => !sent || !names.has(id))).toEqual([]);
    const missing = [...names.values()].filter((name) => !systemTest.includes(`it('${name}'`));
    expect(missing).toEqual([]);
  });

  test('draws every transition that changes the state, and no other', () => {
    const drawn = [...page.matchAll(/^ {2}(\w+) --> (\w+): /gm)].map(([, from, to]) => `${from} ${to}`);
    const known = transitions.flatMap(({ from, to }) =>
      from.filter((one) => one !== to).map((one) => `${one} ${to}`),
    );
    expect([...new Set(drawn)].sort()).toEqual([...new Set(known)].sort());
  });

  test('lists every AADSTS code with its cause, scope and owner, and no other', () => {
    const written = codeRows.flatMap(([cause, scope, owner, codes]) =>
      (codes ?? '').split(',').map((code) => `${code.trim()} ${plain(cause)} ${scope} ${owner}`),
    );
    const known = [...tokenErrorKinds].map(
      ([code, { cause, owner, scope }]) => `${code} ${cause} ${scope} ${owner}`,
    );
    expect(written.sort()).toEqual(known.sort());
  });

  test('lists every OAuth error with its cause, and no other', () => {
    const written = oauthRows.flatMap(([errors, cause]) =>
      plain(errors)
        .split(',')
        .map((error) => `${error.trim()} ${plain(cause)}`),
    );
    const known = [...oauthErrorKinds].map(([error, { cause }]) => `${error} ${cause}`);
    expect(written.sort()).toEqual(known.sort());
  });
});
