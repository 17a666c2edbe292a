import { dayMs } from './clock.ts';
import { newRsaKey } from './rsa-keys.ts';
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
} as const;

/** A new self-signed RSA certificate, valid for 397 days, as an administrator would upload to an application. */
export async function makeClientCertificate(commonName: string): Promise<ClientCertificate> {
  x509.cryptoProvider.set(globalThis.crypto);
  const { subtle } = globalThis.crypto;
  const made = await newRsaKey();
  const pkcs8 = made.privateKey.export({ type: 'pkcs8', format: 'der' });
  const spki = made.publicKey.export({ type: 'spki', format: 'der' });
  const keys = {
    privateKey: await subtle.importKey('pkcs8', new Uint8Array(pkcs8), algorithm, true, ['sign']),
    publicKey: await subtle.importKey('spki', new Uint8Array(spki), algorithm, true, ['verify']),
  };
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    name: `CN=${commonName}`,
    keys,
    signingAlgorithm: algorithm,
    notBefore: new Date(Date.now() - dayMs),
    notAfter: new Date(Date.now() + 397 * dayMs),
  });
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: made.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
  };
}
