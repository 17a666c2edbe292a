import { X509Certificate } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:https';
import { type AddressInfo, connect as dial } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect } from 'node:tls';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { createAddressPolicy } from '../../src/outbound/addresses.ts';
import { createNodeSend } from '../../src/outbound/node.ts';
import { createNodeAcme } from '../../src/runtime/node-acme.ts';
import { createMemoryCertificates } from '../../src/runtime/node-certificate-source.ts';
import { createSealer, sealingKeyId } from '../../src/secrets/seal.ts';
import { type Authority, createAuthority } from '../../src/simulator/authority.ts';
import { certificateKeyAssociation, openChallenge } from '../../src/store/acme.ts';
import { openDatabase } from '../../src/store/database.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { createTestDatabase, type TestDatabase } from '../harness/database.ts';
import { openDoor } from '../harness/database-door.ts';
import { eventually } from '../harness/eventually.ts';
import { type GatewayProcess, startProcess } from '../harness/gateway.ts';
import { freePort } from '../harness/ports.ts';

/** Certificates by ACME as far as no real authority is needed; with one: test/acme/acme.test.ts. */

const name = 'gateway.acme.test';
const token = 'token-of-a-challenge-000001';
const keyAuthorization = `${token}.thumbprint-of-the-account`;
const key = (fill: number) => Buffer.alloc(32, fill);

/** Everything that comes for these bytes until the other side closes. */
const exchange = (port: number, bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = dial(port, '127.0.0.1', () => socket.write(bytes));
    let text = '';
    socket.on('data', (chunk) => {
      text += chunk.toString('latin1');
    });
    socket.once('close', () => resolve(text));
    // A reset is an end, too.
    socket.once('error', (error: NodeJS.ErrnoException) => error.code === 'ECONNRESET' || reject(error));
  });

describe('certificates by ACME', () => {
  let authority: Authority;
  let database: TestDatabase;
  let folder: string;
  let directory: string;
  let asked: number;
  let authorityServer: Server;
  const running = new Set<GatewayProcess>();

  beforeAll(async () => {
    folder = mkdtempSync(join(tmpdir(), 'espalier-acme-'));
    authority = await createAuthority();
    writeFileSync(join(folder, 'authority.crt'), authority.certificatePem);
    const { certificatePem, keyPem } = await authority.issue(['localhost']);
    // One that asks to be left alone.
    authorityServer = createServer({ cert: certificatePem, key: keyPem }, (_, response) => {
      asked += 1;
      const problem = { type: 'urn:ietf:params:acme:error:rateLimited', detail: 'too\r\nmany <b>orders</b>' };
      response.writeHead(429, { 'content-type': 'application/problem+json', 'retry-after': '7200' });
      response.end(JSON.stringify(problem));
    });
    await new Promise<void>((done) => authorityServer.listen(0, '127.0.0.1', done));
    directory = `https://localhost:${(authorityServer.address() as AddressInfo).port}/directory`;
  });
  afterEach(async () => {
    for (const gateway of running) await gateway.kill();
    running.clear();
    await database.drop();
  });
  afterAll(async () => {
    authorityServer?.close();
    rmSync(folder, { recursive: true });
  });

  const start = async (more: Record<string, string> = {}): Promise<GatewayProcess> => {
    const gateway = await startProcess({
      DATABASE_URL: database.url,
      ESPALIER_DATA_DIR: join(folder, crypto.randomUUID()),
      ESPALIER_SECRETS_KEY: key(7).toString('base64'),
      ESPALIER_DATA_LISTEN: '127.0.0.1:0',
      ESPALIER_ADMIN_LISTEN: '127.0.0.1:0',
      ESPALIER_OPS_LISTEN: '127.0.0.1:0',
      NODE_EXTRA_CA_CERTS: join(folder, 'authority.crt'),
      ESPALIER_ACME_DIRECTORY: directory,
      ESPALIER_ACME_NAMES: name,
      ESPALIER_ACME_TERMS: 'accepted',
      ESPALIER_ACME_LISTEN: '127.0.0.1:0',
      ESPALIER_DRAIN_DELAY_SECONDS: '0',
      ...more,
    });
    running.add(gateway);
    return gateway;
  };
  const begin = async (): Promise<void> => {
    database = await createTestDatabase();
    asked = 0;
  };
  const failure = () =>
    eventually(async () => {
      const [row] = await database.sql<{ error: string; seconds: number; attempts: number }[]>`
        select last_error as error, attempts, extract(epoch from next_try_at - now())::float8 as seconds
        from acme_certificates where last_error is not null`;
      expect(row).toBeDefined();
      return row!;
    });
  const open = (kind: 'http-01' | 'tls-alpn-01') =>
    openChallenge(database.sql, { directory, name, kind, token, keyAuthorization }, 60_000);
  /** A certificate as a renewal leaves it, which is not due for long. */
  const issued = async (): Promise<string> => {
    const { certificatePem, keyPem } = await authority.issue([name]);
    const sealer = await createSealer([new Uint8Array(key(7))]);
    const sealed = await sealer.seal(keyPem, certificateKeyAssociation({ directory, name }));
    await database.sql`
      insert into acme_certificates (directory, name, chain, key_sealed, issued_at, not_after, next_try_at)
      values (${directory}, ${name}, ${certificatePem}, ${sealed}, now(), now() + interval '90 days', now() + interval '60 days')`;
    return new X509Certificate(certificatePem).serialNumber;
  };
  const presented = (gateway: GatewayProcess, more: object = {}) =>
    new Promise<{ serial: string; extensions: string; text: string }>((resolve, reject) => {
      const port = Number(new URL(gateway.data).port);
      const socket = connect({
        host: '127.0.0.1',
        port,
        servername: name,
        rejectUnauthorized: false,
        ...more,
      });
      let seen = { serial: '', extensions: '' };
      let text = '';
      socket.once('secureConnect', () => {
        const { raw, serialNumber: serial } = socket.getPeerCertificate();
        seen = { serial, extensions: raw.toString('latin1') };
        socket.write('GET /health/live HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n');
      });
      socket.on('data', (chunk) => {
        text += chunk.toString('latin1');
      });
      socket.once('error', (error) => (seen.serial === '' ? reject(error) : undefined));
      socket.once('close', () => resolve({ ...seen, text }));
    });

  it('are never asked of a private address that is not allowed', async () => {
    await begin();
    await start();
    const { error } = await failure();
    expect(error).toBe('The authority cannot be reached: localhost resolves to no address that is allowed');
    expect(asked).toBe(0);
  });

  it('are tried again when the authority permits it, in its words on one line, also after a restart', async () => {
    await begin();
    const first = await start({ ESPALIER_UPSTREAM_ALLOW: 'localhost' });
    const { attempts, error, seconds } = await failure();
    expect(error).toBe('The authority refuses (429 rateLimited): too many <b>orders</b>');
    expect(attempts).toBe(1);
    expect(seconds).toBeGreaterThan(7_000);
    const before = asked;
    await first.kill();
    await start({ ESPALIER_UPSTREAM_ALLOW: 'localhost' });
    await new Promise((resolve) => setTimeout(resolve, 4_500));
    expect(asked).toBe(before);
  });

  it('are proved by any process on a port that answers nothing else', async () => {
    await begin();
    const ports = [await freePort(), await freePort()];
    await Promise.all(ports.map((port) => start({ ESPALIER_ACME_LISTEN: `127.0.0.1:${port}` })));
    await open('http-01');
    const request = (path: string, method = 'GET', more = '') =>
      `${method} ${path} HTTP/1.1\r\nHost: ${name}\r\n${more}\r\n`;
    const path = `/.well-known/acme-challenge/${token}`;
    for (const port of ports) {
      const answer = await exchange(port, request(path));
      expect(answer).toMatch(/^HTTP\/1\.1 200 OK\r\n/);
      expect(answer.split('\r\n\r\n')[1]).toBe(keyAuthorization);
    }
    const [port] = ports as [number];
    const others = [
      request('/'),
      request('/.well-known/acme-challenge/'),
      request('/.well-known/acme-challenge/an-unknown-token-000000001'),
      request(`${path}?`),
      request(`${path}/`),
      request(`/x/..${path}`),
      request(`http://${name}${path}`),
      request(path, 'POST', 'Content-Length: 2\r\n\r\n{}'),
      request(path, 'GET', 'Expect: 100-continue\r\n').replace('GET', 'PUT'),
      request('/health/live'),
      request('/api/v1/version'),
    ];
    for (const other of others) {
      const answer = await exchange(port, other);
      expect(answer, other).toMatch(/^HTTP\/1\.1 404 Not Found\r\n/);
      expect(answer.split('\r\n\r\n')[1], other).toBe('');
      expect(answer, other).not.toMatch(/espalier|problem|server:|location:/i);
    }
    const silent = [
      '\x16\x03\x01\x02\x00\x01',
      'nonsense\r\n\r\n',
      `CONNECT ${name}:443 HTTP/1.1\r\nHost: x\r\n\r\n`,
    ];
    for (const bytes of [...silent, request(path, 'GET', `X: ${'y'.repeat(5_000)}\r\n`)])
      expect(await exchange(port, bytes), JSON.stringify(bytes.slice(0, 40))).toBe('');
  });

  it('are proved on the data listener by a handshake that carries nothing', async () => {
    await begin();
    const gateway = await start({ ESPALIER_ACME_CHALLENGE: 'tls-alpn-01' });
    const acme = { ALPNProtocols: ['acme-tls/1'] };
    await expect(presented(gateway, acme)).rejects.toThrow(/alert/);
    await open('tls-alpn-01');
    for (const maxVersion of ['TLSv1.2', 'TLSv1.3']) {
      const { extensions, text } = await eventually(() => presented(gateway, { ...acme, maxVersion }));
      // id-pe-acmeIdentifier, 1.3.6.1.5.5.7.1.31.
      expect(extensions).toContain('\x2b\x06\x01\x05\x05\x07\x01\x1f');
      expect(text).toBe('');
    }
    expect((await presented(gateway)).text).toMatch(/^HTTP\/1\.1 404 /);
  });

  it('are presented without the database, and their keys sealed anew with the others', async () => {
    await begin();
    const door = await openDoor();
    await door.leadTo(database.url);
    const url = new URL(database.url);
    url.port = String(door.port);
    const settings = { DATABASE_URL: url.href, ESPALIER_DATA_DIR: join(folder, 'kept') };
    const serial = await issued();
    const first = await start(settings);
    expect((await presented(first)).serial).toBe(serial);
    expect(first.output()).not.toContain('acme.failed');
    await eventually(() => expect(first.output()).toContain('"event":"snapshot.written"'));
    await first.kill();
    await door.close();
    const second = await start(settings);
    expect((await presented(second)).serial).toBe(serial);
    await second.kill();
    await door.leadTo(database.url);
    const third = await start({
      ...settings,
      ESPALIER_SECRETS_KEY: [key(8), key(7)].map((one) => one.toString('base64')).join(),
    });
    const { keyIds } = await createSealer([new Uint8Array(key(8))]);
    await eventually(async () => {
      const [row] = await database.sql<
        { sealed: string }[]
      >`select key_sealed as sealed from acme_certificates`;
      expect(sealingKeyId(row?.sealed ?? '')).toBe(keyIds[0]);
    });
    expect((await presented(third)).serial).toBe(serial);
    await door.close();
  });

  it('wait for a database that goes away again while they begin', async () => {
    await begin();
    const serial = await issued();
    const door = await openDoor();
    const url = new URL(database.url);
    url.port = String(door.port);
    const sql = openDatabase(url.href, { connections: 1, applicationName: 'test' });
    const certificates = createMemoryCertificates('acme');
    const lines: string[] = [];
    const ending = new AbortController();
    const acme = createNodeAcme(
      {
        acme: {
          directory,
          names: [name],
          email: undefined,
          challenge: 'http-01',
          listen: { host: '127.0.0.1', port: 0 },
        },
        sealer: await createSealer([new Uint8Array(key(7))]),
        log: createLog({ level: 'warn', format: 'json', write: (line) => lines.push(line) }),
        send: createNodeSend(createAddressPolicy([])).send,
        ...{ sql, retryBaseSeconds: 2, signal: ending.signal },
      },
      { certificates, listener: undefined },
    );
    const started = acme.start();
    const ended = started.then(
      () => undefined,
      (error: unknown) => error,
    );
    await eventually(() => expect(lines.join('')).toContain('waits-for-the-database'));
    await door.leadTo(database.url);
    expect(await ended).toBeUndefined();
    expect(certificates.current().map(({ cert }) => new X509Certificate(cert).serialNumber)).toEqual([
      serial,
    ]);
    ending.abort();
    await acme.stop();
    await sql.end({ timeout: 1 });
    await door.close();
  });

  it('name their listener where its port is taken', async () => {
    await begin();
    const port = await freePort();
    await start({ ESPALIER_ACME_LISTEN: `127.0.0.1:${port}` });
    await expect(start({ ESPALIER_ACME_LISTEN: `127.0.0.1:${port}` })).rejects.toThrow(
      `ESPALIER_ACME_LISTEN 127.0.0.1:${port} is taken by another process (EADDRINUSE)`,
    );
  });
});
