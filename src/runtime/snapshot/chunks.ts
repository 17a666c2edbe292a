/**
 * Chunks of the snapshot: AES-256-GCM, each with a random nonce of its own, under a key that HKDF derives from the secrets
 * key for one generation, so that no key seals more than some ten thousand chunks. What a chunk belongs to is its
 * associated data: one that stands in another place, generation or deployment does not open.
 */

import { createCipheriv, createDecipheriv, hkdfSync, randomBytes } from 'node:crypto';

/** Bytes of every chunk of a file but the last; sealing one takes a fraction of a millisecond. */
export const chunkBytes = 128 * 1024;
const nonceBytes = 12;
const tagBytes = 16;
/** Bytes that a sealed chunk has more than what is in it. */
export const sealBytes = nonceBytes + tagBytes;
/** An identifier drawn at random; it is the salt of the key as well. */
export const generationBytes = 16;

export class ChunkBroken extends Error {
  override readonly name = 'ChunkBroken';
}

export const deriveKey = (secretsKey: Uint8Array, generation: Uint8Array): Uint8Array =>
  new Uint8Array(hkdfSync('sha256', secretsKey, generation, 'espalier snapshot', 32));

/** Nonce, ciphertext, tag. */
export function sealChunk(key: Uint8Array, plain: Uint8Array, associated: Uint8Array): Buffer {
  const nonce = randomBytes(nonceBytes);
  const cipher = createCipheriv('aes-256-gcm', key, nonce, { authTagLength: tagBytes }).setAAD(associated);
  return Buffer.concat([nonce, cipher.update(plain), cipher.final(), cipher.getAuthTag()]);
}

/** Throws `ChunkBroken` for what this key did not seal, or not as this. */
export function openChunk(key: Uint8Array, sealed: Uint8Array, associated: Uint8Array): Buffer {
  if (sealed.length < sealBytes) throw new ChunkBroken('a chunk is cut');
  const end = sealed.length - tagBytes;
  const decipher = createDecipheriv('aes-256-gcm', key, sealed.subarray(0, nonceBytes), {
    authTagLength: tagBytes,
  })
    .setAAD(associated)
    .setAuthTag(sealed.subarray(end));
  const plain = decipher.update(sealed.subarray(nonceBytes, end));
  try {
    decipher.final();
  } catch {
    throw new ChunkBroken('a chunk does not open');
  }
  return plain;
}
