import { type Context, Hono } from 'hono';
import type { HostEnv } from '../host.ts';
import { graphAppId } from './applications.ts';
import { type AcceptedToken, checkBearer } from './bearer.ts';
import type { CloudContext } from './context.ts';
import { type GraphAnswer, type GraphRequest, notFound, sendGraph } from './graph-answer.ts';
import { listDevices, listGroups, readDevice, readObjectsByIds, readUser } from './graph-directory.ts';
import { licenceRoles, listSubscriptions } from './graph-licences.ts';
import { createFreshTokenRefusal, createGraphQuotas, type QuotaKind } from './graph-limits.ts';
import { listPartners, readPartner, terminatePartner } from './graph-partners.ts';
import { listPermissionGrants, listServicePrincipals, readServicePrincipal } from './graph-principals.ts';
import { type GraphSubscriptions, subscriptionRole } from './graph-subscriptions.ts';
import type { IntuneState } from './intune-state.ts';
import { roleInGraph } from './principal-state.ts';

type RoutedRequest = GraphRequest & { readonly subscriptions: GraphSubscriptions };

interface GraphRoute {
  /** Default: GET. */
  readonly method?: 'POST' | 'PATCH' | 'DELETE';
  readonly quota: QuotaKind;
  /** Matched without case against the decoded path below the version. */
  readonly path: RegExp;
  /** Any one of them opens it: domain/microsoft.md 2.3 and 3. */
  readonly roles: readonly string[];
  answer(request: RoutedRequest, match: RegExpExecArray): GraphAnswer | Promise<GraphAnswer>;
}

const unquote = (text: string | undefined): string | undefined => text?.replaceAll("''", "'");

const principalRoles = ['Directory.Read.All', 'Application.Read.All'];

const identityRoutes: readonly Omit<GraphRoute, 'quota'>[] = [
  { path: /^servicePrincipals$/i, roles: principalRoles, answer: listServicePrincipals },
  {
    path: /^servicePrincipals(?:\(appId='([^']+)'\)|\/appId=([^/]+)|\/([^/]+)|\('([^']+)'\))(?:\/(endpoints|appRoleAssignments))?$/i,
    roles: principalRoles,
    answer: (request, [, quoted, bare, objectId, quotedObjectId, relation]) =>
      readServicePrincipal(
        request,
        { appId: quoted ?? bare, objectId: objectId ?? quotedObjectId },
        relation,
      ),
  },
  {
    path: /^servicePrincipals(?:\(appId='([^']+)'\)|\/appId=([^/]+)|\/([^/]+))\/(oauth2PermissionGrants)$/i,
    roles: ['Directory.Read.All', 'DelegatedPermissionGrant.Read.All'],
    answer: (request, [, quoted, bare, objectId, relation]) =>
      readServicePrincipal(request, { appId: quoted ?? bare, objectId }, relation),
  },
  {
    path: /^oauth2PermissionGrants$/i,
    roles: ['Directory.Read.All', 'DelegatedPermissionGrant.Read.All'],
    answer: listPermissionGrants,
  },
  {
    path: /^users(?:\('((?:[^']|'')+)'\)|\/([^/]+))$/i,
    roles: ['Directory.Read.All', 'User.Read.All'],
    answer: (request, [, quoted, bare]) => readUser(request, unquote(quoted) ?? bare ?? ''),
  },
  {
    path: /^devices(?:\(deviceId='([^']+)'\)|\/([^/]+)|\('([^']+)'\))$/i,
    roles: ['Directory.Read.All', 'Device.Read.All'],
    answer: (request, [, deviceId, objectId, quotedObjectId]) =>
      readDevice(request, { deviceId, objectId: objectId ?? quotedObjectId }),
  },
  { path: /^devices$/i, roles: ['Directory.Read.All', 'Device.Read.All'], answer: listDevices },
  {
    method: 'POST',
    path: /^directoryObjects\/(?:microsoft\.graph\.)?getByIds$/i,
    roles: ['Directory.Read.All'],
    answer: readObjectsByIds,
  },
  { path: /^subscribedSkus$/i, roles: licenceRoles, answer: listSubscriptions },
  { path: /^groups$/i, roles: ['Directory.Read.All', 'Group.Read.All'], answer: listGroups },
];

/** domain/microsoft.md 5: reading permissions are enough even to terminate, odd as that is. */
const partnerRoles = [
  'DeviceManagementServiceConfig.Read.All',
  'DeviceManagementConfiguration.Read.All',
  'DeviceManagementServiceConfig.ReadWrite.All',
  'DeviceManagementConfiguration.ReadWrite.All',
];

const partnerRoutes: readonly Omit<GraphRoute, 'quota' | 'roles'>[] = [
  {
    path: /^deviceManagement\/(deviceManagementPartners|complianceManagementPartners)$/i,
    answer: (request, [, set]) => listPartners(request, set ?? ''),
  },
  {
    path: /^deviceManagement\/(deviceManagementPartners|complianceManagementPartners)(?:\/([^/()]+)|\('([^']+)'\))$/i,
    answer: (request, [, set, bare, quoted]) => readPartner(request, set ?? '', quoted ?? bare ?? ''),
  },
  {
    method: 'POST',
    path: /^deviceManagement\/deviceManagementPartners(?:\/([^/()]+)|\('([^']+)'\))\/(?:microsoft\.graph\.)?terminate$/i,
    answer: (request, [, bare, quoted]) => terminatePartner(request, quoted ?? bare ?? ''),
  },
];

/** The role of a subscription depends on what is subscribed to. */
const subscriptionRoles = Object.values(subscriptionRole);
const subscriptionRoutes: readonly Omit<GraphRoute, 'quota' | 'roles'>[] = [
  { path: /^subscriptions$/i, answer: ({ subscriptions, token }) => subscriptions.list(token) },
  {
    method: 'POST',
    path: /^subscriptions$/i,
    answer: ({ body, subscriptions, token }) => subscriptions.create(token, body),
  },
  {
    method: 'PATCH',
    path: /^subscriptions\/([^/]+)$/i,
    answer: ({ body, subscriptions, token }, [, id]) => subscriptions.renew(token, id ?? '', body),
  },
  {
    method: 'DELETE',
    path: /^subscriptions\/([^/]+)$/i,
    answer: ({ subscriptions, token }, [, id]) => subscriptions.remove(token, id ?? ''),
  },
];

const routes: readonly GraphRoute[] = [
  ...subscriptionRoutes.map((route) => ({ ...route, roles: subscriptionRoles, quota: 'identity' as const })),
  ...identityRoutes.map((route) => ({ ...route, quota: 'identity' as const })),
  ...partnerRoutes.map((route) => ({ ...route, roles: partnerRoles, quota: 'partner' as const })),
];

function decodedPath(pathname: string): string | undefined {
  try {
    return /^\/(?:v1\.0|beta)\/(.+?)\/?$/.exec(decodeURIComponent(pathname))?.[1];
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

const wrongMethod: GraphAnswer = {
  kind: 'failure',
  status: 405,
  code: 'Request_BadRequest',
  message: 'Specified HTTP method is not allowed for the request target.',
};

const denied: GraphAnswer = {
  kind: 'failure',
  status: 403,
  code: 'Authorization_RequestDenied',
  message: 'Insufficient privileges to complete the operation.',
};

/** The roles of the token that Graph's own copy of the grants knows already (domain/microsoft.md 1.5). */
function honouredRoles(cloud: CloudContext, token: AcceptedToken): readonly string[] {
  const principal = token.tenant.servicePrincipals.get(token.appId);
  // Deleted: tokens issued before work until they expire (domain/microsoft.md 1.6).
  if (!principal) return token.roles;
  const nowMs = cloud.world.clock.now();
  const waiting = principal.appRoles
    .filter((role) => role.resourceAppId === graphAppId && !roleInGraph(principal, role, nowMs))
    .map(({ value }) => value);
  return token.roles.filter((role) => !waiting.includes(role));
}

/**
 * The Graph double of one cloud: domain/microsoft.md 5 and 11.7 to 11.10. `settle` runs before every answer.
 */
export function createGraphApp(
  cloud: CloudContext,
  settle: () => void,
  intune: IntuneState,
  subscriptions: GraphSubscriptions,
): Hono<HostEnv> {
  const refuseFresh = createFreshTokenRefusal(cloud);
  const meter = createGraphQuotas(cloud);

  const authenticate = (c: Context<HostEnv>): AcceptedToken | GraphAnswer => {
    const { graph } = cloud.addresses;
    const checked = checkBearer(cloud, c.req.header('authorization'), [graph, `${graph}/`, graphAppId]);
    if (checked.ok) return refuseFresh(checked.token) ?? checked.token;
    c.header('www-authenticate', 'Bearer realm="", authorization_uri=""');
    return { kind: 'failure', status: 401, code: 'InvalidAuthenticationToken', message: checked.reason };
  };

  const answer = async (c: Context<HostEnv>, token: AcceptedToken): Promise<GraphAnswer> => {
    const { pathname, searchParams: query } = new URL(c.req.url);
    const path = decodedPath(pathname);
    const known = routes.filter((route) => route.path.test(path ?? ''));
    const route = known.find(({ method = 'GET' }) => method === c.req.method);
    if (!route) return known.length > 0 ? wrongMethod : notFound(path ?? pathname);
    const metered = meter(route.quota, token, c.req.method, path ?? '', query);
    for (const [name, value] of Object.entries(metered.headers)) c.header(name, value);
    if (metered.refusal) return metered.refusal;
    const roles = honouredRoles(cloud, token);
    if (!route.roles.some((role) => roles.includes(role))) return denied;
    const match = route.path.exec(path ?? '');
    if (!match) return notFound(path ?? pathname);
    const body: unknown = c.req.method === 'GET' ? undefined : await c.req.json().catch(() => undefined);
    return route.answer({ cloud, token: { ...token, roles }, query, intune, body, subscriptions }, match);
  };

  const app = new Hono<HostEnv>();
  app.on(['GET', 'POST', 'PUT', 'PATCH', 'DELETE'], '*', async (c) => {
    settle();
    const { searchParams } = new URL(c.req.url);
    const checked = authenticate(c);
    return sendGraph(c, cloud, searchParams, 'kind' in checked ? checked : await answer(c, checked));
  });
  return app;
}
