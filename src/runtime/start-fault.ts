/**
 * The start cannot go on until a person changes something. The message is one line that begins with the variable to
 * look at (contract section 3); whoever started says it and exits 1.
 */
export class StartFault extends Error {
  override readonly name = 'StartFault';
  readonly variable: string;

  constructor(variable: string, problem: string, options?: ErrorOptions) {
    super(`${variable} ${problem.replaceAll(/\s*\n\s*/g, ' ').trim()}`, options);
    this.variable = variable;
  }
}

const fileProblems: Readonly<Record<string, string>> = {
  EACCES: 'this process may not enter or write it',
  EPERM: 'this process may not change it',
  EROFS: 'it is on a file system that is read-only',
  ENOSPC: 'its file system is full',
  EDQUOT: 'the quota of its file system is used up',
  ENOENT: 'there is no such file',
  ENOTDIR: 'a part of the path is no directory',
  EEXIST: 'it is no directory',
  EISDIR: 'it is a directory',
};

/** Describes a file system's refusal in words; the reason of anything else. */
export function describeFileError(error: unknown): string {
  const { code, message } = error as NodeJS.ErrnoException;
  const words = code === undefined ? undefined : fileProblems[code];
  return words === undefined ? message : `${words} (${code})`;
}
