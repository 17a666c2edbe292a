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
const transitionRows = rowsOf('| Event | From | To | Sent to Microsoft |');

const wholeWay = 'goes from nothing to connected: connect, both consents, confirm with a named group';
const disabling = 'disable deprovisions and keeps everything; enable comes back where it was';
const leaving =
  'disconnect with retract tells Intune about every device first, then deprovisions; connecting again brings all back';
const termination =
  'recognises a termination from the Intune side, holds delivery, shows the dates, and reconnects with its devices';
const otherWays = 'takes the remaining ways';
/** Tests that drive the transitions of each event. */
const drivenBy: Readonly<Record<string, readonly string[]>> = {
  'connect-started': [wholeWay, disabling, leaving, termination, otherWays],
  'consent-completed': [wholeWay],
  provisioned: [wholeWay, disabling, termination, otherWays],
  disabled: [disabling, termination, otherWays],
  'last-instance-gone': [
    'deprovisions exactly once when three instances are removed one by one, after the last',
  ],
  'disconnect-started': [
    leaving,
    'tells a tenant without Intune from one without the partner service',
    otherWays,
  ],
  disconnected: [leaving],
  'terminated-by-intune': [termination],
};
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

  test('says of each transition what is sent to Microsoft', () => {
    expect(transitionRows.filter(([, , , sent]) => !sent)).toEqual([]);
  });

  test('has transitions that tests of test/system/connection.test.ts drive, for each event', () => {
    expect(Object.keys(drivenBy).sort()).toEqual([...new Set(transitions.map(({ event }) => event))].sort());
    const names = Object.values(drivenBy).flat();
    expect(names.filter((name) => !systemTest.includes(`it('${name}'`))).toEqual([]);
  });
});
