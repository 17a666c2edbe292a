import { constants, createPublicKey, type KeyObject, verify } from 'node:crypto';
import type { VerificationKey } from '../entra/rsa-key.ts';
import type { SignatureCheck } from '../entra/signature.ts';

/**
 * The signature check by OpenSSL in this thread: WebCrypto's goes through another one and back and does a fifth as
 * many (design D9). Read keys live as long as the key set that holds them.
 */
export function createNodeSignatureCheck(): SignatureCheck {
  const read = new WeakMap<VerificationKey, KeyObject>();

  const keyObjectOf = (key: VerificationKey): KeyObject => {
    let known = read.get(key);
    if (known === undefined) {
      known = createPublicKey({ key: { kty: key.kty, n: key.n, e: key.e }, format: 'jwk' });
      read.set(key, known);
    }
    return known;
  };

  return (algorithm, key, data, signature) => {
    const bits = Number(algorithm.slice(2));
    try {
      const keyObject = keyObjectOf(key);
      // RFC 8017 section 8.1.2: as long as the modulus. OpenSSL also takes one whose leading zero is left out.
      if (signature.length * 8 < (keyObject.asymmetricKeyDetails?.modulusLength ?? Infinity)) return false;
      // RFC 7518 section 3.5: the salt is as long as the hash.
      const scheme = algorithm.startsWith('PS')
        ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 }
        : { padding: constants.RSA_PKCS1_PADDING };
      return verify(`sha${bits}`, data, { key: keyObject, ...scheme }, signature);
    } catch {
      // A key or signature that OpenSSL cannot even read does not verify.
      return false;
    }
  };
}
