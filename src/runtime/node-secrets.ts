import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { createSealer, type Sealer } from '../secrets/seal.ts';
import type { Config } from './config.ts';

/** The configured keys, the first of which seals; for the embedded database one is made once in the data directory. */
export function readSecretsKeys(
  config: Pick<Config, 'secretsKey' | 'dataDir'>,
): readonly Uint8Array<ArrayBuffer>[] {
  if (config.secretsKey.length > 0) return config.secretsKey;
  const path = join(config.dataDir, 'secrets-key');
  if (!existsSync(path)) writeFileSync(path, `${randomBytes(32).toString('base64')}\n`, { mode: 0o600 });
  return [new Uint8Array(Buffer.from(readFileSync(path, 'utf8').trim(), 'base64'))];
}

export const openSealer = async (config: Config): Promise<Sealer> => createSealer(readSecretsKeys(config));
