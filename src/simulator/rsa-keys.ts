/** RSA keys of simulated services and applications. To make one takes a fifth of a second of a processor, and more now and then. */

import { createPrivateKey, createPublicKey, generateKeyPair, type KeyObject } from 'node:crypto';
import { readFile, rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';

const generate = promisify(generateKeyPair);

export interface RsaKey {
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

const makeKey = (): Promise<RsaKey> => generate('rsa', { modulusLength: 2048 });

interface Kept {
  readonly directory: string;
  readonly count: number;
}
let kept: Kept | undefined;
let asked = 0;

/**
 * From now on the same `count` keys are given in turn, for whoever makes hundreds of worlds one after the other. They are kept in
 * `directory`, which other processes may use at the same time. No world may ask for more: its keys would not be different ones.
 */
export function keepRsaKeys(directory: string, count: number): void {
  kept = { directory, count };
}

async function keptKey({ directory, count }: Kept): Promise<RsaKey> {
  const file = join(directory, `${asked % count}.pem`);
  asked += 1;
  const found = await readFile(file, 'utf8').catch(() => undefined);
  if (found !== undefined) {
    const privateKey = createPrivateKey(found);
    return { privateKey, publicKey: createPublicKey(privateKey) };
  }
  const made = await makeKey();
  const whole = `${file}.${crypto.randomUUID()}`;
  await writeFile(whole, made.privateKey.export({ type: 'pkcs8', format: 'pem' }), { mode: 0o600 });
  await rename(whole, file);
  return made;
}

export const newRsaKey = (): Promise<RsaKey> => (kept === undefined ? makeKey() : keptKey(kept));
