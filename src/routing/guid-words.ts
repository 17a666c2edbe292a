/**
 * GUIDs as four 32-bit words, the form in which the route cache compares and hashes them. Parsing makes no object, for
 * it happens for every device call.
 */

export const guidCharacters = 36;

/** The value of each hexadecimal digit by its character code; -1 for every other character. */
const digitValues = new Int8Array(256).fill(-1);
for (const [value, digit] of [...'0123456789abcdef'].entries()) {
  digitValues[digit.charCodeAt(0)] = value;
  digitValues[digit.toUpperCase().charCodeAt(0)] = value;
}

const hyphen = 0x2d;
const isHyphenAt = (position: number): boolean =>
  position === 8 || position === 13 || position === 18 || position === 23;

/**
 * Writes the GUID that is the whole of `text` into `words` from `at`. False, with some words overwritten, when it is
 * none: hexadecimal digits of either case in groups of 8, 4, 4, 4 and 12.
 */
export function readGuid(text: string, words: Int32Array, at: number): boolean {
  if (text.length !== guidCharacters) return false;
  let digits = 0;
  let word = 0;
  for (let position = 0; position < guidCharacters; position += 1) {
    const code = text.charCodeAt(position);
    if (isHyphenAt(position)) {
      if (code !== hyphen) return false;
      continue;
    }
    const value = code < 256 ? (digitValues[code] ?? -1) : -1;
    if (value < 0) return false;
    word = (word << 4) | value;
    digits += 1;
    if ((digits & 7) === 0) words[at + (digits >> 3) - 1] = word;
  }
  return true;
}

/** The same of lower-case digits only. */
const lowerDigitValues = digitValues.map((value, code) => (code >= 0x41 && code <= 0x46 ? -1 : value));

/** Works as `readGuid` on 36 bytes of a request that was not made a string yet, and takes lower case only. */
export function readLowerGuidBytes(bytes: Uint8Array, from: number, words: Int32Array, at: number): boolean {
  if (from + guidCharacters > bytes.length) return false;
  let digits = 0;
  let word = 0;
  for (let position = 0; position < guidCharacters; position += 1) {
    const code = bytes[from + position] ?? 0;
    if (isHyphenAt(position)) {
      if (code !== hyphen) return false;
      continue;
    }
    const value = lowerDigitValues[code] ?? -1;
    if (value < 0) return false;
    word = (word << 4) | value;
    digits += 1;
    if ((digits & 7) === 0) words[at + (digits >> 3) - 1] = word;
  }
  return true;
}

const hex = (words: Int32Array, at: number): string => ((words[at] ?? 0) >>> 0).toString(16).padStart(8, '0');

/** The usual text, in lower case. */
export function formatGuid(words: Int32Array, at: number): string {
  const digits = hex(words, at) + hex(words, at + 1) + hex(words, at + 2) + hex(words, at + 3);
  return [
    digits.slice(0, 8),
    digits.slice(8, 12),
    digits.slice(12, 16),
    digits.slice(16, 20),
    digits.slice(20),
  ].join('-');
}
