import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  connectorId,
  deviceId,
  diagnosticId,
  startTestWorld,
  type TestWorld,
  tenantId,
} from '../../../test/harness/simulated-microsoft.ts';
import { intuneAnchorAppId } from './applications.ts';

let world: TestWorld;
let token: string;
beforeAll(async () => {
  world = await startTestWorld();
  token = await world.token(world.graphScope);
});
afterAll(() => world.close());

interface Answer {
  readonly status: number;
  readonly body: Record<string, unknown> & { value?: Record<string, unknown>[] };
}

async function get(path: string, bearer: string | undefined = token): Promise<Answer> {
  const url = path.startsWith('https:') ? path : `${world.cloud.origins.graph}/v1.0/${path}`;
  const answer = await world.request(url, { headers: { authorization: `Bearer ${bearer}` } });
  return { status: answer.status, body: (await answer.json()) as Answer['body'] };
}

const discovery = (change: unknown): Promise<{ status: number; body: unknown }> =>
  world.control('PATCH', `/tenants/${tenantId}/discovery`, change);
const endpoints = async (): Promise<Record<string, unknown>[]> =>
  (await get(`servicePrincipals/appId=${intuneAnchorAppId}/endpoints`)).body.value ?? [];
const partnerUris = async (): Promise<string[]> =>
  (await endpoints())
    .filter(({ providerName }) => /^partner/i.test(String(providerName)))
    .map(({ uri }) => String(uri));

describe('authentication', () => {
  test('no token, another audience, an expired or withdrawn signature: 401', async () => {
    const codes = async (bearer: string): Promise<unknown> => {
      const answer = await get('users/nobody', bearer);
      return [answer.status, (answer.body.error as { code: string }).code];
    };
    const refused = [401, 'InvalidAuthenticationToken'];
    expect(await codes('')).toEqual(refused);
    expect(await codes(await world.token(world.intuneScope))).toEqual(refused);
    expect(await codes(`${token.slice(0, -6)}AAAAAA`)).toEqual(refused);
    await world.control('POST', '/clouds/public/keys/rollover', { mode: 'emergency' });
    expect(await codes(token)).toEqual(refused);
    token = await world.token(world.graphScope);
    expect((await codes(token)) as unknown[]).toEqual([404, 'Request_ResourceNotFound']);
  });

  test('a token without the role: 403 Authorization_RequestDenied', async () => {
    const answer = await get('servicePrincipals', await world.token(world.graphScope, diagnosticId));
    expect(answer.status).toBe(403);
    expect(answer.body.error).toMatchObject({
      code: 'Authorization_RequestDenied',
      innerError: { 'request-id': expect.any(String) },
    });
  });
});

describe('discovery', () => {
  afterEach(() =>
    discovery({
      services: 'all',
      providerNameCase: 'documented',
      pageSize: null,
      address: 'own',
      relocation: null,
    }),
  );

  test('every address form leads to the same service principal', async () => {
    const listed = await get(`servicePrincipals?$filter=appId%20eq%20'${intuneAnchorAppId}'`);
    const id = listed.body.value?.[0]?.id;
    for (const path of [
      `servicePrincipals(appId='${intuneAnchorAppId}')`,
      `servicePrincipals/appId=${intuneAnchorAppId}/`,
      `serviceprincipals/${id}`,
    ]) {
      expect((await get(path)).body.id).toBe(id);
    }
    expect((await get(`servicePrincipals/${id}/endPoints`)).body.value).toHaveLength(5);
  });

  test('honest addresses are on the Intune host', async () => {
    const { intunePort } = world.cloud.cloudsFileEntry();
    expect(await partnerUris()).toEqual([
      `https://127.0.0.1:${intunePort}/StatelessPartnerTenantDataSyncService`,
      `https://127.0.0.1:${intunePort}/StatelessPartnerDeviceDataSyncService`,
    ]);
  });

  test('hostile addresses are served when asked for', async () => {
    const first = async (address: string): Promise<URL> => {
      await discovery({ address });
      return new URL((await partnerUris())[0] ?? '');
    };
    expect((await first('plain-http')).protocol).toBe('http:');
    expect((await first('foreign-host')).hostname).toBe('intune.attacker.example');
    expect((await first('user-info')).hostname).toBe('intune.attacker.example');
    const { intunePort } = world.cloud.cloudsFileEntry();
    expect((await first('foreign-port')).port).not.toBe(String(intunePort));
  });

  test('paging, case, missing services, relocation, no Intune', async () => {
    await discovery({ pageSize: 2, providerNameCase: 'upper' });
    const names: unknown[] = [];
    let next: unknown = `servicePrincipals/appId=${intuneAnchorAppId}/endpoints?$select=providerName`;
    for (let pages = 0; typeof next === 'string' && pages < 9; pages += 1) {
      const page: Answer = await get(next);
      names.push(...(page.body.value ?? []).map((item) => item.providerName));
      next = page.body['@odata.nextLink'];
    }
    expect(names).toHaveLength(5);
    expect(names).toContain('PARTNERDEVICEDATASYNCSERVICE');
    await discovery({ pageSize: null, services: 'unrelated-only' });
    expect(await partnerUris()).toEqual([]);
    await discovery({ services: 'all', relocation: '2' });
    expect((await partnerUris())[0]).toMatch(/Service2$/);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: false });
    expect((await get(`servicePrincipals/appId=${intuneAnchorAppId}/endpoints`)).status).toBe(404);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: true });
  });

  test('a wrong setting is a 400 that names the field', async () => {
    const answer = await discovery({ address: 'moon', colour: 'blue' });
    expect(answer.status).toBe(400);
    const { errors } = answer.body as { errors: { field: string }[] };
    expect(errors.map(({ field }) => field).sort()).toEqual(['address', 'colour']);
  });
});

describe('subscriptions', () => {
  const names = async (): Promise<string[]> => {
    const { value = [] } = (await get('subscribedSkus?$select=skuPartNumber,capabilityStatus')).body;
    return value.map(({ capabilityStatus, skuPartNumber }) => `${skuPartNumber} ${capabilityStatus}`);
  };

  test('are those of the tenant; one that ended is listed as suspended', async () => {
    expect(await names()).toEqual(['ENTERPRISEPREMIUM Enabled', 'INTUNE_A Enabled', 'AAD_PREMIUM Enabled']);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: false, entraPremium: 'P2' });
    expect(await names()).toEqual([
      'ENTERPRISEPREMIUM Enabled',
      'INTUNE_A Suspended',
      'AAD_PREMIUM_P2 Enabled',
    ]);
    await world.control('PATCH', `/tenants/${tenantId}`, { hasIntune: true, entraPremium: 'P1' });
    expect((await get("subscribedSkus?$filter=skuPartNumber eq 'INTUNE_A'")).status).toBe(400);
  });
});

describe('directory', () => {
  test('compliance reads null without DeviceManagementManagedDevices.Read.All', async () => {
    const device = world.tenant.devices.get(deviceId);
    if (!device) throw new Error('no device');
    device.isCompliant = true;
    const path = `devices(deviceId='${deviceId}')?$select=id,isCompliant`;
    expect((await get(path)).body).toMatchObject({ id: device.objectId, isCompliant: null });
    const privileged = await world.token(world.graphScope, diagnosticId);
    expect((await get(path, privileged)).body.isCompliant).toBe(true);
  });

  test('users by name, guests with a hash', async () => {
    expect((await get("users('ANNA@contoso.test')")).body.userPrincipalName).toBe('anna@contoso.test');
    const userPrincipalName = "o'neil_fabrikam.test#EXT#@contoso.test";
    world.directory.addUser(tenantId, { userId: connectorId, userPrincipalName, displayName: 'Guest' });
    const encoded = encodeURIComponent(userPrincipalName.replaceAll("'", "''"));
    expect((await get(`users('${encoded}')`)).body.id).toBe(connectorId);
    expect((await get("users('nobody@contoso.test')")).status).toBe(404);
  });

  test('what an application holds', async () => {
    const assignments = await get(`servicePrincipals(appId='${connectorId}')/appRoleAssignments`);
    expect(assignments.body.value?.map((item) => item.resourceDisplayName).sort()).toEqual([
      'Microsoft Graph',
      'Microsoft Intune API',
      'Microsoft Intune API',
    ]);
    const grants = await get(`servicePrincipals(appId='${connectorId}')/oauth2PermissionGrants`);
    expect(grants.body.value).toMatchObject([{ scope: 'User.Read', consentType: 'AllPrincipals' }]);
  });
});
