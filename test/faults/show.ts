import type { StormResult } from './storm.ts';

const cell = (value: unknown): string =>
  typeof value === 'number' && !Number.isInteger(value) ? value.toFixed(1) : String(value);

/** One line for every number of a storm. */
export function tableOf(result: StormResult): string {
  const rows = Object.entries(result).filter(([, value]) => typeof value !== 'object');
  const width = Math.max(...rows.map(([name]) => name.length));
  return rows.map(([name, value]) => `  ${name.padEnd(width)}  ${cell(value).padStart(8)}`).join('\n');
}

const columns = [
  'seed',
  'batch',
  'changes',
  'messages',
  'resends',
  'kills',
  'aborts',
  'databaseRestarts',
  'deaths',
  'duplicatesAfterCrash',
  'duplicatesAfterContradiction',
  'duplicatesUnexplained',
  'violations',
  'reportedTooLate',
  'behind',
  'heartbeats',
  'unclear',
  'settleSeconds',
  'passed',
] as const;

/** One line for every storm. */
export function tableOfAll(results: readonly StormResult[]): string {
  const rows = [[...columns], ...results.map((result) => columns.map((name) => cell(result[name])))];
  const widths = columns.map((_, index) => Math.max(...rows.map((row) => row[index]!.length)));
  return rows.map((row) => row.map((text, index) => text.padStart(widths[index]!)).join('  ')).join('\n');
}
