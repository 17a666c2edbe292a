import { importLineCharacters } from '../../../limits.ts';
import { invalidField } from '../../schemas.ts';

/** A stream of bytes as lines of text. */

export interface Lines {
  /** Number of the first of them, from 1. */
  readonly first: number;
  /** Without their `\n`; a `\r` before it is still there. */
  readonly lines: readonly string[];
}

export const lineTooLong = (line: number): Error =>
  invalidField(
    `line ${line}`,
    `is longer than ${importLineCharacters} characters; a quote that is never closed?`,
    'LINE_TOO_LONG',
  );

/** UTF-16 shows by its byte order mark, or by the zero in each unit of ASCII: Excel calls it Unicode text. */
const isUtf16 = ([a, b]: Uint8Array): boolean =>
  (a === 0xff && b === 0xfe) || (a === 0xfe && b === 0xff) || (a !== undefined && (a === 0 || b === 0));

/**
 * Lines as they come, many at a time. A byte order mark is dropped; what is no UTF-8 becomes U+FFFD. Throws
 * `ProblemError` for a line beyond the limit, which could be all of the file.
 */
export async function* readLines(chunks: AsyncIterable<Uint8Array>): AsyncGenerator<Lines> {
  const decoder = new TextDecoder();
  let rest = '';
  let first = 1;
  let begins = true;
  for await (const chunk of chunks) {
    if (begins && isUtf16(chunk)) {
      throw invalidField(
        'body',
        'is UTF-16: save the file as UTF-8 ("CSV UTF-8" in Excel)',
        'INVALID_ENCODING',
      );
    }
    begins &&= chunk.byteLength === 0;
    const lines = (rest + decoder.decode(chunk, { stream: true })).split('\n');
    rest = lines.pop() ?? '';
    const long = [...lines, rest].findIndex((line) => line.length > importLineCharacters);
    if (long >= 0) throw lineTooLong(first + long);
    if (lines.length > 0) yield { first, lines };
    first += lines.length;
  }
  rest += decoder.decode();
  if (rest !== '') yield { first, lines: [rest] };
}
