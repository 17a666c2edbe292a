import { createBoundedCache } from '../bounded-cache.ts';
import type { Cloud } from './clouds.ts';
import type { KeySource } from './keys.ts';
import type { VerificationKey } from './rsa-key.ts';
import { keyServes, type TokenClaims, type VerifiedToken } from './verify.ts';

/** A caller's service has one token for an hour; room for each of 10,000 tenants to have ten. */
const defaultEntries = 100_000;

export interface VerifiedQuery {
  /** SHA-256 of the token: the cache holds no token that can be used. */
  readonly tokenHash: string;
  /** The tenant of the path. */
  readonly tenantId: string;
  readonly cloud: Cloud;
  readonly audiences: readonly string[];
  /** Milliseconds since 1970. */
  readonly now: number;
}

/**
 * Tokens that were verified already. A cached answer is the one that verifying again would give: times, tenant,
 * cloud and audience are compared at every look, and the key that signed must still be the one its issuer publishes
 * under that id, as `KeySource` knows it. Refusals are not kept: anybody can make tokens that are refused.
 */
export interface VerifiedTokens {
  /** Undefined: verify it. */
  peek(query: VerifiedQuery): TokenClaims | undefined;
  /** True where the token was verified once, and may be again. */
  wasVerified(tokenHash: string, tenantId: string, now: number): boolean;
  keep(tokenHash: string, cloud: Cloud, verified: VerifiedToken): void;
}

interface Entry {
  readonly cloud: string;
  readonly verified: VerifiedToken;
  /** The issuer's keys of this id when they were last compared with the one that signed. */
  published: readonly VerificationKey[] | undefined;
}

/** True where verifying anew would use the same key: the first that serves is the one that counts. */
function isStillSigner(
  published: readonly VerificationKey[],
  cloud: Cloud,
  verified: VerifiedToken,
): boolean {
  const { algorithm, claims, key } = verified;
  const serving = published.find((candidate) => keyServes(candidate, cloud, claims.tenantId, algorithm));
  return serving !== undefined && serving.n === key.n && serving.e === key.e;
}

export function createVerifiedTokens(
  keys: Pick<KeySource, 'peek'>,
  entries: number = defaultEntries,
): VerifiedTokens {
  const cache = createBoundedCache<string, Entry>(entries);
  return {
    peek: ({ audiences, cloud, now, tenantId, tokenHash }) => {
      // A peek is not counted as use, which costs more than the look-up: a token is used for an hour at most.
      const entry = cache.peek(tokenHash);
      if (entry === undefined) return undefined;
      const { verified } = entry;
      if (now >= verified.validUntilMs) {
        cache.delete(tokenHash);
        return undefined;
      }
      if (now < verified.validFromMs || entry.cloud !== cloud.name) return undefined;
      if (verified.claims.tenantId !== tenantId || !audiences.includes(verified.audience)) return undefined;
      const published = keys.peek({ cloud, tenantId, kid: verified.key.kid });
      if (published === undefined) return undefined;
      if (published !== entry.published) {
        if (!isStillSigner(published, cloud, verified)) {
          cache.delete(tokenHash);
          return undefined;
        }
        entry.published = published;
      }
      return verified.claims;
    },
    wasVerified: (tokenHash, tenantId, now) => {
      const { verified } = cache.peek(tokenHash) ?? {};
      return verified?.claims.tenantId === tenantId && now < verified.validUntilMs;
    },
    keep: (tokenHash, cloud, verified) => {
      cache.set(tokenHash, { cloud: cloud.name, verified, published: undefined });
    },
  };
}
