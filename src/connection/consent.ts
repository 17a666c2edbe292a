import { type Cloud, graphScopeFor } from '../entra/clouds.ts';
import { adminConsentUrl, type ConsentRedirect, parseConsentRedirect } from '../entra/consent.ts';
import { parseGuid } from '../ids.ts';
import { consentStateMs } from '../limits.ts';
import {
  type ConsentApplication,
  grantConsent,
  insertConsent,
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

/** What the browser is shown or where it is sent next. */
export type ConsentOutcome =
  | { readonly kind: 'continue'; readonly url: string }
  | { readonly kind: 'done'; readonly tenant: Tenant }
  | { readonly kind: 'failed'; readonly title: string; readonly detail: string; readonly remedy: string };

const redirectUriOf = (publicUrl: string): string => `${publicUrl}/microsoft/consent`;

const applicationsOf = (options: ConsentOptions, cloud: string): ConsentApplication[] =>
  (['connector', 'user-registration'] as const).filter((name) => options.clientId(name, cloud) !== undefined);

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
  for (const app of applicationsOf(options, tenant.cloud)) {
    consentUrls.push({ app, url: await consentUrl(options, tenant, app, expiresAt) });
  }
  await recorded(options.sql, by, (tx, note) => moveTenant(tx, tenant.tenantId, 'connect-started', note));
  options.tenants.forget(tenant.tenantId);
  return { consentUrls, expiresAt };
}

const failed = (title: string, detail: string, remedy: string): ConsentOutcome => ({
  kind: 'failed',
  title,
  detail,
  remedy,
});
const startAgain = 'Start the connection again (POST /tenants/{tenantId}/connect) and use the new address.';

const stateUnknown = failed(
  'This consent cannot be matched',
  'The address was used before, is too old, or does not come from a connection that was started here.',
  startAgain,
);

/** Uses the state up; undefined when it was not live. */
async function takeState(
  sql: Sql,
  state: string | undefined,
): Promise<{ tenantId: string; application: ConsentApplication } | undefined> {
  const tenantId = parseGuid(state?.split('.')[0]);
  if (state === undefined || tenantId === undefined) return undefined;
  const application = await takeConsent(sql, tenantId, state);
  return application && { tenantId, application };
}

/** After consent a token may lack its roles for a moment (domain/microsoft.md 1.5): asked a few times. */
const proofTries = 3;
const proofWaitMs = 1_000;

async function proveTenant(options: ConsentOptions, tenant: Tenant): Promise<ConsentOutcome | undefined> {
  for (let attempt = 1; ; attempt += 1) {
    const token = await options.access.token(tenant, 'graph', { fresh: true });
    if (token.ok) return undefined;
    if (attempt >= proofTries) return failed('The consent could not be proven', token.detail, token.remedy);
    await new Promise((resolve) => setTimeout(resolve, proofWaitMs * attempt));
  }
}

const refusalOf = (redirect: Extract<ConsentRedirect, { outcome: 'refused' }>): ConsentOutcome =>
  failed(
    'The consent was not given',
    redirect.description,
    'An administrator who may consent for the organisation (Global Administrator) has to accept. ' +
      startAgain,
  );

/** Handles the browser's return from Microsoft. */
export async function finishConsent(
  options: ConsentOptions,
  query: URLSearchParams,
): Promise<ConsentOutcome> {
  const redirect = parseConsentRedirect(query);
  const taken = await takeState(options.sql, redirect.state);
  if (redirect.outcome === 'malformed')
    return failed('This address is not complete', redirect.detail, startAgain);
  const tenant = taken && (await readTenant(options.sql, taken.tenantId));
  if (!taken || !tenant) return stateUnknown;
  if (redirect.outcome === 'refused') return refusalOf(redirect);
  if (redirect.tenantId !== tenant.tenantId) {
    return failed(
      'Another tenant was signed in to',
      'The consent was given in another tenant than the one this connection is for.',
      `Sign in with an administrator of the right tenant. ${startAgain}`,
    );
  }
  const unproven = await proveTenant(options, tenant);
  if (unproven) return unproven;
  const [next] = await settleConsent(options, tenant, taken.application);
  options.log.info('consent.given', { tenantId: tenant.tenantId, application: taken.application });
  if (next === undefined) return { kind: 'done', tenant };
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
  // Who consented is Entra's to know: the browser's word is not proof of a name.
  const missing = await recorded(options.sql, gatewayOrigin, async (tx, note) => {
    const given = await grantConsent(tx, tenantId, application);
    const left = applicationsOf(options, tenant.cloud).filter((name) => !given.includes(name));
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
