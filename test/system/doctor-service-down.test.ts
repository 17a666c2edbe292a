import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createServer as createTlsServer } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import type { Line } from '../../src/cli/doctor/line.ts';
import { createAuthority } from '../../src/simulator/authority.ts';
import { type AddedInstance, connectTenant, type Scene, startScene } from '../harness/gateway.ts';
import { freePort } from '../harness/ports.ts';
import { runCommand } from '../harness/run-espalier.ts';

/**
 * What `espalier doctor` says of a service that is down. Entra, Graph, a tenant's Intune and an instance are each at a
 * socket of their own that does what a broken service or network does.
 */
describe('a service that is down is named by doctor', { timeout: 120_000 }, () => {
  let scene: Scene;
  let berlin: AddedInstance;
  let firstTenant: string;
  const servers = new Set<Server>();
  const sockets = new Set<Socket>();

  beforeAll(async () => {
    scene = await startScene({
      world: {
        clouds: ['public', 'usgov', 'china'],
        tenants: [
          { displayName: 'First', instances: [{ name: 'berlin', macs: 1 }] },
          { displayName: 'Second', cloud: 'usgov', instances: [] },
          { displayName: 'Third', cloud: 'china', instances: [] },
        ],
      },
    });
    const [first, ...others] = scene.world.tenants.map(({ tenantId }) => tenantId);
    firstTenant = first!;
    berlin = (await connectTenant(scene, first!)).get('berlin')!;
    for (const tenantId of others) await connectTenant(scene, tenantId);
  });
  afterEach(async () => {
    scene.world.faults.clear();
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
    servers.clear();
  });
  afterAll(() => scene?.close());

  const listen = async (server: Server): Promise<number> => {
    servers.add(server);
    server.on('connection', (socket: Socket) => {
      sockets.add(socket);
      socket.on('error', () => undefined);
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    return (server.address() as AddressInfo).port;
  };
  const bare = (each: (socket: Socket) => void) => listen(createServer(each));
  /** `text` undefined: TLS stands and nothing comes; null: the connection is broken when the request is there. */
  const overTls = async (text?: string | null, authority = scene.world.authority) => {
    const { certificatePem: cert, keyPem: key } = await authority.issue(['localhost', '127.0.0.1']);
    const raw = new Map<number, Socket>();
    const server = createTlsServer({ cert, key }, (socket) => {
      socket.on('error', () => undefined);
      socket.once('data', () => {
        if (text === null) raw.get(socket.remotePort!)?.resetAndDestroy();
        else if (text !== undefined) socket.end(text);
      });
    });
    server.on('connection', (socket: Socket) => raw.set(socket.remotePort!, socket));
    return listen(server);
  };
  const http = (status: string, body: string, type: string): string =>
    `HTTP/1.1 ${status}\r\ncontent-type: ${type}\r\ncontent-length: ${Buffer.byteLength(body)}\r\ndate: ${new Date().toUTCString()}\r\nconnection: close\r\n\r\n${body}`;

  /** Each of the four services at an address of its own; the other clouds and tenants are as they were. */
  const look = async (address: () => Promise<string> | string): Promise<Line[]> => {
    const [entra, graph, intune, instance] = [
      await address(),
      await address(),
      await address(),
      await address(),
    ];
    const clouds = JSON.parse(readFileSync(scene.environment.ESPALIER_CLOUDS_FILE!, 'utf8'));
    clouds.usgov.authority = entra;
    clouds.china.graph = graph;
    const { hostname, port } = new URL(intune);
    clouds.public.intunePort = Number(port);
    clouds.public.intuneHosts = [hostname];
    const file = join(mkdtempSync(join(tmpdir(), 'espalier-down-')), 'clouds.json');
    writeFileSync(file, JSON.stringify(clouds));
    const value = ['PartnerTenantDataSyncService', 'PartnerDeviceDataSyncService'].map((providerName) => ({
      providerName,
      uri: `${intune}/${providerName}`,
    }));
    scene.world.faults.add({
      service: 'graph:public',
      path: '/endpoints',
      status: 200,
      contentType: 'application/json',
      body: JSON.stringify({ value }),
    });
    await scene.database.sql`update instances set url = ${instance} where instance_id = ${berlin.id}`;
    const { stdout } = await runCommand(['doctor', '-o', 'json', '--timeout', '3'], {
      environment: { ...scene.environment, ESPALIER_CLOUDS_FILE: file },
    });
    return JSON.parse(stdout).lines;
  };

  const services = [
    'Microsoft Entra ID, cloud usgov',
    'Microsoft Graph, cloud china',
    'Intune of First',
    'instance berlin',
  ];
  const expectNamed = (lines: readonly Line[], check: string, found: RegExp, at = services): void => {
    const failed = lines.filter(({ status }) => status === 'fail');
    for (const service of at) {
      const own = failed.filter(({ subject }) => subject.includes(service));
      expect(
        own.map((line) => line.check),
        service,
      ).toEqual([check]);
      expect(own[0]!.found).toMatch(found);
      expect(own[0]!.remedy).toMatch(/./);
      const clock = lines.filter((line) => line.check === 'host.clock' && line.subject.includes(service));
      expect(
        clock.filter(({ status }) => status !== 'ok'),
        service,
      ).toEqual([]);
    }
    expect(failed).toHaveLength(at.length);
  };
  const localhost = (port: number): string => `https://localhost:${port}`;

  it('when it resets each connection that it accepted', async () => {
    const lines = await look(async () => localhost(await bare((socket) => socket.resetAndDestroy())));
    const checks = new Set(lines.filter(({ status }) => status === 'fail').map(({ check }) => check));
    // The reset may come before the connection is seen to stand.
    for (const check of checks) expect(['host.port', 'host.tls']).toContain(check);
    for (const service of services) {
      const own = lines.find(({ status, subject }) => status === 'fail' && subject.includes(service));
      expect(own?.found, service).toMatch(/reset|ECONNRESET/);
    }
    expect(lines.filter(({ status }) => status === 'fail')).toHaveLength(4);
  });

  it('when it resets in the middle of TLS', async () => {
    const reset = (socket: Socket) => void socket.once('data', () => socket.resetAndDestroy());
    expectNamed(await look(async () => localhost(await bare(reset))), 'host.tls', /reset before TLS/);
  });

  it('when it resets at each request', async () => {
    expectNamed(await look(async () => localhost(await overTls(null))), 'host.answer', /broke/);
  });

  it('when it refuses connections', async () => {
    expectNamed(await look(async () => localhost(await freePort())), 'host.port', /ECONNREFUSED/);
  });

  it('when it takes connections and is silent', async () => {
    expectNamed(await look(async () => localhost(await bare(() => undefined))), 'host.tls', /in time/);
  });

  it('when it takes requests and is silent', async () => {
    expectNamed(await look(async () => localhost(await overTls())), 'host.answer', /in time/);
  });

  it('when its name does not resolve', async () => {
    let at = 0;
    const lines = await look(() => {
      at += 1;
      return `https://service-${at}.invalid:${8_000 + at}`;
    });
    expectNamed(lines, 'host.name', /resolve|name server/);
  });

  it('when its certificate is of nobody that is trusted', async () => {
    const other = await createAuthority();
    expectNamed(
      await look(async () => localhost(await overTls(http('200 OK', '{}', 'application/json'), other))),
      'host.tls',
      /not of a trusted authority/,
    );
  });

  it('when what answers speaks no TLS', async () => {
    const plain = (socket: Socket) =>
      void socket.once('data', () => socket.end('HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n'));
    expectNamed(await look(async () => localhost(await bare(plain))), 'host.tls', /speaks no TLS/);
  });

  it('when what answers speaks no HTTP', async () => {
    expectNamed(
      await look(async () => localhost(await overTls('SSH-2.0-x\r\n\r\n'))),
      'host.answer',
      /no HTTP/,
    );
  });

  it.each(['500 Internal Server Error', '502 Bad Gateway', '503 Service Unavailable'])(
    'when it answers %s',
    async (status) => {
      const page = http(status, '<html>down</html>', 'text/html');
      const lines = await look(async () => localhost(await overTls(page)));
      const ofHosts = lines.filter(({ check }) => check !== 'instance.token');
      expectNamed(ofHosts, 'host.answer', new RegExp(`HTTP ${status.slice(0, 3)}`));
      // Its API says more of an instance that answers than its health page does.
      expect(lines.some(({ check }) => check === 'instance.token')).toBe(true);
    },
  );

  it('when a page of something else answers', async () => {
    const page = http('200 OK', '<html>Please sign in to this network</html>', 'text/html');
    const lines = await look(async () => localhost(await overTls(page)));
    expectNamed(
      lines.filter(({ check, subject }) => check !== 'instance.token' || !subject.includes('berlin')),
      'host.answer',
      /without JSON/,
      services.slice(0, 3),
    );
    expect(lines.find(({ check }) => check === 'instance.token')).toMatchObject({
      status: 'fail',
      subject: expect.stringContaining('berlin'),
      found: expect.stringContaining('invalid-answer'),
    });
  });

  it('and nothing of it is said where all is well', async () => {
    await scene.database
      .sql`update instances set url = ${scene.world.instance('berlin').url} where instance_id = ${berlin.id}`;
    const { code, stdout } = await runCommand(
      ['doctor', '-o', 'json', '--timeout', '5', '--tenant', firstTenant],
      { environment: scene.environment },
    );
    const lines = JSON.parse(stdout).lines as Line[];
    const answers = lines.filter(({ check }) => check === 'host.answer');
    expect(answers.map(({ status }) => status)).toEqual(['ok', 'ok', 'ok', 'ok']);
    expect(answers[2]).toMatchObject({
      subject: expect.stringContaining('Intune of First'),
      found: 'HTTP 401',
    });
    expect(code).toBe(0);
  });
});
