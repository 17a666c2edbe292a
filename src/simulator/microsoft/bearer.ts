import { type KeyObject, verify } from 'node:crypto';
import { decodeJwt, decodeProtectedHeader, errors } from 'jose';
import type { SimulatedTenant } from '../directory.ts';
import { type CloudContext, findTenant } from './context.ts';
import { remembered } from './remembered.ts';

/** An access token that a resource of this cloud has accepted. */
export interface AcceptedToken {
  readonly tenant: SimulatedTenant;
  readonly roles: readonly string[];
  /** Lower case. */
  readonly appId: string;
  /** Names this one token. */
  readonly tokenId: string;
  /** Milliseconds by the world's clock, cut to whole seconds. */
  readonly issuedAtMs: number;
}

export type BearerCheck =
  | { readonly ok: true; readonly token: AcceptedToken }
  | { readonly ok: false; readonly reason: string };

const bearerPattern = /^Bearer ([\w-]+\.[\w-]+\.[\w-]+)$/i;

interface DecodedToken {
  readonly header: { readonly alg?: string; readonly kid?: string };
  readonly claims: ReturnType<typeof decodeJwt>;
}

/** Upper bound on tokens in use at a time; each is verified with every request until it expires. */
const tokensRemembered = 10_000;

/** The claims of a token never change, so it is read once. */
const decode = remembered(tokensRemembered, (token: string): DecodedToken | undefined => {
  try {
    return { header: decodeProtectedHeader(token), claims: decodeJwt(token) };
  } catch (error) {
    if (error instanceof errors.JWTInvalid || error instanceof TypeError) return undefined;
    throw error;
  }
});

const signedBy = new WeakMap<KeyObject, (token: string) => boolean>();

/** True where the key made the token's signature, which never changes. Everything else is asked anew. */
function isSignedBy(publicKey: KeyObject, token: string): boolean {
  const known = signedBy.get(publicKey);
  if (known) return known(token);
  const made = remembered(tokensRemembered, (whole: string): boolean => {
    const [head, body, signature] = whole.split('.');
    return verify(
      'sha256',
      Buffer.from(`${head}.${body}`),
      publicKey,
      Buffer.from(signature ?? '', 'base64url'),
    );
  });
  signedBy.set(publicKey, made);
  return made(token);
}

/** The `tid` a request claims, unverified: for the journal and the faults only. */
export function claimedTenant(authorization: string | undefined): string | undefined {
  const token = bearerPattern.exec(authorization ?? '')?.[1];
  const tid = token === undefined ? undefined : decode(token)?.claims.tid;
  return typeof tid === 'string' ? tid : undefined;
}

/**
 * Checks a bearer token as Graph and Intune do: a v1 token of this cloud, signed by a key still published,
 * for exactly one of the audiences, in its time, of a tenant known here.
 */
export function checkBearer(
  cloud: CloudContext,
  authorization: string | undefined,
  audiences: readonly string[],
): BearerCheck {
  const no = (reason: string): BearerCheck => ({ ok: false, reason });
  if (authorization === undefined) return no('Access token is empty.');
  const token = bearerPattern.exec(authorization)?.[1];
  const decoded = token === undefined ? undefined : decode(token);
  if (token === undefined || decoded === undefined)
    return no('CompactToken parsing failed with error code: 80049217');
  const { header, claims } = decoded;
  const key = cloud.keys.find(header.kid ?? '');
  if (header.alg !== 'RS256' || !key || key.consumer || !isSignedBy(key.publicKey, token)) {
    return no('Access token validation failure. Invalid signature.');
  }
  if (typeof claims.aud !== 'string' || !audiences.includes(claims.aud)) {
    return no('Access token validation failure. Invalid audience.');
  }
  const nowSeconds = cloud.world.clock.now() / 1000;
  if (claims.exp === undefined || claims.exp <= nowSeconds)
    return no('Lifetime validation failed, the token is expired.');
  if (claims.nbf === undefined || claims.nbf > nowSeconds + 300) return no('The token is not valid yet.');
  const tenant = typeof claims.tid === 'string' ? findTenant(cloud, claims.tid) : undefined;
  if (tenant?.kind !== 'here') return no('Access token validation failure. Invalid tenant.');
  if (claims.iss !== cloud.issuer(1, tenant.tenant.tenantId)) {
    return no('Access token validation failure. Invalid issuer.');
  }
  const roles: unknown[] = Array.isArray(claims.roles) ? claims.roles : [];
  return {
    ok: true,
    token: {
      tenant: tenant.tenant,
      roles: roles.filter((role) => typeof role === 'string'),
      appId: typeof claims.appid === 'string' ? claims.appid : '',
      tokenId: token.slice(token.lastIndexOf('.') + 1),
      issuedAtMs: (claims.iat ?? 0) * 1000,
    },
  };
}
