import { describe, expect, it } from 'vitest';
import { readHead } from '../outbound/node-upstream-head.ts';
import { version } from '../version.ts';
import { answerHeaders, deviceCallLines, passThroughLines } from './headers.ts';

const known = { token: 'instance-token', requestId: 'request-1' };

const linesOf = (make: typeof deviceCallLines, headers: Record<string, string>): string[] => {
  const given = new Map(Object.entries(headers));
  const text = make((name) => given.get(name), known);
  expect(text).toMatch(/^(?:[a-z-]+: [^\r\n]*\r\n)+$/);
  return text.trimEnd().split('\r\n');
};

const own = [
  'authorization: Bearer instance-token',
  'x-request-id: request-1',
  `user-agent: Espalier/${version}`,
];

describe('towards the instance', () => {
  it('goes what a device call needs, with the token of the instance', () => {
    expect(linesOf(deviceCallLines, {})).toEqual([
      'accept: application/json',
      'accept-encoding: identity',
      ...own,
    ]);
    expect(linesOf(deviceCallLines, { accept: 'application/xml', traceparent: '00-1-2-01' })).toEqual([
      'accept: application/xml',
      'traceparent: 00-1-2-01',
      'accept-encoding: identity',
      ...own,
    ]);
  });

  it.each([deviceCallLines, passThroughLines])('goes nothing that protects or frames: %o', (make) => {
    const kept = linesOf(make, {
      authorization: 'Bearer caller',
      cookie: 'APBALANCEID=1',
      host: 'gateway',
      'content-length': '5',
      'transfer-encoding': 'chunked',
      te: 'trailers',
      trailer: 'x',
      upgrade: 'h2c',
      'keep-alive': 'timeout=1',
      'proxy-authorization': 'x',
      'x-forwarded-for': '10.0.0.1',
      forwarded: 'for=10.0.0.1',
      'client-cert': ':MIIB:',
      'client-cert-chain': ':MIIB:',
      'x-client-cert': 'MIIB',
      'x-forwarded-client-cert': 'Hash=ab',
      'x-http-method-override': 'DELETE',
      expect: '100-continue',
      range: 'bytes=0-1',
      'x-request-id': "the caller's",
      'user-agent': 'curl',
    });
    expect(kept.filter((line) => !line.startsWith('accept'))).toEqual(own);
  });

  it('goes what speaks of the body and its versions, in a passed-through call only', () => {
    const headers = {
      'content-type': 'application/json',
      'content-encoding': 'gzip',
      'if-match': '"1"',
      'if-none-match': '"2"',
      'accept-encoding': 'gzip',
    };
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    expect(linesOf(passThroughLines, headers)).toEqual(expect.arrayContaining(lines));
    expect(linesOf(passThroughLines, {})).toContain('accept-encoding: identity');
    for (const line of lines) expect(linesOf(deviceCallLines, headers)).not.toContain(line);
  });

  it('goes nothing that Connection names', () => {
    const headers = {
      connection: 'close, Accept , tracestate',
      accept: 'a/b',
      tracestate: 'x',
      traceparent: 'y',
    };
    const lines = linesOf(deviceCallLines, headers);
    expect(lines).toContain('traceparent: y');
    expect(lines.join()).not.toMatch(/tracestate|a\/b/);
  });

  it('goes no value that would end its line, also where latin1 makes it one', () => {
    for (const value of ['a\r\nx: y', 'a\nb', 'a\0b', 'a\u010d\u010ax: y', '\u{1f600}']) {
      expect(linesOf(deviceCallLines, { 'accept-language': value }).join()).not.toContain('accept-language');
    }
  });
});

describe('towards the caller', () => {
  const headOf = (...lines: readonly string[]) => {
    const read = readHead(['HTTP/1.1 200 OK', ...lines].join('\r\n'), false);
    return read.ok ? read.head : expect.fail(read.fault);
  };
  const entriesOf = (headers: Headers): Record<string, string> => Object.fromEntries([...headers]);
  const always = { 'x-request-id': 'r-1' };

  it('goes what speaks of the body, and its length', () => {
    const head = headOf('Content-Type: application/json', 'ETag: "1"', 'Content-Length: 2', 'Retry-After: 5');
    expect(entriesOf(answerHeaders(head, 'r-1'))).toEqual({
      ...always,
      'content-type': 'application/json',
      etag: '"1"',
      'content-length': '2',
      'retry-after': '5',
    });
  });

  it('goes no cookie, no address of the instance and nothing hop-by-hop', () => {
    const head = headOf(
      'Set-Cookie: APBALANCEID=node1',
      'Set-Cookie: JSESSIONID=1',
      'Location: https://acme.jamfcloud.com/x',
      'Content-Location: /x',
      'Server: Jamf Cloud Node',
      'Connection: keep-alive, etag',
      'Keep-Alive: timeout=5',
      'ETag: "1"',
      'WWW-Authenticate: Bearer',
      'Strict-Transport-Security: max-age=1',
      'Content-Security-Policy: default-src *',
      'X-Content-Type-Options: none',
      'Referrer-Policy: unsafe-url',
      'Cross-Origin-Resource-Policy: cross-origin',
      'Cache-Control: public',
      'Access-Control-Allow-Origin: *',
      'Alt-Svc: h3=":443"',
      'Transfer-Encoding: chunked',
    );
    expect(entriesOf(answerHeaders(head, 'r-1'))).toEqual(always);
  });
});
