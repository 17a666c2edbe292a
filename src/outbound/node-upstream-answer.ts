import { createKeepingPace } from './keeping-pace.ts';
import { createChunkedReader } from './node-upstream-chunked.ts';
import { type AnswerHead, type BodyEnd, readHead } from './node-upstream-head.ts';

/** Reads the answers of one connection out of its bytes, however they are cut. */

export interface AnswerSink {
  head(head: AnswerHead): void;
  /** `false`: no more for now. The chunk is a part of the bytes that were given to `read`. */
  data(chunk: Buffer): boolean;
  /** The whole body, one character a byte, where it came in one piece with the head; `false`: give it by `data`. */
  text?(body: string): boolean;
}

export interface AnswerReader {
  /** What comes from here on answers a new request; `toHead`: a HEAD request. */
  begin(toHead: boolean): void;
  /**
   * Reads on, and keeps nothing of the bytes; where it stopped: behind them, at the end of the answer, or where the sink
   * wanted no more. -1: this is no valid answer, and `fault` says why.
   */
  read(bytes: Buffer): number;
  /** The server has closed its side; whether the answer is whole by that. */
  finish(): boolean;
  /** Nothing is read any more. */
  stop(): void;
  isComplete(): boolean;
  /** Whether a byte of the answer has come. */
  hasBegun(): boolean;
  fault(): string;
}

/** Also what Node's own client takes at most, four times over: Jamf's heads are below 2 KiB. */
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
function createHeld() {
  let buffer = Buffer.alloc(0);
  let length = 0;
  return {
    length: () => length,
    bytes: () => buffer.subarray(0, length),
    clear: () => {
      length = 0;
    },
    append: (bytes: Buffer) => {
      if (length + bytes.length > buffer.length) {
        const larger = Buffer.alloc(Math.max(1_024, (length + bytes.length) * 2));
        buffer.copy(larger, 0, 0, length);
        buffer = larger;
      }
      bytes.copy(buffer, length);
      length += bytes.length;
    },
  };
}

/** What is wrong already with a head that has not ended: not to wait for the rest of what is no HTTP. */
function faultSoFar(bytes: Buffer, from: number): string | undefined {
  if (bytes.length > headBytes) return `a head of more than ${headBytes} bytes`;
  const start = Math.min(bytes.length, versionStart.length);
  if (bytes.compare(versionStart, 0, start, 0, start) !== 0) return 'an answer that is not HTTP/1.1';
  for (let at = bytes.indexOf(lf, from); at >= 0; at = bytes.indexOf(lf, at + 1)) {
    if (bytes[at - 1] !== cr) return 'a bare LF';
  }
  return undefined;
}

export function createAnswerReader(sink: AnswerSink): AnswerReader {
  const held = createHeld();
  let phase: 'head' | 'body' | 'complete' | 'stopped' = 'stopped';
  let toHead = false;
  let begun = false;
  let interim = 0;
  let fault = '';
  let bodyEnd: BodyEnd = { by: 'none' };
  let left = 0;
  let chunked = createChunkedReader();
  const pace = createKeepingPace();
  let finalHead: AnswerHead | undefined;
  /** The last head that came in one piece, with its empty line: the next is often the same to the letter. */
  let known: { readonly bytes: Buffer; readonly head: AnswerHead } | undefined;

  const refuse = (why: string): -1 => {
    fault = why;
    phase = 'stopped';
    return -1;
  };
  const isStopped = (): boolean => phase === 'stopped';

  /** The head's text is complete; `after` is where the body begins. */
  const takeHead = (text: string, after: number): number => {
    const result = readHead(text, toHead);
    if (!result.ok) return refuse(result.fault);
    const { head } = result;
    if (head.status < 200) {
      interim += 1;
      // A switch of protocols was not asked for.
      return head.status === 101 || interim > interimAnswers ? refuse(`${interim} interim answers`) : after;
    }
    finalHead = head;
    beginBody(head);
    return after;
  };
  const beginBody = (head: AnswerHead): void => {
    bodyEnd = head.bodyEnd;
    phase = 'body';
    if (bodyEnd.by === 'length') left = bodyEnd.bytes;
    else if (bodyEnd.by === 'chunks') chunked = createChunkedReader();
    if (bodyEnd.by === 'none' || (bodyEnd.by === 'length' && left === 0)) phase = 'complete';
    sink.head(head);
  };
  /**
   * The usual answer comes in one small piece: one string is made of it, and the body is a part of that. -2: it is none
   * such.
   */
  const readWhole = (bytes: Buffer): number => {
    if (known !== undefined && !toHead) {
      const { length } = known.bytes;
      if (bytes.length >= length && bytes.compare(known.bytes, 0, length, 0, length) === 0) {
        pace.served();
        known.head.isRepeated = true;
        beginBody(known.head);
        return readWholeBody(bytes, length);
      }
    }
    const text = bytes.toString('latin1');
    const end = text.indexOf('\r\n\r\n');
    if (end < 0) return -2;
    const isKept = !toHead && pace.keepNext(known !== undefined);
    // What is kept is no part of `text`, for that would keep the body, too.
    const head = isKept ? bytes.toString('latin1', 0, end) : text.slice(0, end);
    finalHead = undefined;
    const after = takeHead(head, end + headEnd.length);
    known =
      isKept && finalHead !== undefined
        ? { bytes: Buffer.from(bytes.subarray(0, after)), head: finalHead }
        : undefined;
    return readWholeBody(bytes, after);
  };
  const readWholeBody = (bytes: Buffer, after: number): number => {
    if (after < 0 || phase !== 'body' || bodyEnd.by !== 'length' || left > bytes.length - after) return after;
    if (sink.text === undefined) return after;
    const end = after + left;
    if (!sink.text(bytes.toString('latin1', after, end))) return after;
    if (!isStopped()) phase = 'complete';
    return end;
  };
  const readHeadFrom = (bytes: Buffer, offset: number): number => {
    if (held.length() === 0 && offset === 0 && bytes.length <= wholeBytes) {
      const stopped = readWhole(bytes);
      if (stopped !== -2) return stopped;
    }
    if (held.length() === 0) {
      const end = bytes.indexOf(headEnd, offset);
      if (end >= 0 && end - offset <= headBytes)
        return takeHead(bytes.toString('latin1', offset, end), end + 4);
    }
    const before = held.length();
    held.append(bytes.subarray(offset));
    const all = held.bytes();
    const end = all.indexOf(headEnd, Math.max(0, before - 3));
    const wrong = faultSoFar(end < 0 ? all : all.subarray(0, end), before);
    if (wrong !== undefined) return refuse(wrong);
    if (end < 0) return bytes.length;
    held.clear();
    return takeHead(all.toString('latin1', 0, end), offset + end + 4 - before);
  };
  const readBodyFrom = (bytes: Buffer, offset: number): number => {
    if (bodyEnd.by === 'chunks') {
      const end = chunked.read(bytes, offset, sink.data);
      if (end < 0) return refuse('a malformed chunk');
      if (chunked.isComplete() && !isStopped()) phase = 'complete';
      return end;
    }
    if (bodyEnd.by === 'close') {
      sink.data(offset === 0 ? bytes : bytes.subarray(offset));
      return bytes.length;
    }
    const piece = bytes.subarray(offset, offset + left);
    left -= piece.length;
    sink.data(piece);
    if (left === 0 && !isStopped()) phase = 'complete';
    return offset + piece.length;
  };

  return {
    begin: (head) => {
      phase = 'head';
      toHead = head;
      begun = false;
      interim = 0;
      held.clear();
    },
    read: (bytes) => {
      begun = true;
      let at = 0;
      while (phase === 'head' && at < bytes.length) {
        at = readHeadFrom(bytes, at);
        if (at < 0) return at;
      }
      return phase === 'body' && at < bytes.length ? readBodyFrom(bytes, at) : at;
    },
    finish: () => {
      if (phase === 'body' && bodyEnd.by === 'close') phase = 'complete';
      return phase === 'complete';
    },
    stop: () => {
      phase = 'stopped';
    },
    isComplete: () => phase === 'complete',
    hasBegun: () => begun,
    fault: () => fault,
  };
}
