import { CommanderError } from 'commander';
import { CommandFailure, endWithReader, exitCodes } from './failure.ts';
import { createProgram } from './program.ts';

/** Runs the command line of this process. Exit codes: contract section 9. */
export async function runProgram(): Promise<void> {
  endWithReader();
  try {
    await createProgram().parseAsync();
  } catch (error) {
    if (error instanceof CommanderError) {
      process.exitCode = error.exitCode === 0 ? 0 : exitCodes.usage;
    } else {
      process.stderr.write(`espalier: ${error instanceof Error ? error.message : String(error)}\n`);
      process.exitCode = error instanceof CommandFailure ? error.exitCode : exitCodes.error;
    }
  }
}
