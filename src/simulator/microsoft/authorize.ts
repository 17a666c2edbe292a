import { randomUUID } from 'node:crypto';
import type { Context, Hono } from 'hono';
import { html } from 'hono/html';
import type { SimulatedTenant, SimulatedUser } from '../directory.ts';
import type { HostEnv } from '../host.ts';
import type { RegisteredApplication } from './applications.ts';
import type { AuthorizationCodes } from './authorization-codes.ts';
import { type AuthorizeRequest, readAuthorizeRequest } from './authorize-request.ts';
import type { CloudContext } from './context.ts';
import {
  describeFailure,
  type EntraFailure,
  type EntraResult,
  refuseByCatalogue,
  succeed,
} from './entra-error.ts';
import { takeScriptedError } from './entra-script.ts';
import { disabledByMicrosoft } from './principal-state.ts';
import { assignmentsOf } from './user-assignments.ts';

/** People without a quick button have to type their name, as at Microsoft. */
const maxButtons = 20;

interface Person {
  readonly tenant: SimulatedTenant;
  readonly user: SimulatedUser;
}

function tenantsOf(cloud: CloudContext, { tenantId }: AuthorizeRequest): SimulatedTenant[] {
  return cloud.directory
    .tenants()
    .filter((tenant) => tenant.cloud === cloud.name && (tenantId ?? tenant.tenantId) === tenant.tenantId);
}

function findPerson(cloud: CloudContext, request: AuthorizeRequest, name: string): EntraResult<Person> {
  const wanted = name.trim().toLowerCase();
  for (const tenant of tenantsOf(cloud, request)) {
    for (const user of tenant.users.values()) {
      if (user.userPrincipalName.toLowerCase() === wanted) return succeed({ tenant, user });
    }
  }
  const [tenant] = tenantsOf(cloud, request);
  return refuseByCatalogue(50034, { tenantName: tenant?.displayName ?? 'organizations' });
}

/** Decides whether this person may sign in to this application. */
function admit(person: Person, application: RegisteredApplication): EntraResult<Person> {
  const { tenant, user } = person;
  if (user.accountEnabled === false) {
    return refuseByCatalogue(50057, {});
  }
  const principal = tenant.servicePrincipals.get(application.appId);
  const facts = {
    appId: application.appId,
    appName: application.displayName,
    tenantId: tenant.tenantId,
    tenantName: tenant.displayName,
  };
  if (!principal) return refuseByCatalogue(700016, facts);
  if (!principal.accountEnabled || disabledByMicrosoft(principal) !== null) {
    return refuseByCatalogue(7000112, facts);
  }
  const { byUser, required } = assignmentsOf(principal);
  return required && !byUser.has(user.userId) ? refuseByCatalogue(50105, facts) : succeed(person);
}

function errorPage(c: Context<HostEnv>, cloud: CloudContext, failure: EntraFailure) {
  const { description } = describeFailure(cloud, failure, randomUUID());
  c.set('note', { aadsts: failure.code });
  return c.html(
    html`<!doctype html><html lang="en"><title>Sign in to your account</title><h1>Sorry, but we’re having trouble signing you in.</h1><p>${description}</p></html>`,
    400,
  );
}

/** Back to the application with a refusal. */
function redirectRefusal(
  c: Context<HostEnv>,
  cloud: CloudContext,
  failure: EntraFailure,
  to: { readonly uri: string; readonly state: string | undefined },
): Response {
  const { description } = describeFailure(cloud, failure, randomUUID());
  const target = new URL(to.uri);
  target.searchParams.set('error', failure.error);
  target.searchParams.set('error_description', description);
  if (to.state !== undefined) target.searchParams.set('state', to.state);
  c.set('note', { aadsts: failure.code });
  return c.redirect(target.href, 302);
}

function signInPage(c: Context<HostEnv>, cloud: CloudContext, request: AuthorizeRequest) {
  const { application } = request;
  const assigned = tenantsOf(cloud, request).flatMap((tenant) => {
    const principal = tenant.servicePrincipals.get(application.appId);
    const { byUser } = principal ? assignmentsOf(principal) : { byUser: new Map<string, string[]>() };
    return [...tenant.users.values()].map((user) => ({ user, roles: byUser.get(user.userId) }));
  });
  // Assigned people come first; the fleet's people are many and have no business here.
  const shown = [...assigned]
    .sort((a, b) => Number(b.roles !== undefined) - Number(a.roles !== undefined))
    .slice(0, maxButtons);
  const buttons = shown.map(
    ({ roles, user }) =>
      html`<p><button name="username" value="${user.userPrincipalName}">${user.displayName} (${user.userPrincipalName})</button> ${roles === undefined ? 'not assigned' : roles.join(', ') || 'default access'}</p>`,
  );
  const { pathname, search } = new URL(c.req.url);
  return c.html(html`<!doctype html><html lang="en"><title>Sign in to your account</title>
<h1>Simulated Microsoft: sign in to ${application.displayName}</h1>
<form method="post" action="${pathname}${search}">
${buttons}
</form>
<form method="post" action="${pathname}${search}">
<p><label>Account <input name="username" autocomplete="off" /></label> <button>Next</button></p>
<p><button name="cancel" value="true">Decline the consent</button></p>
</form></html>`);
}

/**
 * `/{tenant}/oauth2/v2.0/authorize` for the authorization code flow with PKCE, and its sign-in page: nobody has a
 * password here, everything else is refused as Entra does.
 */
export function mountAuthorize(app: Hono<HostEnv>, cloud: CloudContext, codes: AuthorizationCodes): void {
  const path = '/:tenant/oauth2/v2.0/authorize';
  const withRequest = (
    c: Context<HostEnv>,
    act: (request: AuthorizeRequest) => Response | Promise<Response>,
  ): Response | Promise<Response> => {
    const read = readAuthorizeRequest(cloud, new URL(c.req.url).searchParams, c.req.param('tenant') ?? '');
    if (read.ok) return act(read.request);
    return read.redirectTo
      ? redirectRefusal(c, cloud, read.failure, read.redirectTo)
      : errorPage(c, cloud, read.failure);
  };
  app.get(path, (c) => withRequest(c, (request) => signInPage(c, cloud, request)));
  app.post(path, (c) =>
    withRequest(c, async (request) => {
      const { application, codeChallenge, nonce, redirectUri, scopes, state } = request;
      const back = { uri: redirectUri, state };
      const form = new URLSearchParams(await c.req.text());
      if (form.has('cancel')) {
        const message = 'User declined to consent to access the app.';
        return redirectRefusal(c, cloud, { error: 'access_denied', code: 65004, message }, back);
      }
      const person = findPerson(cloud, request, form.get('username') ?? '');
      const scripted = takeScriptedError(cloud, {
        at: 'sign-in',
        appId: application.appId,
        tenant: person.ok ? person.value.tenant : undefined,
        tenantId: c.req.param('tenant') ?? '',
        resource: application.appId,
      });
      if (scripted) return redirectRefusal(c, cloud, scripted, back);
      if (!person.ok) return errorPage(c, cloud, person.failure);
      const admitted = admit(person.value, application);
      if (!admitted.ok) {
        // Both are seen: a page of Entra's own, or the way back (domain/microsoft.md 1.8, section F).
        return admitted.failure.code === 50105 && cloud.settings.notAssigned === 'redirect'
          ? redirectRefusal(c, cloud, { ...admitted.failure, error: 'access_denied' }, back)
          : errorPage(c, cloud, admitted.failure);
      }
      const { tenant, user } = admitted.value;
      const { appId } = application;
      const code = codes.issue({ appId, redirectUri, tenant, user, nonce, scopes, codeChallenge });
      c.set('note', { appId, user: user.userPrincipalName });
      const target = new URL(redirectUri);
      target.searchParams.set('code', code);
      target.searchParams.set('state', state);
      target.searchParams.set('session_state', randomUUID());
      return c.redirect(target.href, 302);
    }),
  );
}
