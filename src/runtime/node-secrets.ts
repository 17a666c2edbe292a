import { createHash, hash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createSealer, type Sealer } from '../secrets/seal.ts';
import type { Config } from './config.ts';

/** Answers at once: WebCrypto's goes through a thread and costs ten times as much for a short text. */
export const nodeSha256 = (text: string): string => hash('sha256', text, 'base64url');

/** SHA-256 of what comes in pieces; WebCrypto has only that of a whole. */
export function nodeDigest(): { update(bytes: Uint8Array): void; hex(): string } {
  const digest = createHash('sha256');
  return { update: (bytes) => digest.update(bytes), hex: () => digest.digest('hex') };
}

/** The sealer of the configured keys; for the embedded database a key is made once in the data directory. */
export async function openSealer(config: Config): Promise<Sealer> {
  if (config.secretsKey.length > 0) return createSealer(config.secretsKey);
  const path = join(config.dataDir, 'secrets-key');
  if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return createSealer([new Uint8Array(Buffer.from(readFileSync(path, 'utf8').trim(), 'base64'))]);
}

/**
 * `env:NAME` or `file:/path`, read anew each time, so that a rotated secret counts at once. Throws what is wrong with
 * the reference; no message holds what was read.
 */
export async function readSecretReference(reference: string): Promise<string> {
  if (reference.startsWith('env:')) {
    const value = process.env[reference.slice(4)];
    if (value === undefined || value === '') throw new Error(`the variable of ${reference} is not set`);
    return value;
  }
  if (!reference.startsWith('file:')) throw new Error('a secret reference begins with env: or file:');
  const text = await readFile(reference.slice(5), 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw new Error(`the file of ${reference} cannot be read (${error.code ?? error.name})`);
  });
  const secret = text.trim();
  // An empty secret would be sent as one, and an instance that refuses it says nothing of the file.
  if (secret === '') throw new Error(`the file of ${reference} is empty`);
  return secret;
}
