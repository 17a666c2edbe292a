import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/simulator/authority.ts';
import { type ConnectProxy, startConnectProxy } from '../harness/connect-proxy.ts';
import { eventually } from '../harness/eventually.ts';
import {
  type AddedInstance,
  callerToken,
  connectTenant,
  type GatewayProcess,
  type Scene,
  sendWebhook,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { runCommand } from '../harness/run-espalier.ts';

/** A gateway that may leave its network through a proxy only (docs/network.md). */
describe('behind an outgoing proxy', { timeout: 60_000 }, () => {
  const credentials = 'gateway:outgoing-secret';
  let proxy: ConnectProxy;
  let scene: Scene;
  let tenantId: string;
  let deviceId: string;
  let berlin: AddedInstance;
  let token: string;

  beforeAll(async () => {
    proxy = await startConnectProxy({ credentials });
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: {
        HTTPS_PROXY: 'http://nobody:6',
        https_proxy: `http://${credentials}@127.0.0.1:${proxy.port}`,
      },
    });
    [tenantId] = scene.world.tenants.map((tenant) => tenant.tenantId) as [string];
    berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    token = await callerToken(scene, tenantId);
    const [device] = scene.world.fleet.truth();
    deviceId = device!.deviceId;
    await sendWebhook(scene, berlin, device!.jamfComputerId);
    await eventually(async () =>
      expect((await scene.api('GET', `/tenants/${tenantId}/devices/${deviceId}`)).status).toBe(200),
    );
  });
  afterAll(async () => {
    await scene?.close();
    await proxy?.close();
  });

  const deviceCall = (gateway: GatewayProcess) =>
    call(`${gateway.data}/t/${tenantId}/devices/${deviceId}/compliance`, {
      ca: scene.trust,
      headers: { authorization: `Bearer ${token}` },
    });
  const portsAsked = () => new Set(proxy.asked.map((authority) => Number(authority.split(':').at(-1))));
  const portOf = (url: string) => Number(new URL(url).port);

  it('reaches Microsoft and instances through it, to the report that Intune has', async () => {
    expect((await deviceCall(scene.gateway)).status).toBe(200);
    await eventually(async () => {
      const { json } = await scene.api('GET', `/reports?filter=deviceId==${deviceId}`);
      expect(json.results[0]).toMatchObject({ state: 'verified' });
    }, 30_000);
    const { origins } = scene.world.cloud('public');
    const wanted = [origins.entra, origins.graph, origins.intune, scene.world.instance('berlin').url].map(
      portOf,
    );
    expect([...portsAsked()]).toEqual(expect.arrayContaining(wanted));
    expect(proxy.faults).toEqual([]);
  });

  it('shows user and password nowhere', async () => {
    const { stdout } = await runCommand(['config'], { environment: scene.environment });
    expect(stdout).toContain(`HTTPS_PROXY=http://********@127.0.0.1:${proxy.port}`);
    const settings = await scene.api('GET', '/settings');
    for (const text of [stdout, settings.text, scene.gateway.output()])
      expect(text).not.toMatch(/outgoing-secret|Z2F0ZXdheTo/);
  });

  it('says what is wrong where the proxy lets nobody through', async () => {
    const decide = proxy.decide;
    proxy.decide = () => 403;
    const other = await scene.another();
    try {
      const answer = await deviceCall(other);
      expect(answer.status).toBeGreaterThanOrEqual(500);
      expect(answer.text).not.toContain('outgoing-secret');
      const { code, stdout } = await runCommand(['doctor', '-o', 'json', '--timeout', '5'], {
        environment: scene.environment,
      });
      const { lines } = JSON.parse(stdout);
      expect(code).toBe(1);
      expect(lines).toContainEqual(
        expect.objectContaining({
          check: 'host.port',
          status: 'fail',
          found: expect.stringContaining('PROXY_403'),
        }),
      );
      expect(stdout).not.toContain('outgoing-secret');
    } finally {
      proxy.decide = decide;
      await other.stop();
    }
  });

  it('is looked at by doctor', async () => {
    const { stdout } = await runCommand(['doctor', '-o', 'json', '--timeout', '5'], {
      environment: { ...scene.environment, no_proxy: '<local>' },
    });
    const { lines } = JSON.parse(stdout);
    const shown = `http://127.0.0.1:${proxy.port}`;
    expect(lines).toContainEqual(
      expect.objectContaining({
        check: 'outgoing-proxy',
        subject: shown,
        status: 'warn',
        found: expect.stringContaining('<local>'),
      }),
    );
    const instance = new URL(scene.world.instance('berlin').url).host;
    expect(lines.filter(({ status }: { status: string }) => status === 'fail')).toEqual([]);
    expect(lines).toContainEqual(
      expect.objectContaining({
        ...{ check: 'host.port', status: 'ok', subject: expect.stringContaining(instance) },
        found: expect.stringContaining(`through ${shown}`),
      }),
    );
  });

  it('goes past it to what NO_PROXY names', async () => {
    const other = await scene.another({ no_proxy: 'localhost,127.0.0.0/8' });
    try {
      const before = proxy.asked.length;
      expect((await deviceCall(other)).status).toBe(200);
      const asked = proxy.asked.slice(before);
      expect(
        asked.filter((authority) => authority.endsWith(`:${portOf(scene.world.instance('berlin').url)}`)),
      ).toEqual([]);
    } finally {
      await other.stop();
    }
  });

  it('trusts a proxy with TLS by its certificate', async () => {
    const authority = await createAuthority();
    const { certificatePem, keyPem } = await authority.issue(['localhost']);
    const secure = await startConnectProxy({ tls: { cert: certificatePem, key: keyPem } });
    const file = join(mkdtempSync(join(tmpdir(), 'espalier-ca-')), 'ca.crt');
    writeFileSync(file, `${authority.certificatePem}\n${scene.world.authority.certificatePem}`);
    const settings = { https_proxy: `https://localhost:${secure.port}`, NODE_EXTRA_CA_CERTS: file };
    const other = await scene.another(settings);
    try {
      expect((await deviceCall(other)).status).toBe(200);
      expect(secure.asked.length).toBeGreaterThan(0);
      expect(secure.faults).toEqual([]);
    } finally {
      await other.stop();
      await secure.close();
    }
  });

  it.each([
    ['socks5://proxy:1080', 'HTTPS_PROXY is not http://host:port or https://host:port'],
    ['http://a:outgoing-secret@proxy/path', 'HTTPS_PROXY is not http://host:port or https://host:port'],
  ])('does not start with %s', async (value, problem) => {
    const { code, stderr } = await runCommand(['config'], { environment: { https_proxy: value } });
    expect(code).not.toBe(0);
    expect(stderr).toContain(problem);
    expect(stderr).not.toContain('outgoing-secret');
  });
});
