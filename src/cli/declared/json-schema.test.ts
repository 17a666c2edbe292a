import { Ajv } from 'ajv';
import formats from 'ajv-formats';
import { describe, expect, it } from 'vitest';
import { parse as parseYaml } from 'yaml';
import { declarationSchema } from './json-schema.ts';
import { parseFiles } from './parse.ts';

const ajv = new Ajv({ allErrors: true });
formats.default(ajv);
const check = ajv.compile(declarationSchema());

const id = '3f2504e0-4f89-41d3-9a0c-0305e82c3301';
const pem = '-----BEGIN CERTIFICATE-----\nabc\n-----END CERTIFICATE-----\n';

/** What an editor and what `apply` say of the same text. */
function judge(text: string): { readonly editor: readonly string[]; readonly apply: readonly string[] } {
  const whole = `apiVersion: espalier.dev/v1\n${text}`;
  check(parseYaml(whole, { merge: true }));
  const { faults } = parseFiles([{ name: 'a.yaml', text: whole, dir: '/conf' }], () => pem);
  return {
    editor: (check.errors ?? []).map(({ instancePath, message }) => `${instancePath} ${message}`),
    apply: faults.map(({ path, problem }) => `${path} ${problem}`),
  };
}

const tenant = (fields: string): string => `tenants: [{ tenantId: ${id}, ${fields} }]`;
const instance = (fields: string): string => tenant(`instances: [{ name: berlin, ${fields} }]`);

const accepted = [
  'keys: []',
  '$schema: ./espalier.schema.json',
  'x-defaults: { anything: at all }\nx-list: [1]',
  `tenants: [{ tenantId: ${id.toUpperCase()} }]`,
  tenant('partnerGroup: null'),
  tenant('tags: [team-a, Team.B_2]'),
  tenant(`partnerGroup: { id: ${id} }`),
  tenant('partnerGroup: { displayName: All Macs }'),
  tenant('landing: { choice: denied, defaultInstance: berlin }'),
  tenant('landing: { choice: custom, customUrl: https://help.example/mac }'),
  tenant(`application: { clientId: ${id}, secretRef: "file:/secrets/contoso" }`),
  tenant(`instances: [{ id: ${id}, paused: true }]`),
  instance('url: "HTTPS://BERLIN.example:443/"'),
  instance('apiClient: { clientId: abc, clientSecret: file:berlin.secret }'),
  instance('compliance: { source: smart-group, complianceGroup: g }'),
  instance('compliance: { source: jamf }'),
  instance('caCertificate: file:ca.pem, clientCertificateSha256: null'),
  instance(`caCertificate: ${JSON.stringify(pem)}, clientCertificateSha256: "${'AB:'.repeat(31)}AB"`),
  `keys: [{ name: ops, role: operator, tenants: [${id}], expiresAt: 2027-01-31T00:00:00+01:00 }]`,
  `operators: [{ id: ${id}, tenants: null }, { id: "${id}:${id}", tenants: [] }]`,
  `x-d: &d { cloud: usgov }\ntenants: [{ <<: *d, tenantId: ${id} }]`,
];

const refused = [
  'colour: red',
  'tenants: {}',
  'tenants: [{ displayName: Contoso }]',
  'tenants: [{ tenantId: contoso }]',
  tenant('displayNam: Contoso'),
  tenant('displayName: ""'),
  tenant('displayName: 1'),
  tenant('mode: fast'),
  tenant('landing: { choice: custom }'),
  tenant('landing: { choice: denied, customUrl: https://help.example }'),
  tenant('landing: { choice: custom, customUrl: http://help.example }'),
  tenant(`partnerGroup: { id: ${id}, displayName: All Macs }`),
  tenant('partnerGroup: {}'),
  tenant('tags: team-a'),
  tenant('tags: [team a]'),
  tenant(`application: { clientId: ${id}, clientSecret: hunter2 }`),
  tenant('instances: [{ enabled: true }]'),
  tenant('instances: null'),
  instance('url: http://berlin.example'),
  instance('enabled: yes please'),
  instance('apiClient: { clientSecret: env:A }'),
  instance('apiClient: { clientId: a, secretRef: file:relative }'),
  instance('apiClient: { clientId: a, clientSecret: env:A, secretRef: env:B }'),
  instance('compliance: { source: smart-group, applicableGroup: g }'),
  instance('caCertificate: abc'),
  instance('clientCertificateSha256: abcd'),
  'keys: [{ name: ops, role: root }]',
  'keys: [{ name: ops, role: viewer, tenants: [] }]',
  'keys: [{ name: ops, role: viewer, expiresAt: 2027-01-31 }]',
  `operators: [{ id: ${id}:x, tenants: null }]`,
  `operators: [{ id: ${id} }]`,
];

describe('the JSON Schema of espalier.yaml', () => {
  it.each(accepted)('takes what apply takes: %s', (text) => {
    expect(judge(text)).toEqual({ editor: [], apply: [] });
  });

  it.each(refused)('refuses what apply refuses: %s', (text) => {
    const { apply, editor } = judge(text);
    expect({ editor: editor.length > 0, apply: apply.length > 0, said: { editor, apply } }).toMatchObject({
      editor: true,
      apply: true,
    });
  });

  it('says what each field means, inner ones too', () => {
    const text = JSON.stringify(declarationSchema());
    for (const said of ['Microsoft Entra tenants', 'Base URL of the Jamf Pro server', 'null is every tenant'])
      expect(text).toContain(said);
  });
});
