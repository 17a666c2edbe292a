import { beforeAll, describe, expect, it } from 'vitest';
import { type Issued, issue } from '../../../test/harness/issuing.ts';
import { findHeader, readCertificateHeader } from './certificate-header.ts';

describe('a header with a client certificate', () => {
  let own: Issued;
  let first: Issued;
  let second: Issued;
  beforeAll(async () => {
    [own, first, second] = (await Promise.all(['own', 'first', 'second'].map((name) => issue(name)))) as [
      Issued,
      Issued,
      Issued,
    ];
  });
  const escaped = (...of: Issued[]): string => encodeURIComponent(of.map(({ pem }) => `${pem}\n`).join(''));
  const base64 = ({ der }: Issued): string => der.toString('base64');
  const bytes = (one: Issued): string => `:${base64(one)}:`;
  /** As AWS escapes it: what base64 has stays as it is. */
  const awsEscaped = (one: Issued): string =>
    escaped(one).replaceAll('%2B', '+').replaceAll('%3D', '=').replaceAll('%2F', '/');

  it.each<[string, () => string, string?]>([
    ['nginx: PEM as in a URL', () => escaped(own)],
    ['AWS: PEM as in a URL, but for what base64 has', () => awsEscaped(own)],
    ['PEM with spaces', () => own.pem.replaceAll('\n', ' ')],
    ['PEM with tabs', () => own.pem.replaceAll('\n', '\t')],
    ['PEM in one piece', () => own.pem.replaceAll('\n', '')],
    ['HAProxy: base64', () => base64(own)],
    ['Traefik: base64 as in a URL', () => encodeURIComponent(base64(own))],
    ['RFC 9440', () => bytes(own)],
    ['Envoy', () => `Cert="${escaped(own)}"`],
    [
      'Envoy, all of it',
      () =>
        `By=spiffe://a;Hash=${'a'.repeat(64)};Cert="${escaped(own)}";Subject="CN=\\"a,b\\";O=c";URI=spiffe://b;DNS=a;DNS=b`,
    ],
  ])('is read: %s', (_, make) => {
    expect(readCertificateHeader(make())).toEqual({ leaf: own.der, intermediates: [] });
  });

  it('has its chain beside it, in it, or in a header of its own', () => {
    const whole = { leaf: own.der, intermediates: [first.der, second.der] };
    expect(readCertificateHeader(escaped(own, first, second))).toEqual(whole);
    expect(readCertificateHeader([own, first, second].map(base64).join(','))).toEqual(whole);
    expect(readCertificateHeader(bytes(own), `${bytes(first)}, ${bytes(second)}`)).toEqual(whole);
    expect(readCertificateHeader(`Cert="${escaped(own)}";Chain="${escaped(first, second)}"`)).toEqual(whole);
    expect(readCertificateHeader(`Hash=ab;Chain="${escaped(own, first, second)}"`)).toEqual(whole);
    expect(readCertificateHeader(bytes(own), '')).toEqual({ ...whole, intermediates: [] });
  });

  it.each<[string, () => string, (() => string)?]>([
    ['nothing', () => ''],
    ['words', () => 'NONE'],
    ['a null', () => '(null)'],
    ['half an escape', () => `${escaped(own)}%2`],
    ['base64 of URLs', () => base64(own).replaceAll('+', '-').replaceAll('/', '_').replace(/^/, '-')],
    ['base64 that is cut', () => base64(own).slice(0, -1)],
    ['base64 with a space', () => base64(own).replace(/^(.{10})/, '$1 ')],
    ['PEM without its end', () => own.pem.replace(/-----END.*/s, '')],
    ['PEM with words around it', () => `x ${own.pem.replaceAll('\n', ' ')}`],
    ['a key', () => encodeURIComponent(own.keyPem)],
    ['two byte sequences', () => `${bytes(own)}, ${bytes(first)}`],
    ['a byte sequence with a parameter', () => `${bytes(own)};a=b`],
    ['a byte sequence without its end', () => bytes(own).slice(0, -1)],
    ['an empty byte sequence', () => '::'],
    ['a chain that is none', () => bytes(own), () => 'none'],
    ['two elements of Envoy', () => `Cert="${escaped(own)}",Cert="${escaped(first)}"`],
    ['two certificates of Envoy', () => `Cert="${escaped(own)}";Cert="${escaped(first)}"`],
    ['Envoy without a certificate', () => 'Hash=ab;Subject="CN=a"'],
    ['Envoy with an open quote', () => `Cert="${escaped(own)}`],
    ['seven certificates', () => escaped(own, first, second, own, first, second, own)],
    [
      'seven in two headers',
      () => bytes(own),
      () => Array.from({ length: 6 }, () => bytes(first)).join(', '),
    ],
  ])('is none: %s', (_, make, chain) => {
    expect(readCertificateHeader(make(), chain?.())).toBeUndefined();
  });

  it.each<[string[], string | undefined, boolean]>([
    [['Host', 'a'], undefined, false],
    [['X-Client-Cert', 'a'], 'a', false],
    [['x-client-cert', 'a', 'X-CLIENT-CERT', 'b'], 'b', true],
    [['x_client_cert', 'a'], undefined, true],
    [['X-Client_Cert', 'a', 'X-Client-Cert', 'b'], 'b', true],
    [['x.client.cert', 'a'], undefined, true],
    [['x~client`cert', 'a'], undefined, true],
    [['x-client-certs', 'a', 'client-cert', 'b'], undefined, false],
  ])('of %j', (rawHeaders, value, isDoubtful) => {
    expect(findHeader(rawHeaders, 'x-client-cert')).toEqual({ value, isDoubtful });
  });
});
