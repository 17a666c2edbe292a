import { randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { SimulatedTenant } from '../directory.ts';
import type { HostEnv } from '../host.ts';
import { intuneApiAppId, type RegisteredApplication } from './applications.ts';
import type { CloudContext } from './context.ts';
import { pageOnlyCodes } from './entra-catalogue.ts';
import {
  describeFailure,
  type EntraFailure,
  type EntraResult,
  refuse,
  refuseByCatalogue,
  requireTenant,
  succeed,
} from './entra-error.ts';
import { takeScriptedError } from './entra-script.ts';
import { grantApplication } from './grants.ts';
import type { ConsentSettings } from './settings.ts';

type Version = 1 | 2;

interface ConsentRequest {
  readonly version: Version;
  readonly tenant: SimulatedTenant;
  readonly application: RegisteredApplication;
  readonly redirectUri: string;
  readonly scope: string;
  readonly state: string | undefined;
}

/** The tenant that signs in: the one in the path, or for the shared paths the one the control API set. */
function signedInTenant(cloud: CloudContext, asked: string, version: Version): EntraResult<SimulatedTenant> {
  // domain/microsoft.md 1.5: v2 knows `organizations` and not `common`, v1 the other way round.
  const shared = version === 2 ? 'organizations' : 'common';
  if (asked !== 'common' && asked !== 'organizations') return requireTenant(cloud, asked);
  if (asked !== shared) {
    return refuse('invalid_request', 90002, `The endpoint does not support '${asked}', use '${shared}'.`);
  }
  const { signedInTenantId } = cloud.settings;
  if (signedInTenantId === null) {
    return refuse('login_required', 50058, 'No administrator is signed in (set signedInTenantId).');
  }
  return requireTenant(cloud, signedInTenantId);
}

function readRequest(
  cloud: CloudContext,
  query: URLSearchParams,
  asked: string,
  version: Version,
): EntraResult<ConsentRequest> {
  for (const name of ['client_id', 'redirect_uri', ...(version === 2 ? ['scope'] : [])]) {
    if (!query.get(name)) {
      return refuse(
        'invalid_request',
        900144,
        `The request must contain the following parameter: '${name}'.`,
      );
    }
  }
  const clientId = query.get('client_id') ?? '';
  const redirectUri = query.get('redirect_uri') ?? '';
  const application = cloud.applications.get(clientId);
  if (!application) {
    return refuse(
      'unauthorized_client',
      700016,
      `Application with identifier '${clientId}' was not found in the directory.`,
    );
  }
  if (!application.redirectUris.includes(redirectUri)) {
    return refuse(
      'invalid_request',
      50011,
      `The redirect URI '${redirectUri}' specified in the request does not match the redirect URIs configured for the application '${clientId}'.`,
    );
  }
  const tenant = signedInTenant(cloud, asked, version);
  if (!tenant.ok) return tenant;
  return succeed({
    version,
    tenant: tenant.value,
    application,
    redirectUri,
    scope: query.get('scope') ?? '',
    state: query.get('state') ?? undefined,
  });
}

/** The parameters of the redirect after a refusal (domain/microsoft.md 1.5). */
function failureParameters(cloud: CloudContext, failure: EntraFailure): Record<string, string> {
  const { description } = describeFailure(cloud, failure, randomUUID());
  return { error: failure.error, error_description: description, admin_consent: 'True' };
}

function decide(
  cloud: CloudContext,
  request: ConsentRequest,
  settings: ConsentSettings,
): Record<string, string> {
  const { application, tenant } = request;
  if (settings.behaviour === 'decline') {
    return failureParameters(cloud, {
      error: settings.declineError ?? (request.version === 2 ? 'consent_required' : 'permission_denied'),
      code: 65004,
      message: 'The resource owner or authorization server denied the request.',
    });
  }
  if (!tenant.hasIntune && application.requestedRoles.some((r) => r.resourceAppId === intuneApiAppId)) {
    const refused = refuseByCatalogue(650052, {
      resource: intuneApiAppId,
      tenantName: tenant.displayName,
    });
    return refused.ok ? {} : failureParameters(cloud, refused.failure);
  }
  const { clock, random } = cloud.world;
  grantApplication(tenant, {
    application,
    effectiveAt: clock.now() + settings.delayMs,
    graphEffectiveAt: clock.now() + (settings.graphDelayMs ?? settings.delayMs),
    // `/.default` stands for everything the manifest asks for; single scopes are delegated ones.
    withRoles: request.version === 1 || request.scope.split(' ').some((s) => s.endsWith('/.default')),
    newObjectId: random.guid,
  });
  return {
    admin_consent: 'True',
    tenant:
      settings.behaviour === 'tamper-tenant' ? (settings.tamperedTenantId ?? random.guid()) : tenant.tenantId,
    ...(request.version === 2 && { scope: request.scope }),
  };
}

/** An error the browser is shown and never redirected with: the redirect address is not to be trusted. */
function errorPage(
  c: Context<HostEnv>,
  cloud: CloudContext,
  failure: EntraFailure,
): Response | Promise<Response> {
  const { description } = describeFailure(cloud, failure, randomUUID());
  c.set('note', { aadsts: failure.code });
  return c.html(
    html`<!doctype html><html lang="en"><title>Sign in to your account</title><h1>Sorry, but we’re having trouble signing you in.</h1><p>${description}</p></html>`,
    400,
  );
}

/**
 * Admin consent, both addresses, with an administrator who approves at once unless the control API says
 * otherwise: domain/microsoft.md 1.5 and 11.6.
 */
export function mountConsent(app: Hono<HostEnv>, cloud: CloudContext): void {
  const handle = (c: Context<HostEnv>, asked: string, version: Version): Response | Promise<Response> => {
    const request = readRequest(cloud, new URL(c.req.url).searchParams, asked, version);
    if (!request.ok) return errorPage(c, cloud, request.failure);
    const { tenant, application, redirectUri, state } = request.value;
    const known = cloud.settings.tenant(tenant.tenantId);
    const settings = { ...known.consent, ...known.consentByApp.get(application.appId) };
    const scripted = takeScriptedError(cloud, {
      at: 'consent',
      appId: application.appId,
      tenant,
      tenantId: tenant.tenantId,
      resource: intuneApiAppId,
    });
    if (scripted && pageOnlyCodes.has(scripted.code)) return errorPage(c, cloud, scripted);
    const target = new URL(redirectUri);
    const decided = scripted ? failureParameters(cloud, scripted) : decide(cloud, request.value, settings);
    for (const [name, value] of Object.entries(decided)) target.searchParams.set(name, value);
    if (state !== undefined && settings.behaviour !== 'lose-state') target.searchParams.set('state', state);
    c.set('note', { appId: application.appId, behaviour: settings.behaviour });
    return c.redirect(target.href, 302);
  };
  app.get('/:tenant/v2.0/adminconsent', (c) => handle(c, c.req.param('tenant'), 2));
  app.get('/:tenant/adminconsent', (c) => handle(c, c.req.param('tenant'), 1));
}
