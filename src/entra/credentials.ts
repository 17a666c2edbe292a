import { importPKCS8, SignJWT } from 'jose';
import { encodeBase64url } from './base64url.ts';

/** domain/microsoft.md 1.2: an assertion lives 5 to 10 minutes. */
const assertionSeconds = 600;

/** Credentials of an application. Never log one. */
export type Credential =
  | {
      readonly kind: 'certificate';
      readonly clientId: string;
      /** Private key for PS256. */
      readonly key: CryptoKey;
      /** SHA-256 of the certificate's DER, base64url. */
      readonly thumbprintSha256: string;
    }
  | { readonly kind: 'secret'; readonly clientId: string; readonly secret: string };

export type CredentialResult =
  | { readonly ok: true; readonly credential: Credential }
  | { readonly ok: false; readonly fault: 'certificate' | 'key'; readonly detail: string };

const certificateForm = /-----BEGIN CERTIFICATE-----([A-Za-z0-9+/=\s]+)-----END CERTIFICATE-----/;

/** SHA-256 thumbprint of the first certificate in a PEM text, base64url; undefined when there is none. */
export async function certificateThumbprint(pem: string): Promise<string | undefined> {
  const base64 = certificateForm.exec(pem)?.[1]?.replaceAll(/\s/g, '');
  if (base64 === undefined) return undefined;
  try {
    const der = Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
    return encodeBase64url(new Uint8Array(await crypto.subtle.digest('SHA-256', der)));
  } catch {
    // The text is not base64.
    return undefined;
  }
}

/** Makes a credential of a PEM certificate and its PKCS#8 RSA key. No detail repeats key material. */
export async function certificateCredential(
  clientId: string,
  certificatePem: string,
  keyPem: string,
): Promise<CredentialResult> {
  const thumbprintSha256 = await certificateThumbprint(certificatePem);
  if (thumbprintSha256 === undefined) {
    return { ok: false, fault: 'certificate', detail: 'holds no PEM certificate' };
  }
  if (!keyPem.includes('-----BEGIN PRIVATE KEY-----')) {
    const detail = 'holds no unencrypted PKCS#8 key; convert it with: openssl pkcs8 -topk8 -nocrypt';
    return { ok: false, fault: 'key', detail };
  }
  try {
    const key = await importPKCS8(keyPem.trim(), 'PS256');
    return { ok: true, credential: { kind: 'certificate', clientId, key, thumbprintSha256 } };
  } catch {
    // The library's message may quote the input.
    return { ok: false, fault: 'key', detail: 'is no RSA private key' };
  }
}

/**
 * Signs the assertion by which an application with a certificate asks for a token (domain/microsoft.md 1.2).
 * `audience` is the tenant's token endpoint: an assertion is good for one tenant of one cloud.
 */
export function signAssertion(
  credential: Extract<Credential, { kind: 'certificate' }>,
  audience: string,
  nowMs: number,
): Promise<string> {
  const nowSeconds = Math.floor(nowMs / 1000);
  return new SignJWT()
    .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': credential.thumbprintSha256 })
    .setAudience(audience)
    .setIssuer(credential.clientId)
    .setSubject(credential.clientId)
    .setJti(crypto.randomUUID())
    .setIssuedAt(nowSeconds)
    .setNotBefore(nowSeconds)
    .setExpirationTime(nowSeconds + assertionSeconds)
    .sign(credential.key);
}
