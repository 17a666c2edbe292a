import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { bundleFiles } from '../../src/cli/doctor/bundle.ts';
import { checks } from '../../src/cli/doctor/checks.ts';

/** docs/doctor.md says what the code does: its tables are compared in both directions. */

const page = readFileSync(new URL('../../docs/doctor.md', import.meta.url), 'utf8');

/** First cells of the rows under the one table with this head line. */
function firstCells(head: string): string[] {
  const lines = page.split('\n');
  const starts = lines.flatMap((line, at) => (line === head ? [at] : []));
  expect(starts, head).toHaveLength(1);
  const rest = lines.slice(starts[0]! + 2);
  const end = rest.findIndex((line) => !line.startsWith('|'));
  return rest.slice(0, end).map((line) => line.split('|')[1]!.trim().replaceAll('`', ''));
}

describe('the page of doctor', () => {
  test('has every check once, in the order of the lines, and no other', () => {
    expect(firstCells('| Check | warn | fail | Remedy |')).toEqual(Object.keys(checks));
  });

  test('has every file of the bundle, and no other', () => {
    expect(firstCells('| File | Holds |')).toEqual(['manifest.json', ...Object.keys(bundleFiles)]);
  });
});
