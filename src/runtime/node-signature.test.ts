import { constants, generateKeyPairSync, sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import { decodeBase64url } from '../entra/base64url.ts';
import type { VerificationKey } from '../entra/rsa-key.ts';
import {
  createWebCryptoSignatureCheck,
  isSignatureAlgorithm,
  type SignatureCheck,
  signatureAlgorithms,
} from '../entra/signature.ts';
import { parseStrictObject } from '../entra/strict-json.ts';
import { createNodeSignatureCheck } from './node-signature.ts';

interface Vectors {
  readonly groups: readonly {
    readonly alg: string;
    readonly n: string;
    readonly e: string;
    readonly tests: readonly { tcId: number; comment: string; jws: string; valid: boolean }[];
  }[];
}
const vectors: Vectors = JSON.parse(
  readFileSync(new URL('../../test/vectors/wycheproof-rsa-jws.json', import.meta.url), 'utf8'),
);

/**
 * The check is called as verify.ts does after taking a token apart: an unreadable one, or another algorithm than the
 * key's, is refused before.
 */
async function accepts(check: SignatureCheck, key: VerificationKey, jws: string): Promise<boolean> {
  const [header = '', payload = '', signatureText = '', ...more] = jws.split('.');
  const headerBytes = decodeBase64url(header);
  const signature = decodeBase64url(signatureText);
  if (more.length > 0 || !headerBytes || !decodeBase64url(payload) || !signature) return false;
  const algorithm = parseStrictObject(headerBytes)?.alg;
  if (!isSignatureAlgorithm(algorithm) || algorithm !== key.alg) return false;
  return check(algorithm, key, new TextEncoder().encode(`${header}.${payload}`), signature);
}

const checks = { 'node:crypto': createNodeSignatureCheck(), WebCrypto: createWebCryptoSignatureCheck() };

describe.each(Object.entries(checks))('signatures by %s', (_name, check) => {
  for (const { alg, e, n, tests } of vectors.groups) {
    const key: VerificationKey = { kid: 'k', kty: 'RSA', n, e, alg };
    test(`Wycheproof ${alg}, cases ${tests[0]?.tcId} to ${tests.at(-1)?.tcId}: each as it says`, async () => {
      for (const { comment, jws, tcId, valid } of tests)
        expect({ tcId, comment, accepted: await accepts(check, key, jws) }).toEqual({
          tcId,
          comment,
          accepted: valid,
        });
    });
  }

  test.each(signatureAlgorithms)(
    '%s: its own signature, not one of another salt, hash or key',
    async (alg) => {
      const pair = generateKeyPairSync('rsa', { modulusLength: 2048 });
      const { n = '', e = '' } = pair.publicKey.export({ format: 'jwk' });
      const key: VerificationKey = { kid: 'k', kty: 'RSA', n, e };
      const bits = Number(alg.slice(2));
      const data = new TextEncoder().encode('a.b');
      const isPss = alg.startsWith('PS');
      const made = (hashBits: number, saltLength: number): Uint8Array<ArrayBuffer> =>
        new Uint8Array(
          sign(`sha${hashBits}`, data, {
            key: pair.privateKey,
            padding: isPss ? constants.RSA_PKCS1_PSS_PADDING : constants.RSA_PKCS1_PADDING,
            ...(isPss ? { saltLength } : {}),
          }),
        );
      const good = made(bits, bits / 8);
      expect(await check(alg, key, data, good)).toBe(true);
      expect(await check(alg, key, data, good)).toBe(true);
      expect(await check(alg, key, new TextEncoder().encode('a.c'), good)).toBe(false);
      expect(await check(alg, key, data, made(bits === 256 ? 384 : 256, 32))).toBe(false);
      if (isPss) expect(await check(alg, key, data, made(bits, bits / 8 - 1))).toBe(false);
      expect(await check(alg, key, data, good.slice(1))).toBe(false);
      let zeroFirst = good;
      for (let tries = 0; isPss && zeroFirst[0] !== 0 && tries < 20_000; tries += 1)
        zeroFirst = made(bits, bits / 8);
      expect(await check(alg, key, data, zeroFirst)).toBe(true);
      expect(await check(alg, key, data, zeroFirst.slice(1))).toBe(false);
      expect(await check(alg, key, data, new Uint8Array())).toBe(false);
      expect(await check(alg, { ...key, n: 'AA' }, data, good)).toBe(false);
      const other = generateKeyPairSync('rsa', { modulusLength: 2048 }).publicKey.export({ format: 'jwk' });
      expect(await check(alg, { ...key, n: other.n ?? '' }, data, good)).toBe(false);
    },
  );
});
