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

  it('says the same with a byte order mark and with the line ends of Windows and of old Macs', () => {
    const text = `${head}tenants:\n  - tenantId: ${id}\n    displayName: |\n      Café\n      AG\n`;
    const meant = parse(text).tenants;
    expect(meant[0]?.displayName).toBe('Café\nAG');
    for (const other of [
      `\ufeff${text}`,
      text.replaceAll('\n', '\r\n'),
      text.replaceAll('\n', '\r'),
      `\ufeff${text.replaceAll('\n', '\r\n')}`,
      `${head}---\n\ufeff${text}`.replace(head, ''),
    ]) {
      const { faults: none, tenants } = parse(other);
      expect(none).toEqual([]);
      expect(tenants.map(({ place: _, ...rest }) => rest)).toEqual(
        meant.map(({ place: _, ...rest }) => rest),
      );
    }
  });

  it('keeps names as every editor means them: composed letters, no blanks around', () => {
    const [tenant] = parse(`${head}tenants:
  - tenantId: ${id}
    displayName: "${'Café'.normalize('NFD')}\\u00a0"
    partnerGroup: { displayName: "${'Größe'.normalize('NFD')} " }
    landing: { choice: default, defaultInstance: "${'Zürich'.normalize('NFD')} " }
    instances:
      - name: "${'Zürich'.normalize('NFD')}\\t"
        apiClient: { clientId: " abc " }
        compliance: { source: smart-group, applicableGroup: "${'é'.normalize('NFD')} ", complianceGroup: " g" }
`).tenants;
    expect(tenant).toMatchObject({
      displayName: 'Café',
      partnerGroup: { displayName: 'Größe' },
      landing: { defaultInstance: 'Zürich' },
      instances: [
        {
          name: 'Zürich',
          apiClient: { clientId: 'abc' },
          compliance: { applicableGroup: 'é', complianceGroup: 'g' },
        },
      ],
    });
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

  it.each([
    ['composed and not', 'Zürich', 'Zürich'.normalize('NFD'), ''],
    ['with blanks around', 'Zürich', '"Zürich "', ''],
    ['in another case', 'Zürich', 'ZÜRICH', ' as Zürich: names that differ'],
    ['with another blank within', 'Zürich Nord', '"Zürich\\u00a0Nord"', ' as Zürich Nord: names that differ'],
    ['with a character without width', 'Zürich', '"Zü\\u200brich"', ' as Zürich: names that differ'],
    ['in a case that takes two letters', 'Straße', 'STRASSE', ' as Straße: names that differ'],
  ])('are names that look the same: %s', (_how, one, another, said) => {
    const [fault, ...more] = faults(
      `${head}tenants:\n  - tenantId: ${id}\n    instances:\n      - name: ${one}\n      - name: ${another}\n`,
    );
    expect(fault).toMatch(/^1\.yaml:6:9: the instance \S.* is declared already, at 1\.yaml:5/);
    expect([fault?.includes(said), more]).toEqual([true, []]);
    const keys = `${head}keys:\n  - { name: ${one}, role: viewer }\n  - { name: ${another}, role: admin }\n`;
    expect(faults(keys)[0]).toContain('is declared already, at 1.yaml:3');
    // Tenants have names of their own.
    expect(
      faults(
        `${head}tenants:\n  - { tenantId: ${id}, instances: [{ name: ${one} }] }\n  - { tenantId: ${other}, instances: [{ name: ${another} }] }\n`,
      ),
    ).toEqual([]);
  });

  it('hide none of each other: what is wrong elsewhere keeps no fault for the next run', () => {
    const found = faults(`${head}colour: red
tenants:
  - tenantId: ${id}
    displayNam: Contoso
    landing: { choice: custom, color: red }
    partnerGroup: { name: x }
    instances:
      - name: berlin
        caCertificate: file:gone.pem
        apiClient: { clientId: a, clientSecret: env:A, secretRef: env:B, more: 1 }
      - name: " Berlin"
        compliance: { source: smart-group, applicableGroup: 1 }
      - enabled: yes
  - tenantId: ${id}
`);
    for (const words of [
      '1.yaml:2:1: colour is not known here',
      'tenants[0].displayNam is not known here',
      'tenants[0].landing.color is not known here',
      'tenants[0].landing.customUrl is needed for the choice custom',
      'tenants[0].partnerGroup.name is not known here',
      'tenants[0].partnerGroup must have either id or displayName',
      'tenants[0].instances[0].caCertificate cannot be read',
      'tenants[0].instances[0].apiClient.more is not known here',
      'tenants[0].instances[0].apiClient.secretRef must not stand beside clientSecret',
      'tenants[0].instances[1].compliance.applicableGroup must be text',
      'tenants[0].instances[1].compliance.complianceGroup is needed',
      'tenants[0].instances[2].enabled must be true or false',
      'tenants[0].instances[2].name is needed, or id',
      `1.yaml:15:5: the tenant ${id} is declared already, at 1.yaml:4`,
      '1.yaml:12:9: the instance Berlin is declared already, at 1.yaml:9',
    ])
      expect(found.join('\n')).toContain(words);
    expect(found.length).toBe(15);
  });

  it('are not doubled: a rule about two fields is silent where one of them is wrong itself', () => {
    expect(
      faults(
        `${head}tenants: [{ tenantId: ${id}, landing: { choice: custom, customUrl: 1 }, partnerGroup: { id: 1 } }]\n`,
      ).map((fault) => fault.split(': ').slice(1).join(': ')),
    ).toEqual([
      'tenants[0].landing.customUrl must be text, not a number; put it in quotes',
      'tenants[0].partnerGroup.id must be text, not a number; put it in quotes',
    ]);
  });

  it('are told beside a key that is there twice', () => {
    expect(faults(`${head}colour: red\nkeys: []\nkeys: []\n`)).toEqual([
      '1.yaml:2:1: colour is not known here',
      '1.yaml:4:1: Map keys must be unique',
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
