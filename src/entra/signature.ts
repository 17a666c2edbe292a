import type { VerificationKey } from './rsa-key.ts';

/** The only algorithms a caller's token may have (contract section 6): `none`, HMAC and the rest are refused. */
export const signatureAlgorithms = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512'] as const;
export type SignatureAlgorithm = (typeof signatureAlgorithms)[number];

export const isSignatureAlgorithm = (value: unknown): value is SignatureAlgorithm =>
  signatureAlgorithms.some((algorithm) => algorithm === value);

/** Checks that `signature` is the key's over `data`. The runtime may bring a faster one than WebCrypto's. */
export type SignatureCheck = (
  algorithm: SignatureAlgorithm,
  key: VerificationKey,
  data: Uint8Array<ArrayBuffer>,
  signature: Uint8Array<ArrayBuffer>,
) => Promise<boolean> | boolean;

const hashOf = (algorithm: SignatureAlgorithm): string => `SHA-${algorithm.slice(2)}`;
const schemeOf = (algorithm: SignatureAlgorithm): 'RSA-PSS' | 'RSASSA-PKCS1-v1_5' =>
  algorithm.startsWith('PS') ? 'RSA-PSS' : 'RSASSA-PKCS1-v1_5';

/** The WebCrypto check, for any runtime. Imported keys live as long as the key set that holds them. */
export function createWebCryptoSignatureCheck(): SignatureCheck {
  const imported = new WeakMap<VerificationKey, Map<SignatureAlgorithm, CryptoKey>>();

  const importKey = async (algorithm: SignatureAlgorithm, key: VerificationKey): Promise<CryptoKey> => {
    const known = imported.get(key)?.get(algorithm);
    if (known !== undefined) return known;
    const made = await crypto.subtle.importKey(
      'jwk',
      { kty: key.kty, n: key.n, e: key.e },
      { name: schemeOf(algorithm), hash: hashOf(algorithm) },
      false,
      ['verify'],
    );
    imported.set(key, (imported.get(key) ?? new Map<SignatureAlgorithm, CryptoKey>()).set(algorithm, made));
    return made;
  };

  return async (algorithm, key, data, signature) => {
    try {
      const cryptoKey = await importKey(algorithm, key);
      // RFC 8017 section 8.1.2: as long as the modulus. OpenSSL also takes one whose leading zero is left out.
      if (signature.length * 8 < (cryptoKey.algorithm as RsaHashedKeyAlgorithm).modulusLength) return false;
      // RFC 7518 section 3.5: the salt is as long as the hash.
      const saltLength = Number(algorithm.slice(2)) / 8;
      return await crypto.subtle.verify(
        { name: schemeOf(algorithm), saltLength },
        cryptoKey,
        signature,
        data,
      );
    } catch {
      // A key or signature that WebCrypto cannot even read does not verify.
      return false;
    }
  };
}
