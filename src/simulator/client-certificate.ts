import { dayMs } from './clock.ts';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** The certificate of an application at the simulated Entra (domain/microsoft.md 1.2). */
export interface ClientCertificate {
  readonly certificatePem: string;
  /** PKCS #8. */
  readonly keyPem: string;
}

const algorithm = {
  name: 'RSASSA-PKCS1-v1_5',
  hash: 'SHA-256',
  modulusLength: 2048,
  publicExponent: new Uint8Array([1, 0, 1]),
} as const;

/** A new self-signed RSA certificate, valid for 397 days, as an administrator would upload to an application. */
export async function makeClientCertificate(commonName: string): Promise<ClientCertificate> {
  x509.cryptoProvider.set(globalThis.crypto);
  const keys = await globalThis.crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 397 * dayMs),
  });
  const pkcs8 = await globalThis.crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}
