import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { type Loopback, sendJson, startLoopback } from '../../test/harness/loopback.ts';
import { readDevice } from './devices.ts';
import { type DiscoverIntune, discoverIntune } from './discovery.ts';
import { readGrants } from './grants.ts';

let graph: Loopback;
beforeAll(async () => {
  graph = await startLoopback();
});
beforeEach(() => {
  graph.seen.length = 0;
});
afterAll(() => graph.close());

const call = (): DiscoverIntune => ({
  send: graph.send,
  cloud: { graph: graph.origin, intuneHosts: ['*.manage.example.test'], intunePort: 443 },
  accessToken: 'the-token',
  clientRequestId: '11111111-2222-4333-8444-555555555555',
  timeoutMs: 500,
});
const tenantService = {
  providerName: 'PartnerTenantDataSyncService',
  uri: 'https://a.manage.example.test/T/',
};
const deviceService = {
  providerName: 'partnerdevicedatasyncservice',
  uri: 'https://b.manage.example.test/D',
};
const endpoints = (...value: unknown[]): void => {
  graph.handle = (_request, response) => sendJson(response, 200, { value });
};
const graphError = (status: number, code: string, headers: Record<string, string> = {}): void => {
  graph.handle = (_request, response) =>
    sendJson(response, status, { error: { code, message: 'no', innerError: {} } }, headers);
};

describe('discovery', () => {
  test('finds both services without regard to case, with the token and the request id', async () => {
    endpoints({ providerName: 'Other', uri: 'http://other/' }, tenantService, deviceService);
    expect(await discoverIntune(call())).toEqual({
      ok: true,
      services: { tenant: 'https://a.manage.example.test/T', device: 'https://b.manage.example.test/D' },
    });
    expect(graph.seen[0]?.url).toBe(
      '/v1.0/servicePrincipals/appId=0000000a-0000-0000-c000-000000000000/endpoints',
    );
    expect(graph.seen[0]?.headers).toMatchObject({
      authorization: 'Bearer the-token',
      'client-request-id': '11111111-2222-4333-8444-555555555555',
    });
  });

  test('follows pages on Graph', async () => {
    graph.handle = (request, response) =>
      request.url.includes('skip')
        ? sendJson(response, 200, { value: [deviceService] })
        : sendJson(response, 200, {
            value: [tenantService],
            '@odata.nextLink': `${graph.origin}${request.url}?skip=1`,
          });
    expect((await discoverIntune(call())).ok).toBe(true);
  });

  test.each(['https://evil.example/v1.0/next', 'http://127.0.0.1:1/next', '/relative'])(
    'takes the token to no next page at %s',
    async (next) => {
      graph.handle = (_request, response) =>
        sendJson(response, 200, { value: [tenantService], '@odata.nextLink': next });
      expect(await discoverIntune(call())).toMatchObject({ ok: false, failure: 'refused-host' });
      expect(graph.seen).toHaveLength(1);
    },
  );

  test('ends when the pages go round', async () => {
    graph.handle = (request, response) =>
      sendJson(response, 200, { value: [], '@odata.nextLink': graph.origin + request.url });
    expect(await discoverIntune(call())).toMatchObject({ ok: false, failure: 'error' });
  });

  test('refuses a host that the cloud does not list, and says which', async () => {
    endpoints(tenantService, { ...deviceService, uri: 'https://evil.example:8443/D' });
    expect(await discoverIntune(call())).toMatchObject({
      failure: 'refused-host',
      host: 'evil.example:8443',
    });
  });

  test('tells no Intune from no partner service', async () => {
    endpoints();
    expect(await discoverIntune(call())).toMatchObject({ failure: 'no-intune' });
    graphError(404, 'Request_ResourceNotFound');
    expect(await discoverIntune(call())).toMatchObject({ failure: 'no-intune' });
    endpoints(tenantService);
    expect(await discoverIntune(call())).toMatchObject({
      failure: 'partner-service-missing',
      missing: ['PartnerDeviceDataSyncService'],
    });
  });

  test('a 404 that Graph did not write is an error, not a missing Intune', async () => {
    graph.handle = (_request, response) => {
      response.writeHead(404, { 'content-type': 'text/html' }).end('<h1>no</h1>');
    };
    expect(await discoverIntune(call())).toMatchObject({ failure: 'error', httpStatus: 404 });
  });

  test.each([
    [401, 'InvalidAuthenticationToken', 'unauthenticated'],
    [403, 'Authorization_RequestDenied', 'forbidden'],
    [503, 'ServiceUnavailable', 'unreachable'],
    [500, 'InternalServerError', 'error'],
  ])('%i is %s: %s', async (status, code, failure) => {
    graphError(status, code);
    expect(await discoverIntune(call())).toMatchObject({ ok: false, failure, code, httpStatus: status });
  });

  test('429 with and without Retry-After', async () => {
    graphError(429, 'TooManyRequests', { 'retry-after': '17' });
    expect(await discoverIntune(call())).toMatchObject({ failure: 'throttled', retryAfterSeconds: 17 });
    graphError(429, 'TooManyRequests');
    expect(await discoverIntune(call())).not.toHaveProperty('retryAfterSeconds');
  });

  test('silence and a broken connection are unreachable; garbage is an error', async () => {
    graph.handle = () => undefined;
    expect(await discoverIntune(call())).toMatchObject({ failure: 'unreachable' });
    graph.handle = (_request, response) => {
      response.socket?.destroy();
    };
    expect(await discoverIntune(call())).toMatchObject({ failure: 'unreachable' });
    graph.handle = (_request, response) => {
      response.writeHead(200).end('<html>');
    };
    expect(await discoverIntune(call())).toMatchObject({ failure: 'error' });
  });
});

describe('devices', () => {
  const deviceId = 'aaaaaaaa-1111-4222-8333-bbbbbbbbbbbb';

  test.each([true, false, null])('isCompliant %s', async (isCompliant) => {
    graph.handle = (_request, response) =>
      sendJson(response, 200, { id: 'o', deviceId, isCompliant, isManaged: null, trustType: 'Workplace' });
    expect(await readDevice({ ...call(), deviceId, priority: 'Low' })).toMatchObject({
      ok: true,
      found: true,
      objectId: 'o',
      isCompliant,
      isManaged: null,
      trustType: 'Workplace',
    });
    expect(graph.seen[0]?.url).toMatch(`/v1.0/devices(deviceId='${deviceId}')?$select=id,`);
    expect(graph.seen[0]?.headers['x-ms-throttle-priority']).toBe('Low');
  });

  test('unknown device', async () => {
    graphError(404, 'Request_ResourceNotFound');
    expect(await readDevice({ ...call(), deviceId })).toEqual({ ok: true, found: false });
  });
});

describe('grants', () => {
  const resources: Record<string, unknown> = {
    'graph-object': { appId: '00000003-0000-0000-c000-000000000000' },
    'lab-object': {
      appId: 'AAAAAAAA-0000-4000-8000-000000000000',
      appRoles: [{ id: 'DDDDDDDD-0000-4000-8000-000000000000', value: 'Lab.Read' }],
    },
  };
  const collections: Record<string, unknown[]> = {
    appRoleAssignments: [
      { appRoleId: '7ab1d382-f21e-4acd-a863-ba3e13f7da61', resourceId: 'graph-object' },
      { appRoleId: 'dddddddd-0000-4000-8000-000000000000', resourceId: 'lab-object' },
      { appRoleId: 'eeeeeeee-0000-4000-8000-000000000000', resourceId: 'gone-object' },
    ],
    oauth2PermissionGrants: [
      { consentType: 'AllPrincipals', resourceId: 'graph-object', scope: ' openid User.Read' },
      { consentType: 'Principal', resourceId: 'graph-object', scope: 'Mail.Read' },
    ],
  };

  test('names resources and roles', async () => {
    graph.handle = (request, response) => {
      const collection = collections[request.url.split('/').at(-1) ?? ''];
      if (collection) return sendJson(response, 200, { value: collection });
      if (request.url.includes("(appId='"))
        return sendJson(response, 200, { id: 'sp', accountEnabled: false });
      const resource = resources[/servicePrincipals\/([^?]+)/.exec(request.url)?.[1] ?? ''];
      return resource
        ? sendJson(response, 200, resource)
        : sendJson(response, 404, { error: { code: 'Request_ResourceNotFound' } });
    };
    const graphApp = '00000003-0000-0000-c000-000000000000';
    expect(await readGrants({ ...call(), appId: 'app' })).toEqual({
      ok: true,
      found: true,
      accountEnabled: false,
      disabledByMicrosoft: false,
      application: [
        {
          resourceAppId: graphApp,
          role: 'Directory.Read.All',
          roleId: '7ab1d382-f21e-4acd-a863-ba3e13f7da61',
        },
        {
          resourceAppId: 'aaaaaaaa-0000-4000-8000-000000000000',
          role: 'Lab.Read',
          roleId: 'dddddddd-0000-4000-8000-000000000000',
        },
        {
          resourceAppId: 'gone-object',
          role: 'eeeeeeee-0000-4000-8000-000000000000',
          roleId: 'eeeeeeee-0000-4000-8000-000000000000',
        },
      ],
      delegated: [
        { resourceAppId: graphApp, scope: 'openid', consentType: 'AllPrincipals' },
        { resourceAppId: graphApp, scope: 'User.Read', consentType: 'AllPrincipals' },
        { resourceAppId: graphApp, scope: 'Mail.Read', consentType: 'Principal' },
      ],
    });
  });

  test('an application that is not there, and one that may not look', async () => {
    graphError(404, 'Request_ResourceNotFound');
    expect(await readGrants({ ...call(), appId: 'app' })).toEqual({ ok: true, found: false });
    graphError(403, 'Authorization_RequestDenied');
    expect(await readGrants({ ...call(), appId: 'app' })).toMatchObject({ ok: false, failure: 'forbidden' });
  });
});
