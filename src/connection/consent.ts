import { type Cloud, graphScopeFor } from '../entra/clouds.ts';
import { adminConsentUrl, type ConsentRedirect, parseConsentRedirect } from '../entra/consent.ts';
import { parseGuid } from '../ids.ts';
import { consentStateMs } from '../limits.ts';
import {
  type ConsentApplication,
  type ConsentResult,
  grantConsent,
  insertConsent,
  listConsents,
  readConsentResult,
  recordConsentResult,
  removeConsents,
  takeConsent,
} from '../store/consents.ts';
import type { Sql } from '../store/database.ts';
import { gatewayOrigin, type HistoryOrigin, recorded } from '../store/history.ts';
import { clearHold } from '../store/tenants/hold.ts';
import { readTenant, type Tenant, type TenantDirectory } from '../store/tenants/tenant.ts';
import type { Log } from '../telemetry/log.ts';
import type { ConnectionAccess } from './access.ts';
import { moveTenant } from './state.ts';

/**
 * The two consents in sequence (contract section 6, domain/microsoft.md 1.5). The redirect is a stranger's word:
 * the single-use state says which tenant was asked, and a token taken there proves that it agreed.
 */

export interface ConsentOptions {
  readonly sql: Sql;
  readonly log: Log;
  readonly tenants: TenantDirectory;
  readonly clouds: ReadonlyMap<string, Cloud>;
  readonly access: ConnectionAccess;
  readonly publicUrl: string;
  /** Client id of an application in a cloud; undefined where none is configured. */
  readonly clientId: (application: ConsentApplication, cloud: string) => string | undefined;
}

/**
 * Outcome shown to the person: `one-more`, this consent was given and another is missing; `incomplete`, the address
 * lacks what Microsoft adds; `unknown`, its state is not live and no use of it is recorded.
 */
export type ShownConsent = Exclude<ConsentResult, 'granted'> | 'granted' | 'one-more' | 'unknown';

/** The next page for the browser: one that is shown, or an address to go on to. */
export type ConsentOutcome =
  | { readonly kind: 'continue'; readonly url: string }
  | {
      readonly kind: 'shown';
      readonly result: ShownConsent;
      /** Tenant of the connection, where the state proves that the person was sent for it. */
      readonly tenant?: Pick<Tenant, 'displayName'>;
      /** Microsoft's explanation, or the fault, in its own words. */
      readonly said?: string;
      /** State with which the address shows the same outcome again; it does nothing more. */
      readonly state?: string;
    };

const redirectUriOf = (publicUrl: string): string => `${publicUrl}/microsoft/consent`;

/** Applications that the administrator of a tenant in this cloud agrees to, in this order. */
export const consentApplications = (
  options: Pick<ConsentOptions, 'clientId'>,
  cloud: string,
): { app: ConsentApplication; clientId: string }[] =>
  (['connector', 'user-registration'] as const).flatMap((app) => {
    const clientId = options.clientId(app, cloud);
    return clientId === undefined ? [] : [{ app, clientId }];
  });

/** Makes a single-use state bound to the tenant and the application, and the address that carries it. */
async function consentUrl(
  options: ConsentOptions,
  tenant: Tenant,
  application: ConsentApplication,
  expiresAt: Date,
): Promise<string> {
  const cloud = options.clouds.get(tenant.cloud);
  const clientId = options.clientId(application, tenant.cloud);
  if (!cloud || clientId === undefined)
    throw new Error(`no ${application} application in cloud ${tenant.cloud}`);
  // The tenant is in the state's own text, so that it is looked up tenant first.
  const state = `${tenant.tenantId}.${crypto.randomUUID().replaceAll('-', '')}`;
  await insertConsent(options.sql, { tenantId: tenant.tenantId, state, application, expiresAt });
  return adminConsentUrl({
    cloud,
    tenantId: tenant.tenantId,
    clientId,
    redirectUri: redirectUriOf(options.publicUrl),
    scope: graphScopeFor(cloud),
    state,
  });
}

/** Begins the connection anew; states given out before are void. */
export async function startConnect(options: ConsentOptions, tenant: Tenant, by: HistoryOrigin) {
  const expiresAt = new Date(Date.now() + consentStateMs);
  await removeConsents(options.sql, tenant.tenantId);
  const consentUrls: { app: ConsentApplication; url: string }[] = [];
  for (const { app } of consentApplications(options, tenant.cloud)) {
    consentUrls.push({ app, url: await consentUrl(options, tenant, app, expiresAt) });
  }
  await recorded(options.sql, by, (tx, note) => moveTenant(tx, tenant.tenantId, 'connect-started', note));
  options.tenants.forget(tenant.tenantId);
  return { consentUrls, expiresAt };
}

interface Taken {
  readonly tenantId: string;
  readonly state: string;
  readonly application: ConsentApplication;
}

/** The tenant that a state names: it stands in its own text. */
const tenantOfState = (state: string | undefined): string | undefined => parseGuid(state?.split('.')[0]);

/** Uses the state up; undefined when it was not live. */
async function takeState(sql: Sql, state: string | undefined): Promise<Taken | undefined> {
  const tenantId = tenantOfState(state);
  if (state === undefined || tenantId === undefined) return undefined;
  const application = await takeConsent(sql, tenantId, state);
  return application && { tenantId, state, application };
}

/** After consent a token may lack its roles for a moment (domain/microsoft.md 1.5): asked a few times. */
const proofTries = 3;
const proofWaitMs = 1_000;

/** Resolves to what Entra said when it gave no token, or undefined: the tenant has agreed. */
async function whyUnproven(
  options: ConsentOptions,
  tenant: Tenant,
): Promise<{ readonly detail: string; readonly remedy: string } | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const token = await options.access.token(tenant, 'graph', { fresh: true });
    if (token.ok) return undefined;
    if (attempt >= proofTries) return token;
    await new Promise((resolve) => setTimeout(resolve, proofWaitMs * attempt));
  }
}

const missingOf = (
  options: ConsentOptions,
  { cloud }: Tenant,
  given: readonly ConsentApplication[],
): ConsentApplication[] =>
  consentApplications(options, cloud)
    .map(({ app }) => app)
    .filter((app) => !given.includes(app));

/** A reload, the way back or another language: what came of the state when it was used, and nothing is done again. */
async function showAgain(
  { sql, ...options }: ConsentOptions,
  state: string,
): Promise<ConsentOutcome | undefined> {
  const tenantId = tenantOfState(state);
  if (tenantId === undefined) return undefined;
  const known = await readConsentResult(sql, tenantId, state);
  const tenant = known && (await readTenant(sql, tenantId));
  if (!known || !tenant) return undefined;
  const said = known.detail === null ? {} : { said: known.detail };
  if (known.result !== 'granted') return { kind: 'shown', result: known.result, tenant, state, ...said };
  const asked = await listConsents(sql, tenantId);
  const given = asked.filter(({ result }) => result === 'granted').map(({ application }) => application);
  const isWhole = missingOf({ sql, ...options }, tenant, given).length === 0;
  return { kind: 'shown', result: isWhole ? 'granted' : 'one-more', tenant, state };
}

/** The state was not live: it was used before, is too old, or nobody here made it. */
async function notTaken(options: ConsentOptions, redirect: ConsentRedirect): Promise<ConsentOutcome> {
  const { state } = redirect;
  const before = state === undefined ? undefined : await showAgain(options, state);
  if (before !== undefined) return before;
  if (redirect.outcome === 'malformed' && state === undefined)
    return { kind: 'shown', result: 'incomplete', said: redirect.detail };
  return { kind: 'shown', result: 'unknown', ...(state === undefined ? {} : { state }) };
}

/**
 * Refusal that the redirect itself contains for a live state, before anything is asked of Microsoft; undefined: the
 * tenant has to prove it.
 */
function refusalIn(
  redirect: ConsentRedirect,
  tenantId: string,
): { result: Exclude<ConsentResult, 'granted'>; said?: string } | undefined {
  if (redirect.outcome === 'malformed') return { result: 'incomplete', said: redirect.detail };
  if (redirect.outcome === 'refused')
    return { result: 'declined', said: redirect.description || redirect.error };
  return redirect.tenantId === tenantId ? undefined : { result: 'other-tenant' };
}

/** Handles the browser's return from Microsoft. */
export async function finishConsent(
  options: ConsentOptions,
  query: URLSearchParams,
): Promise<ConsentOutcome> {
  const { sql } = options;
  const redirect = parseConsentRedirect(query);
  const taken = await takeState(sql, redirect.state);
  const tenant = taken && (await readTenant(sql, taken.tenantId));
  if (!taken || !tenant) return notTaken(options, redirect);
  const { application, state } = taken;
  const refused = refusalIn(redirect, tenant.tenantId);
  const unproven = refused === undefined ? await whyUnproven(options, tenant) : undefined;
  const refusal = unproven === undefined ? refused : { result: 'unproven' as const, said: unproven.detail };
  if (refusal !== undefined) {
    await recordConsentResult(sql, taken, refusal.result, refusal.said);
    const { result } = refusal;
    const remedy = unproven?.remedy;
    options.log.info('consent.refused', { tenantId: tenant.tenantId, application, result, remedy });
    return { kind: 'shown', tenant, state, ...refusal };
  }
  const [next] = await settleConsent(options, tenant, application);
  options.log.info('consent.given', { tenantId: tenant.tenantId, application });
  if (next === undefined) return { kind: 'shown', result: 'granted', tenant, state };
  return {
    kind: 'continue',
    url: await consentUrl(options, tenant, next, new Date(Date.now() + consentStateMs)),
  };
}

/** Notes this consent and returns those that are still missing. */
async function settleConsent(
  options: ConsentOptions,
  tenant: Tenant,
  application: ConsentApplication,
): Promise<ConsentApplication[]> {
  const { displayName, tenantId } = tenant;
  // The browser proves no name: Entra alone knows the person who consented.
  const missing = await recorded(options.sql, gatewayOrigin, async (tx, note) => {
    const given = await grantConsent(tx, tenantId, application);
    const left = missingOf(options, tenant, given);
    const moved =
      left.length === 0 &&
      (await moveTenant(tx, tenantId, 'consent-completed', note, { after: { application } }));
    if (!moved) {
      const object = { kind: 'connection', id: tenantId, name: displayName };
      note({ tenantId, action: 'connection.consent', object, after: { application } });
    }
    if (left.length === 0) await clearHold(tx, tenantId, note);
    return left;
  });
  options.tenants.forget(tenantId);
  return missing;
}
