/** Answers as text in latin1, with the headers that Node's own server puts into them. */

import { STATUS_CODES } from 'node:http';
import { checkDeviceAnswer } from '../../forwarding/check-answer.ts';
import { crossingLines } from '../../forwarding/headers.ts';
import type { UpstreamHead } from '../../outbound/upstream.ts';
import { type Problem, problemAnswer } from '../../problems.ts';
import { inOnePiece } from './lines.ts';

const closing = 'Connection: close\r\n';
const connectionLines = (keepAliveSeconds: number | undefined): string =>
  keepAliveSeconds === undefined
    ? closing
    : `Connection: keep-alive\r\nKeep-Alive: timeout=${keepAliveSeconds}\r\n`;

let endSecond = 0;
let endKeepAlive: number | undefined;
let endText = '';
/** Date, connection and the empty line: made once a second, as Node does with its date. */
function headEnd(keepAliveSeconds: number | undefined): string {
  const second = Math.floor(Date.now() / 1_000);
  if (second !== endSecond || keepAliveSeconds !== endKeepAlive) {
    endSecond = second;
    endKeepAlive = keepAliveSeconds;
    endText = `Date: ${new Date(second * 1_000).toUTCString()}\r\n${connectionLines(keepAliveSeconds)}\r\n`;
  }
  return endText;
}

const statusLines = new Map<number, string>();
function statusLine(status: number): string {
  let line = statusLines.get(status);
  if (line === undefined) {
    line = `HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'unknown'}\r\n`;
    statusLines.set(status, line);
  }
  return line;
}

export interface AnswerEnd {
  /** Seconds that the connection is kept; undefined: it is closed after this answer. */
  readonly keepAliveSeconds: number | undefined;
  /** `chunked`: not known before its end. `none`: this status has no body. */
  readonly framing: number | 'chunked' | 'none';
}

function framingLine(framing: AnswerEnd['framing']): string {
  if (framing === 'none') return '';
  return framing === 'chunked' ? 'Transfer-Encoding: chunked\r\n' : `content-length: ${framing}\r\n`;
}

export const answerHead = (status: number, lines: string, { framing, keepAliveSeconds }: AnswerEnd): string =>
  statusLine(status) + lines + framingLine(framing) + headEnd(keepAliveSeconds);

/** Result of checking the head of an instance's answer. It depends on nothing but that head. */
class LaneAnswer {
  /** Problem for which it may not be passed on. */
  readonly problem: Problem | undefined;
  /** Undefined: in chunks. */
  readonly bodyBytes: number | undefined;
  readonly commonLines: string;
  readonly #beforeId: string;
  readonly #afterId: string;

  constructor(head: UpstreamHead, commonLines: string, isKept: boolean) {
    this.commonLines = commonLines;
    const { contentLength, status } = head;
    this.problem = checkDeviceAnswer(head);
    const framing = status === 204 || status === 304 ? 'none' : (contentLength ?? 'chunked');
    this.bodyBytes = framing === 'chunked' ? undefined : framing === 'none' ? 0 : framing;
    const crossing = this.problem === undefined ? crossingLines(head) : '';
    const beforeId = `${statusLine(status)}${commonLines}${crossing}x-request-id: `;
    this.#beforeId = isKept ? inOnePiece(beforeId) : beforeId;
    this.#afterId = `\r\n${framingLine(framing)}`;
  }
  head(requestId: string, keepAliveSeconds: number | undefined): string {
    return this.#beforeId + requestId + this.#afterId + headEnd(keepAliveSeconds);
  }
}

/** Results for heads that come again, for as long as their connections keep them. */
const answers = new WeakMap<UpstreamHead, LaneAnswer>();

/** `commonLines`: what every answer of the listener has. */
export function laneAnswerOf(head: UpstreamHead, commonLines: string): LaneAnswer {
  if (head.isRepeated !== true) return new LaneAnswer(head, commonLines, false);
  let answer = answers.get(head);
  // Listeners of one process share the connections to instances.
  if (answer?.commonLines !== commonLines) {
    answer = new LaneAnswer(head, commonLines, true);
    answers.set(head, answer);
  }
  return answer;
}

export interface ProblemEnd {
  readonly commonLines: string;
  readonly keepAliveSeconds: number | undefined;
}

export function problemText(
  found: Problem,
  requestId: string,
  { commonLines, keepAliveSeconds }: ProblemEnd,
): { readonly status: number; readonly text: string } {
  const { body, headers, status } = problemAnswer(found, requestId);
  const bytes = Buffer.from(body);
  const lines = Object.entries(headers)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  const head = answerHead(status, commonLines + lines, { keepAliveSeconds, framing: bytes.byteLength });
  return { status, text: head + bytes.toString('latin1') };
}

/** One chunk of `Transfer-Encoding: chunked` before its bytes; `\r\n` follows them. */
export const chunkHead = (bytes: number): string => `${bytes.toString(16)}\r\n`;
export const lastChunk = '0\r\n\r\n';
