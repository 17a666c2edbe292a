import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { AnswerReader } from './node-upstream-answer.ts';

interface Read {
  readonly status: number | undefined;
  readonly headers: readonly string[];
  readonly body: string;
  /** Bytes that came after the answer. */
  readonly surplus: string;
  readonly complete: boolean;
  readonly fault: string | undefined;
}

/** Reads an answer that comes in these pieces; the sink pauses after every piece of the body with `pauses`. */
function read(parts: readonly string[], { toHead = false, pauses = false, closes = false } = {}): Read {
  let status: number | undefined;
  const headers: string[] = [];
  let body = '';
  let surplus = '';
  let fault: string | undefined;
  const reader = new AnswerReader({
    head: (head) => {
      expect(status, 'two heads').toBeUndefined();
      status = head.status;
      head.eachHeader((name, value) => headers.push(`${name}=${value}`));
    },
    data: (chunk) => {
      expect(chunk.length).toBeGreaterThan(0);
      body += chunk.toString('latin1');
      return !pauses;
    },
  });
  reader.begin(toHead);
  for (const part of parts) {
    let rest = Buffer.from(part, 'latin1');
    while (rest.length > 0 && fault === undefined) {
      if (reader.isComplete()) {
        surplus += rest.toString('latin1');
        break;
      }
      const stopped = reader.read(rest);
      if (stopped < 0) fault = reader.fault();
      else rest = rest.subarray(stopped);
    }
  }
  if (closes && fault === undefined) reader.finish();
  return { status, headers, body, surplus, complete: reader.isComplete(), fault };
}

const whole = (text: string, more = {}): Read => read([text], more);
const ok = 'HTTP/1.1 200 OK\r\n';

describe('an answer is read', () => {
  it('with its length', () => {
    expect(whole(`${ok}Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}`)).toEqual({
      status: 200,
      headers: ['content-type=application/json', 'content-length=2'],
      body: '{}',
      surplus: '',
      complete: true,
      fault: undefined,
    });
  });

  it('in chunks, without their extensions and trailers', () => {
    const text = `${ok}transfer-encoding: Chunked\r\n\r\n3;a="b;\\"c";d\r\nabc\r\nA\r\n0123456789\r\n0\r\nx: y\r\nz: 1\r\n\r\n`;
    expect(whole(text)).toMatchObject({ body: 'abc0123456789', surplus: '', complete: true });
    expect(whole(text).headers).toEqual(['transfer-encoding=Chunked']);
  });

  it('until the connection closes, when it says no length', () => {
    expect(whole(`${ok}\r\nabc`)).toMatchObject({ body: 'abc', complete: false });
    expect(whole(`${ok}\r\nabc`, { closes: true })).toMatchObject({ body: 'abc', complete: true });
    expect(whole('HTTP/1.0 200 OK\r\n\r\nabc', { closes: true })).toMatchObject({
      body: 'abc',
      complete: true,
    });
  });

  it.each([204, 304])('without a body when the status is %i, whatever its headers say', (status) => {
    const text = `HTTP/1.1 ${status} x\r\ncontent-length: 5\r\n\r\n`;
    expect(whole(text)).toMatchObject({ status, body: '', complete: true });
  });

  it('without a body when it answers HEAD', () => {
    const text = `${ok}content-length: 5\r\n\r\n`;
    expect(whole(text, { toHead: true })).toMatchObject({ complete: true, headers: ['content-length=5'] });
    expect(whole(`${ok}transfer-encoding: chunked\r\n\r\n`, { toHead: true }).complete).toBe(true);
  });

  it('after the interim ones', () => {
    const text = `HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nlink: x\r\n\r\n${ok}content-length: 1\r\n\r\nA`;
    expect(whole(text)).toMatchObject({
      status: 200,
      headers: ['content-length=1'],
      body: 'A',
      complete: true,
    });
  });

  it('with no reason and with values that are empty or not ASCII', () => {
    const text = 'HTTP/1.1 200\r\na:\r\nb: \t \r\nc:  x \xe9 \r\ncontent-length: 0\r\n\r\n';
    expect(whole(text).headers).toEqual(['a=', 'b=', 'c=x \xe9', 'content-length=0']);
  });

  it('no further than its end', () => {
    expect(whole(`${ok}content-length: 1\r\n\r\nAHTTP/1.1 200 OK\r\n`).surplus).toBe('HTTP/1.1 200 OK\r\n');
    expect(whole(`${ok}transfer-encoding: chunked\r\n\r\n0\r\n\r\nB`).surplus).toBe('B');
    expect(whole('HTTP/1.1 204 x\r\n\r\nC').surplus).toBe('C');
  });

  const samples = [
    `${ok}a: b\r\ncontent-length: 12\r\nc: d\r\n\r\n{"a":"\r\n\r\n"}`,
    `HTTP/1.1 100 x\r\n\r\n${ok}transfer-encoding: chunked\r\n\r\n1\r\na\r\n00b;q\r\n0\r\n\r\n123456\r\n0\r\nt: u\r\n\r\n`,
    'HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n\r\n<html>\r\n\r\n</html>',
    'HTTP/1.1 204 No Content\r\n\r\n',
  ];

  it.each(samples)('the same wherever it is cut: %j', (text) => {
    for (const pauses of [false, true]) {
      const expected = whole(text, { closes: true, pauses });
      expect(expected.complete).toBe(true);
      expect(read([...text], { closes: true, pauses })).toEqual(expected);
      for (let cut = 1; cut < text.length; cut += 1) {
        expect(read([text.slice(0, cut), text.slice(cut)], { closes: true, pauses })).toEqual(expected);
      }
    }
  });

  it('with any bytes in any pieces as a body', () => {
    const bodies = fc.array(fc.string({ unit: 'binary-ascii', minLength: 1, maxLength: 40 }), {
      maxLength: 8,
    });
    fc.assert(
      fc.property(bodies, fc.array(fc.nat(200), { maxLength: 10 }), (parts, cuts) => {
        const chunks = parts.map((part) => `${part.length.toString(16)}\r\n${part}\r\n`).join('');
        const text = `${ok}transfer-encoding: chunked\r\n\r\n${chunks}0\r\n\r\n`;
        const places = [...new Set(cuts.map((cut) => cut % text.length))].sort((a, b) => a - b);
        const pieces = [...places, text.length].map((end, index) => text.slice(places[index - 1] ?? 0, end));
        expect(read(pieces)).toMatchObject({ body: parts.join(''), complete: true, surplus: '' });
      }),
    );
  });
});

describe('no answer is', () => {
  it.each([
    ['a bare LF in a value', `${ok}a: b\nc: d\r\n\r\n`],
    ['a bare CR in a value', `${ok}a: b\rc: d\r\n\r\n`],
    ['a NUL in a value', `${ok}a: b\0\r\n\r\n`],
    ['a folded line', `${ok}a: b\r\n c\r\n\r\n`],
    ['a space before the colon', `${ok}content-length : 1\r\n\r\nA`],
    ['a line without a colon', `${ok}abc\r\n\r\n`],
    ['a header without a name', `${ok}: abc\r\n\r\n`],
    ['a name with a space', `${ok}a b: c\r\n\r\n`],
    ['another version', 'HTTP/2 200 OK\r\n\r\n'],
    ['a status of two digits', 'HTTP/1.1 20 OK\r\n\r\n'],
    ['a status of four digits', 'HTTP/1.1 2000 OK\r\n\r\n'],
    ['a status beyond 599', 'HTTP/1.1 600 OK\r\n\r\n'],
    ['a switch of protocols', 'HTTP/1.1 101 Switching\r\n\r\n'],
    ['two lengths that differ', `${ok}content-length: 1\r\ncontent-length: 2\r\n\r\nA`],
    ['two lengths that agree', `${ok}content-length: 1\r\ncontent-length: 1\r\n\r\nA`],
    ['a list of lengths', `${ok}content-length: 1, 1\r\n\r\nA`],
    ['a negative length', `${ok}content-length: -1\r\n\r\n`],
    ['a length with a sign', `${ok}content-length: +1\r\n\r\nA`],
    ['a hexadecimal length', `${ok}content-length: 0x1\r\n\r\nA`],
    ['an empty length', `${ok}content-length:\r\n\r\n`],
    ['a length beyond all numbers', `${ok}content-length: 99999999999999999999\r\n\r\n`],
    ['a length beside an encoding', `${ok}content-length: 1\r\ntransfer-encoding: chunked\r\n\r\n`],
    ['another encoding', `${ok}transfer-encoding: gzip\r\n\r\n`],
    ['two encodings', `${ok}transfer-encoding: gzip, chunked\r\n\r\n`],
    ['an encoding said twice', `${ok}transfer-encoding: chunked\r\ntransfer-encoding: chunked\r\n\r\n`],
    ['an encoding in HTTP/1.0', 'HTTP/1.0 200 OK\r\ntransfer-encoding: chunked\r\n\r\n'],
    ['a chunk without a size', `${ok}transfer-encoding: chunked\r\n\r\n\r\n`],
    ['a chunk with a size that is none', `${ok}transfer-encoding: chunked\r\n\r\nxyz\r\n`],
    ['a chunk of a size too long', `${ok}transfer-encoding: chunked\r\n\r\n000000001\r\nA`],
    ['a chunk that is longer than its size', `${ok}transfer-encoding: chunked\r\n\r\n1\r\nAB\r\n`],
    ['a chunk size that ends in LF', `${ok}transfer-encoding: chunked\r\n\r\n1\nA\r\n`],
    ['a chunk that ends in LF', `${ok}transfer-encoding: chunked\r\n\r\n1\r\nA\n`],
    ['an extension with a bare LF', `${ok}transfer-encoding: chunked\r\n\r\n1;a\nb\r\nA\r\n`],
    ['a space behind a size', `${ok}transfer-encoding: chunked\r\n\r\n1 \r\nA\r\n`],
    ['an extension that is none', `${ok}transfer-encoding: chunked\r\n\r\n1;a b\r\nA\r\n`],
    ['a text after a quoted one', `${ok}transfer-encoding: chunked\r\n\r\n1;a="b"c\r\nA\r\n`],
    ['a folded trailer', `${ok}transfer-encoding: chunked\r\n\r\n0\r\na: b\r\n c\r\n\r\n`],
    ['a trailer that frames', `${ok}transfer-encoding: chunked\r\n\r\n0\r\nContent-Length: 3\r\n\r\n`],
    [
      'an interim answer with a length',
      `HTTP/1.1 100 x\r\ncontent-length: 0\r\n\r\n${ok}content-length: 0\r\n\r\n`,
    ],
    ['an interim answer of HTTP/1.0', `HTTP/1.0 100 x\r\n\r\n${ok}content-length: 0\r\n\r\n`],
    ['a trailer without a colon', `${ok}transfer-encoding: chunked\r\n\r\n0\r\nabc\r\n\r\n`],
    ['a trailer with a bare LF', `${ok}transfer-encoding: chunked\r\n\r\n0\r\na: b\n\r\n`],
    ['endless extensions', `${ok}transfer-encoding: chunked\r\n\r\n1;${'a'.repeat(20_000)}\r\nA\r\n`],
    ['endless trailers', `${ok}transfer-encoding: chunked\r\n\r\n0\r\n${'a: b\r\n'.repeat(5_000)}\r\n`],
    ['a head beyond 64 KiB', `${ok}a: ${'b'.repeat(70_000)}\r\n\r\n`],
    ['endless interim answers', 'HTTP/1.1 100 x\r\n\r\n'.repeat(30)],
  ])('%s', (_, text) => {
    expect(whole(text)).toMatchObject({ complete: false, fault: expect.any(String) });
    expect(read([...text])).toMatchObject({ complete: false, fault: expect.any(String) });
  });

  it.each(['SSH-2.0-OpenSSH_9.6\r\n', '<html>', `HTTP/1.1 200 OK\nserver: x\n\n`])(
    'what begins with %j, and nobody waits for its end',
    (text) => {
      expect(whole(text).fault).toBeDefined();
      expect(read([...text]).fault).toBeDefined();
    },
  );

  it('a part of one', () => {
    for (const text of ['HTTP/1.1 200', `${ok}content-length: 3\r\n\r\nab`]) {
      expect(whole(text, { closes: true })).toMatchObject({ complete: false, fault: undefined });
    }
    const chunked = `${ok}transfer-encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n`;
    expect(whole(chunked, { closes: true })).toMatchObject({ complete: false, fault: undefined });
  });

  it('ever read leniently: random damage changes no reading silently', () => {
    const text = `${ok}a: b\r\ncontent-length: 3\r\n\r\nabc`;
    const headLength = text.indexOf('\r\n\r\n');
    fc.assert(
      fc.property(fc.nat(headLength - 1), fc.constantFrom('\r', '\n', '\0', '\x7f', '\v'), (at, byte) => {
        fc.pre(text[at] !== byte);
        const damaged = text.slice(0, at) + byte + text.slice(at + 1);
        expect(whole(damaged).fault).toBeDefined();
      }),
    );
  });
});
