/**
 * JSON Schema of `espalier.yaml`, so that editors complete and check it while it is written. It is made of the schema that
 * `apply` reads files with; what no field shows by itself (a name declared twice, a certificate that cannot be read) only
 * `apply` finds.
 */

import { z } from 'zod';
import { declaration } from './format.ts';

type JsonSchema = z.core.JSONSchema.JSONSchema;

const tenantBound = 'Without it the key is for every tenant.';
const clientSecret =
  'env:NAME or file:PATH, read by "espalier apply" where it runs, and sealed by the gateway. The secret itself never stands here.';
const secretRef =
  'env:NAME or file:/PATH, read by the gateway on its own machine whenever it needs the secret.';
const staysLeftOut = 'A field that is left out stays as it is.';

/** What an editor shows of a field, by its path. */
const descriptions: Readonly<Record<string, string>> = {
  apiVersion: 'Form of this file.',
  $schema: 'Where an editor finds the schema of this file. It means nothing to "espalier apply".',
  tenants: `Microsoft Entra tenants. ${staysLeftOut} With --prune those that no file names are deleted.`,
  'tenants.tenantId': 'GUID of the Entra tenant.',
  'tenants.cloud':
    'Microsoft cloud: public, usgov, usgov-dod, china or one of ESPALIER_CLOUDS_FILE. A new tenant is in public; it cannot be changed.',
  'tenants.displayName': 'Name that people know the tenant by. A new one needs it.',
  'tenants.mode':
    'device-compliance: Jamf Pro computes who is compliant. conditional-access: Intune does, of the inventory. Changed by a migration only.',
  'tenants.connectionType':
    'cloud-connector, for any number of instances, or manual, for one with an application of your own. Changed by a migration only.',
  'tenants.landing': 'Page for people whose Mac Entra does not know. Given whole.',
  'tenants.landing.choice':
    'default: enrolment or Company Portal by the state of the Mac. denied: access is denied. custom: customUrl.',
  'tenants.landing.customUrl': 'Address that browsers are sent to, for the choice custom.',
  'tenants.landing.defaultInstance': 'Name of the instance whose registration page people see.',
  'tenants.partnerGroup':
    'Entra group that the compliance partner is assigned to; null ends it. Given whole.',
  'tenants.partnerGroup.id': 'Object id of the group.',
  'tenants.partnerGroup.displayName': 'Name of the group.',
  'tenants.tags':
    'Words of your own. "espalier apply --select-tag" touches only tenants that have the one it names. Given whole.',
  'tenants.application': 'Application in Entra of your own, for the connection type manual only.',
  'tenants.application.clientId': 'Application (client) id.',
  'tenants.application.clientSecret': clientSecret,
  'tenants.application.secretRef': secretRef,
  'tenants.paused': 'true: reports to Intune are held, without telling Intune.',
  'tenants.instances':
    'Jamf Pro servers of the tenant. Without it nothing is said of them; with --prune those that it does not list are deleted.',
  'tenants.instances.id':
    'Id of an instance that is there, as "espalier export --ids" writes it, to give it another name.',
  'tenants.instances.name': 'Name that the instance is found by, whatever its case. A new one needs it.',
  'tenants.instances.url': 'Base URL of the Jamf Pro server. A new instance needs it.',
  'tenants.instances.apiClient':
    'API client of Jamf Pro that inventory is read with. A new instance needs it, with its secret.',
  'tenants.instances.apiClient.clientId': 'Client id, as Jamf Pro shows it.',
  'tenants.instances.apiClient.clientSecret': clientSecret,
  'tenants.instances.apiClient.secretRef': secretRef,
  'tenants.instances.compliance': 'What says whether a Mac is compliant. Given whole.',
  'tenants.instances.compliance.source':
    "jamf: Jamf Pro's own verdict. smart-group: membership of complianceGroup.",
  'tenants.instances.compliance.applicableGroup':
    'Smart group of the Macs that it is about. Without it, all of them.',
  'tenants.instances.compliance.complianceGroup': 'Smart group of the Macs that are compliant.',
  'tenants.instances.caCertificate':
    'Authority of the certificate of the server, where it is no public one: PEM or file:PATH of it; null ends it.',
  'tenants.instances.clientCertificateSha256':
    'SHA-256 fingerprint of the client certificate that the server has to show, with or without colons; null ends it.',
  'tenants.instances.enabled': 'false: its claims rest. A new instance is enabled.',
  'tenants.instances.paused': 'true: it is neither read nor forwarded to.',
  keys: 'Keys of the admin API. Each is made once and written to --keys-dir; none is changed or deleted.',
  'keys.name': 'Name that the key is found by.',
  'keys.role': 'viewer reads; operator also writes devices, routes and moves; admin does everything.',
  'keys.tenants': `GUIDs of the tenants that it is for. ${tenantBound}`,
  'keys.expiresAt':
    'Time with its zone after which it opens nothing, as 2027-12-31T00:00:00Z. Without it never.',
  operators:
    'People and applications whom Entra signs in, and their tenants. Bound before anything else is done.',
  'operators.id':
    'Entra tenant, for everybody of it, or that, a colon and the object id of one person or application.',
  'operators.tenants': 'GUIDs of the tenants that they see; null is every tenant, [] is none.',
};

/** The parts of a schema that stand for the value at the same path. */
const sameValue = ({ anyOf = [], items }: JsonSchema): JsonSchema[] => [
  ...anyOf,
  ...(typeof items === 'object' && !Array.isArray(items) ? [items] : []),
];

/** Adds what editors show of each field below `path`; throws for a field without a description. */
function describeFields(schema: JsonSchema, path: string): void {
  for (const part of sameValue(schema)) describeFields(part, path);
  for (const [name, field] of Object.entries(schema.properties ?? {})) {
    if (typeof field !== 'object') continue;
    const inner = path === '' ? name : `${path}.${name}`;
    const description = descriptions[inner];
    if (description === undefined) throw new Error(`${inner} of espalier.yaml has no description`);
    field.description = description;
    describeFields(field, inner);
  }
}

/** Draft 7, which every editor reads. */
export function declarationSchema(): JsonSchema {
  const schema = z.toJSONSchema(declaration, { io: 'input', target: 'draft-07' });
  describeFields(schema, '');
  return {
    ...schema,
    title: 'espalier.yaml',
    description:
      'Tenants, instances, operators and keys of an Espalier gateway, as "espalier apply" makes them.',
    // Fields of one's own, for anchors.
    patternProperties: { '^x-': true },
  };
}
