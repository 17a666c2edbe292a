import { z } from '@hono/zod-openapi';
import type { Instance } from '../../store/instances.ts';
import { instant, instantOrNull, iso } from '../schemas.ts';
import { clientWithSecret, referenceWarnings } from '../secret-reference.ts';
import { readingSchema } from './reading.ts';

/** An instance as the admin API takes and shows it. */

export const apiClient = clientWithSecret.openapi('ApiClient');

const compliance = z
  .object({
    source: z.enum(['jamf', 'smart-group']),
    applicableGroup: z.string().min(1).max(200).optional(),
    complianceGroup: z.string().min(1).max(200).optional(),
  })
  .strict()
  .refine((value) => value.source === 'jamf' || value.complianceGroup !== undefined, {
    message: 'is needed for the source smart-group',
    path: ['complianceGroup'],
  })
  .openapi('ComplianceSource');

const fingerprint = z
  .string()
  .transform((text) => text.replaceAll(':', '').toLowerCase())
  .refine((text) => /^[0-9a-f]{64}$/.test(text), 'must be a SHA-256 fingerprint in hex');

const fields = {
  name: z.string().trim().min(1).max(100),
  url: z.url({ protocol: /^https$/ }).max(500),
  caCertificate: z
    .string()
    .max(50_000)
    .refine((text) => text.includes('-----BEGIN CERTIFICATE-----'), 'must be PEM'),
  clientCertificateSha256: fingerprint,
};

export const newInstance = z
  .object({
    name: fields.name,
    url: fields.url,
    apiClient,
    compliance: compliance.default({ source: 'jamf' }),
    caCertificate: fields.caCertificate.optional(),
    clientCertificateSha256: fields.clientCertificateSha256.optional(),
  })
  .strict()
  .openapi('NewInstance');

export const changedInstance = z
  .object({
    name: fields.name.optional(),
    url: fields.url.optional(),
    apiClient: apiClient.optional(),
    compliance: compliance.optional(),
    caCertificate: fields.caCertificate.nullable().optional(),
    clientCertificateSha256: fields.clientCertificateSha256.nullable().optional(),
    enabled: z.boolean().optional(),
  })
  .strict()
  .openapi('InstanceChange');

export const instanceSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    name: z.string(),
    url: z.string(),
    apiClient: z.object({ clientId: z.string(), secretRef: z.string().nullable() }),
    compliance,
    caCertificate: z.string().nullable(),
    clientCertificateSha256: z.string().nullable(),
    enabled: z.boolean(),
    paused: z.boolean(),
    jamfVersion: z.string().nullable(),
    lastSeenAt: instantOrNull,
    lastError: z.string().nullable(),
    lastErrorAt: instantOrNull,
    reading: readingSchema,
    webhookUrl: z.string(),
    inventoryUrl: z.string(),
    versionLock: z.number().int(),
    createdAt: instant,
    updatedAt: instant,
  })
  .openapi('Instance');

/** `routes` of a dry run that enables or disables: of so many claimed devices these routes would change or end. */
export const changedSchema = instanceSchema
  .extend({
    warnings: referenceWarnings,
    dryRun: z.boolean(),
    routes: z
      .object({ devices: z.number().int(), changed: z.number().int(), ended: z.number().int() })
      .optional(),
  })
  .openapi('ChangedInstance');

export const describeInstance = (
  instance: Instance,
  reading: z.infer<typeof readingSchema>,
  publicUrl: string,
): z.infer<typeof instanceSchema> => ({
  id: instance.instanceId,
  tenantId: instance.tenantId,
  name: instance.name,
  url: instance.url,
  apiClient: { clientId: instance.apiClientId, secretRef: instance.apiSecretRef },
  compliance: instance.compliance,
  caCertificate: instance.caCertificate,
  clientCertificateSha256: instance.clientCertificateSha256,
  enabled: instance.enabled,
  paused: instance.paused,
  jamfVersion: instance.jamfVersion,
  lastSeenAt: iso(instance.lastSeenAt),
  lastError: instance.lastError,
  lastErrorAt: iso(instance.lastErrorAt),
  reading,
  webhookUrl: `${publicUrl}/jamf/${instance.instanceId}/webhooks`,
  inventoryUrl: `${publicUrl}/jamf/${instance.instanceId}/inventory`,
  versionLock: instance.version,
  createdAt: instance.createdAt.toISOString(),
  updatedAt: instance.updatedAt.toISOString(),
});

/** The members of an instance that operators set, as the history shows them. */
export const instanceSettings = (instance: Instance) => ({
  name: instance.name,
  url: instance.url,
  apiClient: { clientId: instance.apiClientId, secretRef: instance.apiSecretRef },
  compliance: instance.compliance,
  caCertificate: instance.caCertificate,
  clientCertificateSha256: instance.clientCertificateSha256,
  enabled: instance.enabled,
  paused: instance.paused,
});

/** What an entry of the history is about. */
export const instanceObject = ({ instanceId, name }: Pick<Instance, 'instanceId' | 'name'>) => ({
  kind: 'instance',
  id: instanceId,
  name,
});
