import { createHash } from 'node:crypto';
import type { StreamDigest } from '../admin/context.ts';

/** SHA-256 of what comes in pieces, which WebCrypto does not have and `node:crypto` of Node and of workerd has. */
export function nodeDigest(): StreamDigest {
  const digest = createHash('sha256');
  return { update: (bytes) => digest.update(bytes), hex: () => digest.digest('hex') };
}
