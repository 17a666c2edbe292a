import type { Context, Hono } from 'hono';
import type { HostEnv } from '../host.ts';
import type { CloudContext } from './context.ts';
import { entraError, requireTenant } from './entra-error.ts';

/** domain/microsoft.md 1.4: keys of this tenant hold for its exact issuer only. */
const consumerTenantId = '9188040d-6c67-4c5b-b112-36a304b66dad';

type Version = 1 | 2;

const isShared = (tenant: string): boolean => tenant === 'common' || tenant === 'organizations';

function openIdConfiguration(cloud: CloudContext, tenant: string, version: Version): object {
  const base = `${cloud.addresses.entra}/${tenant}`;
  const oauth = version === 2 ? `${base}/oauth2/v2.0` : `${base}/oauth2`;
  return {
    token_endpoint: `${oauth}/token`,
    token_endpoint_auth_methods_supported: ['client_secret_post', 'private_key_jwt', 'client_secret_basic'],
    jwks_uri: `${base}/discovery${version === 2 ? '/v2.0' : ''}/keys`,
    response_modes_supported: ['query', 'fragment', 'form_post'],
    subject_types_supported: ['pairwise'],
    id_token_signing_alg_values_supported: ['RS256'],
    response_types_supported: ['code', 'id_token', 'code id_token', 'id_token token'],
    scopes_supported: ['openid', 'profile', 'email', 'offline_access'],
    issuer: cloud.issuer(version, isShared(tenant) ? '{tenantid}' : tenant),
    authorization_endpoint: `${oauth}/authorize`,
    end_session_endpoint: `${oauth}/logout`,
    claims_supported: ['sub', 'iss', 'aud', 'exp', 'iat', 'tid', 'ver'],
    tenant_region_scope: null,
    cloud_instance_name: new URL(cloud.addresses.entra).host,
    cloud_graph_host_name: new URL(cloud.addresses.graph).host,
    msgraph_host: new URL(cloud.addresses.graph).host,
  };
}

function keySet(cloud: CloudContext, tenant: string, version: Version): object {
  return {
    keys: cloud.keys
      .published()
      .filter((key) => isShared(tenant) || !key.consumer)
      .map((key) => ({
        kty: 'RSA',
        use: 'sig',
        kid: key.kid,
        x5t: key.kid,
        n: key.publicJwk.n,
        e: key.publicJwk.e,
        ...(version === 2 && {
          issuer: cloud.issuer(2, key.consumer ? consumerTenantId : isShared(tenant) ? '{tenantid}' : tenant),
        }),
      })),
  };
}

function instanceDiscovery(cloud: CloudContext): object {
  const host = new URL(cloud.addresses.entra).host;
  return {
    tenant_discovery_endpoint: `${cloud.addresses.entra}/common/v2.0/.well-known/openid-configuration`,
    'api-version': '1.1',
    metadata: [{ preferred_network: host, preferred_cache: host, aliases: [host] }],
  };
}

/** OpenID metadata, key sets and instance discovery, v1 and v2: domain/microsoft.md 1.4 and 11.1. */
export function mountMetadata(app: Hono<HostEnv>, cloud: CloudContext): void {
  const answer = (
    c: Context<HostEnv>,
    version: Version,
    make: (cloud: CloudContext, tenant: string, version: Version) => object,
  ): Response => {
    const asked = c.req.param('tenant') ?? '';
    if (isShared(asked)) return c.json(make(cloud, asked, version));
    const tenant = requireTenant(cloud, asked);
    if (tenant.ok) return c.json(make(cloud, tenant.value.tenantId, version));
    const { failure } = tenant;
    return entraError(c, cloud, failure.code === 90002 ? { ...failure, error: 'invalid_tenant' } : failure);
  };
  app.get('/common/discovery/instance', (c) => c.json(instanceDiscovery(cloud)));
  app.get('/:tenant/v2.0/.well-known/openid-configuration', (c) => answer(c, 2, openIdConfiguration));
  app.get('/:tenant/.well-known/openid-configuration', (c) => answer(c, 1, openIdConfiguration));
  app.get('/:tenant/discovery/v2.0/keys', (c) => answer(c, 2, keySet));
  app.get('/:tenant/discovery/keys', (c) => answer(c, 1, keySet));
}
