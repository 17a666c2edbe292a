/** Standard output takes data and nothing else, standard error everything that is said about it. */

import { once } from 'node:events';
import { isRow, type Row } from './fields.ts';
import { recordLines } from './record.ts';

export const formats = ['table', 'json', 'csv', 'yaml'] as const;
export type Format = (typeof formats)[number];

export interface Output {
  readonly format: Format;
  /** Columns of the terminal; undefined where standard output is none, and nothing is cut there. */
  readonly terminalWidth: number | undefined;
  write(text: string): Promise<void>;
  say(text: string): void;
}

export function standardOutput(format: Format): Output {
  const { stderr, stdout } = process;
  return {
    format,
    terminalWidth: stdout.isTTY ? stdout.columns : undefined,
    write: async (text) => {
      if (!stdout.write(text)) await once(stdout, 'drain');
    },
    say: (text) => {
      stderr.write(`${text}\n`);
    },
  };
}

/** One answer. `human` draws it for a table instead of field by field. */
export async function writeAnswer(
  output: Output,
  answer: unknown,
  human?: (answer: Row) => readonly string[],
): Promise<void> {
  if (answer === undefined) return;
  if (output.format === 'yaml') {
    const { stringify } = await import('yaml');
    return output.write(stringify(answer));
  }
  if (output.format === 'csv') {
    const { csvLines } = await import('./csv.ts');
    return output.write(csvLines(isRow(answer) ? [answer] : [{ value: answer }]));
  }
  if (output.format === 'json' || !isRow(answer)) return output.write(`${JSON.stringify(answer, null, 2)}\n`);
  const lines = human === undefined ? recordLines(answer, output.terminalWidth) : human(answer);
  return output.write(`${lines.join('\n')}\n`);
}
