import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failedCredentialsBurst } from '../../src/limits.ts';
import { newKey } from '../../src/secrets/keys.ts';
import { eventually } from '../harness/eventually.ts';
import {
  bootstrapKey,
  callerToken,
  connectTenant,
  type Scene,
  sendWebhook,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** What people without a right can cost, and what that must not change for those who have one. */
describe('strangers', () => {
  let scene: Scene;
  let tenantId: string;
  let governmentId: string;
  let berlin: { id: string; key: string };
  let deviceId: string;
  let jamfComputerId: number;

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public', 'usgov'],
        tenants: [
          { cloud: 'public', instances: [{ name: 'berlin', macs: 2 }] },
          { cloud: 'usgov', instances: [{ name: 'boston', macs: 1 }] },
        ],
      },
    });
    [tenantId, governmentId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string, string];
    await scene.api('POST', '/tenants', {
      tenantId: governmentId,
      cloud: 'usgov',
      displayName: 'Government',
    });
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const device = scene.world.fleet.truth().find(({ instance }) => instance === 'berlin')!;
    ({ deviceId, jamfComputerId } = device);
    await sendWebhook(scene, berlin, jamfComputerId);
    await eventually(async () =>
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).status).toBe(200),
    );
  });
  afterAll(async () => scene?.close());

  const ask = (token: string, of = tenantId) =>
    scene.data(`/t/${of}/devices/${deviceId}/compliance`, { headers: { authorization: `Bearer ${token}` } });
  const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url');
  /** Well formed, and signed by nobody. */
  const forged = (tid: string, cloud = 'public'): string => {
    const issuer = `${scene.world.cloud(cloud).origins.entra}/${tid}/v2.0`;
    const seconds = Math.floor(Date.now() / 1_000);
    const claims = {
      ver: '2.0',
      iss: issuer,
      tid,
      aud: 'x',
      iat: seconds,
      nbf: seconds,
      exp: seconds + 3_600,
    };
    return `${encoded({ alg: 'RS256', typ: 'JWT', kid: 'k' })}.${encoded(claims)}.${Buffer.alloc(256, 1).toString('base64url')}`;
  };
  const keyRequests = () => scene.world.journal.list({ service: 'entra', path: '/discovery/' }).length;
  const webhook = (key: string, { data = scene.gateway.data, instanceId = berlin.id } = {}) =>
    call(`${data}/jamf/${instanceId}/webhooks`, {
      method: 'POST',
      ca: scene.trust,
      headers: { 'content-type': 'application/json', 'x-api-key': key },
      body: webhookBody('ComputerInventoryCompleted', jamfComputerId),
    });

  describe('a token whose tenant is not stored', () => {
    it('costs no request to Microsoft, and the keys of customers stay', async () => {
      const token = await callerToken(scene, tenantId);
      expect((await ask(token)).status).toBe(200);
      const before = keyRequests();
      const bodies = new Set<string>();
      for (let index = 0; index < 40; index += 1) {
        const invented = crypto.randomUUID();
        const answer = await ask(forged(invented), invented);
        expect(answer.status, answer.text).toBe(401);
        bodies.add(JSON.stringify({ ...answer.json, instance: '' }));
        expect((await ask(forged(invented))).status).toBe(401);
      }
      expect(keyRequests()).toBe(before);
      // The same as for a forged token of a tenant that is served here.
      const ofCustomer = await ask(forged(tenantId));
      bodies.add(JSON.stringify({ ...ofCustomer.json, instance: '' }));
      expect(bodies.size).toBe(1);
      expect((await ask(await callerToken(scene, tenantId))).status).toBe(200);
    });

    it('of another cloud than its tenant is 401, without asking that cloud', async () => {
      scene.world.journal.clear();
      const answer = await ask(forged(tenantId, 'usgov'));
      expect([answer.status, answer.json.owner]).toEqual([401, 'caller']);
      expect(scene.world.journal.list({ service: 'entra:usgov' })).toEqual([]);
      const other = await ask(forged(governmentId, 'public'), governmentId);
      expect([other.status, other.json.owner]).toEqual([401, 'caller']);
    });
  });

  describe('what was revoked', () => {
    const makeKey = async () => {
      const path = `/tenants/${tenantId}/instances/${berlin.id}/keys`;
      const { json } = await scene.api('POST', path, { name: 'short' });
      return {
        send: (data: string) => webhook(json.key, { data }),
        revoke: () => scene.api('DELETE', `${path}/${json.id}`),
      };
    };
    const makeInstance = async () => {
      const { url } = scene.world.instance('berlin');
      const instance = await scene.api('POST', `/tenants/${governmentId}/instances`, {
        name: `gone ${crypto.randomUUID()}`,
        url,
        apiClient: { clientId: 'c', clientSecret: 's' },
      });
      const path = `/tenants/${governmentId}/instances/${instance.json.id}`;
      const { key } = (await scene.api('POST', `${path}/keys`, {})).json;
      return {
        send: (data: string) => webhook(key, { data, instanceId: instance.json.id }),
        revoke: () => scene.api('DELETE', `${path}?force=true`),
      };
    };
    const kinds = [
      ['a key of an instance', makeKey],
      ['the keys of a deleted instance', makeInstance],
    ] as const;

    it.each(kinds)('opens nothing any more in the process that revoked it: %s', async (_, make) => {
      const { revoke, send } = await make();
      const { data } = scene.gateway;
      expect((await send(data)).status).toBe(202);
      const revoked = await revoke();
      expect(revoked.status, revoked.text).toBeLessThan(300);
      expect((await send(data)).status).toBe(401);
    });

    it.each(kinds)(
      'opens nothing in another process a moment later, and breaks nothing: %s',
      async (_, make) => {
        const other = await scene.another();
        try {
          const { revoke, send } = await make();
          expect((await send(other.data)).status).toBe(202);
          const revoked = await revoke();
          expect(revoked.status, revoked.text).toBeLessThan(300);
          const seen = new Set<number>();
          await eventually(async () => {
            const { status } = await send(other.data);
            seen.add(status);
            expect(status).toBe(401);
          });
          expect([...seen].filter((status) => status !== 401 && status !== 202)).toEqual([]);
        } finally {
          await other.stop();
        }
      },
    );

    it('opens nothing any more: a key of an operator', async () => {
      const made = await scene.api('POST', '/keys', { name: 'short', role: 'viewer' });
      expect((await scene.api('GET', '/tenants', undefined, made.json.key)).status).toBe(200);
      await scene.api('DELETE', `/keys/${made.json.id}`);
      expect((await scene.api('GET', '/tenants', undefined, made.json.key)).status).toBe(401);
    });
  });

  describe('wrong keys', () => {
    it('are told to wait on the data listener, and a correct key of the same address never is', async () => {
      const made = await scene.api('POST', `/tenants/${tenantId}/instances/${berlin.id}/keys`, {
        name: 'second',
      });
      const seen = new Set<number>();
      for (let sent = 0; sent < failedCredentialsBurst + 100; sent += 50) {
        const answers = await Promise.all(Array.from({ length: 50 }, () => webhook(newKey())));
        for (const { headers, status } of answers) {
          seen.add(status);
          if (status === 429) expect(Number(headers['retry-after'])).toBeGreaterThan(0);
        }
      }
      expect([...seen].sort()).toEqual([401, 429]);
      expect((await webhook(berlin.key)).status).toBe(202);
      // Never shown before: nothing in memory speaks for it.
      expect((await webhook(made.json.key)).status).toBe(202);
      await scene.api('DELETE', `/tenants/${tenantId}/instances/${berlin.id}/keys/${made.json.id}`);
    });

    it('are told to wait on the admin listener, and a correct key of the same address never is', async () => {
      const made = await scene.api('POST', '/keys', { name: 'late', role: 'viewer' });
      const seen = new Set<number>();
      for (let sent = 0; sent < failedCredentialsBurst + 100; sent += 50) {
        const answers = await Promise.all(
          Array.from({ length: 50 }, () => scene.api('GET', '/tenants', undefined, newKey())),
        );
        for (const { status } of answers) seen.add(status);
      }
      expect([...seen].sort()).toEqual([401, 429]);
      expect((await scene.api('GET', '/tenants', undefined, made.json.key)).status).toBe(200);
      expect((await scene.api('GET', '/tenants', undefined, bootstrapKey)).status).toBe(200);
    });
  });
});
