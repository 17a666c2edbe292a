import * as acme from 'acme-client';
import { newKeyPem } from './ca.ts';

/** The pair that answers `tls-alpn-01` (RFC 8737, 3): any process makes its own, for the answer is in the extension. */
export async function makeChallengePair(
  name: string,
  keyAuthorization: string,
): Promise<{ readonly cert: string; readonly key: string }> {
  const authorization = { identifier: { type: 'dns', value: name } } as acme.Authorization;
  const [key, cert] = await acme.crypto.createAlpnCertificate(
    authorization,
    keyAuthorization,
    await newKeyPem(),
  );
  return { cert: cert.toString(), key: key.toString() };
}
