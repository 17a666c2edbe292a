import 'reflect-metadata';
import * as x509 from '@peculiar/x509';
import { dayMs } from '../clock.ts';

/**
 * The pair that answers `tls-alpn-01` (RFC 8737, 3). Any process makes its own, for the answer is in the extension. The one of
 * acme-client may not sign (its key usage is that of an authority), so OpenSSL refuses it in TLS 1.2.
 */

const acmeIdentifier = '1.3.6.1.5.5.7.1.31';
const algorithm = { name: 'ECDSA', namedCurve: 'P-256', hash: 'SHA-256' } as const;

export async function makeChallengePair(
  name: string,
  keyAuthorization: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const keys = await crypto.subtle.generateKey(algorithm, true, ['sign', 'verify']);
  const digest = await crypto.subtle.digest('SHA-256', new TextEncoder().encode(keyAuthorization));
  // An OCTET STRING of 32 bytes, in DER.
  const answer = new Uint8Array([0x04, 0x20, ...new Uint8Array(digest)]);
  const now = Date.now();
  const certificate = await x509.X509CertificateGenerator.createSelfSigned({
    serialNumber: crypto.randomUUID().replaceAll('-', ''),
    name: `CN=${name.length <= 64 ? name : 'acme-tls/1'}`,
    notBefore: new Date(now - dayMs),
    notAfter: new Date(now + dayMs),
    keys,
    signingAlgorithm: algorithm,
    extensions: [
      new x509.BasicConstraintsExtension(false, undefined, true),
      new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
      new x509.SubjectAlternativeNameExtension([{ type: 'dns', value: name }]),
      new x509.Extension(acmeIdentifier, true, answer),
    ],
  });
  const key = x509.PemConverter.encode(
    await crypto.subtle.exportKey('pkcs8', keys.privateKey),
    'PRIVATE KEY',
  );
  return { cert: certificate.toString('pem'), key };
}
