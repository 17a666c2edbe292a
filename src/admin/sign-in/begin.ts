import {
  anyOrganisation,
  authorizationUrl,
  codeChallengeOf,
  randomToken,
} from '../../entra/authorization-code.ts';
import { hashKey } from '../../secrets/keys.ts';
import type { Sealer } from '../../secrets/seal.ts';
import type { Sql } from '../../store/database.ts';
import { insertSignIn } from '../../store/sign-ins.ts';
import type { EntraOperators } from '../operators/entra-settings.ts';

/** The way to Entra: what is remembered of it, and the address. */

export const callbackPath = '/sign-in/callback';

/** Context that the sealed verifier is bound to. */
export const verifierRow = (stateHash: string): string => `sign-in:${stateHash}`;

/** One tenant's own page, or the one for all organisations; which tenant it was is checked afterwards. */
export const authorityTenant = ({ tenantIds: [only, ...others] }: EntraOperators): string =>
  only !== undefined && others.length === 0 ? only : anyOrganisation;

export const redirectUriOf = (entra: EntraOperators): string => `${entra.adminUrl()}${callbackPath}`;

export interface BeginSignIn {
  readonly entra: EntraOperators;
  readonly sql: Sql;
  readonly sealer: Sealer;
  /** The cookie of this browser. */
  readonly browser: string;
  readonly returnTo: string;
  readonly chooseAccount: boolean;
}

/** Remembers a sign-in for ten minutes and resolves to the address at Microsoft that it goes on at. */
export async function beginSignIn(begin: BeginSignIn): Promise<string> {
  const { browser, chooseAccount, entra, returnTo, sealer, sql } = begin;
  const [state, nonce, verifier] = [randomToken(), randomToken(), randomToken()];
  const stateHash = await hashKey(state);
  await insertSignIn(sql, {
    stateHash,
    browserHash: await hashKey(browser),
    cloud: entra.cloud.name,
    nonce,
    verifierSealed: await sealer.seal(verifier, verifierRow(stateHash)),
    returnTo,
  });
  return authorizationUrl({
    cloud: entra.cloud,
    tenant: authorityTenant(entra),
    clientId: entra.clientId,
    redirectUri: redirectUriOf(entra),
    state,
    nonce,
    codeChallenge: await codeChallengeOf(verifier),
    chooseAccount,
  });
}
