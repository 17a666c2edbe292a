import {
  type CodeRedemption,
  parseAuthorizationRedirect,
  type RedemptionResult,
  redeemCode,
} from '../../entra/authorization-code.ts';
import type { TokenFailure } from '../../entra/errors.ts';
import { type TokenClaims, type VerifyRefusal, verifyCallerToken } from '../../entra/verify.ts';
import { newId, parseGuid } from '../../ids.ts';
import { hashKey } from '../../secrets/keys.ts';
import { SealBroken, type Sealer } from '../../secrets/seal.ts';
import type { Sql } from '../../store/database.ts';
import type { Role } from '../../store/row-types.ts';
import { type SignIn, takeSignIn } from '../../store/sign-ins.ts';
import { cleanName, roleOf } from '../operators/app-roles.ts';
import type { EntraOperators } from '../operators/entra-settings.ts';
import { authorityTenant, redirectUriOf, verifierRow } from './begin.ts';

/** The way back from Entra. Until the ID token is verified, all of it is the browser's word. */

export type SignInRefusal =
  /** A sign-in that was never begun here, used before, too old, or begun by another browser. */
  | { readonly reason: 'not-matched' }
  | { readonly reason: 'incomplete'; readonly field: string }
  /** Entra's own refusal. */
  | { readonly reason: 'entra'; readonly failure: TokenFailure }
  /** The ID token is not what was asked for. */
  | {
      readonly reason: 'token';
      readonly fault: Exclude<VerifyRefusal, 'tenant-mismatch' | 'unknown-tenant'> | 'nonce' | 'subject';
    }
  | { readonly reason: 'other-tenant' }
  | { readonly reason: 'no-role'; readonly name: string };

/** The person who signed in, as the verified ID token names him. */
export interface SignedInPerson {
  readonly entraTenantId: string;
  readonly objectId: string;
  readonly name: string;
  readonly role: Role;
}

export type SignInOutcome =
  | { readonly ok: true; readonly person: SignedInPerson; readonly returnTo: string }
  | ({ readonly ok: false } & SignInRefusal);

export interface FinishSignIn {
  readonly entra: EntraOperators;
  readonly sql: Sql;
  readonly sealer: Sealer;
  /** The cookie of this browser. */
  readonly browser: string | undefined;
  readonly query: URLSearchParams;
}

const refuse = (refusal: SignInRefusal): SignInOutcome => ({ ok: false, ...refusal });

/** Uses the sign-in up, whoever brings its state: one that turns up in another browser is worth nothing any more. */
async function signInOf(
  { browser, entra, sql }: FinishSignIn,
  state: string | undefined,
): Promise<SignIn | undefined> {
  if (state === undefined) return undefined;
  const row = await takeSignIn(sql, state);
  if (row === undefined || browser === undefined || row.cloud !== entra.cloud.name) return undefined;
  return row.browserHash === (await hashKey(browser)) ? row : undefined;
}

/** Tries each credential in turn, as long as it is the credential that Entra refuses. */
async function redeem(
  entra: EntraOperators,
  more: Pick<CodeRedemption, 'code' | 'codeVerifier'>,
): Promise<RedemptionResult | undefined> {
  let result: RedemptionResult | undefined;
  for (const credential of entra.credentials) {
    const { cloud, send, timeoutMs } = entra;
    result = await redeemCode({
      ...more,
      send,
      cloud,
      timeoutMs,
      tenant: authorityTenant(entra),
      credential,
      redirectUri: redirectUriOf(entra),
      correlationId: newId(),
      nowMs: Date.now(),
    });
    if (result.ok || result.failure.action !== 'other-credential') break;
  }
  return result;
}

/** Reads the person from an ID token, when it is the one that this sign-in asked for. */
function personOf(
  claims: TokenClaims,
  nonce: string,
): { person: SignedInPerson } | { refusal: SignInRefusal } {
  if (claims.nonce !== nonce) return { refusal: { reason: 'token', fault: 'nonce' } };
  const objectId = parseGuid(claims.objectId);
  if (objectId === undefined) return { refusal: { reason: 'token', fault: 'subject' } };
  const name = cleanName(claims.userName) ?? cleanName(claims.displayName) ?? objectId;
  const role = roleOf(claims.roles);
  if (role === undefined) return { refusal: { reason: 'no-role', name } };
  return { person: { entraTenantId: claims.tenantId, objectId, name, role } };
}

/** Throws what the database throws; everything else that can go wrong is an outcome. */
export async function finishSignIn(finish: FinishSignIn): Promise<SignInOutcome> {
  const { entra, query, sealer } = finish;
  const redirect = parseAuthorizationRedirect(query);
  const row = await signInOf(finish, redirect.state);
  // Before anything of the address is shown: a stranger's link must not speak through our page.
  if (row === undefined) return refuse({ reason: 'not-matched' });
  if (redirect.outcome === 'malformed') return refuse({ reason: 'incomplete', field: redirect.field });
  if (redirect.outcome === 'refused') return refuse({ reason: 'entra', failure: redirect.failure });
  const codeVerifier = await sealer
    .open(row.verifierSealed, verifierRow(row.stateHash))
    .catch((error: unknown) => {
      if (error instanceof SealBroken) return undefined;
      throw error;
    });
  // Sealed by a process with another ESPALIER_SECRETS_KEY.
  if (codeVerifier === undefined) return refuse({ reason: 'not-matched' });
  const redeemed = await redeem(entra, { code: redirect.code, codeVerifier });
  if (redeemed === undefined) throw new Error('the operators’ application has no credential');
  if (!redeemed.ok) return refuse({ reason: 'entra', failure: redeemed.failure });
  const verified = await verifyCallerToken({
    token: redeemed.idToken,
    tenantId: entra.tenantIds,
    cloud: entra.cloud,
    // An ID token is for the application itself, whatever the API accepts.
    audiences: [entra.clientId],
    now: Date.now(),
    keys: entra.keys,
    signature: entra.signature,
  });
  if (!verified.ok) {
    const { reason } = verified;
    return refuse(
      reason === 'unknown-tenant' || reason === 'tenant-mismatch'
        ? { reason: 'other-tenant' }
        : { reason: 'token', fault: reason },
    );
  }
  const found = personOf(verified.claims, row.nonce);
  return 'refusal' in found
    ? refuse(found.refusal)
    : { ok: true, person: found.person, returnTo: row.returnTo };
}
