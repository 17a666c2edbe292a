import { describe, expect, test } from 'vitest';
import { oneTimeLinkMs } from '../../limits.ts';
import { createOneTimeLink, isLocalRequest, isLoopback } from './one-time-link.ts';

describe('a one-time link', () => {
  test('opens nothing before it is offered', () => {
    const link = createOneTimeLink();
    expect([link.isOpen('a'), link.take('a'), link.take('')]).toEqual([false, false, false]);
  });

  test('is used up by the first who takes it, and by nobody who only looks or brings another', () => {
    const link = createOneTimeLink(() => 0);
    link.offer('a');
    expect([link.isOpen('a'), link.isOpen('b'), link.take('b'), link.isOpen('a')]).toEqual([
      true,
      false,
      false,
      true,
    ]);
    expect([link.take('a'), link.take('a'), link.isOpen('a')]).toEqual([true, false, false]);
  });

  test('ends after ten minutes', () => {
    let nowMs = 5;
    const link = createOneTimeLink(() => nowMs);
    link.offer('a');
    nowMs += oneTimeLinkMs - 1;
    expect(link.isOpen('a')).toBe(true);
    nowMs += 1;
    expect([link.isOpen('a'), link.take('a')]).toEqual([false, false]);
    expect(oneTimeLinkMs).toBe(600_000);
  });

  test('gives way to the next one', () => {
    const link = createOneTimeLink(() => 0);
    link.offer('a');
    link.offer('b');
    expect([link.take('a'), link.take('b')]).toEqual([false, true]);
  });
});

describe('a request made on this machine', () => {
  const local = (headers: Record<string, string>, more: object = {}): boolean =>
    isLocalRequest({
      headers: new Headers({ host: 'localhost:9443', ...headers }),
      hostCount: 1,
      target: '/sign-in/once',
      remoteAddress: '127.0.0.1',
      ...more,
    });

  test.each(['localhost', 'LOCALHOST:1', '127.0.0.1:9443', '[::1]:9443', '[::1]'])('asks for %s', (host) => {
    expect(local({ host })).toBe(true);
  });

  test.each([
    'evil.example',
    'localhost.evil.example',
    'evil.example:localhost',
    '127.0.0.1.nip.io',
    '127.0.0.2',
    '0.0.0.0',
    '[::]',
    'localhost:',
    'localhost@evil.example',
    '',
  ])('does not ask for "%s"', (host) => {
    expect(local({ host })).toBe(false);
  });

  test.each([
    'forwarded',
    'via',
    'x-forwarded-for',
    'x-forwarded-host',
    'x-forwarded-proto',
    'x-real-ip',
    'x-original-url',
    'x-client-ip',
    'x-cluster-client-ip',
    'true-client-ip',
    'cf-connecting-ip',
    'x-envoy-external-address',
  ])('has not come by somebody who adds %s', (name) => {
    expect(local({ [name]: '127.0.0.1' })).toBe(false);
  });

  test('comes from a loopback address, with one Host and a path', () => {
    expect(local({ 'user-agent': 'x', 'x-request-id': 'y' })).toBe(true);
    for (const remoteAddress of ['::1', '127.8.9.10', '::ffff:127.0.0.1'])
      expect(local({}, { remoteAddress })).toBe(true);
    for (const remoteAddress of [undefined, '', '192.0.2.1', '::ffff:192.0.2.1', 'fe80::1%lo', '10.0.0.1'])
      expect(local({}, { remoteAddress })).toBe(false);
    expect(local({}, { hostCount: 2 })).toBe(false);
    expect(local({}, { target: 'https://localhost/sign-in/once' })).toBe(false);
  });

  test('reaches a listener on a loopback address', () => {
    for (const host of ['127.0.0.1', '::1', 'localhost']) expect(isLoopback(host)).toBe(true);
    for (const host of ['0.0.0.0', '::', '192.168.1.2', 'gateway.example.com'])
      expect(isLoopback(host)).toBe(false);
  });
});
