import { Agent, request } from 'undici';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { gatewayEnvironment, gatewayFiles } from './gateway-settings.ts';
import { clientSecretOf, createWorld, demoTenants, type World, type WorldOptions } from './world.ts';

const small: WorldOptions = {
  seed: 7,
  tenants: [
    {
      cloud: 'public',
      displayName: 'Contoso',
      instances: [
        { name: 'berlin', macs: 3 },
        { name: 'paris', macs: 2 },
      ],
    },
    { cloud: 'usgov', instances: [{ name: 'boston', macs: 1, contextPath: '/jss' }] },
  ],
};

let world: World;
let agent: Agent;
beforeAll(async () => {
  world = await createWorld(small);
  agent = new Agent({ connect: { ca: world.authority.certificatePem } });
});
afterAll(async () => {
  await agent.close();
  await world.close();
});

const post = async (url: string, form: Record<string, string>): Promise<{ status: number; body: never }> => {
  const answer = await request(url, {
    method: 'POST',
    dispatcher: agent,
    headers: { 'content-type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams(form).toString(),
  });
  return { status: answer.statusCode, body: (await answer.body.json()) as never };
};

describe('createWorld', () => {
  test('gives every Mac one registration in its tenant, with ids that collide between instances', () => {
    const truth = world.fleet.truth();
    expect(truth).toHaveLength(6);
    expect(truth.filter(({ jamfComputerId }) => jamfComputerId === 1)).toHaveLength(3);
    expect(new Set(truth.map(({ deviceId }) => deviceId)).size).toBe(6);
    const [contoso] = world.tenants;
    expect(world.directory.tenant(contoso?.tenantId ?? '')?.devices.size).toBe(5);
  });

  test('overrides the built-in clouds by their names', () => {
    const file = world.cloudsFile();
    expect(Object.keys(file)).toEqual(['public', 'usgov']);
    expect(file.public?.authority).toBe(world.cloud('public').origins.entra);
    expect(file.public?.authority).not.toBe(file.usgov?.authority);
  });

  test('issues instance tokens to the API clients it names', async () => {
    for (const instance of world.instances.values()) {
      const answer = await post(`${instance.url}/api/v1/oauth/token`, {
        grant_type: 'client_credentials',
        client_id: instance.clientId,
        client_secret: clientSecretOf(instance),
      });
      expect(answer.status).toBe(200);
    }
  });

  test('has the diagnostic application granted and the caller waiting for the connector', async () => {
    const [contoso] = world.tenants;
    const applications = world.applications.get('public');
    const cloud = world.cloud('public');
    const url = `${cloud.origins.entra}/${contoso?.tenantId}/oauth2/v2.0/token`;
    const diagnostic = await post(url, {
      grant_type: 'client_credentials',
      client_id: applications?.diagnostic.clientId ?? '',
      client_secret: applications?.diagnostic.clientSecret ?? '',
      scope: `${cloud.origins.graph}/.default`,
    });
    expect(diagnostic.status).toBe(200);
    const caller = await post(url, {
      grant_type: 'client_credentials',
      client_id: applications?.caller.clientId ?? '',
      client_secret: applications?.caller.clientSecret ?? '',
      scope: `${applications?.connector.clientId}/.default`,
    });
    expect(caller).toMatchObject({ status: 400, body: { error: 'invalid_resource' } });
  });

  test('is the same again from the same seed, whatever its sockets were asked meanwhile', async () => {
    const again = await createWorld({ ...small, authority: world.authority });
    try {
      const ids = (one: World) => one.fleet.truth().map(({ reportDate: _, ...rest }) => rest);
      expect(ids(again)).toEqual(ids(world));
      expect(again.tenants).toEqual(world.tenants);
      expect([...again.applications.values()].map(({ connector }) => connector.clientId)).toEqual(
        [...world.applications.values()].map(({ connector }) => connector.clientId),
      );
      expect(again.authority.certificatePem).toBe(world.authority.certificatePem);
    } finally {
      await again.close();
    }
  });

  test('leaves nothing running when it cannot start', async () => {
    const { port } = world.instance('berlin');
    // Six ports for the clouds come first, then the taken one.
    await expect(createWorld({ ...small, portBase: port - 6 })).rejects.toThrow(/EADDRINUSE/);
    await expect(
      createWorld({ tenants: [{ cloud: 'mars', instances: [] }], clouds: ['public'] }),
    ).rejects.toThrow('no cloud mars');
  });

  test('the demo has 200 Macs on four instances, and shares out any other number whole', () => {
    const macsOf = (macs?: number) =>
      demoTenants(macs).flatMap(({ instances }) => instances.map((one) => one.macs));
    expect(macsOf()).toEqual([60, 60, 40, 40]);
    expect(macsOf(7).reduce((sum, count) => sum + count, 0)).toBe(7);
  });
});

describe('gatewaySettings', () => {
  test('names a file for every path and hides nothing readable in the public ones', () => {
    const files = gatewayFiles(world);
    const environment = gatewayEnvironment(world, (file) => `/data/${file}`);
    for (const value of Object.values(environment)) {
      if (value.startsWith('/data/')) expect(files.has(value.slice('/data/'.length))).toBe(true);
    }
    const open = [...files.values()].filter(({ secret }) => !secret).map(({ content }) => content);
    expect(open.join('\n')).not.toContain('PRIVATE KEY');
    expect(environment.ESPALIER_ENTRA_CLIENT_ID_USGOV).toBe(
      world.applications.get('usgov')?.connector.clientId,
    );
  });
});
