/**
 * Sealing of secrets at rest: AES-256-GCM, the row's identity as associated data, so that a sealed value moved
 * to another row does not open. Web Crypto only: the same on Node and on Workers.
 */

import { base64url } from 'jose';

export interface Sealer {
  /** Ids of the keys, in the order of the setting: the first seals, all open. An id is a hash and no secret. */
  readonly keyIds: readonly string[];
  /** `v1.<key id>.<nonce>.<ciphertext>`, base64url parts. */
  seal(plain: string, associated: string): Promise<string>;
  /** Throws `SealBroken` when no key opens it or it belongs to another row. */
  open(sealed: string, associated: string): Promise<string>;
}

/** A sealed value that cannot be opened: wrong key, damaged, or copied from another row. */
export class SealBroken extends Error {
  override readonly name = 'SealBroken';
}

const encode = (bytes: Uint8Array): string => base64url.encode(bytes);
const decode = (text: string): Uint8Array<ArrayBuffer> => new Uint8Array(base64url.decode(text));

/** The id of the key that sealed this text; undefined when it is no sealed value. */
export function sealingKeyId(sealed: string): string | undefined {
  const [version, id] = sealed.split('.');
  return version === 'v1' && id !== undefined && id !== '' ? id : undefined;
}

/** The id of a key, eight characters: a hash and no secret. */
export async function keyIdOf(raw: Uint8Array<ArrayBuffer>): Promise<string> {
  return encode(new Uint8Array(await crypto.subtle.digest('SHA-256', raw)).subarray(0, 6));
}

/** `keys`: 32 bytes each; the first seals, all open. */
export async function createSealer(keys: readonly Uint8Array<ArrayBuffer>[]): Promise<Sealer> {
  const opened = new Map<string, CryptoKey>();
  let first: { id: string; key: CryptoKey } | undefined;
  for (const raw of keys) {
    const key = await crypto.subtle.importKey('raw', raw, 'AES-GCM', false, ['encrypt', 'decrypt']);
    const id = await keyIdOf(raw);
    opened.set(id, key);
    first ??= { id, key };
  }
  const text = new TextEncoder();
  return {
    keyIds: [...opened.keys()],
    seal: async (plain, associated) => {
      if (!first) throw new SealBroken('no sealing key is configured');
      const iv = crypto.getRandomValues(new Uint8Array(12));
      const sealed = await crypto.subtle.encrypt(
        { name: 'AES-GCM', iv, additionalData: text.encode(associated) },
        first.key,
        text.encode(plain),
      );
      return `v1.${first.id}.${encode(iv)}.${encode(new Uint8Array(sealed))}`;
    },
    open: async (sealed, associated) => {
      const [version, id = '', iv = '', ciphertext = ''] = sealed.split('.');
      const key = opened.get(id);
      if (version !== 'v1' || !key) throw new SealBroken(`no key '${id}' to open a sealed value`);
      try {
        const plain = await crypto.subtle.decrypt(
          { name: 'AES-GCM', iv: decode(iv), additionalData: text.encode(associated) },
          key,
          decode(ciphertext),
        );
        return new TextDecoder().decode(plain);
      } catch {
        throw new SealBroken('a sealed value does not open: it was damaged or belongs to another row');
      }
    },
  };
}
