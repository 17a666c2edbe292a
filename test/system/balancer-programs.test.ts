import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { eventually } from '../harness/eventually.ts';
import {
  bootstrapKey,
  connectTenant,
  type GatewayProcess,
  type Scene,
  startScene,
  webhookBody,
} from '../harness/gateway.ts';
import { type Haproxy, hasHaproxy, hasNginx, startHaproxy, startNginx } from '../harness/haproxy.ts';
import { type Issued, issue } from '../harness/issuing.ts';
import { freePort } from '../harness/ports.ts';

/** The examples of docs/network.md for HAProxy and nginx, run by those programs before a gateway. */
const page = readFileSync(new URL('../../docs/network.md', import.meta.url), 'utf8');
function example(heading: string): string {
  const [, rest = ''] = page.split(`### ${heading}\n`);
  const text = /```(?:haproxy|nginx)\n(.*?)```/s.exec(rest)?.[1];
  if (text === undefined) throw new Error(`docs/network.md has no example under ${heading}`);
  return text;
}

const haproxy = process.env.CI !== undefined || hasHaproxy();
const nginx = process.env.CI !== undefined || hasNginx();

describe('balancers', { timeout: 60_000 }, () => {
  const caller = '127.0.0.7';
  const dir = mkdtempSync(join(tmpdir(), 'espalier-balancers-'));
  let scene: Scene;
  let relayed: GatewayProcess;
  let tenantId: string;
  let instanceId: string;
  let client: Issued;
  let stranger: Issued;
  let server: Issued;
  const running: Haproxy[] = [];
  const defaults = 'defaults\n    timeout connect 5s\n    timeout client 30s\n    timeout server 30s\n';

  const fileOf = (name: string, ...texts: string[]): string => {
    const file = join(dir, name);
    writeFileSync(file, texts.join('\n'));
    return file;
  };

  beforeAll(async () => {
    const authority = await issue('clients', { isAuthority: true });
    client = await issue('berlin', { issuer: authority });
    stranger = await issue('stranger', { issuer: authority });
    server = await issue('localhost');
    const environment = {
      ESPALIER_TRUSTED_PROXIES: '127.0.0.1',
      ESPALIER_CLIENT_CA_FILE: fileOf('clients-ca.crt', authority.pem),
    };
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: { ...environment, ESPALIER_CLIENT_CERT_HEADER: 'x-client-cert' },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    instanceId = (await connectTenant(scene, tenantId)).get('berlin')!.id;
    const clientCertificateSha256 = createHash('sha256').update(client.der).digest('hex');
    await scene.api('PATCH', `/tenants/${tenantId}/instances/${instanceId}`, { clientCertificateSha256 });
    relayed = await scene.another({
      ESPALIER_PROXY_PROTOCOL: 'required',
      ESPALIER_TRUSTED_PROXIES: '127.0.0.1',
    });
    fileOf('gateway.pem', server.pem, server.keyPem);
    fileOf('gateway.crt', server.pem);
    fileOf('gateway.key', server.keyPem);
    fileOf('gateway-ca.crt', scene.trust);
  });
  afterAll(async () => {
    for (const balancer of running) await balancer.close();
    await relayed?.stop();
    await scene?.close();
  });

  /** The example before one listener of a gateway. */
  const putBefore = async (
    text: string,
    gateway: GatewayProcess,
    listener: 'admin' | 'data',
  ): Promise<{ readonly port: number }> => {
    const port = await freePort();
    const config = text
      .replace('bind :443', `bind 127.0.0.1:${port}`)
      .replace('listen 443', `listen 127.0.0.1:${port}`)
      .replaceAll('10.20.0.5:8443', `127.0.0.1:${new URL(gateway[listener]).port}`)
      .replaceAll('port 9464', `port ${new URL(gateway.ops).port}`)
      .replaceAll('gateway.example.com', 'localhost')
      .replace(/\/etc\/(?:haproxy|nginx)\//g, `${dir}/`);
    const isHaproxy = text.includes('backend');
    running.push(await (isHaproxy ? startHaproxy(defaults + config, port) : startNginx(config, port)));
    return { port };
  };

  interface Asking {
    readonly method: string;
    readonly path: string;
    readonly headers: Record<string, string>;
    readonly body: string;
    readonly shows?: Issued | undefined;
  }
  const ask = ({ port }: { readonly port: number }, { body, headers, method, path, shows }: Asking) =>
    new Promise<number>((resolve, reject) => {
      const outgoing = request(
        {
          ...{ host: '127.0.0.1', port, method, path, agent: false, localAddress: caller },
          ...{ servername: 'localhost', rejectUnauthorized: false },
          headers: { 'content-type': 'application/json', ...headers },
          ...(shows === undefined ? {} : { cert: shows.pem, key: shows.keyPem }),
        },
        (incoming) => {
          incoming.resume();
          incoming.on('end', () => resolve(incoming.statusCode ?? 0));
        },
      );
      outgoing.on('error', reject);
      outgoing.end(body);
    });
  const webhook = (balancer: { readonly port: number }, headers: Record<string, string>, shows?: Issued) =>
    ask(balancer, {
      ...{ method: 'POST', path: `/jamf/${instanceId}/webhooks`, headers, shows },
      body: webhookBody('ComputerCheckIn', 1),
    });
  const sourceBy = async (balancer: { readonly port: number }): Promise<string> => {
    const displayName = crypto.randomUUID();
    const status = await ask(balancer, {
      ...{ method: 'PATCH', path: `/api/v1/tenants/${tenantId}` },
      headers: {
        authorization: `Bearer ${bootstrapKey}`,
        forwarded: 'for=6.6.6.6',
        'x-forwarded-for': '6.6.6.6',
      },
      body: JSON.stringify({ displayName }),
    });
    expect(status).toBe(200);
    const { json } = await scene.api('GET', '/history?sort=sequence:desc&page-size=1');
    expect(json.results[0].after.displayName).toBe(displayName);
    return json.results[0].source;
  };

  const endsTls = async (text: string): Promise<void> => {
    const data = await putBefore(text, scene.gateway, 'data');
    // Its first look at the gateway's health.
    await eventually(async () => expect(await webhook(data, {}, client)).toBe(202));
    expect(await webhook(data, {}, stranger)).toBe(401);
    expect(await webhook(data, {})).toBe(401);
    // What a caller says of itself is overwritten, however it is spelt.
    const forged = encodeURIComponent(client.pem);
    for (const name of ['x-client-cert', 'X_Client_Cert', 'x_client_cert', 'x.client.cert']) {
      expect([name, await webhook(data, { [name]: forged })]).toEqual([name, 401]);
      expect([name, await webhook(data, { [name]: forged }, stranger)]).toEqual([name, 401]);
      expect([name, await webhook(data, { [name]: forged }, client)]).toEqual([name, 202]);
    }
    const admin = await putBefore(text, scene.gateway, 'admin');
    await eventually(async () => expect(await sourceBy(admin)).toBe(caller));
  };

  it.skipIf(!haproxy)('HAProxy that ends TLS (needs Debian’s haproxy)', () =>
    endsTls(example('HAProxy that ends TLS')),
  );

  it.skipIf(!nginx)('nginx (needs Debian’s nginx)', () => endsTls(example('nginx')));

  describe.skipIf(!haproxy)('HAProxy that passes TLS on (needs Debian’s haproxy)', () => {
    const text = example('HAProxy that passes TLS on');
    const v2 = 'send-proxy-v2 proxy-v2-options crc32c';
    it.each([
      ['version 2', text],
      ['version 1', text.replace(v2, 'send-proxy')],
    ])('%s', async (_, config) => {
      const data = await putBefore(config, relayed, 'data');
      await eventually(async () => expect(await webhook(data, {}, client)).toBe(202));
      expect(await webhook(data, {}, stranger)).toBe(401);
      // The header is the caller's own word here, and it is not even taken for doubtful.
      const forged = encodeURIComponent(client.pem);
      for (const name of ['x-client-cert', 'x_client_cert'])
        expect([name, await webhook(data, { [name]: forged })]).toEqual([name, 401]);
      const admin = await putBefore(config, relayed, 'admin');
      await eventually(async () => expect(await sourceBy(admin)).toBe(caller));
    });

    it('and nobody gets past it', async () => {
      await expect(webhook({ port: Number(new URL(relayed.data).port) }, {}, client)).rejects.toThrow();
      const bare = await putBefore(text.replace(` ${v2}`, ''), relayed, 'data');
      await expect(webhook(bare, {}, client)).rejects.toThrow();
    });
  });
});
