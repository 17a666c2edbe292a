/** Reads the answers of one connection out of its bytes, however they are cut. */

import { createKeepPolicy } from './keep-policy.ts';
import { createChunkedReader } from './node-upstream-chunked.ts';
import { type AnswerHead, type BodyEnd, readHead } from './node-upstream-head.ts';

export interface AnswerSink {
  head(head: AnswerHead): void;
  /** `false`: no more for now. The chunk is a part of the bytes that were given to `read`. */
  data(chunk: Buffer): boolean;
  /** The whole body, one character a byte, where it came in one piece with the head; `false`: give it by `data`. */
  text?(body: string): boolean;
}

/** Four times the bound of Node's own client: Jamf's heads are below 2 KiB. */
const headBytes = 65_536;
/** Interim answers (1xx) before the final one. */
const interimAnswers = 16;

/** Answers up to this size are looked at as one string. */
const wholeBytes = 16_384;
const headEnd = Buffer.from('\r\n\r\n');
const versionStart = Buffer.from('HTTP/1.');
const lf = 0x0a;
const cr = 0x0d;

/** The part of a head that has come so far, in a buffer that doubles. */
class HeadSoFar {
  #buffer = Buffer.alloc(0);
  length = 0;

  bytes(): Buffer {
    return this.#buffer.subarray(0, this.length);
  }
  append(bytes: Buffer): void {
    const length = this.length + bytes.length;
    if (length > this.#buffer.length) {
      const larger = Buffer.alloc(Math.max(1_024, length * 2));
      this.#buffer.copy(larger, 0, 0, this.length);
      this.#buffer = larger;
    }
    bytes.copy(this.#buffer, this.length);
    this.length = length;
  }
}

/** The last head that came in one piece, with its empty line: the next is often the same to the letter. */
class KnownHead {
  readonly #pace = createKeepPolicy();
  #known: { readonly bytes: Buffer; readonly head: AnswerHead } | undefined;

  /** The known head where these bytes begin with it. */
  startOf(bytes: Buffer): AnswerHead | undefined {
    const known = this.#known;
    if (known === undefined || bytes.length < known.bytes.length) return undefined;
    const { length } = known.bytes;
    if (bytes.compare(known.bytes, 0, length, 0, length) !== 0) return undefined;
    this.#pace.served();
    known.head.isRepeated = true;
    return known.head;
  }
  length(): number {
    return this.#known?.bytes.length ?? 0;
  }
  /** Decides whether the next head, which is not the known one, is worth its copy. */
  keepsNext(): boolean {
    return this.#pace.keepNext(this.#known !== undefined);
  }
  /** `head` undefined: the next one is not known. */
  put(bytes: Buffer, length: number, head: AnswerHead | undefined): void {
    this.#known = head && { bytes: Buffer.from(bytes.subarray(0, length)), head };
  }
}

/** Fault of a head that has not ended, so that nobody waits for the rest of something that is no HTTP. */
function faultSoFar(bytes: Buffer, from: number): string | undefined {
  if (bytes.length > headBytes) return `a head of more than ${headBytes} bytes`;
  const start = Math.min(bytes.length, versionStart.length);
  if (bytes.compare(versionStart, 0, start, 0, start) !== 0) return 'an answer that is not HTTP/1.1';
  for (let at = bytes.indexOf(lf, from); at >= 0; at = bytes.indexOf(lf, at + 1)) {
    if (bytes[at - 1] !== cr) return 'a bare LF';
  }
  return undefined;
}

/** Result for an answer that did not come in one small piece. */
const notWhole = -2;

export class AnswerReader {
  readonly #sink: AnswerSink;
  readonly #soFar = new HeadSoFar();
  readonly #known = new KnownHead();
  #phase: 'head' | 'body' | 'complete' | 'stopped' = 'stopped';
  #isToHead = false;
  #hasBegun = false;
  #interim = 0;
  #fault = '';
  /** Head of the final answer. */
  #head: AnswerHead | undefined;
  #bodyEnd: BodyEnd = { by: 'none' };
  /** Bytes still to come of a body that has a length. */
  #left = 0;
  #chunked = createChunkedReader();

  constructor(sink: AnswerSink) {
    this.#sink = sink;
  }
  /** Begins the answer to a new request; `toHead`: a HEAD request. */
  begin(toHead: boolean): void {
    this.#phase = 'head';
    this.#isToHead = toHead;
    this.#hasBegun = false;
    this.#interim = 0;
    this.#head = undefined;
    this.#soFar.length = 0;
  }
  /**
   * Reads on, and keeps nothing of the bytes; where it stopped: behind them, at the end of the answer, or where the sink
   * wanted no more. -1: this is no valid answer, and `fault` says why.
   */
  read(bytes: Buffer): number {
    this.#hasBegun = true;
    let at = 0;
    while (this.#phase === 'head' && at < bytes.length) {
      at = this.#readHead(bytes, at);
      if (at < 0) return at;
    }
    return this.#phase === 'body' && at < bytes.length ? this.#readBody(bytes, at) : at;
  }
  /** The server has closed its side; whether the answer is whole by that. */
  finish(): boolean {
    if (this.#phase === 'body' && this.#bodyEnd.by === 'close') this.#phase = 'complete';
    return this.#phase === 'complete';
  }
  /** Nothing is read any more. */
  stop(): void {
    this.#phase = 'stopped';
  }
  isComplete(): boolean {
    return this.#phase === 'complete';
  }
  /** True once a byte of the answer has come. */
  hasBegun(): boolean {
    return this.#hasBegun;
  }
  /** The head of the final answer, as soon as it has come. */
  head(): AnswerHead | undefined {
    return this.#head;
  }
  fault(): string {
    return this.#fault;
  }

  #refuse(why: string): -1 {
    this.#fault = why;
    this.#phase = 'stopped';
    return -1;
  }
  /** The sink may have stopped the reader meanwhile. */
  #complete(): void {
    if (this.#phase !== 'stopped') this.#phase = 'complete';
  }

  // The head.

  #readHead(bytes: Buffer, offset: number): number {
    if (this.#soFar.length > 0) return this.#readRestOfHead(bytes, offset);
    if (offset === 0 && bytes.length <= wholeBytes) {
      const stopped = this.#readWhole(bytes);
      if (stopped !== notWhole) return stopped;
    }
    const end = bytes.indexOf(headEnd, offset);
    return end >= 0 && end - offset <= headBytes
      ? this.#takeHead(bytes.toString('latin1', offset, end), end + headEnd.length)
      : this.#readRestOfHead(bytes, offset);
  }
  #readRestOfHead(bytes: Buffer, offset: number): number {
    const soFar = this.#soFar;
    const before = soFar.length;
    soFar.append(bytes.subarray(offset));
    const all = soFar.bytes();
    const end = all.indexOf(headEnd, Math.max(0, before - 3));
    const wrong = faultSoFar(end < 0 ? all : all.subarray(0, end), before);
    if (wrong !== undefined) return this.#refuse(wrong);
    if (end < 0) return bytes.length;
    soFar.length = 0;
    return this.#takeHead(all.toString('latin1', 0, end), offset + end + headEnd.length - before);
  }
  /** The head's text is complete; `after` is where the body begins. */
  #takeHead(text: string, after: number): number {
    const result = readHead(text, this.#isToHead);
    if (!result.ok) return this.#refuse(result.fault);
    const { head } = result;
    if (head.status >= 200) {
      this.#beginBody(head);
      return after;
    }
    this.#interim += 1;
    // A switch of protocols was not asked for.
    const isRefused = head.status === 101 || this.#interim > interimAnswers;
    return isRefused ? this.#refuse(`${this.#interim} interim answers`) : after;
  }

  // The usual answer, which comes in one small piece.

  /** One string is made of it, and the body is a part of that; or `notWhole`. */
  #readWhole(bytes: Buffer): number {
    const known = this.#isToHead ? undefined : this.#known.startOf(bytes);
    if (known !== undefined) {
      this.#beginBody(known);
      return this.#readWholeBody(bytes, this.#known.length());
    }
    const text = bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return notWhole;
    const isKept = !this.#isToHead && this.#known.keepsNext();
    // A kept head is copied instead of sliced from `text`, because a slice would keep the body, too.
    const head = isKept ? bytes.toString('latin1', 0, end) : text.slice(0, end);
    const after = this.#takeHead(head, end + headEnd.length);
    this.#known.put(bytes, after, isKept ? this.#head : undefined);
    return this.#readWholeBody(bytes, after);
  }
  #readWholeBody(bytes: Buffer, after: number): number {
    if (after < 0 || this.#phase !== 'body' || this.#bodyEnd.by !== 'length') return after;
    if (this.#sink.text === undefined || this.#left > bytes.length - after) return after;
    const end = after + this.#left;
    if (!this.#sink.text(bytes.toString('latin1', after, end))) return after;
    this.#complete();
    return end;
  }

  // The body.

  #beginBody(head: AnswerHead): void {
    const { bodyEnd } = head;
    this.#head = head;
    this.#bodyEnd = bodyEnd;
    this.#phase = 'body';
    if (bodyEnd.by === 'length') this.#left = bodyEnd.bytes;
    else if (bodyEnd.by === 'chunks') this.#chunked = createChunkedReader();
    if (bodyEnd.by === 'none' || (bodyEnd.by === 'length' && bodyEnd.bytes === 0)) this.#phase = 'complete';
    this.#sink.head(head);
  }
  #readBody(bytes: Buffer, offset: number): number {
    if (this.#bodyEnd.by === 'chunks') {
      const end = this.#chunked.read(bytes, offset, (piece) => this.#sink.data(piece));
      if (end < 0) return this.#refuse('a malformed chunk');
      if (this.#chunked.isComplete()) this.#complete();
      return end;
    }
    if (this.#bodyEnd.by === 'close') {
      this.#sink.data(offset === 0 ? bytes : bytes.subarray(offset));
      return bytes.length;
    }
    const piece = bytes.subarray(offset, offset + this.#left);
    this.#left -= piece.length;
    this.#sink.data(piece);
    if (this.#left === 0) this.#complete();
    return offset + piece.length;
  }
}
