import { once } from 'node:events';
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { Agent, request } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { connect as tlsConnect } from 'node:tls';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { certificatesOfDirectory } from '../../src/runtime/node-certificate-files.ts';
import {
  type CertificateProvider,
  type CertificateSource,
  createCertificateSource,
} from '../../src/runtime/node-certificate-source.ts';
import { StartFault } from '../../src/runtime/start-fault.ts';
import { type Authority, createAuthority } from '../../src/simulator/authority.ts';
import { createLog } from '../../src/telemetry/log.ts';
import { issuePair } from '../harness/certificates.ts';
import { eventually } from '../harness/eventually.ts';
import { type LaneScene, startLaneScene } from '../harness/lane-scene.ts';
import { testedSockets } from '../harness/sockets.ts';

/** The folders of ESPALIER_TLS_CERT_DIR, as they are at the start and as they change while a listener presents them. */

const lines: string[] = [];
const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });

const ownDirectory = (): string => mkdtempSync(join(tmpdir(), 'espalier-certificates-'));

/** As a careful client of an authority puts it there: each file appears whole. */
function put(folder: string, files: { readonly cert?: string; readonly key?: string }): void {
  mkdirSync(folder, { recursive: true });
  for (const [name, content] of [
    ['privkey.pem', files.key],
    ['fullchain.pem', files.cert],
  ] as const) {
    if (content === undefined) continue;
    writeFileSync(join(folder, `.${name}`), content, { mode: 0o600 });
    renameSync(join(folder, `.${name}`), join(folder, name));
  }
}

describe('a directory of certificates at the start', () => {
  let authority: Authority;
  beforeAll(async () => {
    authority = await createAuthority();
  });
  const originsOf = async (directory: string): Promise<string[]> => {
    const provider = await certificatesOfDirectory(directory, log);
    provider.close();
    return provider.current().map(({ origin }) => origin.slice(directory.length + 1));
  };

  it('is read by name, links included; hidden folders and files beside them are not', async () => {
    const directory = ownDirectory();
    const pair = await issuePair(authority, ['a.test']);
    put(join(directory, 'b'), pair);
    put(join(directory, 'a'), pair);
    put(join(directory, '..2026_11_29'), pair);
    symlinkSync('..2026_11_29', join(directory, 'linked'));
    mkdirSync(join(directory, 'lost+found'));
    writeFileSync(join(directory, 'README'), 'As Certbot leaves it.');
    expect(await originsOf(directory)).toEqual(['a', 'b', 'linked']);
  });

  it('may be empty', async () => {
    expect(await originsOf(ownDirectory())).toEqual([]);
  });

  it('ends the start with a line for each folder that cannot be used', async () => {
    const directory = ownDirectory();
    const pair = await issuePair(authority, ['a.test']);
    const other = await issuePair(authority, ['a.test']);
    put(join(directory, 'absent-key'), { cert: pair.cert });
    put(join(directory, 'address'), await issuePair(authority, ['10.0.0.1']));
    put(join(directory, 'good'), pair);
    put(join(directory, 'large'), { ...pair, cert: pair.cert + ' '.repeat(200_000) });
    put(join(directory, 'none'), { ...pair, cert: 'nothing' });
    put(join(directory, 'other-key'), { cert: pair.cert, key: other.key });
    const failed = await certificatesOfDirectory(directory, log).catch((error: unknown) => error);
    const { errors } = failed as AggregateError;
    expect(errors.every((error) => error instanceof StartFault)).toBe(true);
    expect(errors.map(({ message }) => message.replace(`${directory}/`, ''))).toEqual([
      expect.stringMatching(/^ESPALIER_TLS_CERT_DIR absent-key\/privkey\.pem: there is no such file/),
      expect.stringMatching(/^ESPALIER_TLS_CERT_DIR address\/fullchain\.pem: it names no host/),
      expect.stringMatching(/^ESPALIER_TLS_CERT_DIR large\/fullchain\.pem: it is larger than 131072 bytes/),
      expect.stringMatching(/^ESPALIER_TLS_CERT_DIR none\/fullchain\.pem: /),
      expect.stringMatching(/^ESPALIER_TLS_CERT_DIR other-key\/privkey\.pem: is not the key of the cert/),
    ]);
  });

  it('ends it when it is absent, or has too many folders', async () => {
    await expect(certificatesOfDirectory(join(ownDirectory(), 'absent'), log)).rejects.toThrow(
      /^ESPALIER_TLS_CERT_DIR .*there is no such file/,
    );
    const directory = ownDirectory();
    for (let index = 0; index <= 1_000; index += 1) mkdirSync(join(directory, String(index)));
    await expect(certificatesOfDirectory(directory, log)).rejects.toThrow('1001 folders');
  });
});

describe.each([
  ['with the lane', true, 10_000],
  ['without the lane', false, 500],
])('a directory of certificates while a listener presents it, %s', (_, hasLane, requests) => {
  const directory = ownDirectory();
  let scene: LaneScene;
  let authority: Authority;
  let provider: CertificateProvider;
  let source: CertificateSource;
  let port: number;
  let path: string;

  beforeAll(async () => {
    scene = await startLaneScene();
    path = `/t/${scene.tenantId}/devices/${await scene.device()}/compliance`;
    authority = await createAuthority();
    put(join(directory, 'first'), await issuePair(authority, ['first.test']));
    put(join(directory, 'second'), await issuePair(authority, ['second.test', '*.second.test']));
    provider = await certificatesOfDirectory(directory, log);
    source = createCertificateSource([provider], log);
    const { origin } = await scene.listen({
      certificates: source,
      ...(hasLane ? { sockets: testedSockets } : {}),
    });
    port = Number(new URL(origin).port);
  });
  afterAll(async () => {
    source?.close();
    await scene?.close();
    rmSync(directory, { recursive: true });
  });

  const presented = async (servername: string) => {
    const ca = authority.certificatePem;
    // An unknown name is shown the default's certificate.
    const checkServerIdentity = (): undefined => undefined;
    const socket = tlsConnect({ port, host: '127.0.0.1', servername, ca, checkServerIdentity });
    await once(socket, 'secureConnect');
    const { serialNumber } = socket.getPeerCertificate();
    socket.destroy();
    return serialNumber;
  };
  const call = (servername: string, agent: Agent | undefined): Promise<void> =>
    new Promise((resolve, reject) => {
      const options = {
        ...{ port, host: '127.0.0.1', servername, agent: agent ?? false, path },
        ca: authority.certificatePem,
        headers: { host: servername, authorization: `Bearer ${token}` },
      };
      const sent = request(options, (answer) => {
        answer.resume();
        answer.on('error', reject);
        answer.on('end', () =>
          answer.statusCode === 200 ? resolve() : reject(new Error(`answered ${answer.statusCode}`)),
        );
      });
      sent.on('error', reject);
      sent.end();
    });
  let token = '';

  it(`fails none of ${requests} requests for two names while one is renewed again and again`, async () => {
    token = scene.token();
    const agent = new Agent({ keepAlive: true, maxSockets: 8 });
    const failures: string[] = [];
    let done = 0;
    let renewals = 0;
    const work = async (servername: string, kept: boolean): Promise<void> => {
      while (done < requests || renewals < 3) {
        done += 1;
        await call(servername, kept ? agent : undefined).catch((error: Error) =>
          failures.push(error.message),
        );
      }
    };
    const renew = async (): Promise<void> => {
      for (; renewals < 3; renewals += 1) {
        const before = await presented('second.test');
        put(join(directory, 'second'), await issuePair(authority, ['second.test', '*.second.test']));
        await eventually(async () => expect(await presented('second.test')).not.toBe(before));
      }
    };
    const workers = ['first.test', 'second.test'].flatMap((name) => [
      ...Array.from({ length: 4 }, () => work(name, true)),
      work(name, false),
    ]);
    await Promise.all([renew(), ...workers]);
    agent.destroy();
    expect([failures, renewals]).toEqual([[], 3]);
  }, 120_000);

  it('keeps what it presents when a pair is broken or half written, and names the folder', async () => {
    const before = await presented('a.second.test');
    const next = await issuePair(authority, ['second.test', '*.second.test']);
    lines.length = 0;
    put(join(directory, 'second'), { cert: next.cert });
    await eventually(() => expect(lines.join('\n')).toContain('tls.reload-failed'));
    expect(lines.join('\n')).toContain(join(directory, 'second'));
    expect(await presented('a.second.test')).toBe(before);
    put(join(directory, 'second'), { key: next.key });
    await eventually(async () => expect(await presented('a.second.test')).not.toBe(before));
    lines.length = 0;
    const now = await presented('second.test');
    put(join(directory, 'second'), { cert: 'nothing' });
    await eventually(() => expect(lines.join('\n')).toContain('tls.reload-failed'));
    expect(await presented('second.test')).toBe(now);
    rmSync(join(directory, 'second', 'fullchain.pem'));
    await eventually(() => expect(lines.join('\n')).toContain('there is no such file'));
    expect(await presented('second.test')).toBe(now);
    put(join(directory, 'second'), next);
  });

  it('sees a folder that is added, whole or in pieces, and one that is taken away', async () => {
    const fallback = await presented('third.test');
    const pair = await issuePair(authority, ['third.test']);
    mkdirSync(join(directory, 'third'));
    put(join(directory, 'third'), { cert: pair.cert });
    await eventually(() => expect(lines.join('\n')).toContain(join(directory, 'third')));
    expect(await presented('third.test')).toBe(fallback);
    put(join(directory, 'third'), pair);
    await eventually(async () => expect(await presented('third.test')).not.toBe(fallback));
    rmSync(join(directory, 'third'), { recursive: true });
    await eventually(async () => expect(await presented('third.test')).toBe(fallback));
  });

  it('goes on with what it has while the directory cannot be read', async () => {
    const before = await presented('second.test');
    renameSync(directory, `${directory}-away`);
    lines.length = 0;
    await eventually(() => expect(lines.join('\n')).toContain('tls.reload-failed'));
    expect(await presented('second.test')).toBe(before);
    renameSync(`${directory}-away`, directory);
  });
});
