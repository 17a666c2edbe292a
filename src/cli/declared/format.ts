/**
 * One document of a file as it may be written: docs/declarative.md. What the admin API would refuse for its form is refused
 * here, with its place; what only the gateway can know (does the cloud exist, may the address be used) it says itself. The
 * JSON Schema of editors is made of this (json-schema.ts): `meta` says there what a rule in code says here.
 */

import { z } from 'zod';
import { tenantTags } from '../../limits.ts';
import { instanceFields, keyFields, tenantFields } from './api-fields.ts';
import { guid, operatorId, tag, text } from './values.ts';

export const apiVersion = 'espalier.dev/v1';

/**
 * Condition of a rule about several fields of a group: the rule is checked whatever else is wrong in the group, so that
 * all faults come at once, but not where one of these fields is wrong itself.
 */
const ruleOf = (...fields: readonly string[]) => ({
  when: ({ issues, value }: z.core.ParsePayload): boolean =>
    typeof value === 'object' &&
    value !== null &&
    !Array.isArray(value) &&
    !issues.some(({ path = [] }) => fields.includes(String(path[0]))),
});

/** The URL has the form that the gateway keeps: without a slash at the end, the host in lower case. */
const instanceUrl = instanceFields.url
  .unwrap()
  .refine((value) => {
    if (!URL.canParse(value)) return true;
    const { hash, password, search, username } = new URL(value);
    return username === '' && password === '' && search === '' && hash === '';
  }, 'must be an https URL without user, query or fragment')
  .transform((value) => {
    if (!URL.canParse(value)) return value;
    const { origin, pathname } = new URL(value);
    return `${origin}${pathname}`.replace(/\/+$/, '');
  });

const environmentName = '[A-Za-z_][A-Za-z0-9_]*';

const secretFields = {
  // The value is not repeated in the message: somebody may have written the secret itself.
  clientSecret: z
    .string()
    .regex(
      new RegExp(`^(env:${environmentName}|file:.+)$`),
      'must be env:NAME or file:PATH, read where this command runs; the secret itself does not belong into the file',
    )
    .optional(),
  secretRef: z
    .string()
    .regex(
      new RegExp(`^(env:${environmentName}|file:/.+)$`),
      'must be env:NAME or file:/PATH (absolute), which the gateway reads on its own machine',
    )
    .optional(),
};

const oneSecret = {
  check: (value: { clientSecret?: string | undefined; secretRef?: string | undefined }) =>
    value.clientSecret === undefined || value.secretRef === undefined,
  say: {
    message: 'must not stand beside clientSecret: the gateway takes one of them',
    path: ['secretRef'],
    ...ruleOf('clientSecret', 'secretRef'),
  },
  schema: { not: { required: ['clientSecret', 'secretRef'] } },
};

const application = tenantFields.application
  .unwrap()
  .extend(secretFields)
  .refine(oneSecret.check, oneSecret.say)
  .meta(oneSecret.schema);
const apiClient = instanceFields.apiClient
  .unwrap()
  .extend(secretFields)
  .refine(oneSecret.check, oneSecret.say)
  .meta(oneSecret.schema);

const compliance = instanceFields.compliance
  .unwrap()
  .refine((value) => value.source === 'jamf' || value.complianceGroup !== undefined, {
    message: 'is needed for the source smart-group',
    path: ['complianceGroup'],
    ...ruleOf('source', 'complianceGroup'),
  })
  .meta({
    if: { properties: { source: { const: 'smart-group' } }, required: ['source'] },
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema, and nobody awaits a schema.
    then: { required: ['complianceGroup'] },
  });

const fingerprint = z
  .string()
  .meta({ pattern: '^:*([0-9A-Fa-f]:*){64}$' })
  .transform((value) => value.replaceAll(':', '').toLowerCase())
  .refine((value) => /^[0-9a-f]{64}$/.test(value), 'must be a SHA-256 fingerprint, 64 hexadecimal digits');

const certificate = z
  .string()
  .max(50_000)
  .refine(
    (value) => /^file:.+$/.test(value) || value.includes('-----BEGIN CERTIFICATE-----'),
    'must be a certificate in PEM, or file:PATH of one',
  )
  .meta({ pattern: '^file:.+$|-----BEGIN CERTIFICATE-----' });

const instance = z
  .strictObject({
    ...instanceFields,
    id: guid.optional(),
    url: instanceUrl.optional(),
    apiClient: apiClient.optional(),
    compliance: compliance.optional(),
    caCertificate: certificate.nullable().optional(),
    clientCertificateSha256: fingerprint.nullable().optional(),
    paused: z.boolean().optional(),
  })
  .refine((value) => value.id !== undefined || value.name !== undefined, {
    message: 'is needed, or id: an instance is found by one of them',
    path: ['name'],
    ...ruleOf('id', 'name'),
  })
  .meta({ anyOf: [{ required: ['id'] }, { required: ['name'] }] });

const landing = tenantFields.landing
  .unwrap()
  .omit({ defaultInstanceId: true })
  .extend({ defaultInstance: instanceFields.name })
  .refine((value) => (value.choice === 'custom') === (value.customUrl !== undefined), {
    message: 'is needed for the choice custom and for no other',
    path: ['customUrl'],
    ...ruleOf('choice', 'customUrl'),
  })
  .meta({
    if: { properties: { choice: { const: 'custom' } }, required: ['choice'] },
    // biome-ignore lint/suspicious/noThenProperty: it is a keyword of JSON Schema, and nobody awaits a schema.
    then: { required: ['customUrl'] },
    else: { properties: { customUrl: false } },
  });

const partnerGroup = z
  .strictObject({ id: guid.optional(), displayName: text(256).optional() })
  .refine((value) => (value.id === undefined) !== (value.displayName === undefined), {
    message: 'must have either id or displayName',
    ...ruleOf('id', 'displayName'),
  })
  .meta({ oneOf: [{ required: ['id'] }, { required: ['displayName'] }] });

const tenant = z.strictObject({
  ...tenantFields,
  landing: landing.optional(),
  partnerGroup: partnerGroup.nullable().optional(),
  tags: z
    .array(tag)
    .max(tenantTags)
    .transform((given) => [...new Set(given)].sort())
    .optional(),
  application: application.optional(),
  paused: z.boolean().optional(),
  instances: z.array(instance).optional(),
});

export const declaration = z.strictObject({
  apiVersion: z.literal(apiVersion),
  /** Editors look here in a JSON file for the schema that they check it by. */
  $schema: z.string().optional(),
  tenants: z.array(tenant).optional(),
  keys: z.array(z.strictObject(keyFields)).optional(),
  operators: z
    .array(z.strictObject({ id: operatorId, tenants: z.array(guid).max(1_000).nullable() }))
    .optional(),
});

/** The certificates that a document names, also if it is wrong elsewhere. */
export const namedCertificates = z.object({
  tenants: z
    .array(
      z
        .object({
          instances: z
            .array(
              z
                .object({ caCertificate: z.string().startsWith('file:').optional().catch(undefined) })
                .catch({ caCertificate: undefined }),
            )
            .catch([]),
        })
        .catch({ instances: [] }),
    )
    .catch([]),
});

export type TenantIn = z.output<typeof tenant>;
export type InstanceIn = z.output<typeof instance>;

const kindOf = (input: unknown): string => {
  if (input === null) return 'nothing (null)';
  if (Array.isArray(input)) return 'a list';
  return typeof input === 'object' ? 'a group of fields' : `a ${typeof input}`;
};

const wanted: Readonly<Record<string, string>> = {
  string: 'text',
  boolean: 'true or false',
  array: 'a list',
  object: 'a group of fields',
};

/** The correct form in words; undefined leaves the schema's own message. */
export function describeIssue(issue: z.core.$ZodRawIssue): string | undefined {
  if (issue.code === 'invalid_type') {
    if (issue.input === undefined) return 'is missing';
    const expected = wanted[issue.expected] ?? issue.expected;
    const quote = issue.expected === 'string' && typeof issue.input !== 'object' ? '; put it in quotes' : '';
    return `must be ${expected}, not ${kindOf(issue.input)}${quote}`;
  }
  if (issue.code === 'invalid_value') {
    return issue.input === undefined
      ? `is missing; must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`
      : `must be ${issue.values.length > 1 ? 'one of ' : ''}${issue.values.join(', ')}`;
  }
  if (issue.code === 'too_small')
    return issue.origin === 'array' ? 'must not be an empty list' : 'must not be empty';
  if (issue.code === 'too_big') return `must not be longer than ${String(issue.maximum)}`;
  return undefined;
}
