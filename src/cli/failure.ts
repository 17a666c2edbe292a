/** Ends of a command that could not do what it was asked for (contract section 9). */

export const exitCodes = {
  error: 1,
  usage: 2,
  authentication: 3,
  notFound: 4,
  permission: 5,
  rateLimited: 6,
} as const;

/** Ends the command with this exit code; the message is for whoever typed it. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';
  readonly exitCode: number;
  constructor(exitCode: number, message: string) {
    super(message);
    this.exitCode = exitCode;
  }
}

/** The command line, a file or a variable is wrong: exit code 2. */
export const usageFailure = (message: string): CommandFailure => new CommandFailure(exitCodes.usage, message);

/** A reader of our output that has seen enough, such as `head`, is no error. */
export function endWithReader(): void {
  process.stdout.on('error', (error: NodeJS.ErrnoException) => {
    if (error.code !== 'EPIPE') throw error;
    process.exit(0);
  });
}
