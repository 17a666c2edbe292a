import 'reflect-metadata';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createServer, type TLSSocket, connect as tlsConnect } from 'node:tls';
import * as x509 from '@peculiar/x509';
import { beforeAll, describe, expect, it } from 'vitest';
import { type Issued, issue, rsa } from '../../test/harness/issuing.ts';
import { createClientCertificates } from './node-client-certificate.ts';

const { clientAuth, serverAuth } = x509.ExtendedKeyUsage;
const flags = x509.KeyUsageFlags;

/** What Node's own TLS makes of a client that shows these and has the key. */
async function authorizedByTls(ca: string, client: Issued, between: readonly Issued[]): Promise<boolean> {
  const own = await issue('localhost');
  const server = createServer({
    ...{ cert: own.pem, key: own.keyPem, ca, requestCert: true, rejectUnauthorized: false },
    // The key is checked by the first security level, so that the second one's refusal is that of the certificate.
    maxVersion: 'TLSv1.2',
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const seen = once(server, 'secureConnection') as Promise<[TLSSocket]>;
  const socket = tlsConnect({
    port: (server.address() as AddressInfo).port,
    cert: [client, ...between].map(({ pem }) => pem).join('\n'),
    key: client.keyPem,
    rejectUnauthorized: false,
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  socket.on('error', () => undefined);
  const failed = new Promise<undefined>((resolve) => server.once('tlsClientError', () => resolve(undefined)));
  const found = await Promise.race([seen, failed]);
  const isAuthorized = found?.[0].authorized === true;
  socket.destroy();
  found?.[0].destroy();
  server.close();
  return isAuthorized;
}

describe('a certificate that a balancer hands over', () => {
  let root: Issued;
  let other: Issued;
  let between: Issued;
  let deep: Issued;
  beforeAll(async () => {
    root = await issue('root', { isAuthority: true, usages: flags.keyCertSign, pathLength: 1 });
    other = await issue('root', { isAuthority: true });
    between = await issue('between', { isAuthority: true, issuer: root });
    deep = await issue('deep', { isAuthority: true, issuer: between });
  });

  type Made = {
    readonly client: Issued;
    readonly between?: readonly Issued[];
    readonly ca?: readonly Issued[];
  };
  it.each<[string, () => Promise<Made>, 'good' | string]>([
    ['of the authority', async () => ({ client: await issue('a', { issuer: root }) }), 'good'],
    [
      'for clients',
      async () => ({ client: await issue('a', { issuer: root, purposes: [clientAuth] }) }),
      'good',
    ],
    [
      'with the usual usages',
      async () => ({ client: await issue('a', { issuer: root, usages: flags.digitalSignature }) }),
      'good',
    ],
    ['of RSA', async () => ({ client: await issue('a', { issuer: root, algorithm: rsa(2048) }) }), 'good'],
    [
      'through an authority between',
      async () => ({ client: await issue('a', { issuer: between }), between: [between] }),
      'good',
    ],
    [
      'through one that the file holds',
      async () => ({ client: await issue('a', { issuer: between }), ca: [root, between] }),
      'good',
    ],
    [
      'with the authority itself in the chain',
      async () => ({ client: await issue('a', { issuer: between }), between: [root, between, other] }),
      'good',
    ],
    [
      'that is its own authority in the file',
      async () => {
        const client = await issue('a');
        return { client, ca: [root, client] };
      },
      'good',
    ],
    ['that is its own authority', async () => ({ client: await issue('a') }), 'unknown-issuer'],
    ['of another authority', async () => ({ client: await issue('a', { issuer: other }) }), 'unknown-issuer'],
    [
      'of another authority that is in the chain',
      async () => ({ client: await issue('a', { issuer: other }), between: [other] }),
      'unknown-issuer',
    ],
    [
      'whose chain is not whole',
      async () => ({ client: await issue('a', { issuer: between }) }),
      'unknown-issuer',
    ],
    [
      'whose chain ends in an authority that is not a root',
      async () => ({ client: await issue('a', { issuer: between }), ca: [between] }),
      'unknown-issuer',
    ],
    ['that is over', async () => ({ client: await issue('a', { issuer: root, from: -9, to: -1 }) }), 'dates'],
    ['that is not valid yet', async () => ({ client: await issue('a', { issuer: root, from: 1 }) }), 'dates'],
    [
      'through an authority that is over',
      async () => {
        const old = await issue('old', { isAuthority: true, issuer: root, from: -9, to: -1 });
        return { client: await issue('a', { issuer: old }), between: [old] };
      },
      'dates',
    ],
    [
      'of an authority that is over',
      async () => {
        const old = await issue('old', { isAuthority: true, from: -9, to: -1 });
        return { client: await issue('a', { issuer: old }), ca: [old] };
      },
      'dates',
    ],
    [
      'for servers',
      async () => ({ client: await issue('a', { issuer: root, purposes: [serverAuth] }) }),
      'purpose',
    ],
    [
      'for any purpose, which is none',
      async () => ({ client: await issue('a', { issuer: root, purposes: ['2.5.29.37.0'] }) }),
      'purpose',
    ],
    [
      'with a key that may not sign',
      async () => ({ client: await issue('a', { issuer: root, usages: flags.keyEncipherment }) }),
      'purpose',
    ],
    [
      'issued by a client',
      async () => {
        const client = await issue('client', { issuer: root });
        return { client: await issue('a', { issuer: client }), between: [client] };
      },
      'purpose',
    ],
    [
      'issued by an authority that may not issue',
      async () => {
        const idle = await issue('idle', { isAuthority: true, issuer: root, usages: flags.cRLSign });
        return { client: await issue('a', { issuer: idle }), between: [idle] };
      },
      'unknown-issuer',
    ],
    [
      'issued by an authority for servers',
      async () => {
        const servers = await issue('servers', { isAuthority: true, issuer: root, purposes: [serverAuth] });
        return { client: await issue('a', { issuer: servers }), between: [servers] };
      },
      'purpose',
    ],
    [
      'through more authorities than the root allows',
      async () => ({ client: await issue('a', { issuer: deep }), between: [deep, between] }),
      'purpose',
    ],
    [
      'of a short key',
      async () => ({ client: await issue('a', { issuer: root, algorithm: rsa(1024) }) }),
      'weak',
    ],
    [
      'signed with SHA-1',
      async () => {
        const old = await issue('old', { isAuthority: true, issuer: root, algorithm: rsa(2048, 'SHA-1') });
        return { client: await issue('a', { issuer: old }), between: [old] };
      },
      'weak',
    ],
    [
      'with a critical extension that nobody knows',
      async () => ({
        client: await issue('a', {
          issuer: root,
          more: [new x509.Extension('1.2.3.4', true, new Uint8Array([5, 0]))],
        }),
      }),
      'unsupported',
    ],
    [
      'with an extension that is not critical',
      async () => ({
        client: await issue('a', {
          issuer: root,
          more: [new x509.Extension('1.2.3.4', false, new Uint8Array([5, 0]))],
        }),
      }),
      'good',
    ],
  ])('%s', async (_, make, expected) => {
    const { between: shown = [], ca = [root], client } = await make();
    const caPem = ca.map(({ pem }) => pem).join('\n');
    const given = { leaf: client.der, intermediates: shown.map(({ der }) => der) };
    const certificates = createClientCertificates(caPem, Date.now);
    const verdict = certificates.verify(given);
    const sha256 = createHash('sha256').update(client.der).digest('hex');
    expect(verdict).toEqual(expected === 'good' ? { ok: true, sha256 } : { ok: false, reason: expected });
    expect(certificates.verify(given)).toEqual(verdict);
    expect(await authorizedByTls(caPem, client, shown)).toBe(verdict.ok);
  });

  it('with names that its authority is limited to is refused', async () => {
    const limited = await issue('limited', {
      isAuthority: true,
      issuer: root,
      // No name but those below example.com.
      more: [new x509.Extension('2.5.29.30', true, Buffer.from('300ea00c300a8208636f6d2e74657374', 'hex'))],
    });
    const client = await issue('a', { issuer: limited });
    const verdict = createClientCertificates(root.pem, Date.now).verify({
      leaf: client.der,
      intermediates: [limited.der],
    });
    expect(verdict).toEqual({ ok: false, reason: 'unsupported' });
  });

  it('that is kept ends with its time', async () => {
    const client = await issue('a', { issuer: root, to: 10 });
    let nowMs = Date.now();
    const certificates = createClientCertificates(root.pem, () => nowMs);
    const given = { leaf: client.der, intermediates: [] };
    expect(certificates.verify(given).ok).toBe(true);
    nowMs += 11 * 86_400_000;
    expect(certificates.verify(given)).toEqual({ ok: false, reason: 'dates' });
  });

  it('is whole or nothing', async () => {
    const client = await issue('a', { issuer: root });
    const certificates = createClientCertificates(root.pem, Date.now);
    const verify = (leaf: Buffer) => certificates.verify({ leaf, intermediates: [] });
    for (let cut = 0; cut < client.der.length; cut += 7)
      expect(verify(client.der.subarray(0, cut)).ok).toBe(false);
    expect(verify(Buffer.concat([client.der, Buffer.from([0])]))).toEqual({
      ok: false,
      reason: 'unreadable',
    });
    for (let at = 0; at < client.der.length; at += 1) {
      const changed = Buffer.from(client.der);
      changed[at] = (changed[at] ?? 0) ^ 1;
      expect([at, verify(changed).ok]).toEqual([at, false]);
    }
  });

  it('does not make us look for a path for long', async () => {
    const crowd = await Promise.all(Array.from({ length: 30 }, () => issue('root', { isAuthority: true })));
    const client = await issue('a', { issuer: root });
    const certificates = createClientCertificates(crowd.map(({ pem }) => pem).join('\n'), Date.now);
    expect(
      certificates.verify({ leaf: client.der, intermediates: crowd.slice(0, 5).map(({ der }) => der) }),
    ).toEqual({
      ok: false,
      reason: 'unknown-issuer',
    });
  });
});
