import { randomBytes } from 'node:crypto';
import type { Context, Hono } from 'hono';
import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import type { HostEnv } from '../host.ts';
import type { RegisteredApplication } from './applications.ts';
import type { AuthorizationCodes } from './authorization-codes.ts';
import {
  type ClientAuthentication,
  createClientAuthenticator,
  readCredential,
} from './client-authentication.ts';
import type { CloudContext } from './context.ts';
import {
  type EntraResult,
  entraError,
  refuse,
  refuseByCatalogue,
  requireTenant,
  succeed,
} from './entra-error.ts';
import { takeScriptedError } from './entra-script.ts';
import { disabledByMicrosoft } from './principal-state.ts';
import { resolveScope, type TokenResource } from './scope.ts';
import { issueUserTokens, type UserTokens } from './user-tokens.ts';

/** domain/microsoft.md 1.2: random between 60 and 90 minutes. */
const shortestLifetimeSeconds = 3600;
const longestLifetimeSeconds = 5400;

interface IssuedToken {
  readonly token: string;
  readonly lifetimeSeconds: number;
}

function requireParameters(form: URLSearchParams): EntraResult<{ scope: string }> {
  for (const name of ['grant_type', 'scope']) {
    if (form.getAll(name).length > 1) {
      return refuse('invalid_request', 9002313, 'Invalid request. Request is malformed or invalid.');
    }
    if (!form.get(name)) {
      return refuse(
        'invalid_request',
        900144,
        `The request body must contain the following parameter: '${name}'.`,
      );
    }
  }
  if (form.get('grant_type') !== 'client_credentials') {
    return refuse('unsupported_grant_type', 70003, 'The app requested an unsupported grant type.');
  }
  return succeed({ scope: form.get('scope') ?? '' });
}

/** The claims of domain/microsoft.md 1.3; `roles` are the grants in effect at this moment, left out if none. */
async function issue(
  cloud: CloudContext,
  tenantId: string,
  principal: SimulatedServicePrincipal,
  resource: TokenResource,
  authentication: ClientAuthentication,
): Promise<IssuedToken> {
  const nowMs = cloud.world.clock.now();
  const issuedAt = Math.floor(nowMs / 1000);
  const lifetimeSeconds = cloud.world.random.integer(shortestLifetimeSeconds, longestLifetimeSeconds);
  const issuer = cloud.issuer(resource.version, tenantId);
  const roles = principal.appRoles
    .filter((role) => role.resourceAppId === resource.appId && role.effectiveAt <= nowMs)
    .map((role) => role.value);
  const client =
    resource.version === 1
      ? { appid: principal.appId, appidacr: String(authentication), idp: issuer, ver: '1.0' }
      : { azp: principal.appId, azpacr: String(authentication), ver: '2.0' };
  const token = await cloud.keys.sign({
    aud: resource.audience,
    iss: issuer,
    iat: issuedAt,
    nbf: issuedAt,
    exp: issuedAt + lifetimeSeconds,
    ...client,
    idtyp: 'app',
    oid: principal.objectId,
    sub: principal.objectId,
    tid: tenantId,
    ...(roles.length > 0 && { roles }),
    uti: randomBytes(16).toString('base64url'),
  });
  return { token, lifetimeSeconds };
}

/** Client credentials need a tenant of their own (domain/microsoft.md 1.2). */
function refuseSharedPath(asked: string): EntraResult<never> | undefined {
  if (asked === 'common' || asked === 'consumers') {
    return refuse(
      'invalid_request',
      9001023,
      `The grant type is not supported over the /${asked} endpoint. Please use a tenant-specific endpoint.`,
    );
  }
  return asked === 'organizations'
    ? refuse('invalid_request', 50059, 'No tenant-identifying information found in the request.')
    : undefined;
}

interface Client {
  readonly application: RegisteredApplication;
  readonly principal: SimulatedServicePrincipal;
}

/** The application as it is present in the tenant; absent and deleted look alike (domain/microsoft.md 1.6). */
function findClient(cloud: CloudContext, tenant: SimulatedTenant, clientId: string): EntraResult<Client> {
  const application = cloud.applications.get(clientId);
  const principal = tenant.servicePrincipals.get(clientId);
  if (application && principal) return succeed({ application, principal });
  const { missingPrincipalCode } = cloud.settings.tenant(tenant.tenantId).entra;
  return refuseByCatalogue(application ? missingPrincipalCode : 700016, {
    appId: clientId,
    tenantId: tenant.tenantId,
    tenantName: tenant.displayName,
  });
}

interface TokenEndpoint {
  readonly cloud: CloudContext;
  readonly codes: AuthorizationCodes;
  readonly authenticate: ReturnType<typeof createClientAuthenticator>;
}

interface TokenRequest {
  readonly c: Context<HostEnv>;
  readonly asked: string;
  readonly form: URLSearchParams;
}

async function issueToClient(
  { authenticate, cloud }: TokenEndpoint,
  { asked, c, form }: TokenRequest,
): Promise<EntraResult<IssuedToken>> {
  const shared = refuseSharedPath(asked);
  if (shared) return shared;
  const parameters = requireParameters(form);
  if (!parameters.ok) return parameters;
  const { scope } = parameters.value;
  const tenant = requireTenant(cloud, asked);
  const credential = readCredential(c.req.header('authorization'), form);
  if (tenant.ok && !credential.ok) return credential;
  if (credential.ok) {
    c.set('note', { clientId: credential.value.clientId, scope });
    const scripted = takeScriptedError(cloud, {
      at: 'token',
      appId: credential.value.clientId,
      tenant: tenant.ok ? tenant.value : undefined,
      tenantId: asked,
      resource: scope.replace(/\/\.default$/, ''),
    });
    if (scripted) return { ok: false, failure: scripted };
  }
  if (!tenant.ok) return tenant;
  if (!credential.ok) return credential;
  const client = findClient(cloud, tenant.value, credential.value.clientId);
  if (!client.ok) return client;
  const { application, principal } = client.value;
  const authentication = authenticate(credential.value, application, tenant.value.tenantId);
  if (!authentication.ok) return authentication;
  if (!principal.accountEnabled || disabledByMicrosoft(principal) !== null) {
    return refuseByCatalogue(7000112, { appId: principal.appId, appName: principal.displayName });
  }
  const resource = resolveScope(cloud, tenant.value, scope);
  if (!resource.ok) return resource;
  return succeed(await issue(cloud, tenant.value.tenantId, principal, resource.value, authentication.value));
}

async function redeemCode(
  { authenticate, cloud, codes }: TokenEndpoint,
  { asked, c, form }: TokenRequest,
): Promise<EntraResult<UserTokens>> {
  const credential = readCredential(c.req.header('authorization'), form);
  if (!credential.ok) return credential;
  const { clientId } = credential.value;
  c.set('note', { clientId, grant: 'authorization_code' });
  const scripted = takeScriptedError(cloud, {
    at: 'token',
    appId: clientId,
    tenant: undefined,
    tenantId: asked,
    resource: clientId,
  });
  if (scripted) return { ok: false, failure: scripted };
  const application = cloud.applications.get(clientId);
  if (!application) return refuseByCatalogue(700016, { appId: clientId, tenantName: asked });
  const authentication = authenticate(credential.value, application, asked);
  if (!authentication.ok) return authentication;
  for (const name of ['code', 'redirect_uri', 'code_verifier']) {
    if (!form.get(name)) {
      return refuse(
        'invalid_request',
        900144,
        `The request body must contain the following parameter: '${name}'.`,
      );
    }
  }
  const authorization = codes.redeem({
    code: form.get('code') ?? '',
    appId: application.appId,
    redirectUri: form.get('redirect_uri') ?? '',
    codeVerifier: form.get('code_verifier') ?? '',
    askedTenant: asked.toLowerCase(),
  });
  return authorization.ok ? issueUserTokens(cloud, authorization.value, authentication.value) : authorization;
}

/**
 * `POST /{tenant}/oauth2/v2.0/token`: client credentials (domain/microsoft.md 1.2 and 11.2 to 11.4) and authorization
 * codes.
 */
export function mountToken(app: Hono<HostEnv>, cloud: CloudContext, codes: AuthorizationCodes): void {
  const endpoint: TokenEndpoint = { cloud, codes, authenticate: createClientAuthenticator(cloud) };
  app.post('/:tenant/oauth2/v2.0/token', async (c) => {
    const asked = c.req.param('tenant');
    const noStore = { 'cache-control': 'no-store, no-cache', pragma: 'no-cache' };
    if (!/^application\/x-www-form-urlencoded\b/i.test(c.req.header('content-type') ?? '')) {
      const message = 'Invalid request. Request is malformed or invalid.';
      return entraError(c, cloud, { error: 'invalid_request', code: 9002313, message });
    }
    const form = new URLSearchParams(await c.req.text());
    if (form.get('grant_type') === 'authorization_code') {
      const redeemed = await redeemCode(endpoint, { c, asked, form });
      if (!redeemed.ok) return entraError(c, cloud, redeemed.failure);
      const { accessToken, idToken, lifetimeSeconds, scope } = redeemed.value;
      const life = { expires_in: lifetimeSeconds - 1, ext_expires_in: lifetimeSeconds - 1 };
      return c.json(
        { token_type: 'Bearer', scope, ...life, access_token: accessToken, id_token: idToken },
        200,
        noStore,
      );
    }
    const issued = await issueToClient(endpoint, { c, asked, form });
    if (!issued.ok) return entraError(c, cloud, issued.failure);
    const { token, lifetimeSeconds } = issued.value;
    return c.json(
      {
        token_type: 'Bearer',
        expires_in: lifetimeSeconds - 1,
        ext_expires_in: lifetimeSeconds - 1,
        ...(cloud.settings.refreshInSeconds !== null && { refresh_in: cloud.settings.refreshInSeconds }),
        access_token: token,
      },
      200,
      noStore,
    );
  });
}
