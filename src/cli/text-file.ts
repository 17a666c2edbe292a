/**
 * Text files as people's editors write them: UTF-8 with or without a byte order mark, and UTF-16 with one, as Windows
 * calls "Unicode". Bytes of another encoding are refused, never replaced: a letter that is lost in a name or a secret
 * would be noticed much later, and elsewhere.
 */

import { isUtf8 } from 'node:buffer';
import { readFileSync } from 'node:fs';

/** The bytes are no text that can be read as it was meant. */
export class EncodingFault extends Error {
  override readonly name = 'EncodingFault';
  /** Position of the first byte that cannot be read, from 1; undefined where the whole file is meant. */
  readonly at: { readonly line: number; readonly column: number } | undefined;
  constructor(message: string, at?: { readonly line: number; readonly column: number }) {
    super(message);
    this.at = at;
  }
}

const lineFeed = 0x0a;

function utf8Fault(bytes: Buffer): EncodingFault {
  let begin = 0;
  for (let line = 1; begin < bytes.length; line += 1) {
    const feed = bytes.indexOf(lineFeed, begin);
    const end = feed < 0 ? bytes.length : feed;
    const part = bytes.subarray(begin, end);
    if (!isUtf8(part)) {
      const text = part.toString('utf8');
      const before = text.slice(0, text.indexOf('\ufffd'));
      const byte = part[Buffer.byteLength(before)] ?? 0;
      const code = byte.toString(16).toUpperCase().padStart(2, '0');
      return new EncodingFault(
        `is not UTF-8: the byte 0x${code} is one of another encoding, as Windows-1252 (Latin-1); save the file as UTF-8`,
        { line, column: before.length + 1 },
      );
    }
    begin = end + 1;
  }
  return new EncodingFault('is not UTF-8: save the file as UTF-8');
}

const utf16Of = (bytes: Buffer): 'utf-16be' | 'utf-16le' | undefined => {
  if (bytes[0] === 0xff && bytes[1] === 0xfe) return 'utf-16le';
  return bytes[0] === 0xfe && bytes[1] === 0xff ? 'utf-16be' : undefined;
};

/** The text without its byte order mark. Throws `EncodingFault`. */
export function decodeText(bytes: Buffer): string {
  const utf16 = utf16Of(bytes);
  if (utf16 === undefined && !isUtf8(bytes)) throw utf8Fault(bytes);
  let text: string;
  try {
    text = new TextDecoder(utf16 ?? 'utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new EncodingFault('is UTF-16 with a broken character: save the file as UTF-8');
  }
  // No text has this character: it stands between the letters of UTF-16 and UTF-32 that is read as something else.
  if (text.includes('\0'))
    throw new EncodingFault(
      'holds zero bytes, as UTF-16 without a byte order mark does: save the file as UTF-8',
    );
  return text;
}

/** `path` 0 is standard input. Throws `EncodingFault`, or what the file system says of a file that cannot be read. */
export const readText = (path: string | number): string => decodeText(readFileSync(path));
