import { beforeAll, describe, expect, it } from 'vitest';
import { type Authority, createAuthority } from '../simulator/authority.ts';
import { createLog } from '../telemetry/log.ts';
import {
  type CertificateKind,
  createCertificateSource,
  createMemoryCertificates,
  readCertificate,
} from './node-certificate-source.ts';

const dayMs = 86_400_000;

describe('the certificate that is presented', () => {
  let authority: Authority;
  const lines: string[] = [];
  const log = createLog({ level: 'info', format: 'json', write: (line) => lines.push(line) });
  beforeAll(async () => {
    authority = await createAuthority();
  });

  const certificate = async (origin: string, names: readonly string[], days = 90) => {
    const { certificatePem: cert, keyPem: key } = await authority.issue(names, {
      notBefore: new Date(Date.now() - dayMs),
      notAfter: new Date(Date.now() + days * dayMs),
    });
    return readCertificate({ cert, key }, origin);
  };
  type Given = readonly [origin: string, names: readonly string[], days?: number];
  const open = async (given: Partial<Record<CertificateKind, readonly Given[]>>) => {
    const providers = await Promise.all(
      Object.entries(given).map(async ([kind, all]) => {
        const provider = createMemoryCertificates(kind as CertificateKind);
        provider.put(await Promise.all(all.map((one) => certificate(...one))));
        return provider;
      }),
    );
    const source = createCertificateSource(providers, log);
    return { source, providers, originFor: (name: string) => source.forName(name).origin };
  };

  it('is the one whose SAN has the name, without case and without the dot of the root', async () => {
    const { originFor } = await open({
      directory: [
        ['a', ['a.example.test']],
        ['b', ['b.example.test', 'c.example.test']],
      ],
    });
    expect(originFor('A.Example.TEST')).toBe('a');
    expect(originFor('b.example.test.')).toBe('b');
    expect(originFor('c.example.test')).toBe('b');
  });

  it('a wildcard stands for one label, whole and left-most, and gives way to the name itself', async () => {
    const { originFor } = await open({
      files: [['default', ['gateway.test']]],
      directory: [
        ['wild', ['*.example.test']],
        ['own', ['own.example.test']],
        ['part', ['f*.example.org']],
      ],
    });
    expect(originFor('any.example.test')).toBe('wild');
    expect(originFor('own.example.test')).toBe('own');
    expect(originFor('example.test')).toBe('default');
    expect(originFor('two.labels.example.test')).toBe('default');
    expect(originFor('.example.test')).toBe('default');
    expect(originFor('foo.example.org')).toBe('default');
  });

  it('compares international names as A-labels', async () => {
    const { originFor } = await open({
      files: [['default', ['gateway.test']]],
      directory: [
        ['umlaut', ['xn--mnchen-3ya.example.test']],
        ['wild', ['*.xn--strae-oqa.test']],
      ],
    });
    expect(originFor('XN--MNCHEN-3YA.example.test')).toBe('umlaut');
    expect(originFor('münchen.example.test')).toBe('umlaut');
    expect(originFor('xn--mnchen-3ya.xn--strae-oqa.test')).toBe('wild');
  });

  it('of two in the directory for one name is the one that ends last', async () => {
    const { originFor } = await open({
      directory: [
        ['2026', ['a.example.test'], 20],
        ['2027', ['a.example.test'], 400],
        ['2025', ['a.example.test'], -1],
      ],
    });
    expect(originFor('a.example.test')).toBe('2027');
  });

  it('is the default for other names: the pair of files, else the first folder, else what ACME obtained', async () => {
    const directory: Given[] = [
      ['b', ['b.test']],
      ['c', ['c.test']],
    ];
    const acme: Given[] = [['acme', ['acme.test']]];
    const own: Given[] = [['self', ['localhost']]];
    const all = await open({ 'self-signed': own, acme, directory, files: [['files', ['f.test']]] });
    expect([all.source.default().origin, all.originFor('unknown.test')]).toEqual(['files', 'files']);
    expect((await open({ 'self-signed': own, acme, directory })).source.default().origin).toBe('b');
    expect((await open({ 'self-signed': own, acme })).source.default().origin).toBe('acme');
    expect((await open({ 'self-signed': own })).originFor('unknown.test')).toBe('self');
  });

  it('is never the self-signed pair where there is another, not even for its own names', async () => {
    const { originFor, source } = await open({
      'self-signed': [['self', ['localhost', 'gateway.test'], 365]],
      acme: [['acme', ['gateway.test'], 90]],
    });
    expect([originFor('gateway.test'), originFor('localhost')]).toEqual(['acme', 'acme']);
    expect(source.presented().map((one) => one.certificate.origin)).toEqual(['acme']);
  });

  it('stays the one before when all are taken away, and says so', async () => {
    const { originFor, providers, source } = await open({ directory: [['a', ['a.test']]] });
    let changes = 0;
    source.onChange(() => {
      changes += 1;
    });
    providers[0]?.put([]);
    expect([originFor('a.test'), changes]).toEqual(['a', 0]);
    expect(lines.join('\n')).toContain('tls.no-certificate');
    providers[0]?.put([await certificate('b', ['b.test'])]);
    expect([originFor('a.test'), changes]).toEqual(['b', 1]);
  });

  it('answers a validation by the name that is under way, and no other', async () => {
    const { providers, source } = await open({ acme: [['acme', ['a.test']]] });
    const { cert, key } = await certificate('challenge', ['b.test']);
    providers[0]?.putChallenge('B.test', { cert, key });
    expect(source.challenge('b.TEST')?.cert).toBe(cert);
    expect(source.challenge('a.test')).toBeUndefined();
    providers[0]?.putChallenge('b.test', undefined);
    expect(source.challenge('b.test')).toBeUndefined();
  });

  it('is refused when the key is another one’s, and says which part to look at', async () => {
    const [one, other] = [await authority.issue(['a.test']), await authority.issue(['a.test'])];
    const read = (cert: string, key: string) => () => readCertificate({ cert, key }, 'x');
    expect(read(one.certificatePem, other.keyPem)).toThrow(expect.objectContaining({ part: 'key' }));
    expect(read('nothing', other.keyPem)).toThrow(expect.objectContaining({ part: 'cert' }));
    expect(read(one.certificatePem, 'nothing')).toThrow(expect.objectContaining({ part: 'key' }));
  });
});
