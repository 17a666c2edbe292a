import { constants, verify, X509Certificate } from 'node:crypto';
import type { RegisteredApplication } from './applications.ts';
import { isRecord } from './context.ts';
import { type EntraResult, refuse, succeed } from './entra-error.ts';

/** Allowed difference between the caller's clock and Entra's. */
const clockSkewMs = 300_000;

const base64url = /^[\w-]+$/;

function decodePart(part: string | undefined): Record<string, unknown> | undefined {
  if (part === undefined || !base64url.test(part)) return undefined;
  try {
    const value: unknown = JSON.parse(Buffer.from(part, 'base64url').toString('utf8'));
    return isRecord(value) ? value : undefined;
  } catch (error) {
    if (error instanceof SyntaxError) return undefined;
    throw error;
  }
}

const thumbprint = (hex: string): string => Buffer.from(hex.replaceAll(':', ''), 'hex').toString('base64url');

/** `PS256` goes with `x5t#S256`, `RS256` with the older SHA-1 `x5t`: domain/microsoft.md 1.2. */
function findCertificate(
  header: Record<string, unknown>,
  application: RegisteredApplication,
): X509Certificate | undefined {
  return application.certificates
    .map((pem) => new X509Certificate(pem))
    .find((certificate) =>
      header.alg === 'PS256'
        ? header['x5t#S256'] === thumbprint(certificate.fingerprint256)
        : header.alg === 'RS256' && header.x5t === thumbprint(certificate.fingerprint),
    );
}

function signatureHolds(
  alg: unknown,
  certificate: X509Certificate,
  signed: string,
  signature: string,
): boolean {
  const padding =
    alg === 'PS256'
      ? { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
      : { padding: constants.RSA_PKCS1_PADDING };
  return verify(
    'sha256',
    Buffer.from(signed),
    { key: certificate.publicKey, ...padding },
    Buffer.from(signature, 'base64url'),
  );
}

function checkClaims(
  claims: Record<string, unknown>,
  expected: { clientId: string; audience: string; nowMs: number },
): EntraResult<string> {
  const { iss, sub, aud, exp, nbf, jti } = claims;
  if (iss !== sub) {
    return refuse('invalid_client', 50048, 'Subject mismatches Issuer claim in the client assertion.');
  }
  if (typeof iss !== 'string' || iss.toLowerCase() !== expected.clientId) {
    return refuse('invalid_client', 50027, 'JWT token is invalid: the issuer is not the client_id.');
  }
  if (typeof aud !== 'string' || aud.toLowerCase() !== expected.audience.toLowerCase()) {
    return refuse(
      'invalid_client',
      50027,
      `JWT token is invalid: the audience must be ${expected.audience}.`,
    );
  }
  if (typeof exp !== 'number' || typeof nbf !== 'number') {
    return refuse('invalid_client', 50027, 'JWT token is invalid or malformed: exp and nbf are required.');
  }
  if (exp * 1000 + clockSkewMs <= expected.nowMs || nbf * 1000 - clockSkewMs > expected.nowMs) {
    return refuse('invalid_client', 500133, 'Assertion is not within its valid time range.');
  }
  if (typeof jti !== 'string' || jti === '') {
    return refuse('invalid_client', 50027, 'JWT token is invalid or malformed: jti is required.');
  }
  return succeed(jti);
}

/**
 * Checks a certificate assertion (domain/microsoft.md 1.2): key found by thumbprint, signature, audience (the
 * tenant's token URL), issuer and subject, time range. Gives its `jti`, for the caller to refuse a second use.
 */
export function checkAssertion(
  assertion: string,
  application: RegisteredApplication,
  expected: { audience: string; nowMs: number },
): EntraResult<string> {
  const parts = assertion.split('.');
  const [headerPart, claimsPart, signature] = parts;
  const header = decodePart(headerPart);
  const claims = decodePart(claimsPart);
  if (parts.length !== 3 || !header || !claims || !signature || !base64url.test(signature)) {
    return refuse('invalid_client', 50027, 'JWT token is invalid or malformed.');
  }
  const certificate = findCertificate(header, application);
  if (!certificate) {
    return refuse(
      'invalid_client',
      700027,
      'The certificate with identifier used to sign the client assertion is not registered on application. [Reason - The key was not found.]',
    );
  }
  if (Date.parse(certificate.validTo) <= expected.nowMs) {
    return refuse(
      'invalid_client',
      700027,
      'Client assertion failed signature validation. [Reason - The key used is expired.]',
    );
  }
  if (!signatureHolds(header.alg, certificate, `${headerPart}.${claimsPart}`, signature)) {
    return refuse('invalid_client', 700027, 'Client assertion failed signature validation.');
  }
  return checkClaims(claims, { clientId: application.appId, ...expected });
}
