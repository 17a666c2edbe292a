import { execFile } from 'node:child_process';
import { copyFileSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { createAuthority } from '../../src/simulator/authority.ts';
import { version } from '../../src/version.ts';
import { createEmptyDatabase, type TestDatabase } from '../harness/database.ts';
import { eventually } from '../harness/eventually.ts';
import {
  bootstrapKey,
  connectTenant,
  type GatewayProcess,
  type Scene,
  sendWebhook,
  startProcess,
  startScene,
} from '../harness/gateway.ts';
import { call } from '../harness/http.ts';
import { ownEnvironment } from '../harness/own-environment.ts';

/** Running it: start, health, database trouble, certificates, traces, the command line. */

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../', import.meta.url));
const espalier = (args: string[], environment: Record<string, string> = {}) =>
  run(process.execPath, [join(root, 'src/cli/main.ts'), ...args], {
    cwd: mkdtempSync(join(tmpdir(), 'espalier-cli-')),
    env: { ...ownEnvironment(), ...environment },
  }).then(
    ({ stdout, stderr }) => ({ code: 0, stdout, stderr }),
    (error: { code: number; stdout: string; stderr: string }) => error,
  );

describe('command line', () => {
  it('stops with one line per configuration fault and exit 2', async () => {
    const { code, stderr } = await espalier(['serve'], {
      ESPALIER_TLS: 'x',
      ESPALIER_POLL_SECONDS: 'y',
      ESPALIER_DATA_LISTEN: 'z',
    });
    expect(code).toBe(2);
    const lines = stderr.trim().split('\n');
    expect(lines).toHaveLength(3);
    expect(lines[0]).toMatch(/^ESPALIER_\w+ .*; for example ESPALIER_\w+=/);
  });

  it('config prints the effective configuration from .env and the environment', async () => {
    const cwd = mkdtempSync(join(tmpdir(), 'espalier-env-'));
    writeFileSync(join(cwd, '.env'), 'ESPALIER_TLS=off\nESPALIER_BOOTSTRAP_KEY=esp_do-not-print-this\n');
    const { stdout } = await run(process.execPath, [join(root, 'src/cli/main.ts'), 'config'], {
      cwd,
      env: { PATH: process.env.PATH, ESPALIER_LOG_LEVEL: 'warn' },
    });
    expect(stdout).toContain('ESPALIER_TLS=off');
    expect(stdout).toContain('ESPALIER_LOG_LEVEL=warn');
    expect(stdout).not.toContain('do-not-print');
  });

  it('exit 2 for what it does not know', async () => {
    expect((await espalier(['nonsense'])).code).toBe(2);
    expect((await espalier(['demo', '--seed', 'x'])).code).toBe(2);
    expect((await espalier(['--version'])).stdout.trim()).toBe(version);
    expect(JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')).version).toBe(version);
  });
});

describe('a gateway of its own', () => {
  let gateway: GatewayProcess;
  const dir = mkdtempSync(join(tmpdir(), 'espalier-own-'));
  const environment = {
    ESPALIER_DATA_DIR: join(dir, 'data'),
    ESPALIER_BOOTSTRAP_KEY: bootstrapKey,
    ESPALIER_DATA_LISTEN: '127.0.0.1:0',
    ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
    ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    ESPALIER_TLS_CERT_FILE: join(dir, 'tls.crt'),
    ESPALIER_TLS_KEY_FILE: join(dir, 'tls.key'),
  };
  let authority: Awaited<ReturnType<typeof createAuthority>>;
  const install = async (): Promise<void> => {
    const pair = await authority.issue(['localhost', '127.0.0.1']);
    writeFileSync(join(dir, 'tls.key'), pair.keyPem, { mode: 0o600 });
    writeFileSync(join(dir, 'tls.crt'), pair.certificatePem);
  };

  beforeAll(async () => {
    authority = await createAuthority();
    await install();
    gateway = await startProcess(environment);
  });
  afterAll(() => gateway?.stop());

  const api = (method: string, path: string, body?: unknown) =>
    call(`${gateway.admin}/api/v1${path}`, {
      method,
      ca: authority.certificatePem,
      headers: { authorization: `Bearer ${bootstrapKey}`, 'content-type': 'application/json' },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });

  it('runs on the embedded database, which survives restarts and kill -9', async () => {
    const tenantId = crypto.randomUUID();
    expect((await api('POST', '/tenants', { tenantId, displayName: 'Kept' })).status).toBe(201);
    await gateway.kill();
    gateway = await startProcess(environment);
    expect((await api('GET', `/tenants/${tenantId}`)).json.displayName).toBe('Kept');
    expect(await gateway.stop()).toBe(0);
    gateway = await startProcess(environment);
    expect((await api('GET', `/tenants/${tenantId}`)).json.displayName).toBe('Kept');
  });

  it('is live and ready', async () => {
    expect((await fetch(`${gateway.ops}/health/live`)).status).toBe(200);
    expect((await fetch(`${gateway.ops}/health/ready`)).status).toBe(200);
    expect((await fetch(`${gateway.ops}/nothing`)).status).toBe(404);
  });

  const fingerprint = (url: string): Promise<string> =>
    new Promise((resolve, reject) => {
      const { hostname, port } = new URL(url);
      const socket = tlsConnect(
        { host: hostname, port: Number(port), ca: authority.certificatePem, servername: 'localhost' },
        () => {
          resolve(socket.getPeerCertificate().fingerprint256);
          socket.end();
        },
      );
      socket.on('error', reject);
    });

  it('takes a renewed certificate without dropping a connection', async () => {
    const before = await fingerprint(gateway.data);
    const { hostname, port } = new URL(gateway.data);
    const kept = tlsConnect({
      host: hostname,
      port: Number(port),
      ca: authority.certificatePem,
      servername: 'localhost',
    });
    await new Promise((resolve) => kept.once('secureConnect', resolve));
    await install();
    await eventually(async () => expect(await fingerprint(gateway.data)).not.toBe(before));
    const answered = new Promise<string>((resolve) =>
      kept.once('data', (chunk: Buffer) => resolve(chunk.toString())),
    );
    kept.write('GET /nothing HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n');
    expect(await answered).toContain('404');
    kept.destroy();
  });

  it('keeps the certificate it has when the new one is broken', async () => {
    const before = await fingerprint(gateway.data);
    copyFileSync(join(dir, 'tls.crt'), join(dir, 'good.crt'));
    writeFileSync(join(dir, 'tls.crt'), 'not a certificate');
    await eventually(() => expect(gateway.output()).toContain('tls.reload-failed'));
    expect(await fingerprint(gateway.data)).toBe(before);
    copyFileSync(join(dir, 'good.crt'), join(dir, 'tls.crt'));
  });

  it('closes a connection whose headers do not come', async () => {
    const { hostname, port } = new URL(gateway.data);
    const socket = tlsConnect({
      host: hostname,
      port: Number(port),
      ca: authority.certificatePem,
      servername: 'localhost',
    });
    await new Promise((resolve) => socket.once('secureConnect', resolve));
    socket.resume();
    socket.write('GET / HTTP/1.1\r\nhost:');
    await new Promise((resolve) => socket.once('close', resolve));
  }, 20_000);
});

describe('without its database', () => {
  let database: TestDatabase;
  let gateway: GatewayProcess;

  beforeAll(async () => {
    database = await createEmptyDatabase();
    gateway = await startProcess({
      DATABASE_URL: database.url,
      ESPALIER_SECRETS_KEY: Buffer.alloc(32, 1).toString('base64'),
      ESPALIER_DATA_DIR: mkdtempSync(join(tmpdir(), 'espalier-nodb-')),
      ESPALIER_TLS: 'off',
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
    });
  });
  afterAll(() => gateway?.stop());

  it('is live but not ready, and answers 503 rather than 202', async () => {
    await database.drop();
    const ready = await fetch(`${gateway.ops}/health/ready`);
    expect(ready.status).toBe(503);
    expect((await fetch(`${gateway.ops}/health/live`)).status).toBe(200);
    expect((await fetch(`${gateway.ops}/metrics`)).status).toBe(200);
    const answer = await fetch(`${gateway.data}/jamf/${crypto.randomUUID()}/webhooks`, {
      method: 'POST',
      headers: { 'x-api-key': `esp_${'0'.repeat(43)}` },
      body: '{}',
    });
    expect(answer.status).toBe(503);
    expect(await answer.json()).toMatchObject({
      type: 'https://espalier.dev/problems/store-unavailable',
      owner: 'espalier',
    });
    expect(answer.headers.get('retry-after')).toBeTruthy();
  });
});

describe('traces', () => {
  let scene: Scene;
  let collector: ReturnType<typeof createServer>;
  const bodies: { path: string; body: Buffer }[] = [];

  beforeAll(async () => {
    collector = createServer((request, response) => {
      const chunks: Buffer[] = [];
      request.on('data', (chunk: Buffer) => chunks.push(chunk));
      request.on('end', () => {
        bodies.push({ path: request.url ?? '', body: Buffer.concat(chunks) });
        response.writeHead(200, { 'content-type': 'application/x-protobuf' }).end();
      });
    });
    await new Promise<void>((resolve) => collector.listen(0, '127.0.0.1', resolve));
    const { port } = collector.address() as AddressInfo;
    scene = await startScene({
      world: { clouds: ['public'], tenants: [{ instances: [{ name: 'berlin', macs: 1 }] }] },
      environment: {
        OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${port}`,
        OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf',
        OTEL_BSP_SCHEDULE_DELAY: '200',
        OTEL_METRIC_EXPORT_INTERVAL: '500',
        OTEL_METRIC_EXPORT_TIMEOUT: '400',
      },
    });
  });
  afterAll(async () => {
    await scene?.close();
    collector?.close();
  });

  it('one trace reaches from the webhook to the upload, and metrics are sent too', async () => {
    const tenantId = scene.world.tenants[0]!.tenantId;
    const berlin = (await connectTenant(scene, tenantId)).get('berlin')!;
    const [device] = scene.world.fleet.truth();
    const traceId = 'a1b2c3d4e5f60718293a4b5c6d7e8f90';
    await scene.data(`/jamf/${berlin.id}/webhooks`, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'x-api-key': berlin.key,
        traceparent: `00-${traceId}-1112131415161718-01`,
      },
      body: JSON.stringify({
        webhook: { id: 1, name: 'n', webhookEvent: 'ComputerInventoryCompleted' },
        event: { jssID: device!.jamfComputerId },
      }),
    });
    const id = Buffer.from(traceId, 'hex');
    await eventually(() => {
      const traces = bodies
        .filter(({ path, body }) => path === '/v1/traces' && body.includes(id))
        .map(({ body }) => body);
      for (const name of [
        'POST /jamf/:instanceId/webhooks',
        'computer.read',
        'report.due',
        'report.accepted',
      ]) {
        expect(
          traces.some((body) => body.includes(name)),
          name,
        ).toBe(true);
      }
      expect(
        bodies.some(({ path, body }) => path === '/v1/metrics' && body.includes('espalier_uploads_total')),
      ).toBe(true);
    });
    expect(await fetch(`${scene.gateway.ops}/metrics`).then((answer) => answer.text())).toContain(
      'espalier_uploads_total',
    );
    expect((await sendWebhook(scene, berlin, device!.jamfComputerId)).status).toBe(202);
  });
});
