import { type TokenClaims, type VerifyRefusal, verifyCallerToken } from '../../entra/verify.ts';
import { parseGuid } from '../../ids.ts';
import { type Problem, problem } from '../../problems.ts';
import type { Operator } from '../context.ts';
import { appRoleNames, cleanName, roleOf } from './app-roles.ts';
import type { EntraBindings } from './entra-bindings.ts';
import type { EntraOperators } from './entra-settings.ts';

/** Operators who show a token of Entra on the admin API (contract section 8). */

export type TokenOperator =
  | { readonly ok: true; readonly operator: Operator }
  | { readonly ok: false; readonly problem: Problem };

/** A compact JWS, which no key of ours is: they begin with `esp_`. */
export const looksLikeToken = (text: string): boolean => /^eyJ[\w-]*\.[\w-]*\.[\w-]*$/.test(text);

const challenge = { 'www-authenticate': 'Bearer realm="espalier", error="invalid_token"' };
const unauthenticated = (detail: string): Problem =>
  problem('unauthenticated', detail, { headers: challenge });

const words: Partial<Record<VerifyRefusal, string>> = {
  expired: 'The token has expired.',
  'not-yet-valid': 'The token is not valid yet: check the clocks.',
  audience: "The token's audience is not the operators' application (ESPALIER_OPERATOR_AUDIENCE).",
};

function problemOf(reason: VerifyRefusal): Problem {
  switch (reason) {
    // These tenants' keys proved nothing, so a reader may learn only that ESPALIER_OPERATOR_TENANTS leaves the tenant
    // out.
    case 'unknown-tenant':
    case 'tenant-mismatch':
      return problem(
        'tenant-mismatch',
        'The token was issued in a tenant whose users are no operators here (ESPALIER_OPERATOR_TENANTS).',
      );
    case 'keys-unavailable':
      return problem('overloaded', "Entra's keys cannot be read now.", {
        owner: 'microsoft',
        retryAfterSeconds: 10,
      });
    default:
      return unauthenticated(
        words[reason] ?? "The token is not one that Entra signed for this gateway's operators.",
      );
  }
}

/**
 * Without a user: Entra says so with `idtyp` where the application asks for the claim, and otherwise by leaving out the
 * delegated permissions (domain/microsoft.md 1.3).
 */
const isAppOnly = ({ identityType, scope }: TokenClaims): boolean =>
  identityType === undefined ? scope === undefined : identityType === 'app';

/** An access token names who got it; an ID token is for the sign-in of its own application and opens nothing. */
const isAccessToken = ({ applicationId, nonce }: TokenClaims): boolean =>
  applicationId !== undefined && nonce === undefined;

async function operatorOf(claims: TokenClaims, bindings: EntraBindings): Promise<TokenOperator> {
  const id = parseGuid(claims.objectId);
  if (id === undefined || !isAccessToken(claims)) {
    return { ok: false, problem: unauthenticated('The token is no access token for an API.') };
  }
  const role = roleOf(claims.roles);
  if (role === undefined) {
    // Readers of this are known to Entra in one of the operators' tenants: no stranger learns the names.
    const detail = `The token has none of the app roles ${appRoleNames.join(', ')}: assign one to the user or application in Entra, then take a new token.`;
    return { ok: false, problem: problem('forbidden', detail) };
  }
  const name = isAppOnly(claims)
    ? `app ${cleanName(claims.applicationId)}`
    : (cleanName(claims.userName) ?? cleanName(claims.displayName) ?? id);
  const { tenantId: entraTenantId } = claims;
  const operator = await bindings.bound({ kind: 'user', name, id, entraTenantId, role }, claims.issuedAtMs);
  await bindings.recordUse(operator);
  return { ok: true, operator };
}

/** The operator that a token on the admin API stands for. Checked anew with every request: they are few. */
export async function operatorOfToken(
  entra: EntraOperators,
  bindings: EntraBindings,
  token: string,
): Promise<TokenOperator> {
  const { audiences, cloud, keys, signature, tenantIds } = entra;
  const verified = await verifyCallerToken({
    token,
    tenantId: tenantIds,
    cloud,
    audiences,
    now: Date.now(),
    keys,
    signature,
  });
  return verified.ok
    ? operatorOf(verified.claims, bindings)
    : { ok: false, problem: problemOf(verified.reason) };
}
