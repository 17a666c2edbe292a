import { STATUS_CODES } from 'node:http';
import { type Problem, problemAnswer } from '../problems.ts';

/** Answers as text in latin1, with the headers that Node's own server puts into them. */

let dateSecond = 0;
let dateLine = '';
/** As Node does: once a second. */
function date(): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== dateSecond) {
    dateSecond = second;
    dateLine = `Date: ${new Date(second * 1_000).toUTCString()}\r\n`;
  }
  return dateLine;
}

const closing = 'Connection: close\r\n';

export interface AnswerEnd {
  /** Seconds that the connection is kept; undefined: it is closed after this answer. */
  readonly keepAliveSeconds: number | undefined;
  /** `chunked`: not known before its end. `none`: this status has no body. */
  readonly framing: number | 'chunked' | 'none';
}

export function answerHead(status: number, lines: string, { framing, keepAliveSeconds }: AnswerEnd): string {
  const connection =
    keepAliveSeconds === undefined
      ? closing
      : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}\r\n`;
  const length =
    framing === 'none'
      ? ''
      : framing === 'chunked'
        ? 'Transfer-Encoding: chunked\r\n'
        : `content-length: ${framing}\r\n`;
  return `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n${lines}${length}${date()}${connection}\r\n`;
}

export function problemText(
  found: Problem,
  requestId: string,
  keepAliveSeconds: number | undefined,
): { readonly status: number; readonly text: string } {
  const { body, headers, status } = problemAnswer(found, requestId);
  const bytes = Buffer.from(body);
  const lines = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const head = answerHead(status, lines, { keepAliveSeconds, framing: bytes.byteLength });
  return { status, text: head + bytes.toString('latin1') };
}

/** One chunk of `Transfer-Encoding: chunked` before its bytes; `\r\n` follows them. */
export const chunkHead = (bytes: number): string => `${bytes.toString(16)}\r\n`;
export const lastChunk = '0\r\n\r\n';
