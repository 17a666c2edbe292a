import { createHash } from 'node:crypto';
import type { SimulatedServicePrincipal, SimulatedTenant } from '../directory.ts';
import { graphAppId, intuneAnchorAppId, intuneApiAppId, type RegisteredApplication } from './applications.ts';
import { setGrantsInGraph, setRoleInGraph } from './principal-state.ts';

/** Permissions that a consent or the control API gives an application in a tenant. */
export interface Grant {
  readonly application: RegisteredApplication;
  /** Milliseconds by the world's clock: when the roles begin to count. */
  readonly effectiveAt: number;
  /** The same for Graph, which lists and honours grants by its own copy; default: `effectiveAt`. */
  readonly graphEffectiveAt?: number | undefined;
  /** false: delegated permissions only (a v2 consent without `/.default`). */
  readonly withRoles: boolean;
  /** Object id for a service principal that has to be made; a re-created one gets a new id. */
  readonly newObjectId: () => string;
}

/**
 * Makes or refreshes the application's service principal. What it held before stays: consent adds what the
 * manifest asks for and never takes away.
 */
export function grantApplication(tenant: SimulatedTenant, grant: Grant): SimulatedServicePrincipal {
  const { application } = grant;
  const principal: SimulatedServicePrincipal = tenant.servicePrincipals.get(application.appId) ?? {
    objectId: grant.newObjectId(),
    appId: application.appId,
    displayName: application.displayName,
    accountEnabled: true,
    appRoles: [],
    delegatedGrants: [],
  };
  const graphEffectiveAt = grant.graphEffectiveAt ?? grant.effectiveAt;
  if (!tenant.servicePrincipals.has(application.appId)) setGrantsInGraph(principal, graphEffectiveAt);
  tenant.servicePrincipals.set(application.appId, principal);
  if (grant.withRoles) {
    for (const role of application.requestedRoles) {
      const held = principal.appRoles.some(
        ({ resourceAppId, roleId }) => resourceAppId === role.resourceAppId && roleId === role.roleId,
      );
      if (held) continue;
      principal.appRoles.push({ ...role, effectiveAt: grant.effectiveAt });
      setRoleInGraph(principal, role, graphEffectiveAt);
    }
  }
  for (const { resourceAppId, scope } of application.delegatedScopes) {
    const known = principal.delegatedGrants.find(
      (held) => held.resourceAppId === resourceAppId && held.consentType === 'AllPrincipals',
    );
    if (!known) principal.delegatedGrants.push({ resourceAppId, scope, consentType: 'AllPrincipals' });
    else if (!known.scope.split(' ').includes(scope)) known.scope = `${known.scope} ${scope}`;
  }
  return principal;
}

const microsoftApplications = [
  { appId: graphAppId, displayName: 'Microsoft Graph', needsIntune: false },
  { appId: intuneAnchorAppId, displayName: 'Microsoft Intune', needsIntune: true },
  { appId: intuneApiAppId, displayName: 'Microsoft Intune API', needsIntune: true },
] as const;

/** A GUID that follows from the text, the same in every run. */
export function derivedGuid(text: string): string {
  const hex = createHash('sha256').update(text).digest('hex');
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-4${hex.slice(13, 16)}-8${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

/**
 * Every service principal of the tenant, Microsoft's own among them; their object ids differ per tenant and
 * Intune's are missing from a tenant without a licence (domain/microsoft.md 2.3 and 3).
 */
export function allServicePrincipals(tenant: SimulatedTenant): SimulatedServicePrincipal[] {
  const own = microsoftApplications
    .filter(({ needsIntune }) => tenant.hasIntune || !needsIntune)
    .map(({ appId, displayName }) => ({
      objectId: derivedGuid(`${tenant.tenantId} ${appId}`),
      appId,
      displayName,
      accountEnabled: true,
      appRoles: [],
      delegatedGrants: [],
    }));
  return [...own, ...tenant.servicePrincipals.values()];
}
