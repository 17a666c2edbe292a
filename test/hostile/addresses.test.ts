import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  bootstrapKey,
  callerToken,
  consent,
  type GatewayProcess,
  type Scene,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { type OwnInstance, startOwnInstance } from '../harness/own-instance.ts';
import { refusedAddresses, refusedHosts } from './addresses.ts';

/** Addresses that operators write, that names resolve to, and that instances redirect to. */
describe('addresses', () => {
  let scene: Scene;
  /** Allows nothing private. */
  let strict: GatewayProcess;
  let tenantId: string;
  let instance: OwnInstance;
  let token: string;
  let inside: Server;
  let reached = 0;

  beforeAll(async () => {
    scene = await startScene({ world: { clouds: ['public'], tenants: [{ instances: [] }] } });
    tenantId = scene.world.tenants[0]!.tenantId;
    await consent(scene, tenantId);
    instance = await startOwnInstance(scene, tenantId, 'own');
    token = await callerToken(scene, tenantId);
    inside = createServer((_, response) => {
      reached += 1;
      response.end('{}');
    });
    await new Promise<void>((resolve) => inside.listen(0, '127.0.0.1', resolve));
    strict = await scene.another({ ESPALIER_TLS: 'off', ESPALIER_UPSTREAM_ALLOW: 'jamf.corp.example' });
  }, 120_000);
  afterAll(async () => {
    await strict?.stop();
    inside?.close();
    await instance?.close();
    await scene?.close();
  });

  const post = async (path: string, body: unknown) => {
    const headers = { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'application/json' };
    const answer = await fetch(`${strict.admin}/api/v1${path}`, {
      ...{ method: path.endsWith('instances') ? 'POST' : 'PATCH', headers, body: JSON.stringify(body) },
    });
    return { status: answer.status, json: await answer.json() };
  };
  const urls = [
    ...refusedHosts,
    ...refusedAddresses
      .filter(({ address }) => !address.includes('%'))
      .map(({ address, attack }) => ({ attack, address: address.includes(':') ? `[${address}]` : address })),
  ];

  it.each(urls)('https://$address is no instance and no landing page: $attack', async ({ address }) => {
    const url = `https://${address}:8443`;
    const made = await post(`/tenants/${tenantId}/instances`, {
      ...{ name: address, url, apiClient: { clientId: 'c', clientSecret: 's' } },
    });
    const landing = await post(`/tenants/${tenantId}`, { landing: { choice: 'custom', customUrl: url } });
    for (const { json, status } of [made, landing]) {
      expect(status, JSON.stringify(json)).toBe(400);
      expect(json.type).toMatch(/\/(?:address-refused|invalid-request)$/);
      expect(json.errors[0].field).toMatch(/url$/i);
    }
  });

  it('what was stored is looked at again where a connection is made', async () => {
    const before = instance.tokens();
    const path = `/t/${tenantId}/devices/${instance.deviceId}/compliance`;
    const headers = { authorization: `Bearer ${token}` };
    const permitted = await scene.data(path, { headers });
    expect(permitted.status, permitted.text).toBe(200);
    expect(instance.tokens()).toBe(before + 1);
    const arrived = instance.arrived.length;
    // The keys of Entra are on this machine, too: what is not reached is refused before it could be asked.
    const refused = await fetch(`${strict.data}${path}`, { headers });
    expect(refused.status).toBeGreaterThanOrEqual(400);
    const tested = await post(`/tenants/${tenantId}/instances/${instance.id}`, { name: 'again' });
    expect(tested.status).toBe(200);
    const test = await fetch(`${strict.admin}/api/v1/tenants/${tenantId}/instances/${instance.id}/test`, {
      method: 'POST',
      headers: { authorization: `Bearer ${bootstrapKey}` },
    });
    const { steps } = (await test.json()) as { steps: { ok: boolean; detail?: string }[] };
    expect(steps[0]).toMatchObject({ ok: false });
    expect(instance.arrived).toHaveLength(arrived);
    expect(instance.tokens()).toBe(before + 1);
  });

  it.each([301, 302, 303, 307, 308])(
    'a redirect with %s to an address inside is not followed',
    async (status) => {
      const { port } = inside.address() as AddressInfo;
      const location = `http://127.0.0.1:${port}/latest/meta-data`;
      instance.answer = (_, response) => {
        response.writeHead(status, { location, 'content-type': 'application/json' }).end('{}');
      };
      const answer = await scene.data(`/t/${tenantId}/devices/${instance.deviceId}/compliance`, {
        headers: { authorization: `Bearer ${token}` },
      });
      expect([answer.status, answer.headers.location]).toEqual([status, undefined]);
      await call(`${scene.gateway.admin}/api/v1/tenants/${tenantId}/instances/${instance.id}/test`, {
        ...{ method: 'POST', ca: scene.trust, headers: { authorization: `Bearer ${bootstrapKey}` } },
      });
      expect(reached).toBe(0);
    },
  );
});
