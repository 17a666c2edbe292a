import { describe, expect, it } from 'vitest';
import { parseNoProxy, parseProxyUrl } from './proxies.ts';

describe('HTTPS_PROXY', () => {
  const basic = (pair: string): string => `Basic ${Buffer.from(pair).toString('base64')}`;
  it.each([
    ['http://proxy.example.com:3128', false, 'proxy.example.com', 3128, undefined],
    ['proxy.example.com:3128', false, 'proxy.example.com', 3128, undefined],
    ['http://proxy.example.com/', false, 'proxy.example.com', 80, undefined],
    ['https://proxy.example.com', true, 'proxy.example.com', 443, undefined],
    ['http://[fd00::1]:3128', false, 'fd00::1', 3128, undefined],
    ['http://user:pass%40word@10.0.0.1:8080', false, '10.0.0.1', 8080, basic('user:pass@word')],
    ['http://token@10.0.0.1:8080', false, '10.0.0.1', 8080, basic('token:')],
    ['user:p%C3%A4ss@proxy:8080', false, 'proxy', 8080, basic('user:päss')],
  ])('%s', (text, isTls, host, port, authorization) => {
    const proxy = parseProxyUrl(text);
    expect(proxy).toMatchObject({ isTls, host, port, authorization });
    expect(proxy?.shown).not.toMatch(/user|pass|token|päss/);
  });
  it.each([
    'socks5://proxy:1080',
    'ftp://proxy',
    'http://',
    'http://proxy/path',
    'http://proxy?a',
    'http://proxy:99999',
    'http://%zz@proxy',
    'a b',
  ])('%s is none', (text) => {
    expect(parseProxyUrl(text)).toBeUndefined();
  });
});

describe('NO_PROXY', () => {
  it.each<[list: string, host: string, exempt: boolean, port?: number]>([
    ['', 'a.example', false],
    ['*', 'a.example', true],
    ['example.com', 'example.com', true],
    ['example.com', 'www.example.com', true],
    ['example.com', 'EXAMPLE.com.', true],
    ['example.com', 'badexample.com', false],
    ['example.com', 'example.com.evil', false],
    ['.example.com', 'example.com', true],
    ['*.example.com', 'www.example.com', true],
    ['www.example.com', 'example.com', false],
    ['a.test, b.test  c.test', 'c.test', true],
    ['a.test,,b.test', 'x.test', false],
    ['example.com:8443', 'example.com', true, 8443],
    ['example.com:8443', 'example.com', false, 443],
    ['10.0.0.1', '10.0.0.1', true],
    ['10.0.0.1:8443', '10.0.0.1', false],
    ['10.0.0.1', '10.0.0.10', false],
    ['10.0.0.0/8', '10.200.0.1', true],
    ['10.0.0.0/8', '11.0.0.1', false],
    ['10.0.0.0/8', 'name.of.ten', false],
    ['fd00::/8', '[fd00::7]', true],
    ['fd00::7', '[fd00:0::7]', true],
    ['[fd00::7]', '[fd00::7]', true],
    ['[fd00::7]:8443', '[fd00::7]', false],
    ['::1', '::1', true],
    ['127.0.0.1', '[::ffff:127.0.0.1]', true],
    ['localhost', 'localhost', true],
    ['127.0.0.1', 'localhost', false],
  ])('%j and %s: %s', (list, host, exempt, port = 443) => {
    expect(parseNoProxy(list).has(host, port)).toBe(exempt);
  });
  it('knows what it cannot read', () => {
    expect(parseNoProxy('<local>,169.254/16,10.0.0.0/33,a.test,:80').unread).toEqual([
      '<local>',
      '10.0.0.0/33',
      ':80',
    ]);
  });
});
