import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import type { ConnectionAccess } from './access.ts';
import type { PermissionMode } from './expected-permissions.ts';
import { checkPermissions } from './permissions.ts';

let graph: Loopback;
beforeAll(async () => {
  graph = await startLoopback();
});
afterAll(() => graph.close());

const graphApp = '00000003-0000-0000-c000-000000000000';
const intuneApp = 'c161e42e-d4df-4a3d-9b42-e7a3c31f59d4';
const connectorId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';
const registrationId = 'cccccccc-1111-4222-8333-dddddddddddd';
const roleIds = {
  directory: '7ab1d382-f21e-4acd-a863-ba3e13f7da61',
  attributes: '7b3c62c0-bbe4-4ceb-971b-ecc50a191b3e',
  policies: '3857e233-c379-404e-85e9-bdbf3a62b28f',
  warehouse: '3d9dc976-32fb-45a8-90bd-c9f8a850d098',
};

interface Principal {
  accountEnabled?: boolean;
  disabledByMicrosoftStatus?: string;
  roles: { appRoleId: string; resourceId: string }[];
  scopes: { consentType: string; resourceId: string; scope: string }[];
}
let principals: Record<string, Principal>;
let freshAsked: boolean[];
beforeEach(() => {
  freshAsked = [];
  graph.seen.length = 0;
  principals = {
    [connectorId]: {
      roles: [
        { appRoleId: roleIds.directory, resourceId: 'graph' },
        { appRoleId: roleIds.attributes, resourceId: 'intune' },
        { appRoleId: roleIds.policies, resourceId: 'intune' },
      ],
      scopes: [{ consentType: 'AllPrincipals', resourceId: 'graph', scope: 'User.Read openid' }],
    },
    [registrationId]: {
      roles: [],
      scopes: [{ consentType: 'AllPrincipals', resourceId: 'graph', scope: ' User.Read profile' }],
    },
  };
  graph.handle = (request, response) => {
    const url = decodeURIComponent(request.url.replace('/v1.0/servicePrincipals', ''));
    if (url.startsWith('/graph?')) return sendJson(response, 200, { appId: graphApp });
    if (url.startsWith('/intune?')) return sendJson(response, 200, { appId: intuneApp });
    const [, byAppId, byId, collection] = /^(?:\(appId='([^']+)'\)|\/([^/]+)\/(\w+))/.exec(url) ?? [];
    const principal = principals[byAppId ?? byId ?? ''];
    if (!principal) return sendJson(response, 404, { error: { code: 'Request_ResourceNotFound' } });
    const { roles, scopes, ...own } = principal;
    if (byAppId !== undefined) return sendJson(response, 200, { id: byAppId, ...own });
    sendJson(response, 200, { value: collection === 'appRoleAssignments' ? roles : scopes });
  };
});

const token: ConnectionAccess['token'] = async (_tenant, _resource, more) => {
  freshAsked.push(more?.fresh ?? false);
  return { ok: true, accessToken: more?.fresh ? 'fresh' : 'the-token', roles: [] };
};
const check = (mode: PermissionMode = 'device-compliance', ask: ConnectionAccess['token'] = token) =>
  checkPermissions({
    tenant: { tenantId: 'eeeeeeee-1111-4222-8333-ffffffffffff', cloud: 'public', mode },
    applications: [
      { app: 'connector', clientId: connectorId },
      { app: 'user-registration', clientId: registrationId },
    ],
    access: { token: ask },
    send: graph.send,
    cloud: { graph: graph.origin },
    timeoutMs: 500,
    now: () => Date.UTC(2026, 10, 23),
  });
const connectorOf = async (...args: Parameters<typeof check>) => {
  const report = await check(...args);
  expect(report.ok).toBe(false);
  return report.applications[0];
};

test('both applications as they should be', async () => {
  expect(await check()).toEqual({
    checkedAt: '2026-11-23T00:00:00.000Z',
    ok: true,
    applications: [
      {
        app: 'connector',
        clientId: connectorId,
        state: 'enabled',
        expected: [
          'Directory.Read.All',
          'User.Read',
          'manage_partner_compliance_policy',
          'update_device_attributes',
        ],
        granted: [
          'Directory.Read.All',
          'User.Read',
          'manage_partner_compliance_policy',
          'openid',
          'update_device_attributes',
        ],
        missing: [],
        extra: [],
      },
      {
        app: 'user-registration',
        clientId: registrationId,
        state: 'enabled',
        expected: ['User.Read'],
        granted: ['User.Read', 'profile'],
        missing: [],
        extra: [],
      },
    ],
  });
});

test('drift: missing and extra, by mode', async () => {
  principals[connectorId]?.roles.splice(0, 1, { appRoleId: roleIds.warehouse, resourceId: 'intune' });
  expect(await connectorOf()).toMatchObject({
    state: 'enabled',
    missing: ['Directory.Read.All'],
    extra: ['get_data_warehouse'],
  });
  expect(await connectorOf('conditional-access')).toMatchObject({
    missing: ['Directory.Read.All'],
    extra: ['get_data_warehouse', 'manage_partner_compliance_policy'],
  });
});

test("one user's consent only", async () => {
  const [grant] = principals[registrationId]?.scopes ?? [];
  if (grant) grant.consentType = 'Principal';
  expect((await check()).applications[1]).toMatchObject({
    missing: ['User.Read'],
    extra: ["User.Read (Graph, one user's consent)"],
  });
});

describe('says what is wrong with the application itself', () => {
  test('absent: everything is missing', async () => {
    delete principals[registrationId];
    expect((await check()).applications).toMatchObject([
      { state: 'enabled' },
      { state: 'absent', missing: ['User.Read'], granted: [], problem: { cause: 'consent-required' } },
    ]);
  });

  test.each([
    [{ accountEnabled: false }, 'configuration'],
    [{ disabledByMicrosoftStatus: 'DisabledDueToViolationOfServicesAgreement' }, 'microsoft'],
  ])('disabled: %j', async (more, owner) => {
    Object.assign(principals[connectorId] ?? {}, more);
    expect(await connectorOf()).toMatchObject({
      state: 'disabled',
      missing: [],
      problem: { cause: 'application-disabled', owner },
    });
  });
});

describe('says why it could not be read', () => {
  const unread = { state: 'unread', granted: [], missing: [], extra: [] };

  test('no token', async () => {
    const refused: ConnectionAccess['token'] = async () => ({
      ok: false,
      kind: 'hold',
      cause: 'consent-required',
      detail: 'AADSTS700016',
      remedy: 'Consent.',
      owner: 'configuration',
    });
    expect(await connectorOf('device-compliance', refused)).toMatchObject({
      ...unread,
      problem: {
        cause: 'consent-required',
        detail: 'AADSTS700016',
        remedy: 'Consent.',
        owner: 'configuration',
      },
    });
    expect(graph.seen).toHaveLength(0);
  });

  test.each([
    [403, 'permission-missing', true],
    [401, 'graph-unauthenticated', true],
    [429, 'graph-throttled', false],
    [503, 'graph-unreachable', false],
    [500, 'graph-error', false],
  ])('%i: %s', async (status, cause, again) => {
    graph.handle = (_request, response) =>
      sendJson(response, status, { error: { code: 'x', message: 'no' } });
    expect(await connectorOf()).toMatchObject({ ...unread, problem: { cause } });
    expect(freshAsked.slice(0, 2)).toEqual([false, again]);
  });

  test('a token that was refused is replaced once', async () => {
    const { handle } = graph;
    graph.handle = (request, response) =>
      request.headers.authorization === 'Bearer fresh'
        ? handle(request, response)
        : sendJson(response, 401, { error: { code: 'InvalidAuthenticationToken' } });
    expect((await check()).ok).toBe(true);
  });
});
