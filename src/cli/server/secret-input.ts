import { createInterface } from 'node:readline/promises';
import { Writable } from 'node:stream';
import { usageFailure } from '../failure.ts';
import { readReference } from './reference.ts';

/** Asks on a terminal without showing what is typed; otherwise reads the first line of standard input. */
export async function askSecret(what: string): Promise<string> {
  const silent = new Writable({ write: (_chunk, _encoding, done) => done() });
  const asking = createInterface({
    input: process.stdin,
    output: silent,
    terminal: process.stdin.isTTY === true,
  });
  // The terminal no longer shows what is typed only from here on.
  if (process.stdin.isTTY) process.stderr.write(`${what}: `);
  try {
    const ended = new Promise<string>((resolve) => asking.once('close', () => resolve('')));
    const line = await Promise.race([asking.question(''), ended]);
    if (line === '') throw usageFailure(`${what}: nothing was given`);
    return line;
  } finally {
    asking.close();
    if (process.stdin.isTTY) process.stderr.write('\n');
  }
}

/** A secret that an option refers to: `-`, `env:NAME` or `file:PATH`. */
export const readSecret = async (
  reference: string,
  what: string,
  environment: Readonly<Record<string, string | undefined>>,
): Promise<string> =>
  reference === '-'
    ? askSecret(what)
    : readReference(reference, what, { environment, folder: process.cwd() });
