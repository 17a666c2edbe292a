import type { IncomingMessage } from 'node:http';
import { describe, expect, it } from 'vitest';
import { requestFault } from './node-request-fault.ts';

/** The table of attacks is test/hostile/requests.ts; here is what the rules must not refuse. */
describe('the head of a request', () => {
  const faultOf = (url: string, host = 'gateway.example.com', more: Record<string, string> = {}) =>
    requestFault({
      method: 'GET',
      httpVersion: '1.1',
      url,
      headers: { host, ...more },
      rawHeaders: ['Host', host],
    } as unknown as IncomingMessage);

  it.each([
    'a',
    'localhost:1',
    'GATEWAY.example.com:8443',
    'a.example.',
    'a_b.example',
    '1.example2',
    '9gag',
    'xn--bcher-kva.example',
    '127.0.0.1',
    '10.0.0.255:65535',
    '[::1]',
    '[2001:db8::7]:443',
    '[::ffff:10.0.0.1]',
    '0x.example',
  ])('%s is a host', (host) => {
    expect(faultOf('/', host)).toBeUndefined();
  });

  it.each([
    '',
    '1',
    '1.2.3',
    '1.2.3.256',
    '01.2.3.4',
    '1.2.3.4.',
    'a..b',
    '.a',
    '[::1',
    'a:',
    'a:1:2',
    'a b',
  ])('%j is none', (host) => {
    expect(faultOf('/', host)).toBe('The Host header is no host.');
  });

  it.each([
    '/',
    '/?',
    '/?a=%',
    '/a?b=../..&c=\\&d=//',
    '/.well-known/acme-challenge/abc_-',
    '/a.b/..c/d../...',
    '/api/v1/x/{id}/%7Bid%7D',
    '/caf%C3%A9',
    '/a%20b%25%3F',
    '/t//devices',
    "/!$&'()*+,;=:@~",
    'http://gateway.example.com/a',
    'HTTPS://Gateway.Example.com',
    'http://gateway.example.com?a=b',
  ])('%s is a target', (target) => {
    expect(faultOf(target)).toBeUndefined();
  });
});
