import { decodeBase64url } from './base64url.ts';

/** A public key that may verify callers' tokens: checked, and stripped of all that the check does not need. */
export interface VerificationKey {
  readonly kid: string;
  readonly kty: 'RSA';
  readonly n: string;
  readonly e: string;
  /** The key serves this algorithm alone, when it is present. */
  readonly alg?: string;
  /** Entra's own member, may hold `{tenantid}` (domain/microsoft.md 1.4). */
  readonly issuer?: string;
}

/** NIST SP 800-131A: anything shorter is refused. */
const smallestModulusBits = 2048;
/** Larger ones cost seconds of CPU per signature and nobody uses them. */
const largestModulusBits = 16_384;
/** RFC 8017 asks for an odd exponent of 3 or more; beyond 4 bytes verification becomes a way to burn CPU. */
const largestExponentBytes = 4;

/** Primes of the published ROCA fingerprint (CVE-2017-15361): moduli made by that fault lie in the group of 65537. */
const rocaPrimes = [11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157];
const rocaGroups = rocaPrimes.map((prime) => {
  const members = new Set<number>();
  for (let power = 1; !members.has(power); power = (power * 65_537) % prime) members.add(power);
  return { prime, members };
});

function remainder(bytes: Uint8Array, prime: number): number {
  let value = 0;
  for (const byte of bytes) value = (value * 256 + byte) % prime;
  return value;
}

function acceptableModulus(text: string): boolean {
  const padded = decodeBase64url(text);
  if (padded === undefined) return false;
  const first = padded.findIndex((byte) => byte !== 0);
  const bytes = first === -1 ? padded.subarray(0, 0) : padded.subarray(first);
  const bits = bytes.length === 0 ? 0 : bytes.length * 8 - Math.clz32(bytes[0] ?? 0) + 24;
  if (bits < smallestModulusBits || bits > largestModulusBits) return false;
  return rocaGroups.some(({ prime, members }) => !members.has(remainder(bytes, prime)));
}

function acceptableExponent(text: string): boolean {
  const bytes = decodeBase64url(text);
  if (bytes === undefined || bytes.length === 0 || bytes.length > largestExponentBytes) return false;
  const value = bytes.reduce((sum, byte) => sum * 256 + byte, 0);
  return value >= 3 && value % 2 === 1;
}

const optionalString = (value: unknown): value is string | undefined =>
  value === undefined || typeof value === 'string';

/**
 * Reads one member of a key set; undefined unless it is an RSA public key of at least 2048 bits meant for
 * signatures. One bad key never spoils its set.
 */
export function parseVerificationKey(value: unknown): VerificationKey | undefined {
  if (typeof value !== 'object' || value === null) return undefined;
  const jwk: Readonly<Record<string, unknown>> = { ...value };
  const { kid, kty, n, e, use, alg, issuer } = jwk;
  if (kty !== 'RSA' || typeof kid !== 'string' || kid === '') return undefined;
  // A private key in a public set is a published one: whoever signs with it proves nothing.
  if ('d' in jwk || 'p' in jwk || 'k' in jwk) return undefined;
  if (use !== undefined && use !== 'sig') return undefined;
  if (jwk.key_ops !== undefined && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes('verify'))) {
    return undefined;
  }
  if (typeof n !== 'string' || typeof e !== 'string' || !acceptableModulus(n) || !acceptableExponent(e)) {
    return undefined;
  }
  if (!optionalString(alg) || !optionalString(issuer)) return undefined;
  return {
    kid,
    kty,
    n,
    e,
    ...(alg === undefined ? {} : { alg }),
    ...(issuer === undefined ? {} : { issuer }),
  };
}
