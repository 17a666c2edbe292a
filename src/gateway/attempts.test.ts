import { describe, expect, test } from 'vitest';
import {
  failedCredentialsBurst,
  failedCredentialsInAllPerSecond,
  signInStartsBurst,
  suspectLooksPerSecond,
} from '../limits.ts';
import { createAttempts, sourceKey } from './attempts.ts';
import { createRateLimits } from './rate.ts';

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
  const attempts = createAttempts('data', createRateLimits({ now: () => now }));
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
  const attempts = createAttempts('data', createRateLimits({ now: () => now }));
  for (let index = 0; index < signInStartsBurst; index += 1)
    expect(attempts.startSignIn('192.0.2.1')).toBeUndefined();
  const seconds = attempts.startSignIn('192.0.2.1') ?? 0;
  expect(seconds).toBeGreaterThan(0);
  now += seconds * 1_000;
  expect(attempts.startSignIn('192.0.2.1')).toBeUndefined();
});

test('what is costly to look at is looked at for suspect addresses together, and at once for all others', () => {
  let now = 0;
  const attempts = createAttempts('data', createRateLimits({ now: () => now }));
  const [stranger, second, customer] = ['192.0.2.1', '192.0.2.2', '198.51.100.1'];
  for (let sent = 0; sent < failedCredentialsBurst; sent += 1) {
    expect(attempts.lookAt(stranger)).toBeUndefined();
    attempts.wrong(stranger);
  }
  const looked = (source: string, tries = 1_000): number =>
    Array.from({ length: tries }).filter(() => attempts.lookAt(source) === undefined).length;
  expect(looked(stranger)).toBe(2 * suspectLooksPerSecond);
  expect(attempts.lookAt(stranger)).toMatchObject({
    slug: 'rate-limited',
    retryAfterSeconds: expect.any(Number),
  });
  expect([looked(customer), looked(second)]).toEqual([1_000, 1_000]);
  // A right one from there is let in with patience.
  now += 1_000;
  expect(looked(stranger)).toBeGreaterThanOrEqual(1);
});

test('strangers of many addresses are suspect with their first wrong credential, and nobody else is', () => {
  const attempts = createAttempts('data', createRateLimits({ now: () => 0 }));
  const addresses = Array.from(
    { length: 2 * failedCredentialsInAllPerSecond },
    (_, index) => `10.0.${index >> 8}.${index & 255}`,
  );
  for (const address of addresses) attempts.wrong(address);
  const refused = addresses.filter((address) => attempts.lookAt(address) !== undefined);
  expect(refused).toHaveLength(addresses.length - 2 * suspectLooksPerSecond);
  expect(attempts.lookAt('198.51.100.1')).toBeUndefined();
});
