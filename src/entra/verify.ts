import { parseGuid } from '../ids.ts';
import { decodeBase64url } from './base64url.ts';
import { type Cloud, issuerFor, issuerV1For } from './clouds.ts';
import type { KeySource } from './keys.ts';
import type { VerificationKey } from './rsa-key.ts';
import { isSignatureAlgorithm, type SignatureAlgorithm, type SignatureCheck } from './signature.ts';
import { parseStrictObject } from './strict-json.ts';

/** Contract section 6: at most 8 KiB. */
const largestTokenBytes = 8 * 1024;
/** Contract section 6: leeway of `exp` and `nbf`. */
const leewaySeconds = 60;
/** A key id is at most a thumbprint in practice; it becomes a look-up and may be logged. */
const longestKidCharacters = 256;

export interface TokenClaims {
  readonly tenantId: string;
  readonly roles: readonly string[];
  /** `azp` of a v2 token, `appid` of a v1 token: the calling application. */
  readonly applicationId: string | undefined;
  /** Object id of the service principal, or of the user in a delegated token. */
  readonly objectId: string | undefined;
  /** Entra's token identifier (`uti`), for logs. */
  readonly uniqueId: string | undefined;
  /** The signed-in user's name in a delegated token. */
  readonly userName: string | undefined;
  /** `name`, as people read it. */
  readonly displayName?: string | undefined;
  /** `scp`: delegated permissions; only a token that stands for a user has it (domain/microsoft.md 1.3). */
  readonly scope?: string | undefined;
  /** `idtyp`: `app` or `user`, where the application asked for the claim. */
  readonly identityType?: string | undefined;
  /** The nonce that the request for an ID token carried. */
  readonly nonce?: string | undefined;
  /** `iat`; undefined: the token does not say. */
  readonly issuedAtMs?: number | undefined;
  readonly expiresAtMs: number;
}

export type VerifyRefusal =
  | 'malformed'
  | 'too-large'
  | 'algorithm'
  | 'unknown-key'
  | 'signature'
  | 'issuer'
  | 'audience'
  | 'expired'
  | 'not-yet-valid'
  | 'tenant-mismatch'
  | 'unknown-tenant'
  | 'keys-unavailable';

export type VerifyResult =
  | { readonly ok: true; readonly claims: TokenClaims }
  | { readonly ok: false; readonly reason: VerifyRefusal };

/** The facts that made a token valid: all that has to be checked again before its claims are believed another time. */
export interface VerifiedToken {
  readonly ok: true;
  readonly claims: TokenClaims;
  /** The one audience it is for. */
  readonly audience: string;
  /** Valid from this time on and before the other, the leeway included; milliseconds since 1970. */
  readonly validFromMs: number;
  readonly validUntilMs: number;
  readonly algorithm: SignatureAlgorithm;
  /** The key that signed it. */
  readonly key: VerificationKey;
}

export interface VerifyInput {
  readonly token: string;
  /** The tenant of the path; for operators, the tenants whose users may sign in. */
  readonly tenantId: string | readonly string[];
  /**
   * The stored tenant that the token names, where it is another one: only its token is worth proving genuine. A token
   * of any tenant beside these is refused before its keys are asked for, because anybody can invent a tenant.
   */
  readonly storedTenantId?: string | undefined;
  readonly cloud: Cloud;
  /** Accepted values of `aud` (ESPALIER_AUDIENCE). */
  readonly audiences: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
  readonly keys: Pick<KeySource, 'find'>;
  readonly signature: SignatureCheck;
}

interface ParsedToken {
  readonly algorithm: SignatureAlgorithm;
  readonly kid: string;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly expSeconds: number;
  readonly nbfSeconds: number | undefined;
  readonly data: Uint8Array<ArrayBuffer>;
  readonly signature: Uint8Array<ArrayBuffer>;
}

const refuse = (reason: VerifyRefusal): { readonly ok: false; readonly reason: VerifyRefusal } => ({
  ok: false,
  reason,
});

const asString = (value: unknown): string | undefined => (typeof value === 'string' ? value : undefined);

function parseHeader(
  bytes: Uint8Array,
): { readonly ok: true; algorithm: SignatureAlgorithm; kid: string } | { ok: false; reason: VerifyRefusal } {
  const header = parseStrictObject(bytes);
  if (header === undefined) return refuse('malformed');
  // No extension is understood here, and RFC 7515 section 4.1.11 then asks for a refusal; b64 needs crit.
  if ('crit' in header || 'b64' in header) return refuse('malformed');
  if (!isSignatureAlgorithm(header.alg)) return refuse('algorithm');
  const kid = header.kid;
  if (typeof kid !== 'string' || kid === '' || kid.length > longestKidCharacters) return refuse('malformed');
  return { ok: true, algorithm: header.alg, kid };
}

function parseToken(
  token: string,
): { readonly ok: true; readonly parsed: ParsedToken } | { ok: false; reason: VerifyRefusal } {
  if (token.length > largestTokenBytes) return refuse('too-large');
  const parts = token.split('.');
  const [headerText, payloadText, signatureText] = parts;
  if (parts.length !== 3 || !headerText || !payloadText || !signatureText) return refuse('malformed');
  const headerBytes = decodeBase64url(headerText);
  const payloadBytes = decodeBase64url(payloadText);
  const signature = decodeBase64url(signatureText);
  if (!headerBytes || !payloadBytes || !signature) return refuse('malformed');
  const header = parseHeader(headerBytes);
  if (!header.ok) return header;
  const payload = parseStrictObject(payloadBytes);
  if (payload === undefined) return refuse('malformed');
  const { exp, nbf } = payload;
  if (typeof exp !== 'number' || !Number.isFinite(exp)) return refuse('malformed');
  if (nbf !== undefined && (typeof nbf !== 'number' || !Number.isFinite(nbf))) return refuse('malformed');
  const data = new TextEncoder().encode(`${headerText}.${payloadText}`);
  const { algorithm, kid } = header;
  return { ok: true, parsed: { algorithm, kid, payload, expSeconds: exp, nbfSeconds: nbf, data, signature } };
}

/** The token's own tenant, when its issuer is exactly that tenant's in this cloud for its version. */
function issuingTenant(cloud: Cloud, payload: ParsedToken['payload']): string | undefined {
  const tid = asString(payload.tid);
  if (tid === undefined || parseGuid(tid) !== tid) return undefined;
  const expected =
    payload.ver === '2.0'
      ? issuerFor(cloud, tid)
      : payload.ver === '1.0'
        ? issuerV1For(cloud, tid)
        : undefined;
  return expected !== undefined && payload.iss === expected ? tid : undefined;
}

/**
 * Some of Entra's keys are valid for one issuer only, the consumer tenant's above all (domain/microsoft.md 1.4).
 * The member holds the v2 form whatever the token's version is.
 */
export function keyServes(
  key: VerificationKey,
  cloud: Cloud,
  tid: string,
  algorithm: SignatureAlgorithm,
): boolean {
  if (key.alg !== undefined && key.alg !== algorithm) return false;
  if (key.issuer === undefined) return true;
  const issuer = key.issuer.replaceAll('{tenantid}', tid);
  return issuer === issuerFor(cloud, tid) || issuer === issuerV1For(cloud, tid);
}

function singleAudience(aud: unknown): string | undefined {
  const single = Array.isArray(aud) && aud.length === 1 ? aud[0] : aud;
  return typeof single === 'string' && single !== '' ? single : undefined;
}

function claimsOf(payload: ParsedToken['payload'], tenantId: string, expSeconds: number): TokenClaims {
  const { iat, roles } = payload;
  return {
    tenantId,
    roles: Array.isArray(roles) ? roles.filter((role) => typeof role === 'string') : [],
    applicationId: asString(payload.ver === '2.0' ? payload.azp : payload.appid),
    objectId: asString(payload.oid),
    uniqueId: asString(payload.uti),
    userName: asString(payload.preferred_username ?? payload.upn ?? payload.unique_name),
    displayName: asString(payload.name),
    scope: asString(payload.scp),
    identityType: asString(payload.idtyp),
    nonce: asString(payload.nonce),
    issuedAtMs: typeof iat === 'number' && Number.isFinite(iat) ? iat * 1000 : undefined,
    expiresAtMs: expSeconds * 1000,
  };
}

/** The times in which a token is valid here: `now` is neither before the first nor at or after the second. */
const validFromMs = ({ nbfSeconds }: ParsedToken): number =>
  nbfSeconds === undefined ? Number.NEGATIVE_INFINITY : (nbfSeconds - leewaySeconds) * 1000;
const validUntilMs = ({ expSeconds }: ParsedToken): number => (expSeconds + leewaySeconds) * 1000;

/** Checks that need no key: what a token that is genuine must still satisfy here and now. */
function refusalOfGenuine(
  parsed: ParsedToken,
  audience: string | undefined,
  input: VerifyInput,
): VerifyRefusal | undefined {
  if (audience === undefined || !input.audiences.includes(audience)) return 'audience';
  if (input.now >= validUntilMs(parsed)) return 'expired';
  return input.now < validFromMs(parsed) ? 'not-yet-valid' : undefined;
}

/** The tenant that a well-formed token names (`tid`), in lower case; nobody has verified it yet. */
export function claimedTenantId(token: string): string | undefined {
  const result = parseToken(token);
  return result.ok ? parseGuid(asString(result.parsed.payload.tid)) : undefined;
}

/**
 * Verifies a token that a caller presents, by the token rules of contract section 6. Pure but for the two ports;
 * never throws for anything in the token.
 *
 * The tenant is compared last, against a token that is proved genuine by the keys of its own tenant in the same
 * cloud: a forged one learns nothing about the path, a genuine one of another stored tenant is told `tenant-mismatch`.
 */
export async function verifyForCache(
  input: VerifyInput,
): Promise<VerifiedToken | Extract<VerifyResult, { ok: false }>> {
  const { cloud, keys, signature } = input;
  const token = parseToken(input.token);
  if (!token.ok) return token;
  const { parsed } = token;
  const tid = issuingTenant(cloud, parsed.payload);
  if (tid === undefined) return refuse('issuer');
  const accepted = typeof input.tenantId === 'string' ? [input.tenantId] : input.tenantId;
  const own = accepted.some((tenantId) => tenantId.toLowerCase() === tid);
  if (!own && input.storedTenantId !== tid) return refuse('unknown-tenant');

  const lookup = await keys.find({ cloud, tenantId: tid, kid: parsed.kid });
  if (!lookup.ok) return refuse(lookup.failure === 'unavailable' ? 'keys-unavailable' : 'unknown-key');
  const key = lookup.keys.find((candidate) => keyServes(candidate, cloud, tid, parsed.algorithm));
  if (key === undefined) return refuse('unknown-key');
  if (!(await signature(parsed.algorithm, key, parsed.data, parsed.signature))) return refuse('signature');

  const audience = singleAudience(parsed.payload.aud);
  const refusal = refusalOfGenuine(parsed, audience, input);
  if (refusal !== undefined || audience === undefined) return refuse(refusal ?? 'audience');
  if (!own) return refuse('tenant-mismatch');
  return {
    ok: true,
    claims: claimsOf(parsed.payload, tid, parsed.expSeconds),
    audience,
    validFromMs: validFromMs(parsed),
    validUntilMs: validUntilMs(parsed),
    algorithm: parsed.algorithm,
    key,
  };
}

/** The same for whoever does not keep what was found. */
export async function verifyCallerToken(input: VerifyInput): Promise<VerifyResult> {
  const result = await verifyForCache(input);
  return result.ok ? { ok: true, claims: result.claims } : result;
}
