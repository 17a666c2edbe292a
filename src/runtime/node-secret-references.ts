import { constants, type Stats } from 'node:fs';
import { type FileHandle, open, realpath, stat } from 'node:fs/promises';
import { resolve, sep } from 'node:path';
import { within } from '../deadline.ts';
import { createJoining } from '../joining.ts';
import {
  isOwnVariable,
  ownVariableRefused,
  referencedSecretBytes,
  SecretUnreadable,
} from '../secrets/reference.ts';

/** Reads what a reference names. Throws `SecretUnreadable`. */
export type ReadReference = (reference: string) => Promise<string>;

/** A file system over a network may hang, and a thread of Node's with it. */
const readTimeoutMs = 2_000;

function readVariable(reference: string): string {
  const name = reference.slice('env:'.length);
  if (isOwnVariable(name)) throw ownVariableRefused(reference);
  const value = process.env[name];
  if (value === undefined || value === '')
    throw new SecretUnreadable(`the variable of ${reference} is not set`);
  return value;
}

const unreadable = (reference: string, error: unknown): SecretUnreadable =>
  error instanceof SecretUnreadable
    ? error
    : new SecretUnreadable(
        `the file of ${reference} cannot be read (${(error as NodeJS.ErrnoException).code ?? 'error'})`,
      );

const isBelow = (path: string, directory: string): boolean =>
  path.startsWith(directory.endsWith(sep) ? directory : directory + sep);

/**
 * Judges the file that was opened, not the name: between a look at a name and its opening, the name may come to lead
 * elsewhere. The name's real path counts only if it leads to the very file that is open.
 */
async function judge(
  handle: FileHandle,
  path: string,
  reference: string,
  secretsDir: string,
): Promise<Stats> {
  const opened = await handle.stat();
  const real = await realpath(path);
  const named = await stat(real);
  if (!isBelow(real, await realpath(secretsDir)) || named.ino !== opened.ino || named.dev !== opened.dev) {
    throw new SecretUnreadable(`${reference} leads out of ESPALIER_SECRETS_DIR`, true);
  }
  if (!opened.isFile()) throw new SecretUnreadable(`${reference} is no regular file`, true);
  if (opened.size > referencedSecretBytes) {
    throw new SecretUnreadable(
      `the file of ${reference} is larger than ${referencedSecretBytes} bytes`,
      true,
    );
  }
  return opened;
}

async function readWhole(path: string, reference: string, secretsDir: string): Promise<string> {
  // Without waiting: a FIFO without a writer would otherwise never be opened.
  const handle = await open(path, constants.O_RDONLY | constants.O_NONBLOCK);
  try {
    await judge(handle, path, reference, secretsDir);
    const buffer = Buffer.alloc(referencedSecretBytes + 1);
    const { bytesRead } = await handle.read(buffer, 0, buffer.length, 0);
    if (bytesRead > referencedSecretBytes)
      throw new SecretUnreadable(
        `the file of ${reference} is larger than ${referencedSecretBytes} bytes`,
        true,
      );
    return buffer.toString('utf8', 0, bytesRead).trim();
  } finally {
    await handle.close();
  }
}

/**
 * `env:NAME`, or `file:/path` below `secretsDir` (ESPALIER_SECRETS_DIR; undefined: no file at all), read anew each time, so
 * that a rotated secret counts at once. Everybody who asks for the same file meanwhile shares one read: a file system that
 * hangs takes one thread for each file, not one for each request.
 */
export function createReferenceReader(secretsDir: string | undefined): ReadReference {
  const readings = createJoining<string>('process');
  const shared = (path: string, reference: string, directory: string): Promise<string> =>
    readings.once(path, () => readWhole(path, reference, directory));
  return async (reference) => {
    if (reference.startsWith('env:')) return readVariable(reference);
    if (!reference.startsWith('file:'))
      throw new SecretUnreadable('a secret reference begins with env: or file:', true);
    if (secretsDir === undefined)
      throw new SecretUnreadable(`${reference} names a file, and ESPALIER_SECRETS_DIR is not set`, true);
    const path = resolve(reference.slice('file:'.length));
    if (!isBelow(path, resolve(secretsDir)))
      throw new SecretUnreadable(`${reference} is not below ESPALIER_SECRETS_DIR (${secretsDir})`, true);
    const secret = await within(shared(path, reference, secretsDir), readTimeoutMs, () => {
      throw new SecretUnreadable(`the file of ${reference} could not be read within ${readTimeoutMs} ms`);
    }).catch((error: unknown) => {
      throw unreadable(reference, error);
    });
    // An empty secret would be sent as one, and an instance that refuses it says nothing of the file.
    if (secret === '') throw new SecretUnreadable(`the file of ${reference} is empty`);
    return secret;
  };
}
