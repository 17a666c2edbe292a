/**
 * Secrets by reference, as jamf-cli takes them: `env:NAME` or `file:PATH`. A secret itself is refused wherever it would
 * end in shell history, in the list of processes or in a file that people share.
 */

import { homedir } from 'node:os';
import { join, resolve } from 'node:path';
import { usageFailure } from '../failure.ts';
import { EncodingFault, readText } from '../text-file.ts';

export interface ReferenceContext {
  readonly environment: Readonly<Record<string, string | undefined>>;
  /** The directory to which relative paths are relative. */
  readonly folder: string;
}

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/;

export const isReference = (text: string): boolean => /^(env|file):./.test(text);

export const expandPath = (path: string, folder: string): string =>
  path === '~' || path.startsWith('~/') ? join(homedir(), path.slice(2)) : resolve(folder, path);

/** The error for an empty secret: a blank file is a mistake in deployment, not a secret. */
function notEmpty(secret: string, what: string, source: string): string {
  if (secret !== '') return secret;
  throw usageFailure(`${what}: ${source} is empty`);
}

/** The secret, without the line end of a file. `what` names where the reference stands: an option, a field of a profile. */
export function readReference(reference: string, what: string, context: ReferenceContext): string {
  const [kind, rest] = [
    reference.slice(0, reference.indexOf(':')),
    reference.slice(reference.indexOf(':') + 1),
  ];
  if (kind === 'env') {
    if (!variableName.test(rest))
      throw usageFailure(`${what}: env: needs the name of a variable, for example env:JAMF_CLIENT_SECRET`);
    const value = context.environment[rest];
    if (value === undefined) throw usageFailure(`${what}: the environment variable ${rest} is not set`);
    return notEmpty(value, what, `the environment variable ${rest}`);
  }
  if (kind === 'file' && rest !== '') {
    const path = expandPath(rest, context.folder);
    try {
      return notEmpty(readText(path).replace(/\r?\n$/, ''), what, path);
    } catch (error) {
      if (error instanceof EncodingFault) throw usageFailure(`${what}: ${path} ${error.message}`);
      if (!(error instanceof Error) || !('code' in error)) throw error;
      throw usageFailure(`${what}: ${path} cannot be read (${String(error.code)})`);
    }
  }
  throw usageFailure(
    `${what}: must be env:NAME or file:PATH, not the secret itself: it would be kept in your shell's history, in the list of processes or in a file that is shared`,
  );
}
