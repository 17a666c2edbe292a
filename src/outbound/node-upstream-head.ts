/**
 * The head of an answer: status line and header lines, read strictly (RFC 9112). What two readers could read in two
 * ways is no answer: a folded line, a bare CR or LF, a NUL, a space before the colon, two lengths, a length beside an
 * encoding.
 */

import type { UpstreamHead } from './upstream.ts';

/** Rule by which the body ends. */
export type BodyEnd =
  | { readonly by: 'none' }
  | { readonly by: 'length'; readonly bytes: number }
  | { readonly by: 'chunks' }
  | { readonly by: 'close' };

export interface AnswerHead extends UpstreamHead {
  readonly bodyEnd: BodyEnd;
  isRepeated: boolean;
  /** The server closes the connection after this answer. */
  readonly closes: boolean;
  /** Seconds that the server keeps an idle connection, where it says so (`Keep-Alive: timeout=`). */
  readonly keepAliveSeconds: number | undefined;
}

export type HeadResult =
  | { readonly ok: true; readonly head: AnswerHead }
  | { readonly ok: false; readonly fault: string };

/** One pass over everything: no character class overlaps its neighbour, so it never goes back. */
const wellFormed =
  /^HTTP\/1\.[01] [1-9]\d\d(?: [\t\x20-\x7e\x80-\xff]*)?(?:\r\n[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*)*$/;

/** Fifteen digits: more than any body, less than where a number loses its last digit. */
const lengthValue = /^\d{1,15}$/;

const fault = (text: string): HeadResult => ({ ok: false, fault: text });

interface Framing {
  length: string | undefined;
  chunked: boolean;
  closes: boolean;
  keepsAlive: boolean;
  keepAliveSeconds: number | undefined;
}

/** Takes one header into the framing; a text says what is wrong with it. */
function takeFraming(framing: Framing, name: string, value: string): string | undefined {
  switch (name) {
    case 'content-length':
      if (framing.length !== undefined) return 'two Content-Length headers';
      if (!lengthValue.test(value)) return 'a Content-Length that is no number';
      framing.length = value;
      return undefined;
    case 'transfer-encoding':
      if (framing.chunked || value.toLowerCase() !== 'chunked')
        return 'a Transfer-Encoding other than chunked';
      framing.chunked = true;
      return undefined;
    case 'connection':
      if (/(?:^|[,\s])close(?:$|[,\s])/i.test(value)) framing.closes = true;
      else if (/(?:^|[,\s])keep-alive(?:$|[,\s])/i.test(value)) framing.keepsAlive = true;
      return undefined;
    case 'keep-alive': {
      const seconds = /(?:^|[,\s])timeout=(\d{1,6})(?:$|[,\s])/i.exec(value)?.[1];
      if (seconds !== undefined) framing.keepAliveSeconds = Number(seconds);
      return undefined;
    }
    default:
      return undefined;
  }
}

/** Lengths of the names above: the names of all other headers are not even cut out. */
const framingNames = new Set(
  ['content-length', 'transfer-encoding', 'connection', 'keep-alive'].map((n) => n.length),
);

const isBlank = (code: number): boolean => code === 0x20 || code === 0x09;

/** The part of a text without blanks around it; by hand, because it is done for every header of every answer. */
function trimmed(text: string, from: number, to: number): string {
  let start = from;
  let end = to;
  while (start < end && isBlank(text.charCodeAt(start))) start += 1;
  while (end > start && isBlank(text.charCodeAt(end - 1))) end -= 1;
  return text.slice(start, end);
}

/** Names in lower case and values in turns, cut only when somebody asks. */
function splitFields(text: string, from: number): readonly string[] {
  const fields: string[] = [];
  let start = from;
  while (start < text.length) {
    const found = text.indexOf('\r\n', start);
    const end = found < 0 ? text.length : found;
    const colon = text.indexOf(':', start);
    fields.push(text.slice(start, colon).toLowerCase(), trimmed(text, colon + 1, end));
    start = end + 2;
  }
  return fields;
}

function readFraming(text: string, from: number): Framing | string {
  const framing: Framing = {
    length: undefined,
    chunked: false,
    closes: false,
    keepsAlive: false,
    keepAliveSeconds: undefined,
  };
  let start = from;
  while (start < text.length) {
    const found = text.indexOf('\r\n', start);
    const end = found < 0 ? text.length : found;
    const colon = text.indexOf(':', start);
    if (framingNames.has(colon - start)) {
      const name = text.slice(start, colon).toLowerCase();
      const wrong = takeFraming(framing, name, trimmed(text, colon + 1, end));
      if (wrong !== undefined) return wrong;
    }
    start = end + 2;
  }
  return framing;
}

function bodyEndOf(status: number, toHead: boolean, { chunked, length }: Framing): BodyEnd {
  if (toHead || status < 200 || status === 204 || status === 304) return { by: 'none' };
  if (chunked) return { by: 'chunks' };
  return length === undefined ? { by: 'close' } : { by: 'length', bytes: Number(length) };
}

/** A class, so that a head is one object and not one with five closures. */
class ReadAnswerHead implements AnswerHead {
  readonly status: number;
  readonly bodyEnd: BodyEnd;
  readonly contentLength: number | undefined;
  readonly closes: boolean;
  readonly keepAliveSeconds: number | undefined;
  isRepeated = false;
  readonly #text: string;
  readonly #from: number;
  #fields: readonly string[] | undefined;

  constructor(
    status: number,
    bodyEnd: BodyEnd,
    framing: Framing,
    isOld: boolean,
    text: string,
    from: number,
  ) {
    this.status = status;
    this.bodyEnd = bodyEnd;
    this.contentLength = bodyEnd.by === 'length' ? bodyEnd.bytes : undefined;
    this.closes = framing.closes || (isOld && !framing.keepsAlive) || bodyEnd.by === 'close';
    this.keepAliveSeconds = framing.keepAliveSeconds;
    this.#text = text;
    this.#from = from;
  }
  #all(): readonly string[] {
    this.#fields ??= splitFields(this.#text, this.#from);
    return this.#fields;
  }
  header(name: string): string | undefined {
    const found = this.#all();
    let value: string | undefined;
    for (let index = 0; index < found.length; index += 2) {
      if (found[index] !== name) continue;
      value = value === undefined ? found[index + 1] : `${value}, ${found[index + 1]}`;
    }
    return value;
  }
  eachHeader(visit: (name: string, value: string) => void): void {
    const found = this.#all();
    for (let index = 0; index < found.length; index += 2) visit(found[index] ?? '', found[index + 1] ?? '');
  }
}

/** `text`: all of the head in latin1, without the empty line. `toHead`: it answers a HEAD request. */
export function readHead(text: string, toHead: boolean): HeadResult {
  if (!wellFormed.test(text)) return fault('a malformed status line or header');
  const status = Number(text.slice(9, 12));
  if (status > 599) return fault(`the status ${status}`);
  const old = text.charCodeAt(7) === 0x30;
  const lineEnd = text.indexOf('\r\n');
  const from = lineEnd < 0 ? text.length : lineEnd + 2;
  const framing = readFraming(text, from);
  if (typeof framing === 'string') return fault(framing);
  if (framing.chunked && framing.length !== undefined)
    return fault('Content-Length beside Transfer-Encoding');
  if (framing.chunked && old) return fault('Transfer-Encoding in HTTP/1.0');
  // An interim answer is a head alone, on a connection that goes on, and HTTP/1.0 has none (RFC 9110, 15.2).
  if (status < 200 && (old || framing.closes || framing.chunked || framing.length !== undefined)) {
    return fault('an interim answer with framing');
  }
  const bodyEnd = bodyEndOf(status, toHead, framing);
  return { ok: true, head: new ReadAnswerHead(status, bodyEnd, framing, old, text, from) };
}
