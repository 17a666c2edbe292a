import { createHash, type JsonWebKey, type KeyObject } from 'node:crypto';
import { SignJWT } from 'jose';
import { newRsaKey } from '../rsa-keys.ts';

export interface SigningKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  readonly publicJwk: JsonWebKey;
  /** Belongs to the tenant of personal accounts: valid for that exact issuer only (domain/microsoft.md 1.4). */
  readonly consumer: boolean;
}

/**
 * planned: the key announced beforehand takes over and the old one stays; unannounced: a key nobody has seen
 * signs at once, the others stay; emergency: the same, and every other key is withdrawn, so that tokens
 * already issued fail.
 */
export type RolloverMode = 'planned' | 'unannounced' | 'emergency';

export interface SigningKeys {
  /** Published keys in no particular order: order is meaningless to a careful reader. */
  published(): readonly SigningKey[];
  find(kid: string): SigningKey | undefined;
  current(): SigningKey;
  consumer(): SigningKey;
  rollover(mode: RolloverMode): Promise<SigningKey>;
  /** Signs as the current key, or as the one named. Throws for a key that does not exist. */
  sign(claims: Record<string, unknown>, kid?: string): Promise<string>;
}

async function makeKey(consumer = false): Promise<SigningKey> {
  const { privateKey, publicKey } = await newRsaKey();
  const publicJwk = publicKey.export({ format: 'jwk' });
  const kid = createHash('sha256')
    .update(publicJwk.n ?? '')
    .digest('base64url')
    .slice(0, 27);
  return { kid, privateKey, publicKey, publicJwk, consumer };
}

/** The signing keys of one cloud: several at once, rolled over on command (domain/microsoft.md 1.4). */
export async function createSigningKeys(): Promise<SigningKeys> {
  let [previous, current, next] = await Promise.all([makeKey(), makeKey(), makeKey()]);
  let older: readonly SigningKey[] = [];
  const consumer = await makeKey(true);
  const published = (): readonly SigningKey[] => [...new Set([next, ...older, previous, consumer, current])];
  const find = (kid: string): SigningKey | undefined => published().find((key) => key.kid === kid);
  return {
    published,
    find,
    current: () => current,
    consumer: () => consumer,
    rollover: async (mode) => {
      const made = await makeKey();
      if (mode === 'emergency') {
        older = [];
        [previous, current, next] = [made, made, await makeKey()];
      } else {
        older = [...older, previous];
        previous = current;
        if (mode === 'planned') [current, next] = [next, made];
        else current = made;
      }
      return current;
    },
    sign: (claims, kid) => {
      const key = kid === undefined ? current : find(kid);
      if (!key) throw new RangeError(`no signing key ${kid}`);
      return new SignJWT(claims)
        .setProtectedHeader({ typ: 'JWT', alg: 'RS256', x5t: key.kid, kid: key.kid })
        .sign(key.privateKey);
    },
  };
}
