import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { failedCredentialsBurst } from '../../src/limits.ts';
import {
  bootstrapKey,
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type Issued, issue } from '../harness/issuing.ts';
import { type OwnInstance, startOwnInstance } from '../harness/own-instance.ts';
import { bodyOf, rawCall } from '../harness/raw-call.ts';

/** A gateway behind a balancer whose word counts, and beside it strangers whose does not (docs/network.md). */
describe('behind a balancer', () => {
  const balancer = '127.0.0.8';
  const stranger = '127.0.0.1';
  const header = 'x-client-cert';
  let scene: Scene;
  let plain: GatewayProcess;
  let tenantId: string;
  let instanceId: string;
  let own: OwnInstance;
  let token: string;
  let authority: Issued;
  let client: Issued;

  beforeAll(async () => {
    authority = await issue('clients', { isAuthority: true });
    client = await issue('berlin', { issuer: authority });
    const caFile = join(mkdtempSync(join(tmpdir(), 'espalier-ca-')), 'clients.crt');
    writeFileSync(caFile, authority.pem);
    const environment = {
      ESPALIER_TRUSTED_PROXIES: `${balancer}/32`,
      ESPALIER_CLIENT_CA_FILE: caFile,
      ESPALIER_CLIENT_CERT_HEADER: header,
    };
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment,
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    instanceId = (await connectTenant(scene, tenantId)).get('berlin')!.id;
    const clientCertificateSha256 = createHash('sha256').update(client.der).digest('hex');
    await scene.api('PATCH', `/tenants/${tenantId}/instances/${instanceId}`, { clientCertificateSha256 });
    own = await startOwnInstance(scene, tenantId, 'own');
    token = await callerToken(scene, tenantId);
    plain = await scene.another({ ESPALIER_TLS: 'off' });
  });
  afterAll(async () => {
    await plain?.stop();
    await scene?.close();
    await own?.close();
  });

  type Headers = Record<string, string | string[]>;
  const ask = async (
    origin: string,
    method: string,
    path: string,
    headers: Headers,
    from: string,
    body = '',
  ) => {
    const { incoming } = await rawCall({ origin, ca: scene.trust, method, path, headers, from }, (request) =>
      request.end(body),
    );
    const text = (await bodyOf(incoming)).bytes.toString();
    return { status: incoming.statusCode, text, headers: incoming.headers };
  };
  const webhook = (headers: Headers, from = balancer, origin = scene.gateway.data) =>
    ask(
      ...([origin, 'POST', `/jamf/${instanceId}/webhooks`] as const),
      { 'content-type': 'application/json', ...headers },
      from,
      webhookBody('ComputerCheckIn', 1),
    );
  const shown = ({ pem }: Issued): string => encodeURIComponent(pem);

  describe('its word about addresses', () => {
    const sourceOf = async (from: string, headers: Headers): Promise<string> => {
      const name = crypto.randomUUID();
      const answer = await ask(
        ...([scene.gateway.admin, 'PATCH', `/api/v1/tenants/${tenantId}`] as const),
        { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'application/json', ...headers },
        from,
        JSON.stringify({ displayName: name }),
      );
      expect(answer.status).toBe(200);
      const { json } = await scene.api('GET', '/history?sort=sequence:desc&page-size=1');
      expect(json.results[0].after.displayName).toBe(name);
      return json.results[0].source;
    };

    it('names the caller in the history', async () => {
      expect(await sourceOf(balancer, {})).toBe(balancer);
      expect(await sourceOf(balancer, { 'x-forwarded-for': '6.6.6.6, 203.0.113.7' })).toBe('203.0.113.7');
      expect(await sourceOf(balancer, { 'x-forwarded-for': ['6.6.6.6', '203.0.113.7'] })).toBe('203.0.113.7');
      expect(await sourceOf(balancer, { forwarded: 'for=6.6.6.6, for="[2001:db8::7]:1"' })).toBe(
        '2001:db8::7',
      );
      expect(await sourceOf(balancer, { forwarded: 'for=6.6.6.6', 'x-forwarded-for': '203.0.113.7' })).toBe(
        balancer,
      );
    });

    it('is believed of nobody else', async () => {
      expect(await sourceOf(stranger, { 'x-forwarded-for': '203.0.113.7' })).toBe(stranger);
      expect(await sourceOf('127.0.0.9', { forwarded: 'for=203.0.113.7' })).toBe('127.0.0.9');
    });

    it('makes the limit of wrong credentials the caller’s', { timeout: 60_000 }, async () => {
      const wrong = async (from: string, caller: string): Promise<number | undefined> =>
        (await webhook({ 'x-api-key': 'esp_wrong', 'x-forwarded-for': caller }, from, plain.data)).status;
      const many = async (
        from: string,
        callerOf: (at: number) => string,
      ): Promise<Set<number | undefined>> => {
        const seen = new Set<number | undefined>();
        for (let at = 0; at < failedCredentialsBurst + 40; at += 20) {
          const asked = Array.from({ length: 20 }, (_, more) => wrong(from, callerOf(at + more)));
          for (const status of await Promise.all(asked)) seen.add(status);
        }
        return seen;
      };
      expect(await many(balancer, () => '203.0.113.7')).toEqual(new Set([401, 429]));
      expect(await wrong(balancer, '203.0.113.8')).toBe(401);
      // A stranger cannot get away from its own address, nor use up somebody else's.
      expect(await many('127.0.0.9', (at) => `198.51.100.${at % 250}`)).toEqual(new Set([401, 429]));
      expect(await wrong(balancer, '198.51.100.1')).toBe(401);
    });

    it('makes it so for device calls in the lane', async () => {
      const { hostname: host, port } = new URL(plain.data);
      const socket = connect({ host, port: Number(port), localAddress: balancer, noDelay: true });
      let text = '';
      socket.on('data', (chunk: Buffer) => {
        text += chunk.toString('latin1');
      });
      const statuses = (): string[] => text.match(/(?<=HTTP\/1\.1 )\d{3}/g) ?? [];
      const ask = async (caller: string): Promise<void> => {
        const before = statuses().length;
        const call = `GET /t/${tenantId}/devices/${tenantId}/compliance HTTP/1.1`;
        const lines = ['Host: a', 'Authorization: Bearer wrong', `X-Forwarded-For: 6.6.6.6, ${caller}`];
        socket.write([call, ...lines, '', ''].join('\r\n'));
        while (statuses().length === before) await once(socket, 'data');
      };
      const many = failedCredentialsBurst + 40;
      for (let at = 1; at <= many; at += 1) await ask(`192.0.2.${at % 200}`);
      expect(new Set(statuses())).toEqual(new Set(['401']));
      for (let at = 1; at <= many; at += 1) await ask('203.0.113.70');
      expect(new Set(statuses())).toEqual(new Set(['401', '429']));
      await ask('203.0.113.71');
      expect(statuses().at(-1)).toBe('401');
      socket.destroy();
    });
  });

  describe('its word about client certificates', () => {
    it('lets the bound one in, with TLS and without, in each of its forms', async () => {
      const forms = [
        shown(client),
        client.pem.replaceAll('\n', ' '),
        client.der.toString('base64'),
        `:${client.der.toString('base64')}:`,
        `Hash=ab;Cert="${shown(client)}"`,
      ];
      for (const value of forms)
        for (const origin of [scene.gateway.data, plain.data])
          expect([value, (await webhook({ [header]: value }, balancer, origin)).status]).toEqual([
            value,
            202,
          ]);
    });

    it('proves nothing by itself', async () => {
      const other = await issue('clients', { isAuthority: true });
      const wrong = {
        expired: await issue('berlin', { issuer: authority, from: -9, to: -1 }),
        'of another authority': await issue('berlin', { issuer: other }),
        'for servers': await issue('berlin', { issuer: authority, purposes: ['1.3.6.1.5.5.7.3.1'] }),
        'of nobody': await issue('berlin', { issuer: authority }),
        'an authority’s': authority,
      };
      const without = await webhook({});
      expect(without.status).toBe(401);
      for (const [name, certificate] of Object.entries(wrong)) {
        const answer = await webhook({ [header]: shown(certificate) });
        expect([name, answer.status]).toEqual([name, 401]);
        // Even where an instance is bound to it.
        const clientCertificateSha256 = createHash('sha256').update(certificate.der).digest('hex');
        if (name === 'of nobody' || name === 'an authority’s') continue;
        await scene.api('PATCH', `/tenants/${tenantId}/instances/${own.id}`, { clientCertificateSha256 });
        const bound = await ask(
          ...([scene.gateway.data, 'POST', `/jamf/${own.id}/webhooks`] as const),
          { 'content-type': 'application/json', [header]: shown(certificate) },
          balancer,
          webhookBody('ComputerCheckIn', 1),
        );
        expect([name, bound.status]).toEqual([name, 401]);
      }
      expect((await webhook({ [header]: 'NONE' })).status).toBe(401);
      const metrics = await ask(scene.gateway.ops, 'GET', '/metrics', {}, stranger);
      for (const reason of ['dates', 'unknown-issuer', 'purpose', 'unreadable'])
        expect(metrics.text).toMatch(
          new RegExp(`espalier_client_certificate_refused_total\\{[^}]*reason="${reason}"[^}]*\\} [1-9]`),
        );
      expect(scene.gateway.output()).toContain('"event":"client-certificate.refused"');
    });

    const doubtful = (): [string, Headers][] => [
      ['twice', { [header]: [shown(client), shown(client)] }],
      ['with an underscore', { x_client_cert: shown(client) }],
      ['with an underscore too', { [header]: shown(client), 'x-client_cert': shown(client) }],
      ['with a dot', { 'x.client.cert': shown(client) }],
    ];
    const device = (headers: Headers, from: string, origin = scene.gateway.data) =>
      ask(
        ...([origin, 'GET', `/t/${tenantId}/devices/${own.deviceId}/compliance`] as const),
        { authorization: `Bearer ${token}`, ...headers },
        from,
      );

    it('is refused where it can be read in two ways, on every path', async () => {
      for (const [name, headers] of doubtful())
        for (const origin of [scene.gateway.data, plain.data]) {
          const answer = await webhook(headers, balancer, origin);
          expect([name, answer.status, JSON.parse(answer.text).errors]).toMatchObject([
            ...[name, 400],
            [{ code: 'DOUBTFUL_HEADER', field: header }],
          ]);
          expect([name, (await device(headers, balancer, origin)).status]).toEqual([name, 400]);
        }
      expect(
        (await ask(scene.gateway.data, 'GET', '/nothing', { x_client_cert: 'a' }, balancer)).status,
      ).toBe(400);
    });

    it('is as if it had not come, from anybody else', async () => {
      const known = ['date', 'x-request-id'];
      const answerOf = ({ headers, status, text }: Awaited<ReturnType<typeof ask>>) => ({
        status,
        headers: Object.fromEntries(Object.entries(headers).filter(([name]) => !known.includes(name))),
        text: text.replace(/"instance":"[^"]*"/, ''),
      });
      const cases: Headers[] = [{ [header]: shown(client) }, ...doubtful().map(([, headers]) => headers)];
      const refused = answerOf(await webhook({}, stranger));
      const served = answerOf(await device({}, stranger));
      expect([refused.status, served.status]).toEqual([401, 200]);
      for (const headers of cases) {
        expect(answerOf(await webhook(headers, stranger))).toEqual(refused);
        expect(answerOf(await device(headers, stranger))).toEqual(served);
      }
    });

    it('and the rest of what balancers write go to no instance', async () => {
      own.arrived.length = 0;
      const headers = {
        [header]: shown(client),
        forwarded: 'for=203.0.113.7',
        'x-forwarded-for': '203.0.113.7',
        'x-forwarded-client-cert': 'Hash=ab',
        'x-real-ip': '203.0.113.7',
      };
      for (const from of [balancer, stranger])
        for (const more of [headers, { ...headers, cookie: 'a=b' }])
          expect((await device(more, from)).status).toBe(200);
      expect(own.arrived).toHaveLength(4);
      for (const { rawHeaders } of own.arrived)
        expect(rawHeaders.join('\n')).not.toMatch(/client-cert|forwarded|real-ip|203\.0\.113\.7/i);
    });
  });
});
