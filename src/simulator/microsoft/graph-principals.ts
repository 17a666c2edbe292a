import { createHash } from 'node:crypto';
import type { SimulatedServicePrincipal } from '../directory.ts';
import { intuneAnchorAppId } from './applications.ts';
import { allServicePrincipals } from './grants.ts';
import {
  equalityFilter,
  type GraphAnswer,
  type GraphRequest,
  notFound,
  unsupportedQuery,
} from './graph-answer.ts';
import { intuneEndpoints } from './graph-discovery.ts';
import { disabledByMicrosoft, grantsInGraph, roleInGraph } from './principal-state.ts';

const opaqueId = (...parts: string[]): string =>
  createHash('sha256').update(parts.join(' ')).digest('base64url').slice(0, 43);

const describe = (principal: SimulatedServicePrincipal): Record<string, unknown> => ({
  id: principal.objectId,
  appId: principal.appId,
  displayName: principal.displayName,
  appDisplayName: principal.displayName,
  accountEnabled: principal.accountEnabled,
  disabledByMicrosoftStatus: disabledByMicrosoft(principal),
  appOwnerOrganizationId: null,
  servicePrincipalType: 'Application',
  servicePrincipalNames: [principal.appId],
});

const pageSize = ({ cloud, token }: GraphRequest): number | null =>
  cloud.settings.tenant(token.tenant.tenantId).discovery.pageSize;

/** `servicePrincipals?$filter=appId eq '…'` */
export function listServicePrincipals(request: GraphRequest): GraphAnswer {
  const appId = equalityFilter(request.query, 'appId');
  if (appId === undefined && request.query.has('$filter')) return unsupportedQuery;
  return {
    kind: 'collection',
    set: 'servicePrincipals',
    items: allServicePrincipals(request.token.tenant)
      .filter((principal) => appId === undefined || principal.appId === appId.toLowerCase())
      .map(describe),
    pageSize: null,
  };
}

function appRoleAssignments(request: GraphRequest, principal: SimulatedServicePrincipal): GraphAnswer {
  const resources = allServicePrincipals(request.token.tenant);
  const nowMs = request.cloud.world.clock.now();
  const items = principal.appRoles
    .filter((role) => roleInGraph(principal, role, nowMs))
    .flatMap((role) => {
      const resource = resources.find(({ appId }) => appId === role.resourceAppId);
      if (!resource) return [];
      return [
        {
          id: opaqueId(principal.objectId, resource.objectId, role.roleId),
          deletedDateTime: null,
          appRoleId: role.roleId,
          createdDateTime: new Date(role.effectiveAt).toISOString(),
          principalDisplayName: principal.displayName,
          principalId: principal.objectId,
          principalType: 'ServicePrincipal',
          resourceDisplayName: resource.displayName,
          resourceId: resource.objectId,
        },
      ];
    });
  return { kind: 'collection', set: 'appRoleAssignments', items, pageSize: pageSize(request) };
}

function permissionGrants(request: GraphRequest, principal: SimulatedServicePrincipal): GraphAnswer {
  const { tenant } = request.token;
  const resources = allServicePrincipals(tenant);
  const visible = grantsInGraph(principal, request.cloud.world.clock.now());
  const items = (visible ? principal.delegatedGrants : []).flatMap((grant) => {
    const resource = resources.find(({ appId }) => appId === grant.resourceAppId);
    if (!resource) return [];
    const [someUser] = tenant.users.keys();
    return [
      {
        id: opaqueId(principal.objectId, resource.objectId, grant.consentType),
        clientId: principal.objectId,
        consentType: grant.consentType,
        principalId: grant.consentType === 'Principal' ? (someUser ?? null) : null,
        resourceId: resource.objectId,
        scope: grant.scope,
      },
    ];
  });
  return { kind: 'collection', set: 'oauth2PermissionGrants', items, pageSize: pageSize(request) };
}

/** `oauth2PermissionGrants?$filter=clientId eq '{object id}'` */
export function listPermissionGrants(request: GraphRequest): GraphAnswer {
  const clientId = equalityFilter(request.query, 'clientId');
  if (clientId === undefined) return unsupportedQuery;
  const principal = [...request.token.tenant.servicePrincipals.values()].find((p) => p.objectId === clientId);
  if (!principal) return { kind: 'collection', set: 'oauth2PermissionGrants', items: [], pageSize: null };
  return permissionGrants(request, principal);
}

/** One service principal by object or application id, or one of its collections (domain/microsoft.md 2.3, 3). */
export function readServicePrincipal(
  request: GraphRequest,
  key: { appId: string | undefined; objectId: string | undefined },
  relation: string | undefined,
): GraphAnswer {
  const principal = allServicePrincipals(request.token.tenant).find((candidate) =>
    key.appId === undefined
      ? candidate.objectId === key.objectId?.toLowerCase()
      : candidate.appId === key.appId.toLowerCase(),
  );
  if (!principal) return notFound(key.appId ?? key.objectId ?? '');
  switch (relation?.toLowerCase()) {
    case undefined:
      return { kind: 'entity', set: 'servicePrincipals', entity: describe(principal) };
    case 'endpoints':
      return {
        kind: 'collection',
        set: `servicePrincipals('${principal.objectId}')/endpoints`,
        items:
          principal.appId === intuneAnchorAppId ? intuneEndpoints(request.cloud, request.token.tenant) : [],
        pageSize: pageSize(request),
      };
    case 'approleassignments':
      return appRoleAssignments(request, principal);
    case 'oauth2permissiongrants':
      return permissionGrants(request, principal);
    default:
      return notFound(relation ?? '');
  }
}
