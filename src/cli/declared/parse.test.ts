import { describe, expect, it } from 'vitest';
import { describeFault } from './fault.ts';
import { type Parsed, parseFiles } from './parse.ts';

const pem = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';
const readFile = (path: string): string => {
  if (path === '/conf/ca.pem') return pem;
  if (path === '/conf/empty.pem') return '';
  throw new Error(`no such file: ${path}`);
};
const parse = (...texts: string[]): Parsed =>
  parseFiles(
    texts.map((text, index) => ({ name: `${index + 1}.yaml`, text, dir: '/conf' })),
    readFile,
  );
const faults = (...texts: string[]): string[] => parse(...texts).faults.map(describeFault);

const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const other = '3f2504e0-4f89-41d3-9a0c-0305e82c3302';
const head = 'apiVersion: espalier.dev/v1\n';

describe('a declaration', () => {
  it('is read with everything in the form that the gateway keeps it in', () => {
    const {
      faults: none,
      keys,
      tenants,
    } = parse(`${head}
tenants:
  - tenantId: ${id.toUpperCase()}
    displayName: " Contoso "
    landing: { choice: default, defaultInstance: berlin }
    partnerGroup: null
    instances:
      - name: berlin
        url: https://BERLIN.example:443/
        apiClient: { clientId: abc, secretRef: env:BERLIN }
        caCertificate: file:ca.pem
        clientCertificateSha256: ${'AB:'.repeat(31)}AB
      - name: paris
        apiClient: { clientId: def, clientSecret: file:paris.secret }
keys:
  - { name: ops, role: operator, expiresAt: 2027-01-31T00:00:00Z }
`);
    expect(none).toEqual([]);
    expect(tenants[0]).toMatchObject({
      tenantId: id,
      displayName: 'Contoso',
      partnerGroup: null,
      place: { file: '1.yaml', line: 4, column: 5 },
    });
    expect(tenants[0]?.instances).toMatchObject([
      {
        url: 'https://berlin.example',
        apiClient: { clientId: 'abc', secret: { kind: 'gateway', reference: 'env:BERLIN' } },
        caCertificate: pem,
        clientCertificateSha256: 'ab'.repeat(32),
        place: { line: 9, column: 9 },
      },
      { apiClient: { secret: { kind: 'sent', reference: 'file:paris.secret', dir: '/conf' } } },
    ]);
    expect(keys).toMatchObject([{ name: 'ops', role: 'operator', expiresAt: '2027-01-31T00:00:00Z' }]);
  });

  it('is JSON as well', () => {
    const text = JSON.stringify({ apiVersion: 'espalier.dev/v1', tenants: [{ tenantId: id }] });
    expect(parse(text)).toMatchObject({ faults: [], tenants: [{ tenantId: id }] });
  });

  it('may be in several files and documents', () => {
    const both = parse(
      `${head}tenants: [{ tenantId: ${id} }]\n---\n${head}keys: [{name: a, role: viewer}]`,
      `${head}tenants: [{ tenantId: ${other} }]`,
    );
    expect([both.faults, both.tenants.length, both.keys.length]).toEqual([[], 2, 1]);
  });

  it('takes anchors and merged mappings, with a place at the top for them', () => {
    const { faults: none, tenants } = parse(`${head}
x-defaults: &defaults { cloud: usgov, landing: { choice: denied } }
tenants:
  - <<: *defaults
    tenantId: ${id}
  - <<: *defaults
    tenantId: ${other}
    cloud: public
`);
    expect(none).toEqual([]);
    expect(tenants).toMatchObject([
      { cloud: 'usgov', landing: { choice: 'denied' } },
      { cloud: 'public', landing: { choice: 'denied' } },
    ]);
  });
});

describe('the faults of a declaration', () => {
  it('come all at once, each with file, line, column, path and what is right', () => {
    expect(
      faults(
        `${head}colour: red
tenants:
  - tenantId: 12
    mode: fast
    displayNam: Contoso
    landing:
      choice: custom
    instances:
      - name: berlin
        url: http://berlin.example
        enabled: yes please
        apiClient:
          clientId: abc
          clientSecret: hunter2
      - url: https://paris.example?x=1
keys:
  - role: root
`,
        'tenants: []',
        '',
      ),
    ).toEqual([
      '1.yaml:2:1: colour is not known here',
      '1.yaml:4:5: tenants[0].tenantId must be text, not a number; put it in quotes',
      '1.yaml:5:5: tenants[0].mode must be one of device-compliance, conditional-access',
      '1.yaml:6:5: tenants[0].displayNam is not known here',
      '1.yaml:8:7: tenants[0].landing.customUrl is needed for the choice custom and for no other',
      '1.yaml:11:9: tenants[0].instances[0].url must be an https URL',
      '1.yaml:12:9: tenants[0].instances[0].enabled must be true or false, not a string',
      '1.yaml:15:11: tenants[0].instances[0].apiClient.clientSecret must be env:NAME or file:PATH, read where this command runs; the secret itself does not belong into the file',
      '1.yaml:16:9: tenants[0].instances[1].url must be an https URL without user, query or fragment',
      '1.yaml:16:9: tenants[0].instances[1].name is needed, or id: an instance is found by one of them',
      '1.yaml:18:5: keys[0].name is missing',
      '1.yaml:18:5: keys[0].role must be one of viewer, operator, admin',
      '2.yaml:1:1: apiVersion is missing; must be espalier.dev/v1',
      '3.yaml: is empty',
    ]);
  });

  it('never repeat a secret', () => {
    expect(
      faults(
        `${head}tenants: [{ tenantId: ${id}, application: { clientId: ${id}, clientSecret: hunter2 } }]`,
      ).join(),
    ).not.toContain('hunter2');
    expect(faults(`${head}clientSecret: hunter2\n  : [`).join()).not.toContain('hunter2');
  });

  it('name where a value stands that came through an anchor', () => {
    expect(faults(`${head}x-d: &d\n  mode: fast\ntenants:\n  - <<: *d\n    tenantId: ${id}\n`)).toEqual([
      '1.yaml:3:3: tenants[0].mode must be one of device-compliance, conditional-access',
    ]);
  });

  it('are those of YAML itself as well: broken text, a key twice, an unknown tag, a bomb of anchors', () => {
    expect(faults(`${head}tenants: [`)[0]).toMatch(/^1\.yaml:2:11: /);
    expect(faults(`${head}keys: []\nkeys: []\n`)).toEqual(['1.yaml:3:1: Map keys must be unique']);
    expect(faults(`${head}tenants: !!python/object x\n`)[0]).toContain('Unresolved tag');
    const bomb = ['x0: &a0 [1,1,1,1,1,1,1,1,1]'];
    for (let n = 1; n < 10; n += 1)
      bomb.push(
        `x${n}: &a${n} [${Array(9)
          .fill(`*a${n - 1}`)
          .join()}]`,
      );
    expect(faults(`${head}${bomb.join('\n')}\n`)[0]).toContain('Excessive alias count');
  });

  it('say both places of what is declared twice', () => {
    const twice = `${head}tenants:\n  - tenantId: ${id}\n    instances: [{ name: a }, { name: a }]\n`;
    expect(faults(twice, `${head}tenants: [{ tenantId: ${id.toUpperCase()} }]\n`)).toEqual([
      `2.yaml:2:11: the tenant ${id} is declared already, at 1.yaml:3`,
      '1.yaml:4:30: the instance a is declared already, at 1.yaml:4',
    ]);
  });

  it('are also a certificate that cannot be read or is none, and two secrets for one client', () => {
    const instance = (fields: string) =>
      `${head}tenants: [{ tenantId: ${id}, instances: [{ name: a, ${fields} }] }]\n`;
    expect(faults(instance('caCertificate: file:gone.pem'))[0]).toContain(
      'caCertificate cannot be read: no such file: /conf/gone.pem',
    );
    expect(faults(instance('caCertificate: file:empty.pem'))[0]).toContain('/conf/empty.pem holds none');
    expect(faults(instance('caCertificate: abc'))[0]).toContain('must be a certificate in PEM');
    expect(
      faults(instance('apiClient: { clientId: a, clientSecret: env:A, secretRef: env:B }'))[0],
    ).toContain('apiClient.secretRef must not stand beside clientSecret');
  });
});
