/** Verbs that take something away ask first; where nobody can answer, `--yes` has to stand in the command. */

import { createInterface } from 'node:readline/promises';
import { CommandFailure, exitCodes, usageFailure } from '../failure.ts';
import type { Output } from '../output/output.ts';
import type { OptionSpec } from './declare.ts';

export const yesOption: OptionSpec = {
  flags: '-y, --yes',
  text: 'do not ask; needed where no terminal is there to ask on',
};

export const hasTerminal = (): boolean => process.stdin.isTTY === true && process.stderr.isTTY === true;

/** Before anything is asked of the server: a script that forgot `--yes` is told so at once. */
export function checkConfirmable(confirmed: boolean): void {
  if (confirmed || hasTerminal()) return;
  throw usageFailure(
    'this takes something away and no terminal is there to ask on: give --yes, or --dry-run to look first',
  );
}

export async function confirm(output: Output, question: string, plan: readonly string[]): Promise<void> {
  for (const line of plan) output.say(line);
  const asking = createInterface({ input: process.stdin, output: process.stderr });
  try {
    // The end of the input answers nothing, and nothing is no.
    const ended = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
    const answer = await Promise.race([asking.question(`${question} [y/N] `), ended]);
    if (/^(y|yes)$/i.test(answer.trim())) return;
  } finally {
    asking.close();
  }
  throw new CommandFailure(exitCodes.error, 'nothing was changed');
}
