import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { transitions } from '../../src/connection/state.ts';

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
const transitionRows = rowsOf('| Event | From | To | Sent to Microsoft | Test |');
const testRows = rowsOf('| | Test in `test/system/connection.test.ts` |');
const parts = (cell = ''): string[] => cell.split(',').map((part) => plain(part.trim()));

describe('the page of the connection', () => {
  test('has every state once', () => {
    const states = transitions.flatMap(({ from, to }) => [...from, to]);
    expect(stateRows.map(([state]) => plain(state)).sort()).toEqual([...new Set(states)].sort());
  });

  test('has every transition once, and no other', () => {
    const written = transitionRows.flatMap(([event, from, to]) =>
      parts(from).map((one) => `${one} ${plain(event)} ${plain(to)}`),
    );
    const known = transitions.flatMap(({ event, from, to }) => from.map((one) => `${one} ${event} ${to}`));
    expect(written.sort()).toEqual(known.sort());
  });

  test('names a test that exists for every transition', () => {
    const names = new Map(testRows.map(([id, name]) => [id, name]));
    expect(
      transitionRows.filter(([, , , sent, ids]) => !sent || parts(ids).some((id) => !names.has(id))),
    ).toEqual([]);
    const missing = [...names.values()].filter((name) => !systemTest.includes(`it('${name}'`));
    expect(missing).toEqual([]);
  });
});
