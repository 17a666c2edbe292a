/** Certificates of every kind that a test needs, good and bad, with their keys. */

import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

x509.cryptoProvider.set(globalThis.crypto);

const dayMs = 86_400_000;
const ecdsa = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' };
export const rsa = (bits: number, hash = 'SHA-256') => ({
  name: 'RSASSA-PKCS1-v1_5',
  hash,
  modulusLength: bits,
  publicExponent: new Uint8Array([1, 0, 1]),
});

export interface Kind {
  readonly issuer?: Issued;
  readonly isAuthority?: boolean;
  readonly pathLength?: number;
  /** Days from now. */
  readonly from?: number;
  readonly to?: number;
  readonly purposes?: readonly string[];
  readonly usages?: number;
  readonly algorithm?: typeof ecdsa | ReturnType<typeof rsa>;
  readonly more?: readonly x509.Extension[];
}

export interface Issued {
  readonly name: string;
  readonly keys: CryptoKeyPair;
  readonly algorithm: typeof ecdsa | ReturnType<typeof rsa>;
  readonly pem: string;
  readonly der: Buffer;
  readonly keyPem: string;
}

let serial = 1;

/** Default: a client's, or an authority's own where `isAuthority` is set, signed by itself unless it has an issuer. */
export async function issue(commonName: string, kind: Kind = {}): Promise<Issued> {
  const { algorithm = ecdsa, from = -1, isAuthority = false, issuer, to = 30 } = kind;
  const keys = (await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify'])) as CryptoKeyPair;
  const name = `CN=${commonName}`;
  serial += 1;
  const certificate = await x509.X509CertificateGenerator.create({
    serialNumber: serial.toString(16).padStart(4, '0'),
    subject: name,
    issuer: issuer?.name ?? name,
    notBefore: new Date(Date.now() + from * dayMs),
    notAfter: new Date(Date.now() + to * dayMs),
    publicKey: keys.publicKey,
    signingKey: issuer?.keys.privateKey ?? keys.privateKey,
    signingAlgorithm: issuer?.algorithm ?? algorithm,
    extensions: [
      ...(isAuthority ? [new x509.BasicConstraintsExtension(true, kind.pathLength, true)] : []),
      ...(kind.usages === undefined ? [] : [new x509.KeyUsagesExtension(kind.usages, true)]),
      ...(kind.purposes === undefined ? [] : [new x509.ExtendedKeyUsageExtension([...kind.purposes])]),
      ...(kind.more ?? []),
    ],
  });
  const pkcs8 = await crypto.subtle.exportKey('pkcs8', keys.privateKey);
  return {
    name,
    keys,
    algorithm,
    pem: certificate.toString('pem'),
    der: Buffer.from(certificate.rawData),
    keyPem: x509.PemConverter.encode(pkcs8, 'PRIVATE KEY'),
  };
}
