import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { type AcmeListener, listenForAcme } from '../../src/runtime/node-acme-listener.ts';
import { openCaller } from '../harness/lane-scene.ts';

const token = 'A'.repeat(43);
const path = `/.well-known/acme-challenge/${token}`;
const request = (line: string, ...lines: readonly string[]): string =>
  [`${line} HTTP/1.1`, 'Host: a', ...lines, '', ''].join('\r\n');

/** The port of http-01 answers the token of an open challenge, and is silent or empty to everything else. */
describe('the port of http-01', () => {
  let listener: AcmeListener;
  beforeAll(async () => {
    listener = await listenForAcme({ host: '127.0.0.1', port: 0 }, { inAll: 100, perAddress: 100 });
    listener.serve(async (asked) => (asked === token ? `${asked}.thumbprint` : undefined));
  });
  afterAll(() => listener?.close());

  const ask = async (bytes: string) => {
    const caller = await openCaller(listener.port);
    caller.socket.write(bytes, 'latin1');
    await caller.until(2);
    expect(caller.isClosed()).toBe(true);
    return caller.text();
  };

  it('answers an open challenge and closes, with the headers of every answer', async () => {
    const text = await ask(request(`GET ${path}`) + request(`GET ${path}`));
    expect(text).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
    expect(text.match(/HTTP\/1\.1/g)).toHaveLength(1);
    expect(text).toContain(`\r\n\r\n${token}.thumbprint`);
    for (const header of [
      'x-content-type-options: nosniff',
      'cache-control: no-store',
      "content-security-policy: default-src 'none'; frame-ancestors 'none'",
      'connection: close',
    ])
      expect(text).toContain(`${header}\r\n`);
    expect(text).not.toContain('strict-transport-security');
  });

  it.each([
    ['another token', request(`GET ${path}x`)],
    ['no token', request('GET /.well-known/acme-challenge/')],
    ['the root', request('GET /')],
    ['the API', request('GET /api/v1/version')],
    ['dots that lead up', request(`GET ${path}/../../../health/live`)],
    ['an encoded slash', request(`GET /.well-known%2facme-challenge/${token}`)],
    ['a query', request(`GET ${path}?x=reflect-me`)],
    ['an absolute target', request(`GET http://reflect-me.example${path}`)],
    ['another method', request(`POST ${path}`, 'Content-Length: 0')],
    ['HEAD', request(`HEAD ${path}`)],
    ['an expectation', request(`GET ${path}`, 'Expect: tea')],
  ])('%s is 404 without a body', async (_, bytes) => {
    const text = await ask(bytes);
    expect(text).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
    expect(text).toMatch(/\r\n\r\n$/);
    expect(text).toContain('x-content-type-options: nosniff\r\n');
    expect(text).not.toContain('reflect-me');
  });

  it.each([
    ['what is no HTTP', 'hello\r\n\r\n'],
    ['a TLS handshake', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03'],
    ['CONNECT', request('CONNECT reflect-me.example:443')],
    ['an upgrade', request(`GET ${path}`, 'Connection: upgrade', 'Upgrade: websocket')],
    ['a head of 8 KB', request(`GET ${path}`, `X-A: ${'x'.repeat(8_000)}`)],
    ['two lengths', request(`POST ${path}`, 'Content-Length: 1', 'Content-Length: 2')],
  ])('%s is closed without a word', async (_, bytes) => {
    expect(await ask(bytes)).toBe('');
  });
});
