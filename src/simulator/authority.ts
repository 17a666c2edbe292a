import { dayMs } from './clock.ts';
import 'reflect-metadata';
import * as x509 from '@peculiar/x509';

/** The simulated world's own certificate authority: nothing outside trusts it unless it is configured to. */
export interface Authority {
  readonly certificatePem: string;
  readonly keyPem: string;
  /** A server certificate for these names and addresses, with its key; default: valid from yesterday for 397 days. */
  issue(
    names: readonly string[],
    validity?: { readonly notBefore: Date; readonly notAfter: Date },
  ): Promise<{ certificatePem: string; keyPem: string }>;
}

const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

x509.cryptoProvider.set(globalThis.crypto);

const pkcs8Pem = async (key: CryptoKey): Promise<string> =>
  x509.PemConverter.encode(await globalThis.crypto.subtle.exportKey('pkcs8', key), 'PRIVATE KEY');

const serial = (): string =>
  Buffer.from(globalThis.crypto.getRandomValues(new Uint8Array(16))).toString('hex');

/** Makes a new authority, or opens the one given in PEM (so that a restarted world keeps its trust). */
export async function createAuthority(saved?: {
  certificatePem: string;
  keyPem: string;
}): Promise<Authority> {
  let keys: CryptoKeyPair;
  let certificate: x509.X509Certificate;
  if (saved) {
    certificate = new x509.X509Certificate(saved.certificatePem);
    const privateKey = await globalThis.crypto.subtle.importKey(
      'pkcs8',
      x509.PemConverter.decodeFirst(saved.keyPem),
      algorithm,
      true,
      ['sign'],
    );
    keys = { privateKey, publicKey: await certificate.publicKey.export(algorithm, ['verify']) };
  } else {
    keys = await globalThis.crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
    certificate = await x509.X509CertificateGenerator.createSelfSigned({
      serialNumber: serial(),
      name: 'CN=Espalier simulated world',
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + 3650 * dayMs),
      keys,
      signingAlgorithm: algorithm,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign, true),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
      ],
    });
  }
  return {
    certificatePem: certificate.toString('pem'),
    keyPem: await pkcs8Pem(keys.privateKey),
    issue: async (names, validity) => {
      const pair = await globalThis.crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
      const isAddress = (name: string): boolean => /^[\d.]+$|:/.test(name);
      const leaf = await x509.X509CertificateGenerator.create({
        serialNumber: serial(),
        subject: `CN=${names[0] ?? 'localhost'}`,
        issuer: certificate.subject,
        notBefore: validity?.notBefore ?? new Date(Date.now() - dayMs),
        notAfter: validity?.notAfter ?? new Date(Date.now() + 397 * dayMs),
        publicKey: pair.publicKey,
        signingKey: keys.privateKey,
        signingAlgorithm: algorithm,
        extensions: [
          new x509.BasicConstraintsExtension(false, undefined, true),
          new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
          new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
          new x509.SubjectAlternativeNameExtension(
            names.map((value) => ({ type: isAddress(value) ? ('ip' as const) : ('dns' as const), value })),
          ),
          await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        ],
      });
      return { certificatePem: leaf.toString('pem'), keyPem: await pkcs8Pem(pair.privateKey) };
    },
  };
}
