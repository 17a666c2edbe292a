/** The lines as people and programs read them. */

import type { Line, LineStatus } from './line.ts';

export const countLines = (lines: readonly Line[]): Readonly<Record<LineStatus, number>> => {
  const counts = { ok: 0, warn: 0, fail: 0 };
  for (const { status } of lines) counts[status] += 1;
  return counts;
};

const colours: Readonly<Record<LineStatus, string>> = {
  ok: '\u001b[32m',
  warn: '\u001b[33m',
  fail: '\u001b[31m',
};
const plain = '\u001b[0m';

/** Breaks at spaces, so that the text stays beside its column. */
function wrap(text: string, width: number, indent: string): string {
  const rows: string[] = [];
  let row = '';
  for (const word of text.split(' ')) {
    if (row !== '' && row.length + 1 + word.length > width) {
      rows.push(row);
      row = word;
    } else row = row === '' ? word : `${row} ${word}`;
  }
  return [...rows, row].join(`\n${indent}`);
}

const statusWidth = 6;
const narrowest = 40;

export interface TableOptions {
  /** Columns of the terminal. */
  readonly width: number;
  readonly colour: boolean;
}

/** One row for each line; what is not ok has its remedy and who has to act below. */
export function showTable(lines: readonly Line[], { colour, width }: TableOptions): string {
  const checkWidth = Math.max(...lines.map(({ check }) => check.length), 5) + 2;
  const indent = ' '.repeat(statusWidth + checkWidth);
  const room = Math.max(width - indent.length, narrowest);
  const rows = lines.flatMap(({ check, found, owner, remedy, status, subject }) => {
    const shown = colour ? `${colours[status]}${status}${plain}` : status;
    const head = `${shown}${' '.repeat(statusWidth - status.length)}${check.padEnd(checkWidth)}`;
    const rest =
      remedy === undefined ? [] : [`${indent}${wrap(`-> ${remedy} [${owner}]`, room, `${indent}   `)}`];
    return [`${head}${wrap(`${subject}: ${found}`, room, indent)}`, ...rest];
  });
  const { fail, ok, warn } = countLines(lines);
  return [...rows, '', `${ok} ok, ${warn} warn, ${fail} fail`, ''].join('\n');
}

export const showJson = (lines: readonly Line[], at: Date): string =>
  `${JSON.stringify({ at: at.toISOString(), ok: countLines(lines).fail === 0, counts: countLines(lines), lines }, null, 2)}\n`;
