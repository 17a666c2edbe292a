import { Hono } from 'hono';
import type { HostEnv } from '../host.ts';
import { graphAppId } from './applications.ts';
import { checkBearer } from './bearer.ts';
import type { CloudContext } from './context.ts';
import { type GraphAnswer, type GraphRequest, notFound, sendGraph } from './graph-answer.ts';
import { listDevices, listGroups, readDevice, readUser } from './graph-directory.ts';
import { listPermissionGrants, listServicePrincipals, readServicePrincipal } from './graph-principals.ts';

interface GraphRoute {
  /** Matched without case against the decoded path below the version. */
  readonly path: RegExp;
  /** Any one of them opens it: domain/microsoft.md 2.3 and 3. */
  readonly roles: readonly string[];
  answer(request: GraphRequest, match: RegExpExecArray): GraphAnswer;
}

const unquote = (text: string | undefined): string | undefined => text?.replaceAll("''", "'");

const principalRoles = ['Directory.Read.All', 'Application.Read.All'];

const routes: readonly GraphRoute[] = [
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
  { path: /^groups$/i, roles: ['Directory.Read.All', 'Group.Read.All'], answer: listGroups },
];

function decodedPath(pathname: string): string | undefined {
  try {
    return /^\/(?:v1\.0|beta)\/(.+?)\/?$/.exec(decodeURIComponent(pathname))?.[1];
  } catch (error) {
    if (error instanceof URIError) return undefined;
    throw error;
  }
}

/** The Graph double of one cloud: domain/microsoft.md 5 and 11.7 to 11.9. `settle` runs before every answer. */
export function createGraphApp(cloud: CloudContext, settle: () => void): Hono<HostEnv> {
  const app = new Hono<HostEnv>();
  app.get('*', (c) => {
    settle();
    const { pathname, searchParams: query } = new URL(c.req.url);
    const send = (answer: GraphAnswer): Response => sendGraph(c, cloud, query, answer);
    const { graph } = cloud.addresses;
    const checked = checkBearer(cloud, c.req.header('authorization'), [graph, `${graph}/`, graphAppId]);
    if (!checked.ok) {
      c.header('www-authenticate', 'Bearer realm="", authorization_uri=""');
      return send({
        kind: 'failure',
        status: 401,
        code: 'InvalidAuthenticationToken',
        message: checked.reason,
      });
    }
    const path = decodedPath(pathname);
    for (const route of routes) {
      const match = route.path.exec(path ?? '');
      if (!match) continue;
      if (!route.roles.some((role) => checked.token.roles.includes(role))) {
        return send({
          kind: 'failure',
          status: 403,
          code: 'Authorization_RequestDenied',
          message: 'Insufficient privileges to complete the operation.',
        });
      }
      return send(route.answer({ cloud, token: checked.token, query }, match));
    }
    return send(notFound(path ?? pathname));
  });
  return app;
}
