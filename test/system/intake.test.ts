import { createHash, X509Certificate } from 'node:crypto';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { gzipSync } from 'node:zlib';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { makeClientCertificate } from '../../src/simulator/client-certificate.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';

/** What Jamf Pro instances send: credentials, shapes, limits (contract section 5). */
describe('intake', () => {
  let scene: Scene;
  let tenantId: string;
  let berlin: AddedInstance;
  let paris: AddedInstance;
  let clientPair: { certificatePem: string; keyPem: string };
  let nextPair: { certificatePem: string; keyPem: string };

  beforeAll(async () => {
    clientPair = await makeClientCertificate('berlin');
    nextPair = await makeClientCertificate('paris');
    const caFile = join(mkdtempSync(join(tmpdir(), 'espalier-ca-')), 'clients.crt');
    writeFileSync(caFile, `${clientPair.certificatePem}\n${nextPair.certificatePem}`);
    scene = await startScene({
      world: {
        clouds: ['public'],
        tenants: [
          {
            instances: [
              { name: 'berlin', macs: 10 },
              { name: 'paris', macs: 2 },
            ],
          },
        ],
      },
      environment: { ESPALIER_CLIENT_CA_FILE: caFile },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    const instances = await connectTenant(scene, tenantId);
    [berlin, paris] = [instances.get('berlin')!, instances.get('paris')!];
  });
  afterAll(() => scene?.close());

  const basic = (password: string) => `Basic ${Buffer.from(`anybody:${password}`).toString('base64')}`;
  const json = { 'content-type': 'application/json' };
  const post = (path: string, headers: Record<string, string>, body: string | Uint8Array) =>
    scene.data(path, { method: 'POST', headers, body });
  const webhook = (
    headers: Record<string, string>,
    body = webhookBody('ComputerCheckIn', 1),
    instance = berlin.id,
  ) => post(`/jamf/${instance}/webhooks`, { ...json, ...headers }, body);
  const devicesOf = (name: string) => scene.world.fleet.truth().filter((device) => device.instance === name);

  describe('credentials', () => {
    it('takes the key as Basic password, as Bearer and in X-Api-Key', async () => {
      const ways: Record<string, string>[] = [
        { authorization: basic(berlin.key) },
        { authorization: `Bearer ${berlin.key}` },
        { 'x-api-key': berlin.key },
      ];
      for (const headers of ways) {
        const answer = await webhook(headers);
        expect([answer.status, answer.json]).toEqual([202, { status: 'accepted' }]);
      }
    });

    it('the same 401 for no key, a wrong key, another instance and an unknown one', async () => {
      const answers = await Promise.all([
        webhook({}),
        webhook({ 'x-api-key': 'esp_nonsense' }),
        webhook({ 'x-api-key': paris.key }),
        webhook({ 'x-api-key': berlin.key }, undefined, crypto.randomUUID()),
        webhook({ 'x-api-key': berlin.key }, undefined, 'not-a-guid'),
        webhook({ authorization: 'Basic ???' }),
      ]);
      for (const answer of answers) {
        expect(answer.status).toBe(401);
        expect(answer.headers['www-authenticate']).toBeDefined();
        expect({ ...answer.json, instance: '' }).toEqual({ ...answers[0]!.json, instance: '' });
      }
    });

    it('takes a client certificate bound to the instance, and no other', async () => {
      const sha256 = createHash('sha256')
        .update(new X509Certificate(clientPair.certificatePem).raw)
        .digest('hex');
      const present = () =>
        scene.data(`/jamf/${berlin.id}/webhooks`, {
          method: 'POST',
          headers: json,
          body: webhookBody('ComputerCheckIn', 1),
          cert: clientPair.certificatePem,
          key: clientPair.keyPem,
        });
      expect((await present()).status).toBe(401);
      await scene.api('PATCH', `/tenants/${tenantId}/instances/${berlin.id}`, {
        clientCertificateSha256: sha256,
      });
      await eventually(async () => expect((await present()).status).toBe(202));
      const stranger = await makeClientCertificate('stranger');
      const answer = await scene.data(`/jamf/${berlin.id}/webhooks`, {
        method: 'POST',
        headers: json,
        body: webhookBody('ComputerCheckIn', 1),
        cert: stranger.certificatePem,
        key: stranger.keyPem,
      });
      expect(answer.status).toBe(401);
    });

    it('takes certificates of both authorities in the file, while one replaces the other', async () => {
      for (const [instance, pair] of [[berlin, clientPair] as const, [paris, nextPair] as const]) {
        const clientCertificateSha256 = createHash('sha256')
          .update(new X509Certificate(pair.certificatePem).raw)
          .digest('hex');
        await scene.api('PATCH', `/tenants/${tenantId}/instances/${instance.id}`, {
          clientCertificateSha256,
        });
        await eventually(async () => {
          const answer = await scene.data(`/jamf/${instance.id}/webhooks`, {
            method: 'POST',
            headers: json,
            body: webhookBody('ComputerCheckIn', 1),
            cert: pair.certificatePem,
            key: pair.keyPem,
          });
          expect(answer.status).toBe(202);
        });
      }
    });
  });

  describe('webhooks', () => {
    const key = () => ({ 'x-api-key': berlin.key });
    const flat = { udid: 'u', serialNumber: 's', deviceName: 'd', jssID: 1 };
    const envelope = (event: string, body: unknown) =>
      JSON.stringify({ webhook: { id: 1, name: 'n', webhookEvent: event }, event: body });

    it.each([
      ['ComputerAdded', flat],
      ['ComputerCheckin', flat],
      ['ComputerCheckIn', { computer: flat, trigger: 'CLIENT_CHECKIN', username: 'u' }],
      ['ComputerInventoryCompleted', flat],
      ['ComputerPolicyFinished', { computer: flat, policyId: 3, successful: true }],
      ['ComputerPushCapabilityChanged', flat],
      [
        'SmartGroupComputerMembershipChange',
        {
          name: 'g',
          smartGroup: true,
          jssid: 9,
          computer: true,
          groupAddedDevicesIds: [1, 2],
          groupRemovedDevicesIds: [3],
        },
      ],
      [
        'RestAPIOperation',
        {
          operationSuccessful: true,
          objectID: 1,
          objectName: 'x',
          objectTypeName: 'computer',
          authorizedUsername: 'u',
          restAPIOperationType: 'PUT',
        },
      ],
    ])('%s is accepted', async (event, body) => {
      const answer = await webhook(key(), envelope(event, body));
      expect([answer.status, answer.json]).toEqual([202, { status: 'accepted' }]);
    });

    it.each([
      [
        'JSSStartup',
        {
          institution: 'i',
          hostAddress: 'h',
          webApplicationPath: '/',
          isClusterMaster: true,
          jssUrl: 'https://x',
        },
      ],
      ['MobileDeviceCheckIn', { udid: 'u', jssID: 5 }],
      ['PatchSoftwareTitleUpdated', { name: 'n', latestVersion: '1', jssID: 1 }],
      ['SomethingNew', { jssID: 1 }],
    ])('%s is ignored', async (event, body) => {
      const answer = await webhook(key(), envelope(event, body));
      expect([answer.status, answer.json]).toEqual([202, { status: 'ignored' }]);
    });

    it('takes XML', async () => {
      const xml = `<?xml version="1.0"?><JSSEvent><webhook><id>1</id><name>n</name><webhookEvent>ComputerInventoryCompleted</webhookEvent></webhook><event><jssID>1</jssID><udid>u</udid><serialNumber>s</serialNumber></event></JSSEvent>`;
      const answer = await post(`/jamf/${berlin.id}/webhooks`, { ...key(), 'content-type': 'text/xml' }, xml);
      expect([answer.status, answer.json]).toEqual([202, { status: 'accepted' }]);
    });

    it('uses what it can of a group event, and names and logs the rest', async () => {
      const event = {
        computer: true,
        groupAddedDevicesIds: '1, 2, x',
        groupRemovedDevices: [{ id: 3 }, 'y'],
      };
      const answer = await webhook(key(), envelope('SmartGroupComputerMembershipChange', event));
      const description = (field: string) => `${field} must be a positive integer up to 2147483647.`;
      const fields = ['event.groupAddedDevicesIds', 'event.groupRemovedDevices[1]'];
      expect([answer.status, answer.json]).toEqual([
        202,
        {
          status: 'accepted',
          ignored: fields.map((field) => ({ code: 'INVALID', field, description: description(field) })),
        },
      ]);
      const rows = await scene.database.sql<{ id: number }[]>`
        select jamf_computer_id as id from computers where instance_id = ${berlin.id} and jamf_computer_id <= 3`;
      expect(rows.map(({ id }) => id).sort()).toEqual([1, 2, 3]);
      await eventually(() => {
        const line = scene.gateway
          .output()
          .split('\n')
          .find((one) => one.includes('jamf.webhook-ignored'));
        expect(JSON.parse(line!)).toMatchObject({ level: 'warn', instanceId: berlin.id, count: 2, fields });
      });
    });

    it('counts the elements of an event that it could not use', async () => {
      const counted = async (): Promise<number> => {
        const metrics = await (await fetch(`${scene.gateway.ops}/metrics`)).text();
        return Number(
          /espalier_input_ignored_total\{kind="webhook-element"[^}]*\} (\d+)/.exec(metrics)?.[1] ?? 0,
        );
      };
      const before = await counted();
      const event = { computer: true, groupAddedDevicesIds: '1, x, y' };
      await webhook(key(), envelope('SmartGroupComputerMembershipChange', event));
      expect((await counted()) - before).toBe(2);
    });

    it('bounds what it tells of a thousand unusable elements', async () => {
      const event = {
        computer: true,
        groupAddedDevicesIds: [1, ...Array.from({ length: 1_000 }, () => 'z'.repeat(500))],
      };
      const answer = await webhook(key(), envelope('SmartGroupComputerMembershipChange', event));
      expect(answer.json.ignored).toHaveLength(21);
      expect(answer.json.ignored.at(-1)).toMatchObject({
        code: 'MORE',
        description: '980 more could not be used.',
      });
      expect(answer.text.length).toBeLessThan(4_000);
    });

    it('takes a body in Latin-1, in UTF-16 or with a raw control character', async () => {
      const text = envelope('ComputerAdded', { ...flat, deviceName: 'Büro' });
      for (const body of [
        Buffer.from(text, 'latin1'),
        Buffer.from(`\uFEFF${text}`, 'utf16le'),
        text.replace('Büro', 'Bü\u0001\u0000ro'),
      ]) {
        const answer = await post(`/jamf/${berlin.id}/webhooks`, { ...json, ...key() }, body);
        expect([answer.status, answer.json]).toEqual([202, { status: 'accepted' }]);
      }
    });

    it('names the field that is wrong, and refuses entities, other encodings and giants', async () => {
      const bad = await webhook(key(), envelope('ComputerAdded', { ...flat, jssID: -4 }));
      expect(bad.status).toBe(400);
      expect(bad.json.errors[0].field).toBe('event.jssID');
      expect((await webhook(key(), '{"webhook"')).status).toBe(400);
      const bomb =
        '<!DOCTYPE x [<!ENTITY a "aaaa">]><JSSEvent><webhook><webhookEvent>&a;</webhookEvent></webhook></JSSEvent>';
      expect(
        (await post(`/jamf/${berlin.id}/webhooks`, { ...key(), 'content-type': 'text/xml' }, bomb)).status,
      ).toBe(400);
      const giant = await webhook(key(), `{"x":"${'x'.repeat(11_000_000)}"}`);
      expect(giant.status).toBe(413);
      expect((await scene.data(`/jamf/${berlin.id}/webhooks`, { headers: key() })).status).toBe(405);
    });

    it('arrives from the simulated instance as an administrator configured it', async () => {
      const instance = scene.world.instance('paris');
      const [device] = devicesOf('paris');
      instance.webhooks.create({
        name: 'Espalier inventory',
        enabled: true,
        url: `${scene.world.publicUrl}/jamf/${paris.id}/webhooks`,
        contentType: 'text/xml',
        event: 'ComputerInventoryCompleted',
        connectionTimeoutSeconds: 5,
        readTimeoutSeconds: 5,
        authentication: { type: 'BASIC', username: 'espalier', password: paris.key },
        smartGroupId: 0,
      });
      scene.world.fleet.updateInventory(scene.world.fleet.findByDevice(device!.deviceId)!);
      await eventually(async () => {
        const read = await scene.api('GET', `/tenants/${tenantId}/devices/${device!.deviceId}`);
        expect(read.json.report?.state).toBe('verified');
      });
    });
  });

  describe('inventory push', () => {
    const token = async (name: string): Promise<string> => {
      const instance = scene.world.instance(name);
      const client = instance.tokens.clients.get(instance.clientId)!;
      const answer = await call(`${instance.url}/api/oauth/token`, {
        method: 'POST',
        ca: scene.world.authority.certificatePem,
        headers: { 'content-type': 'application/x-www-form-urlencoded' },
        body: `grant_type=client_credentials&client_id=${instance.clientId}&client_secret=${client.clientSecret}`,
      });
      return answer.json.access_token;
    };
    const record = async (name: string, id: number, version: number) => {
      const answer = await call(
        `${scene.world.instance(name).url}/api/v${version}/computers-inventory-detail/${id}`,
        {
          ca: scene.world.authority.certificatePem,
          headers: { authorization: `Bearer ${await token(name)}` },
        },
      );
      expect(answer.status).toBe(200);
      return answer.json;
    };
    const push = (body: string | Uint8Array, headers: Record<string, string> = json) =>
      post(`/jamf/${berlin.id}/inventory`, { ...headers, 'x-api-key': berlin.key }, body);
    const verified = (deviceId: string) =>
      eventually(async () => {
        const read = await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`);
        expect(read.json.report?.state).toBe('verified');
        return read.json;
      });

    it('takes records of every version, as one, as an array, as NDJSON and gzipped', async () => {
      const devices = devicesOf('berlin');
      const [one, two, three, four] = [
        await record('berlin', devices[0]!.jamfComputerId, 1),
        await record('berlin', devices[1]!.jamfComputerId, 2),
        await record('berlin', devices[2]!.jamfComputerId, 3),
        await record('berlin', devices[3]!.jamfComputerId, 4),
      ];
      const single = await push(JSON.stringify(one));
      expect([single.status, single.json]).toEqual([202, { accepted: 1, rejected: [] }]);
      const array = await push(JSON.stringify([two, three]));
      expect(array.json).toEqual({ accepted: 2, rejected: [] });
      const lines = `${JSON.stringify(four)}\n\n{"id":"x"}\nnonsense\n`;
      const ndjson = await push(gzipSync(lines), {
        'content-type': 'application/x-ndjson',
        'content-encoding': 'gzip',
      });
      expect(ndjson.json.accepted).toBe(1);
      expect(ndjson.json.rejected.map((entry: { index: number }) => entry.index)).toEqual([1, 2]);
      expect(ndjson.json.rejected[0].description).toContain('id');
      for (const device of devices.slice(0, 4)) await verified(device.deviceId);
    });

    it('answers an older record as accepted, without effect', async () => {
      const device = devicesOf('berlin')[4]!;
      const old = await record('berlin', device.jamfComputerId, 4);
      const mac = scene.world.fleet.findByDevice(device.deviceId)!;
      await new Promise((resolve) => setTimeout(resolve, 20));
      scene.world.fleet.updateInventory(mac, { osVersion: '99.1' });
      await push(JSON.stringify(await record('berlin', device.jamfComputerId, 4)));
      await verified(device.deviceId);
      expect((await push(JSON.stringify(old))).json.accepted).toBe(1);
      await new Promise((resolve) => setTimeout(resolve, 800));
      const history = scene.world.cloud('public').intune.device(tenantId, device.deviceId).history;
      expect(history.map((state) => state.osVersion)).toEqual(['99.1']);
    });

    it('routes a Mac with two users by both registrations and one without by none', async () => {
      const device = devicesOf('berlin')[5]!;
      const base = await record('berlin', device.jamfComputerId, 4);
      const other = {
        ...base.localUserAccounts[0],
        username: 'second',
        computerAzureActiveDirectoryId: crypto.randomUUID(),
      };
      const sent = await push(
        JSON.stringify({ ...base, localUserAccounts: [...base.localUserAccounts, other] }),
      );
      expect(sent.json.accepted).toBe(1);
      const read = () =>
        scene.api('GET', `/tenants/${tenantId}/devices/${other.computerAzureActiveDirectoryId}`);
      await eventually(async () => expect((await read()).status).toBe(200));
      const newer = {
        ...base,
        general: { ...base.general, reportDate: new Date(Date.now() + 60_000).toISOString() },
      };
      await push(JSON.stringify(newer));
      await eventually(async () => expect((await read()).status).toBe(404));
    });

    it('400 for no record, 415 for another type, 413 for a body that grows too large', async () => {
      expect((await push('[]')).status).toBe(400);
      expect((await push('a,b', { 'content-type': 'text/csv' })).status).toBe(415);
      expect((await push('{}', { ...json, 'content-encoding': 'br' })).status).toBe(415);
      expect(
        (await push(gzipSync(Buffer.alloc(101 * 1024 * 1024, 32)), { ...json, 'content-encoding': 'gzip' }))
          .status,
      ).toBe(413);
      expect((await push('1\n'.repeat(10_001), { 'content-type': 'application/x-ndjson' })).status).toBe(413);
      const named = { id: '0', general: { name: 'without an id' } };
      expect((await push(JSON.stringify(named))).json.rejected).toHaveLength(1);
      expect((await push('not gzip', { ...json, 'content-encoding': 'gzip' })).status).toBe(400);
    });
  });

  it('429 with Retry-After for a caller that floods', async () => {
    const limited = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: { ESPALIER_RATE_PER_INSTANCE: '2', ESPALIER_RATE_PER_TENANT: '1' },
    });
    try {
      const id = limited.world.tenants[0]!.tenantId;
      const added = (await connectTenant(limited, id)).get('berlin')!;
      const answers = await Promise.all(
        Array.from({ length: 12 }, () =>
          limited.data(`/jamf/${added.id}/webhooks`, {
            method: 'POST',
            headers: { ...json, 'x-api-key': added.key },
            body: webhookBody('ComputerCheckIn', 1),
          }),
        ),
      );
      const refused = answers.filter((answer) => answer.status === 429);
      expect(refused.length).toBeGreaterThan(0);
      expect(Number(refused[0]!.headers['retry-after'])).toBeGreaterThanOrEqual(1);
      const headers = { authorization: `Bearer ${await callerToken(limited, id)}` };
      const calls = await Promise.all(
        Array.from({ length: 8 }, () =>
          limited.data(`/t/${id}/devices/${crypto.randomUUID()}/compliance`, { headers }),
        ),
      );
      expect(new Set(calls.map((answer) => answer.status))).toEqual(new Set([404, 429]));
    } finally {
      await limited.close();
    }
  });
});
