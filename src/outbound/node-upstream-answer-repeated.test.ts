/** Several answers on one connection: what was kept of one never changes how the next is read. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from './node-upstream-answer.ts';
import type { AnswerHead } from './node-upstream-head.ts';

interface Read {
  readonly head:
    | Pick<AnswerHead, 'status' | 'contentLength' | 'bodyEnd' | 'closes' | 'keepAliveSeconds'>
    | undefined;
  readonly headers: readonly string[];
  readonly body: string;
  readonly stopped: number;
  readonly complete: boolean;
  readonly fault: string;
}

/** A connection; `answer` reads one answer, and says with which object for its head. */
function connection() {
  let heads: AnswerHead[] = [];
  let body = '';
  const reader = new AnswerReader({
    head: (head) => heads.push(head),
    data: (chunk) => {
      body += chunk.toString('latin1');
      return true;
    },
    text: (whole) => {
      body += whole;
      return true;
    },
  });
  const answer = (text: string, toHead = false): { read: Read; head: AnswerHead | undefined } => {
    heads = [];
    body = '';
    reader.begin(toHead);
    const bytes = Buffer.from(text, 'latin1');
    let stopped = reader.read(bytes);
    // The loop reads as the connection does: an interim answer ends where the next begins.
    while (stopped >= 0 && stopped < bytes.length && !reader.isComplete()) {
      const more = reader.read(bytes.subarray(stopped));
      if (more <= 0) {
        stopped = more < 0 ? more : stopped;
        break;
      }
      stopped += more;
    }
    const [head] = heads;
    const headers: string[] = [];
    head?.eachHeader((name, value) => headers.push(`${name}=${value}`));
    const { status, contentLength, bodyEnd, closes, keepAliveSeconds } = head ?? {};
    const shown = head && { status, contentLength, bodyEnd, closes, keepAliveSeconds };
    const fault = stopped < 0 ? reader.fault() : '';
    const complete = stopped >= 0 && reader.isComplete();
    return { head, read: { head: shown as Read['head'], headers, body, stopped, complete, fault } };
  };
  return answer;
}

const good =
  'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 7\r\nKeep-Alive: timeout=9\r\n\r\n{"a":1}';
const samples = [
  good,
  good.replace('{"a":1}', '{"b":2}'),
  'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n',
  'HTTP/1.1 204 No Content\r\nETag: "1"\r\n\r\n',
  'HTTP/1.1 503 x\r\nContent-Type: text/html\r\nContent-Length: 2\r\n\r\n<>',
  'HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nA',
  'HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n',
];

describe('after an answer with the same head', () => {
  it('the head is the same object, and the body is its own', () => {
    const answer = connection();
    const first = answer(good);
    const second = answer(good.replace('{"a":1}', '{"b":2}'));
    expect(second.head).toBe(first.head);
    expect([first.read.body, second.read.body]).toEqual(['{"a":1}', '{"b":2}']);
  });

  it.each(samples)('it is read as alone, also to a HEAD: %j', (text) => {
    for (const before of samples) {
      for (const toHead of [false, true]) {
        const answer = connection();
        answer(before);
        answer(text, toHead);
        expect(answer(text).read).toEqual(connection()(text).read);
        expect(answer(text, true).read).toEqual(connection()(text, true).read);
      }
    }
  });

  it('every single byte, changed to every value, gives what it gives alone', { timeout: 600_000 }, () => {
    for (let at = 0; at < good.length; at += 1) {
      for (let value = 0; value < 256; value += 1) {
        const text = good.slice(0, at) + String.fromCharCode(value) + good.slice(at + 1);
        const answer = connection();
        answer(good);
        expect(answer(text).read).toEqual(connection()(text).read);
      }
    }
  });

  it('cut anywhere, it is not complete, and nothing of the one before is in it', () => {
    for (let length = 1; length < good.length; length += 1) {
      const answer = connection();
      answer(good);
      const text = good.slice(0, length);
      expect(answer(text).read).toEqual(connection()(text).read);
      expect(answer(text).read.complete).toBe(false);
    }
  });

  it('random changes between the answers of one connection', { timeout: 600_000 }, () => {
    const piece = fc.constantFrom(
      '\r',
      '\n',
      '\r\n',
      ' ',
      '0',
      '7',
      '\0',
      ':',
      'x',
      'Content-Length: 7\r\n',
      '\r\n\r\n',
    );
    const edit = fc.record({ at: fc.nat(200), drop: fc.nat(3), put: fc.option(piece, { nil: '' }) });
    const text = fc
      .tuple(fc.constantFrom(...samples), fc.oneof(fc.constant([]), fc.array(edit, { maxLength: 2 })))
      .map(([sample, edits]) =>
        edits.reduce(
          (now, { at, drop, put }) =>
            now.slice(0, at % now.length) + put + now.slice((at % now.length) + drop) || 'x',
          sample,
        ),
      );
    fc.assert(
      fc.property(fc.array(text, { minLength: 2, maxLength: 10 }), (texts) => {
        const answer = connection();
        for (const one of texts) expect(answer(one).read).toEqual(connection()(one).read);
      }),
      { numRuns: 3_000 },
    );
  });
});
