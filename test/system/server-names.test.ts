import { once } from 'node:events';
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type CertificateSource,
  createCertificateSource,
  createMemoryCertificates,
  type KeyPair,
  type MemoryCertificates,
  readCertificate,
} from '../../src/runtime/node-certificate-source.ts';
import { nodeRequestFacts } from '../../src/runtime/node-http.ts';
import { type Authority, createAuthority } from '../../src/simulator/authority.ts';
import { makeClientCertificate } from '../../src/simulator/client-certificate.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { issuePair } from '../harness/certificates.ts';
import { type LaneScene, startLaneScene } from '../harness/lane-scene.ts';
import { testedSockets } from '../harness/sockets.ts';

/** One listener with several certificates, over real sockets: what is presented, negotiated and resumed. */
describe.each([
  ['with the lane', true],
  ['without the lane', false],
])('certificates by name, %s', (_, hasLane) => {
  let scene: LaneScene;
  let authority: Authority;
  let memory: MemoryCertificates;
  let source: CertificateSource;
  let pairs: Record<'first' | 'second' | 'wild', KeyPair>;
  let port: number;
  let client: KeyPair & { readonly cert: string };

  const all = () => Object.entries(pairs).map(([name, pair]) => readCertificate(pair, name));
  beforeAll(async () => {
    scene = await startLaneScene({
      addRoutes: (app) =>
        app.get('/certificate', (c) => c.text(nodeRequestFacts.clientCertificateSha256(c) ?? 'none')),
    });
    authority = await createAuthority();
    const made = await makeClientCertificate('client');
    client = { cert: made.certificatePem, key: made.keyPem };
    pairs = {
      first: await issuePair(authority, ['first.test']),
      second: await issuePair(authority, ['second.test']),
      wild: await issuePair(authority, ['*.wild.test']),
    };
    memory = createMemoryCertificates('directory');
    memory.put(all());
    source = createCertificateSource(
      [memory],
      createLog({ level: 'error', format: 'json', write: () => undefined }),
    );
    const { origin } = await scene.listen({
      certificates: source,
      clientCa: client.cert,
      ...(hasLane ? { sockets: testedSockets } : {}),
    });
    port = Number(new URL(origin).port);
  });
  afterAll(() => scene?.close());

  const open = async (options: ConnectionOptions = {}): Promise<TLSSocket> => {
    const socket = tlsConnect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...options });
    await once(socket, 'secureConnect');
    return socket;
  };
  const commonName = (socket: TLSSocket): string => socket.getPeerCertificate().subject.CN as string;
  const nameFor = async (options: ConnectionOptions = {}): Promise<string> => {
    const socket = await open(options);
    const name = commonName(socket);
    socket.destroy();
    return name;
  };
  const answerOf = async (options: ConnectionOptions, path = '/nothing'): Promise<string> => {
    const socket = await open(options);
    let answer = '';
    socket.on('data', (chunk: Buffer) => {
      answer += chunk.toString();
    });
    socket.write(`GET ${path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n`);
    await once(socket, 'close');
    return answer;
  };

  it.each(['TLSv1.2', 'TLSv1.3'] as const)('are chosen by SNI over %s, else the first', async (version) => {
    const at = { minVersion: version, maxVersion: version };
    expect(await nameFor({ ...at, servername: 'second.test' })).toBe('second.test');
    expect(await nameFor({ ...at, servername: 'SECOND.test' })).toBe('second.test');
    expect(await nameFor({ ...at, servername: 'a.wild.test' })).toBe('*.wild.test');
    expect(await nameFor({ ...at, servername: 'unknown.test' })).toBe('first.test');
    expect(await nameFor(at)).toBe('first.test');
    expect(await answerOf({ ...at, servername: 'second.test' })).toContain('404');
  });

  it('change for those who come next, and not for a connection that is there', async () => {
    const kept = await open({ servername: 'second.test' });
    const before = pairs.second;
    const serial = (socket: TLSSocket) => socket.getPeerCertificate().serialNumber;
    pairs.second = await issuePair(authority, ['second.test']);
    memory.put(all());
    const next = await open({ servername: 'second.test' });
    expect(serial(next)).not.toBe(serial(kept));
    expect(before).not.toBe(pairs.second);
    kept.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n');
    expect(String((await once(kept, 'data'))[0])).toContain('404');
    for (const socket of [kept, next]) socket.destroy();
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'are never left out by a session of %s that began under another name',
    async (version) => {
      const at = { minVersion: version, maxVersion: version };
      const began = await open({ ...at, servername: 'first.test' });
      let session: Buffer | undefined;
      began.on('session', (one: Buffer) => {
        session = one;
      });
      began.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n');
      await once(began, 'data');
      session ??= began.getSession();
      began.destroy();
      // OpenSSL as a client resumes under the same name alone; a caller of another make may do so under any.
      for (const servername of ['first.test', 'second.test']) {
        const next = await open({ ...at, servername, ...(session ? { session } : {}) });
        expect([next.isSessionReused(), commonName(next)]).toEqual([false, servername]);
        next.destroy();
      }
    },
  );

  it('all ask for a certificate of the clients’ authority', async () => {
    const other = await makeClientCertificate('client');
    const stranger = { cert: other.certificatePem, key: other.keyPem };
    for (const servername of ['first.test', 'second.test', 'a.wild.test', 'unknown.test'])
      for (const [pair, isTrusted] of [
        [client, true],
        [stranger, false],
      ] as const) {
        const answer = await answerOf({ servername, ...pair }, '/certificate');
        expect([servername, answer.endsWith('none')]).toEqual([servername, !isTrusted]);
      }
  });

  const fails = (options: ConnectionOptions): Promise<string> =>
    open(options).then(
      () => 'connected',
      (error: NodeJS.ErrnoException) => error.code ?? error.message,
    );

  it('offers HTTP/1.1 alone', async () => {
    expect((await open({ servername: 'first.test', ALPNProtocols: ['h2', 'http/1.1'] })).alpnProtocol).toBe(
      'http/1.1',
    );
    expect(await fails({ servername: 'first.test', ALPNProtocols: ['h2'] })).toContain('ALERT');
  });

  it.each(['TLSv1.2', 'TLSv1.3'] as const)(
    'answers a validation of a name over %s with its own pair, and carries nothing on that connection',
    async (version) => {
      const at = { minVersion: version, maxVersion: version };
      const acme = { ...at, ALPNProtocols: ['acme-tls/1'] };
      expect(await fails({ ...acme, servername: 'new.test' })).toContain('ALERT');
      memory.putChallenge('new.test', await issuePair(authority, ['challenge.test']));
      const socket = await open({ ...acme, servername: 'new.test' });
      expect([socket.alpnProtocol, commonName(socket)]).toEqual(['acme-tls/1', 'challenge.test']);
      let answer = '';
      socket.on('data', (chunk: Buffer) => {
        answer += chunk.toString();
      });
      socket.on('error', () => undefined);
      socket.write('GET /nothing HTTP/1.1\r\nHost: a\r\n\r\n');
      await new Promise((resolve) => socket.once('close', resolve));
      expect(answer).toBe('');
      // The challenge is for those who validate, not for those who call.
      expect(await nameFor({ ...at, servername: 'new.test' })).toBe('first.test');
      const both = { ...at, servername: 'new.test', ALPNProtocols: ['acme-tls/1', 'http/1.1'] };
      expect(await fails(both)).toContain('ALERT');
      memory.putChallenge('new.test', undefined);
      expect(await fails({ ...acme, servername: 'new.test' })).toContain('ALERT');
    },
  );
});
