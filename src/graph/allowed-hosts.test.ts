import { describe, expect, test } from 'vitest';
import { checkServiceAddress } from './allowed-hosts.ts';

const cloud = { intuneHosts: ['*.manage.microsoft.com', 'exact.example.test', '127.0.0.1'], intunePort: 443 };

describe('allowed', () => {
  test.each([
    [
      'https://fef.amsub0102.manage.microsoft.com/Stateless',
      'https://fef.amsub0102.manage.microsoft.com/Stateless',
    ],
    ['https://a.manage.microsoft.com:443/S/', 'https://a.manage.microsoft.com/S'],
    ['HTTPS://A.Manage.Microsoft.COM/S', 'https://a.manage.microsoft.com/S'],
    ['https://a.manage.microsoft.com', 'https://a.manage.microsoft.com'],
    ['https://exact.example.test/x/../y', 'https://exact.example.test/y'],
    ['https://127.0.0.1/y', 'https://127.0.0.1/y'],
  ])('%s', (text, url) => {
    expect(checkServiceAddress(text, cloud)).toEqual({ ok: true, url });
  });

  test('another port when the cloud says so', () => {
    const lab = { ...cloud, intunePort: 8444 };
    expect(checkServiceAddress('https://a.manage.microsoft.com:8444/s', lab).ok).toBe(true);
    expect(checkServiceAddress('https://a.manage.microsoft.com/s', lab)).toMatchObject({ reason: 'port' });
  });
});

describe('refused', () => {
  test.each([
    ['http://a.manage.microsoft.com/s', 'not-https'],
    ['ftp://a.manage.microsoft.com/s', 'not-https'],
    ['https://manage.microsoft.com/s', 'host'],
    ['https://.manage.microsoft.com/s', 'host'],
    ['https://a..manage.microsoft.com/s', 'host'],
    ['https://evilmanage.microsoft.com/s', 'host'],
    ['https://a.manage.microsoft.com.evil.example/s', 'host'],
    ['https://a.manage.microsoft.com./s', 'host'],
    ['https://a.manage.microsoft.com:8443/s', 'port'],
    ['https://a.manage.microsoft.com@evil.example/s', 'user-info'],
    ['https://user:pass@a.manage.microsoft.com/s', 'user-info'],
    ['https://evil.example\\@a.manage.microsoft.com/s', 'not-a-url'],
    ['https://evil.example/#@a.manage.microsoft.com/s', 'host'],
    ['https://evil.example/?.manage.microsoft.com', 'host'],
    ['https://a.manage.microsoft.com/s?x=1', 'query'],
    ['https://a.manage.microsoft.com/s#x', 'query'],
    ['https://a.manage.microsoft.com/s?', 'query'],
    ['https://127.0.0.2/s', 'host'],
    ['https://2130706434/s', 'host'],
    ['https://[::1]/s', 'host'],
    ['https://[::ffff:127.0.0.1]/s', 'host'],
    [' https://a.manage.microsoft.com/s', 'not-a-url'],
    ['https://a.manage\t.microsoft.com/s', 'not-a-url'],
    ['https://a。manage.microsoft.com/s', 'not-a-url'],
    ['//a.manage.microsoft.com/s', 'not-a-url'],
    ['', 'not-a-url'],
  ])('%s: %s', (text, reason) => {
    expect(checkServiceAddress(text, cloud)).toMatchObject({ ok: false, reason });
  });
});
