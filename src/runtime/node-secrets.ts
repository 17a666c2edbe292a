import { createHash, hash, randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
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
