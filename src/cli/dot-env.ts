/**
 * A `.env` file as people and editors write it: UTF-8 with or without a byte order mark, any line ends, quotes, comments,
 * `export`. What would be read otherwise than it looks is refused with its line, never with its value.
 */

import { parseEnv } from 'node:util';

/** The file cannot be meant as it stands. */
export class DotEnvFault extends Error {
  override readonly name = 'DotEnvFault';
}

function decode(bytes: Uint8Array): string {
  if (
    (bytes[0] === 0xff && bytes[1] === 0xfe) ||
    (bytes[0] === 0xfe && bytes[1] === 0xff) ||
    bytes.includes(0)
  )
    throw new DotEnvFault('is UTF-16: save it as UTF-8 (in PowerShell: Out-File -Encoding utf8)');
  try {
    // Takes the byte order mark away.
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new DotEnvFault('is not UTF-8: save it as UTF-8');
  }
}

/** Captures the text behind the closing quote on its line. A value over several lines is left to the parser. */
const afterQuote = /^[ \t]*(?:export[ \t]+)?([\w.-]+)[ \t]*=[ \t]*(["'`])((?:(?!\2).)*)\2(.*)$/;

function checkQuotes(text: string): void {
  for (const [index, line] of text.split('\n').entries()) {
    const [, name, , , rest = ''] = afterQuote.exec(line) ?? [];
    if (name !== undefined && !/^\s*(#.*)?$/.test(rest)) {
      throw new DotEnvFault(
        `has text behind the closing quote of ${name} in line ${index + 1}: quote the value with a mark that it does not hold`,
      );
    }
  }
}

/** Throws `DotEnvFault`. Of a name that stands twice the last value counts. */
export function parseDotEnv(bytes: Uint8Array): Record<string, string> {
  const text = decode(bytes)
    .replaceAll(/\r\n?/g, '\n')
    // Node's parser takes an indented comment, and a tab behind `export`, for a part of the name.
    .replaceAll(/^[ \t]+#/gm, '#')
    .replaceAll(/^[ \t]*export[ \t]+/gm, '');
  checkQuotes(text);
  return parseEnv(text) as Record<string, string>;
}
