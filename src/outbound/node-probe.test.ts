/** Real sockets on this machine, good and bad. */

import type { AddressInfo, Socket } from 'node:net';
import { createServer, type Server as PlainServer } from 'node:net';
import { createServer as createTlsServer, type TlsOptions } from 'node:tls';
import { afterEach, describe, expect, it } from 'vitest';
import { createAuthority } from '../simulator/authority.ts';
import { createAddressPolicy, parseAllowEntry } from './addresses.ts';
import { probe } from './node-probe.ts';

const authority = await createAuthority();
const running: PlainServer[] = [];
const sockets = new Set<Socket>();

async function start(server: PlainServer): Promise<number> {
  running.push(server);
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  return (server.address() as AddressInfo).port;
}

async function startTls(names: readonly string[], more: TlsOptions = {}): Promise<number> {
  const { certificatePem, keyPem } = await authority.issue(names);
  const server = createTlsServer({ cert: certificatePem, key: keyPem, ...more }, (socket) => socket.end());
  server.on('tlsClientError', () => undefined);
  return start(server);
}

afterEach(async () => {
  for (const socket of sockets) socket.destroy();
  sockets.clear();
  for (const server of running.splice(0)) await new Promise((done) => server.close(done));
});

const probeLocal = (port: number, more: object = {}) =>
  probe({ host: 'localhost', port, timeoutMs: 3_000, ...more });

describe('a probe', () => {
  it('reports the certificate of a server that would be refused, and why', async () => {
    const { tls } = await probeLocal(await startTls(['localhost', 'other.test']));
    expect(tls).toMatchObject({
      ok: true,
      protocol: 'TLSv1.3',
      refusal: 'UNABLE_TO_VERIFY_LEAF_SIGNATURE',
      names: ['localhost', 'other.test'],
      fitsHost: true,
      ownAuthority: false,
    });
  });

  it('trusts the authority that it is given, and says that it is no public one', async () => {
    const { tls } = await probeLocal(await startTls(['localhost']), {
      caCertificate: authority.certificatePem,
    });
    expect(tls).toMatchObject({ ok: true, ownAuthority: true, fitsHost: true });
    expect(tls).not.toHaveProperty('refusal');
    expect(tls?.ok === true && tls.chain.map(({ subject }) => subject)).toEqual([
      'localhost',
      'Espalier simulated world',
    ]);
  });

  it('distinguishes a wrong name from an unknown authority', async () => {
    const { tls } = await probeLocal(await startTls(['other.test']), {
      caCertificate: authority.certificatePem,
    });
    expect(tls).toMatchObject({ ok: true, fitsHost: false });
    expect(tls).not.toHaveProperty('refusal');
  });

  it('looks at an address as at a name', async () => {
    const port = await startTls(['127.0.0.1']);
    const { tls } = await probeLocal(port, { host: '127.0.0.1', caCertificate: authority.certificatePem });
    expect(tls).toMatchObject({ ok: true, fitsHost: true });
  });

  it('is refused by a server that has nothing newer than TLS 1.1', async () => {
    const old = { minVersion: 'TLSv1', maxVersion: 'TLSv1.1', ciphers: 'DEFAULT@SECLEVEL=0' } as const;
    const { tls } = await probeLocal(await startTls(['localhost'], old));
    expect(tls).toMatchObject({ ok: false, code: expect.stringMatching(/PROTOCOL/) });
  });

  it('ends in time with a server that is silent, and with one that speaks no TLS', async () => {
    const silent = await start(createServer());
    const { tls } = await probeLocal(silent, { timeoutMs: 200 });
    expect(tls).toEqual({ ok: false, code: 'timeout' });
    const plain = await start(createServer((socket) => void socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')));
    expect((await probeLocal(plain)).tls).toMatchObject({ ok: false });
  });

  it('says that a port is closed and a name unknown', async () => {
    const server = createServer();
    const port = await start(server);
    await new Promise((done) => server.close(done));
    running.length = 0;
    expect((await probeLocal(port)).port).toEqual({ ok: false, code: 'ECONNREFUSED' });
    const { name, port: none } = await probeLocal(port, { host: 'no-such-name.invalid' });
    expect(name.ok).toBe(false);
    expect(none).toBeUndefined();
  });

  it('connects to no address that the policy refuses, unless asked to look all the same', async () => {
    const port = await startTls(['localhost']);
    const refused = await probeLocal(port, { policy: createAddressPolicy([]) });
    expect(refused).toMatchObject({ name: { ok: true } });
    expect(refused.port).toBeUndefined();
    const allowed = parseAllowEntry('localhost');
    const policy = createAddressPolicy(allowed ? [allowed] : []);
    expect((await probeLocal(port, { policy })).tls).toMatchObject({ ok: true });
    const marked = await probeLocal(port, { policy: createAddressPolicy([]), anyAddress: true });
    expect(marked.name.ok && marked.name.addresses.every(({ permitted }) => !permitted)).toBe(true);
    expect(marked.tls).toMatchObject({ ok: true });
  });
});
