/** The tokens of a person who signed in: domain/microsoft.md 1.3, ID tokens as Microsoft's reference has them. */

import { createHash, randomBytes } from 'node:crypto';
import type { SimulatedTenant, SimulatedUser } from '../directory.ts';
import type { Authorization } from './authorization-codes.ts';
import type { ClientAuthentication } from './client-authentication.ts';
import type { CloudContext } from './context.ts';
import { type EntraResult, refuse, succeed } from './entra-error.ts';
import { identifyResource, type TokenResource } from './scope.ts';
import { assignmentsOf } from './user-assignments.ts';

const idTokenSeconds = 3_600;
const shortestLifetimeSeconds = 3_600;
const longestLifetimeSeconds = 5_400;

const openIdScopes = new Set(['openid', 'profile', 'email', 'offline_access']);

export interface UserTokens {
  readonly accessToken: string;
  readonly idToken: string;
  readonly lifetimeSeconds: number;
  readonly scope: string;
}

/** The resource and permissions that a delegated scope asks for; Graph where it names none. */
function delegated(
  cloud: CloudContext,
  tenant: SimulatedTenant,
  scopes: readonly string[],
): EntraResult<{ resource: TokenResource; permissions: string }> {
  const named = scopes.filter((scope) => !openIdScopes.has(scope));
  const parts = named.map((scope) => ({
    name: scope.slice(0, scope.lastIndexOf('/')),
    permission: scope.slice(scope.lastIndexOf('/') + 1),
  }));
  const [first] = parts;
  const name = first?.name ?? cloud.addresses.graph;
  if (parts.some((part) => part.name !== name)) {
    return refuse(
      'invalid_scope',
      28000,
      'Provided value for the input parameter scope is not valid because it contains more than one resource.',
    );
  }
  const resource = identifyResource(cloud, tenant, name);
  if (!resource.ok) return resource;
  const permissions = parts.map(({ permission }) =>
    permission === '.default' ? 'access_as_user' : permission,
  );
  return succeed({
    resource: resource.value,
    permissions: permissions.length > 0 ? permissions.join(' ') : 'openid profile User.Read',
  });
}

/** App roles of the user for an application, as `roles` has them: left out when there are none. */
function rolesClaim(tenant: SimulatedTenant, appId: string, { userId }: SimulatedUser): object {
  const principal = tenant.servicePrincipals.get(appId);
  const roles = principal ? (assignmentsOf(principal).byUser.get(userId) ?? []) : [];
  return roles.length > 0 ? { roles } : {};
}

/** The same person has another subject with every application. */
const pairwise = (user: SimulatedUser, appId: string): string =>
  createHash('sha256').update(`${user.userId} ${appId}`).digest('base64url');

export async function issueUserTokens(
  cloud: CloudContext,
  authorization: Authorization,
  authentication: ClientAuthentication,
): Promise<EntraResult<UserTokens>> {
  const { appId, nonce, scopes, tenant, user } = authorization;
  const asked = delegated(cloud, tenant, scopes);
  if (!asked.ok) return asked;
  const { permissions, resource } = asked.value;
  const now = Math.floor(cloud.world.clock.now() / 1_000);
  const lifetimeSeconds = cloud.world.random.integer(shortestLifetimeSeconds, longestLifetimeSeconds);
  const person = { name: user.displayName, oid: user.userId, tid: tenant.tenantId };
  const common = (version: 1 | 2, seconds: number): object => ({
    iss: cloud.issuer(version, tenant.tenantId),
    iat: now,
    nbf: now,
    exp: now + seconds,
    uti: randomBytes(16).toString('base64url'),
    ver: version === 1 ? '1.0' : '2.0',
    ...person,
  });
  const names =
    resource.version === 1
      ? {
          appid: appId,
          appidacr: String(authentication),
          upn: user.userPrincipalName,
          unique_name: user.userPrincipalName,
        }
      : {
          azp: appId,
          azpacr: String(authentication),
          preferred_username: user.userPrincipalName,
        };
  const accessToken = await cloud.keys.sign({
    ...common(resource.version, lifetimeSeconds),
    aud: resource.audience,
    ...names,
    scp: permissions,
    sub: pairwise(user, resource.appId),
    ...rolesClaim(tenant, resource.appId, user),
  });
  const idToken = await cloud.keys.sign({
    ...common(2, idTokenSeconds),
    aud: appId,
    nonce,
    preferred_username: user.userPrincipalName,
    sub: pairwise(user, appId),
    ...rolesClaim(tenant, appId, user),
  });
  return succeed({ accessToken, idToken, lifetimeSeconds, scope: scopes.join(' ') });
}
