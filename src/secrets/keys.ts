import { base64url } from 'jose';
import { webSha256 } from './sha256.ts';

/** `esp_` marks the key for secret scanners; 32 random bytes follow (contract section 5). */
const keyPattern = /^esp_[A-Za-z0-9_-]{43}$/;

export const newKey = (): string => `esp_${base64url.encode(crypto.getRandomValues(new Uint8Array(32)))}`;

/**
 * SHA-256 of a key in base64url, which is all the database holds. A plain hash suffices: the key has 256 bits of
 * its own, so there is nothing to guess, and looking up by hash leaks no timing about the key.
 */
export const hashKey = webSha256;

export const looksLikeKey = (text: string): boolean => keyPattern.test(text);

/** The key in a request's `Authorization: Basic` (password), `Bearer`, or `X-Api-Key`, in this order. */
export function presentedKey(headers: Headers): string | undefined {
  const authorization = headers.get('authorization');
  if (authorization !== null) {
    const [scheme = '', value = ''] = authorization.split(/ +/, 2);
    if (/^bearer$/i.test(scheme)) return value;
    if (/^basic$/i.test(scheme)) {
      try {
        const plain = new TextDecoder().decode(Uint8Array.from(atob(value), (char) => char.charCodeAt(0)));
        const colon = plain.indexOf(':');
        return colon < 0 ? undefined : plain.slice(colon + 1);
      } catch {
        return undefined;
      }
    }
    return undefined;
  }
  return headers.get('x-api-key') ?? undefined;
}
