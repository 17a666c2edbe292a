import { describe, expect, test } from 'vitest';
import { failedCredentialsBurst, signInStartsBurst } from '../limits.ts';
import { createAttempts, sourceKey } from './attempts.ts';

describe('where a request comes from', () => {
  test('is the address, or of IPv6 the network of 64 bits', () => {
    expect(sourceKey('192.0.2.1')).toBe('192.0.2.1');
    expect(sourceKey('::ffff:192.0.2.1')).toBe('192.0.2.1');
    expect(sourceKey('2001:db8:1:2:3:4:5:6')).toBe(sourceKey('2001:db8:1:2::1'));
    expect(sourceKey('2001:db8:1:3::1')).not.toBe(sourceKey('2001:db8:1:2::1'));
    expect(sourceKey('fe80::1%eth0')).toBe(sourceKey('fe80::2'));
    expect(sourceKey(undefined)).toBe('unknown');
    expect(sourceKey('x')).toBe('unknown');
  });
});

test('wrong credentials are told to wait after many, from that address only, until time has passed', () => {
  let now = 0;
  const attempts = createAttempts(() => now);
  const [here, there] = ['192.0.2.1', '192.0.2.2'];
  for (let index = 0; index < failedCredentialsBurst; index += 1)
    expect(attempts.wrong(here)).toBeUndefined();
  expect(attempts.wrong(here)?.slug).toBe('rate-limited');
  expect(attempts.wrong(there)).toBeUndefined();
  now += 1_000;
  expect(attempts.wrong(here)).toBeUndefined();
});

test('sign-ins wait after many, for the time that it says', () => {
  let now = 0;
  const attempts = createAttempts(() => now);
  for (let index = 0; index < signInStartsBurst; index += 1)
    expect(attempts.startSignIn('192.0.2.1')).toBeUndefined();
  const seconds = attempts.startSignIn('192.0.2.1') ?? 0;
  expect(seconds).toBeGreaterThan(0);
  now += seconds * 1_000;
  expect(attempts.startSignIn('192.0.2.1')).toBeUndefined();
});
