import type { SimulatedTenant } from '../directory.ts';
import { graphAppId, intuneApiAppId } from './applications.ts';
import type { CloudContext } from './context.ts';
import { type EntraResult, refuse, succeed } from './entra-error.ts';

/** The scope of a token request. */
export interface TokenResource {
  readonly appId: string;
  /** `aud` of the token. */
  readonly audience: string;
  readonly version: 1 | 2;
}

const suffix = '/.default';

function identify(cloud: CloudContext, name: string): TokenResource | undefined {
  const bare = name.endsWith('/') ? name.slice(0, -1) : name;
  // A v1 resource gets the name it was asked for: one slash too few in the scope is one too few in `aud`.
  if (bare === cloud.addresses.graph || name.toLowerCase() === graphAppId) {
    return { appId: graphAppId, audience: name, version: 1 };
  }
  if (`${bare}/` === cloud.intuneResource || name.toLowerCase() === intuneApiAppId) {
    return { appId: intuneApiAppId, audience: name, version: 1 };
  }
  const application = cloud.applications
    .list()
    .find(
      ({ appId, identifierUris }) =>
        name.toLowerCase() === appId ||
        name.toLowerCase() === `api://${appId}` ||
        identifierUris.includes(name),
    );
  if (!application) return undefined;
  return application.accessTokenAcceptedVersion === 2
    ? { appId: application.appId, audience: application.appId, version: 2 }
    : { appId: application.appId, audience: name, version: 1 };
}

/**
 * The one resource of a client-credentials scope (domain/microsoft.md 1.2): exactly one, with `/.default`,
 * present in the tenant.
 */
export function resolveScope(
  cloud: CloudContext,
  tenant: SimulatedTenant,
  scope: string,
): EntraResult<TokenResource> {
  const scopes = scope.split(' ').filter((part) => part !== '');
  const [only] = scopes;
  if (only === undefined || scopes.some((part) => !part.endsWith(suffix))) {
    return refuse(
      'invalid_scope',
      70011,
      `The provided request must include a 'scope' input parameter. The provided value for the input parameter 'scope' is not valid. The scope ${scope} is not valid.`,
    );
  }
  if (scopes.length > 1) {
    return refuse(
      'invalid_scope',
      28002,
      'Provided value for the input parameter scope is not valid because it contains more than one resource.',
    );
  }
  return identifyResource(cloud, tenant, only.slice(0, -suffix.length));
}

/** The resource that a scope names, when the tenant has it. */
export function identifyResource(
  cloud: CloudContext,
  tenant: SimulatedTenant,
  name: string,
): EntraResult<TokenResource> {
  const resource = identify(cloud, name);
  const present =
    resource !== undefined &&
    (resource.appId === graphAppId ||
      (resource.appId === intuneApiAppId ? tenant.hasIntune : tenant.servicePrincipals.has(resource.appId)));
  if (!present) {
    return refuse(
      'invalid_resource',
      500011,
      `The resource principal named ${name} was not found in the tenant named ${tenant.displayName}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant.`,
    );
  }
  return succeed(resource);
}
