import { createHash, randomBytes } from 'node:crypto';
import type { SimulatedTenant, SimulatedUser } from '../directory.ts';
import type { CloudContext } from './context.ts';
import { type EntraResult, refuse, refuseByCatalogue, succeed } from './entra-error.ts';

/** Microsoft's documentation: an authorization code expires after about ten minutes. */
const codeLifeMs = 10 * 60_000;
/** Old ones are forgotten, spent ones too; until then a second use is told from an unknown code. */
const codesKept = 1_000;

/** A grant of a person at the authorize endpoint, to be redeemed by the application. */
export interface Authorization {
  readonly appId: string;
  readonly redirectUri: string;
  readonly tenant: SimulatedTenant;
  readonly user: SimulatedUser;
  readonly nonce: string;
  readonly scopes: readonly string[];
  /** S256. */
  readonly codeChallenge: string;
}

export interface CodePresentation {
  readonly code: string;
  readonly appId: string;
  readonly redirectUri: string;
  readonly codeVerifier: string;
  /** The tenant in the token endpoint's path: an id, or a shared name. */
  readonly askedTenant: string;
}

export interface AuthorizationCodes {
  issue(authorization: Authorization): string;
  redeem(presented: CodePresentation): EntraResult<Authorization>;
}

interface IssuedCode {
  readonly authorization: Authorization;
  readonly expiresAt: number;
  spent: boolean;
}

const challengeOf = (verifier: string): string => createHash('sha256').update(verifier).digest('base64url');

/** Single use, ten minutes, bound to the application, its redirect address and the code verifier. */
export function createAuthorizationCodes(cloud: CloudContext): AuthorizationCodes {
  const issued = new Map<string, IssuedCode>();
  const { clock } = cloud.world;
  return {
    issue: (authorization) => {
      // The code looks like Entra's: long, and with characters that have to be encoded in an address.
      const code = `1.${randomBytes(96).toString('base64')}`;
      issued.set(code, { authorization, expiresAt: clock.now() + codeLifeMs, spent: false });
      const [oldest] = issued.keys();
      if (issued.size > codesKept && oldest !== undefined) issued.delete(oldest);
      return code;
    },
    redeem: ({ appId, askedTenant, code, codeVerifier, redirectUri }) => {
      const found = issued.get(code);
      if (!found)
        return refuse('invalid_grant', 9002313, 'Invalid request. Request is malformed or invalid.');
      const { authorization } = found;
      if (authorization.appId !== appId) return refuseByCatalogue(70000, {});
      if (found.spent) return refuseByCatalogue(54005, {});
      // A code that was shown by its application is used up, whatever comes of it (RFC 6749 4.1.2).
      found.spent = true;
      if (found.expiresAt <= clock.now()) return refuseByCatalogue(70008, {});
      const shared = askedTenant === 'organizations' || askedTenant === 'common';
      if (!shared && askedTenant !== authorization.tenant.tenantId) return refuseByCatalogue(700005, {});
      if (authorization.redirectUri !== redirectUri) return refuseByCatalogue(500112, {});
      if (challengeOf(codeVerifier) !== authorization.codeChallenge) return refuseByCatalogue(501481, {});
      return succeed(authorization);
    },
  };
}
