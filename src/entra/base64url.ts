const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
const form = /^[A-Za-z0-9_-]*$/;

/**
 * Decodes canonical base64url (RFC 7515 section 2): no padding, no foreign character, and the unused bits of
 * the last character zero. Anything else is undefined: a lax decoder gives one token many spellings, and a
 * cache or log that goes by the text could be made to disagree with the check that goes by the bytes.
 */
export function decodeBase64url(text: string): Uint8Array<ArrayBuffer> | undefined {
  const rest = text.length % 4;
  if (rest === 1 || !form.test(text)) return undefined;
  const unusedBits = rest === 2 ? 0b1111 : rest === 3 ? 0b11 : 0;
  if ((alphabet.indexOf(text.at(-1) ?? 'A') & unusedBits) !== 0) return undefined;
  const binary = atob(text.replaceAll('-', '+').replaceAll('_', '/'));
  const bytes = new Uint8Array(binary.length);
  for (let index = 0; index < binary.length; index += 1) bytes[index] = binary.charCodeAt(index);
  return bytes;
}

/** Encodes without padding. */
export function encodeBase64url(bytes: Uint8Array): string {
  let binary = '';
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return btoa(binary).replaceAll('+', '-').replaceAll('/', '_').replaceAll('=', '');
}
