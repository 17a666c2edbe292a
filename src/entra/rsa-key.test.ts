import { generateKeyPairSync } from 'node:crypto';
import { describe, expect, test } from 'vitest';
import { encodeBase64url } from './base64url.ts';
import { parseVerificationKey } from './rsa-key.ts';

const jwkOf = (modulusLength: number) => ({
  ...generateKeyPairSync('rsa', { modulusLength }).publicKey.export({ format: 'jwk' }),
  kid: 'k',
});
const good = jwkOf(2048);

/** A modulus with the fingerprint of CVE-2017-15361: a power of 65537 modulo every prime of the test. */
function rocaModulus(): string {
  const primes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
  const product = primes.reduce((value, prime) => value * BigInt(prime), 1n);
  const modulus =
    (65_537n ** 200n % product) + product * (1n << BigInt(2047 - product.toString(2).length + 1));
  return encodeBase64url(Buffer.from(modulus.toString(16).padStart(512, '0'), 'hex'));
}

describe('a key of a set', () => {
  test('is kept to what verification needs', () => {
    const parsed = parseVerificationKey({ ...good, use: 'sig', x5c: ['x'], alg: 'RS256', issuer: 'i' });
    expect(parsed).toEqual({ kid: 'k', kty: 'RSA', n: good.n, e: good.e, alg: 'RS256', issuer: 'i' });
    expect(parseVerificationKey({ ...good, key_ops: ['verify'] })).toBeDefined();
    expect(parseVerificationKey(jwkOf(3072))).toBeDefined();
  });

  test.each([
    ['null', null],
    ['text', 'x'],
    ['EC', { ...good, kty: 'EC' }],
    ['symmetric', { kty: 'oct', k: 'AA', kid: 'k' }],
    ['no kid', { ...good, kid: undefined }],
    ['for encryption', { ...good, use: 'enc' }],
    ['not for verification', { ...good, key_ops: ['encrypt'] }],
    ['private', { ...good, d: 'AQAB' }],
    ['1024 bits', jwkOf(1024)],
    ['1024 bits behind zeros', { ...good, n: 'AAAA'.repeat(64) + jwkOf(1024).n }],
    ['modulus with padding', { ...good, n: `${good.n}==` }],
    ['modulus missing', { ...good, n: undefined }],
    ['exponent 1', { ...good, e: 'AQ' }],
    ['exponent even', { ...good, e: 'AQAA' }],
    ['exponent 0', { ...good, e: 'AA' }],
    ['exponent huge', { ...good, e: 'AQAAAAAAAQ' }],
    ['ROCA', { ...good, n: rocaModulus() }],
    ['alg no text', { ...good, alg: 1 }],
  ])('refused: %s', (_name, jwk) => {
    expect(parseVerificationKey(jwk)).toBeUndefined();
  });
});
