import { createBoundedCache } from '../bounded-cache.ts';
import type { Credential } from '../entra/credentials.ts';
import { createTokenBroker, type TokenBroker, type TokenBrokerOptions } from '../entra/tokens.ts';
import { consentStateMs } from '../limits.ts';
import type { Sealer } from '../secrets/seal.ts';
import type { Queries, Sql } from '../store/database.ts';
import { type HistoryOrigin, recorded } from '../store/history.ts';
import type { StoredApplication } from '../store/row-types.ts';
import {
  applicationAssociation,
  readStoredApplication,
  type ShownApplication,
} from '../store/tenants/application.ts';
import type { Tenant, TenantDirectory } from '../store/tenants/tenant.ts';
import type { ConnectionAccess } from './access.ts';
import { moveTenant } from './state.ts';

/**
 * The own application of a tenant whose connection is `manual` (domain/jamf.md 4.3): kept sealed or by reference,
 * opened for each token request, and apart from the connector that the other tenants share.
 */

/** Seals the secret for the tenant's row, or keeps the reference. */
export async function storedApplication(
  sealer: Sealer,
  tenantId: string,
  given: {
    readonly clientId: string;
    readonly clientSecret?: string | undefined;
    readonly secretRef?: string | undefined;
  },
): Promise<StoredApplication> {
  const { clientId, clientSecret = '', secretRef } = given;
  if (secretRef !== undefined) return { clientId, ref: secretRef };
  return { clientId, sealed: await sealer.seal(clientSecret, applicationAssociation(tenantId)) };
}

/** The tenant's own application without its secret; undefined when none is kept. */
export async function readApplication(sql: Queries, tenantId: string): Promise<ShownApplication | undefined> {
  const stored = await readStoredApplication(sql, tenantId);
  return stored && { clientId: stored.clientId, secretRef: stored.ref ?? null };
}

export interface TenantCredentialsOptions {
  readonly sql: Queries;
  readonly sealer: Sealer;
  /** Reads `env:NAME` or `file:/path`; throws when there is none. */
  readonly readReference: (reference: string) => Promise<string>;
}

/**
 * The credential of a tenant's own application, opened anew each time; none when the tenant has no application.
 * Throws when the secret does not open or its reference cannot be read.
 */
export async function tenantCredentials(
  { readReference, sealer, sql }: TenantCredentialsOptions,
  tenantId: string,
): Promise<readonly Credential[]> {
  const stored = await readStoredApplication(sql, tenantId);
  if (!stored) return [];
  const secret =
    stored.ref === undefined
      ? await sealer.open(stored.sealed ?? '', applicationAssociation(tenantId))
      : await readReference(stored.ref);
  return [{ kind: 'secret', clientId: stored.clientId, secret }];
}

/** Tenants with an application of their own are few: most use the connector. */
const rememberedTenants = 1_000;
/** Graph's and Intune's, of the connector and of the diagnostic application. */
const tokensPerTenant = 8;

export interface OwnBrokerOptions extends Omit<TokenBrokerOptions, 'tokens'> {
  readonly tenants: Pick<TenantDirectory, 'tenant'>;
}

/**
 * Tokens of tenants with their own application: a broker for each, so that a wrong secret in one tenant holds no
 * other that uses the same client id. Any change of the tenant forgets its tokens, in every process. What Entra
 * says of such an application is that tenant's fault and never the registration's that the others share.
 */
export function createOwnBroker(options: OwnBrokerOptions): TokenBroker {
  const brokers = createBoundedCache<string, { version: number; broker: TokenBroker }>(rememberedTenants);
  const brokerOf = async (tenantId: string): Promise<TokenBroker> => {
    const version = (await options.tenants.tenant(tenantId))?.version ?? 0;
    const known = brokers.get(tenantId);
    if (known?.version === version) return known.broker;
    const broker = createTokenBroker({ ...options, tokens: tokensPerTenant });
    brokers.set(tenantId, { version, broker });
    return broker;
  };
  return {
    token: async (query) => {
      const result = await (await brokerOf(query.tenantId)).token(query);
      if (result.ok || result.failure.scope !== 'registration') return result;
      const remedy = 'Give the tenant a valid secret of its own application.';
      return {
        ok: false,
        failure: { ...result.failure, scope: 'tenant', owner: 'configuration', remedy },
      };
    },
    forget: (cloud, tenantId, keepYoung) => {
      if (keepYoung === undefined) brokers.delete(tenantId);
      else brokers.get(tenantId)?.broker.forget(cloud, tenantId, keepYoung);
    },
  };
}

/** Sends each tenant the way of its connection type: `own` for `manual`, else `shared`. */
export function accessByType(
  shared: ConnectionAccess,
  own: ConnectionAccess,
  tenants: Pick<TenantDirectory, 'tenant'>,
): ConnectionAccess {
  const of = (tenant: Tenant): ConnectionAccess => (tenant.connectionType === 'manual' ? own : shared);
  return {
    intune: (tenant) => of(tenant).intune(tenant),
    graph: (tenant) => of(tenant).graph(tenant),
    invalidate: (tenant, what) => of(tenant).invalidate(tenant, what),
    services: (tenant, fresh) => of(tenant).services(tenant, fresh),
    token: async (tenant, resource, more) => {
      const known = await tenants.tenant(tenant.tenantId);
      return (known?.connectionType === 'manual' ? own : shared).token(tenant, resource, more);
    },
  };
}

/**
 * Begins the connection of a tenant with its own application: its administrator has granted that one in his own
 * tenant, so there is no consent to ask for, and `confirm` proves it by a token.
 */
export async function startOwnConnect(
  sql: Sql,
  tenants: Pick<TenantDirectory, 'forget'>,
  tenantId: string,
  by: HistoryOrigin,
): Promise<{ consentUrls: []; expiresAt: Date }> {
  await recorded(sql, by, (tx, note) => moveTenant(tx, tenantId, 'connect-started', note));
  tenants.forget(tenantId);
  return { consentUrls: [], expiresAt: new Date(Date.now() + consentStateMs) };
}
