import { describe, expect, test } from 'vitest';
import { builtInClouds, type Cloud, issuerFor, issuerV1For, jwksUrlFor, parseClouds } from './clouds.ts';

const lab = {
  authority: 'https://login.example.test',
  issuer: 'https://login.example.test/{tenantid}/v2.0',
  graph: 'https://graph.example.test',
  intuneScope: 'https://api.manage.example.test//.default',
  intuneHosts: ['*.manage.example.test'],
  jwks: 'https://login.example.test/{tenantid}/discovery/v2.0/keys',
  portal: 'https://intune.example.test',
};
const cloudOf = (json: unknown, name: string): Cloud | undefined => {
  const result = parseClouds(json);
  return result.ok ? result.clouds.get(name) : undefined;
};
const errorsOf = (json: unknown): readonly string[] => {
  const result = parseClouds(json);
  return result.ok ? [] : result.errors.map(({ path }) => path);
};

describe('built-in clouds', () => {
  test('are four, with two slashes in the Intune scope', () => {
    expect([...builtInClouds.keys()]).toEqual(['public', 'usgov', 'usgov-dod', 'china']);
    expect(builtInClouds.get('public')).toMatchObject({
      authority: 'https://login.microsoftonline.com',
      intuneScope: 'https://api.manage.microsoft.com//.default',
      intuneHosts: ['*.manage.microsoft.com'],
      intunePort: 443,
    });
    expect(builtInClouds.get('usgov-dod')?.graph).toBe('https://dod-graph.microsoft.us');
  });

  test('each passes its own check as a file', () => {
    const file = Object.fromEntries(
      [...builtInClouds].map(([key, { name: _name, ...cloud }]) => [`${key}-copy`, cloud]),
    );
    expect(parseClouds(file).ok).toBe(true);
  });

  test('issuers and keys of a tenant', () => {
    const cloud = builtInClouds.get('public');
    if (cloud === undefined) throw new Error('no public cloud');
    expect(issuerFor(cloud, 'T')).toBe('https://login.microsoftonline.com/T/v2.0');
    expect(issuerV1For(cloud, 'T')).toBe('https://sts.windows.net/T/');
    expect(jwksUrlFor(cloud, 'T')).toBe('https://login.microsoftonline.com/T/discovery/v2.0/keys');
  });
});

describe('a clouds file', () => {
  test('adds a cloud with port 443 by default', () => {
    expect(cloudOf({ lab }, 'lab')).toEqual({ name: 'lab', ...lab, intunePort: 443 });
    expect(cloudOf({ lab }, 'public')).toEqual(builtInClouds.get('public'));
  });

  test('overrides only what it gives', () => {
    expect(cloudOf({ public: { intuneScope: 'https://x.test/.default' } }, 'public')).toEqual({
      ...builtInClouds.get('public'),
      intuneScope: 'https://x.test/.default',
    });
  });

  test('trailing slashes of origins do not matter, those of issuers do', () => {
    const issuerV1 = 'https://sts.example.test/{tenantid}/';
    const cloud = cloudOf({ lab: { ...lab, authority: `${lab.authority}:8443/`, issuerV1 } }, 'lab');
    expect(cloud).toMatchObject({ authority: 'https://login.example.test:8443', issuerV1 });
  });

  test.each(['localhost', '127.0.0.1', '[::1]', '*.test', 'A.Example.test'])('takes the host %s', (host) => {
    expect(cloudOf({ lab: { ...lab, intuneHosts: [host] } }, 'lab')?.intuneHosts).toEqual([
      host.toLowerCase(),
    ]);
  });

  test.each([
    [{ authority: 'http://login.example.test' }, 'lab.authority'],
    [{ authority: 'https://login.example.test/x' }, 'lab.authority'],
    [{ graph: 'https://u:p@graph.example.test' }, 'lab.graph'],
    [{ graph: 'graph.example.test' }, 'lab.graph'],
    [{ issuer: 'https://login.example.test/v2.0' }, 'lab.issuer'],
    [{ issuer: 'https://{tenantid}.example.test/v2.0' }, 'lab.issuer'],
    [{ jwks: 'http://login.example.test/{tenantid}/keys' }, 'lab.jwks'],
    [{ intuneScope: 'https://api.example.test' }, 'lab.intuneScope'],
    [{ intuneHosts: [] }, 'lab.intuneHosts'],
    [{ intuneHosts: ['ok.test', '*'] }, 'lab.intuneHosts[1]'],
    [{ intuneHosts: ['a.*.test'] }, 'lab.intuneHosts[0]'],
    [{ intuneHosts: ['*.0.0.1'] }, 'lab.intuneHosts[0]'],
    [{ intuneHosts: ['a.test:443'] }, 'lab.intuneHosts[0]'],
    [{ intuneHosts: ['https://a.test'] }, 'lab.intuneHosts[0]'],
    [{ intunePort: 0 }, 'lab.intunePort'],
    [{ intunePort: '443' }, 'lab.intunePort'],
    [{ extra: 1 }, 'lab'],
  ])('refuses %j at %s', (members, path) => {
    expect(errorsOf({ lab: { ...lab, ...members } })).toEqual([path]);
  });

  test.each([
    [[], ''],
    ['x', ''],
    [null, ''],
    [{ Lab: lab }, 'Lab'],
    [{ lab: 1 }, 'lab'],
    [{ public: { grap: 'https://graph.example.test' } }, 'public'],
  ])('refuses the file %j at "%s"', (json, path) => {
    expect(errorsOf(json)).toEqual([path]);
  });

  test('names every fault in one go, missing members too', () => {
    const { portal: _portal, ...rest } = lab;
    expect(errorsOf({ lab: { ...rest, graph: 1 }, china: { intunePort: 70_000 } })).toEqual([
      'lab.graph',
      'lab.portal',
      'china.intunePort',
    ]);
  });
});
