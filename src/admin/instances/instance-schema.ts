import { z } from '@hono/zod-openapi';
import { getTableColumns } from 'drizzle-orm';
import type { Instance } from '../../store/instances/instance.ts';
import { instances } from '../../store/schema.ts';
import { defaulting, filterOnly, optional, required } from '../resource/fields.ts';
import { resource } from '../resource/resource.ts';
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

const certificate = z
  .string()
  .max(50_000)
  .refine((text) => text.includes('-----BEGIN CERTIFICATE-----'), 'must be PEM');

export const instanceResource = resource({
  names: ['Instance', 'Instances'],
  from: instances,
  columns: getTableColumns(instances),
  fields: ({ beside, column, made }) => ({
    id: column('instanceId'),
    tenantId: column('tenantId'),
    name: column('name', {
      filter: 'wildcards',
      sort: true,
      setting: true,
      input: required(z.string().trim().min(1).max(100)),
    }),
    url: column('url', {
      filter: 'wildcards',
      sort: true,
      setting: true,
      input: required(z.url({ protocol: /^https$/ }).max(500)),
    }),
    apiClient: made(
      z.object({ clientId: z.string(), secretRef: z.string().nullable() }),
      ['apiClientId', 'apiSecretRef'],
      ({ apiClientId, apiSecretRef }) => ({ clientId: apiClientId, secretRef: apiSecretRef }),
      { setting: true, input: required(apiClient) },
    ),
    compliance: column('compliance', {
      schema: compliance,
      setting: true,
      input: defaulting(compliance, { source: 'jamf' }),
    }),
    caCertificate: column('caCertificate', { setting: true, input: optional(certificate) }),
    clientCertificateSha256: column('clientCertificateSha256', {
      setting: true,
      input: optional(fingerprint),
    }),
    enabled: column('enabled', { filter: true, setting: true, input: { change: z.boolean().optional() } }),
    paused: column('paused', { filter: true, setting: true }),
    jamfVersion: column('jamfVersion', { filter: 'wildcards' }),
    lastSeenAt: column('lastSeenAt', { filter: true }),
    lastError: column('lastError'),
    lastErrorAt: column('lastErrorAt', { filter: true }),
    reading: beside(readingSchema),
    webhookUrl: beside(z.string()),
    inventoryUrl: beside(z.string()),
    versionLock: column('version'),
    createdAt: column('createdAt', { sort: true }),
    updatedAt: column('updatedAt'),
  }),
  table: [
    { field: 'id', whole: true, importance: 1 },
    { field: 'name', importance: 2 },
    { field: 'url', importance: 5 },
    { field: 'enabled', importance: 4 },
    { field: 'paused', importance: 3 },
    { field: 'jamfVersion', title: 'version', importance: 7 },
    { field: 'lastSeenAt', importance: 6 },
    { field: 'lastError', importance: 8 },
  ],
  filters: { instanceId: filterOnly(instances.instanceId) },
  sort: 'name:asc',
  key: [instances.instanceId],
});

export const newInstance = instanceResource.body('create').openapi('NewInstance');
export const changedInstance = instanceResource.body('change').openapi('InstanceChange');

/** `routes` of a dry run that enables or disables: of so many claimed devices these routes would change or end. */
export const changedSchema = instanceResource.schema
  .extend({
    warnings: referenceWarnings,
    dryRun: z.boolean(),
    routes: z
      .object({ devices: z.number().int(), changed: z.number().int(), ended: z.number().int() })
      .optional(),
  })
  .openapi('ChangedInstance');

export const describeInstance = (
  instance: Parameters<typeof instanceResource.show>[0],
  reading: z.infer<typeof readingSchema>,
  publicUrl: string,
) =>
  instanceResource.show(instance, {
    reading,
    webhookUrl: `${publicUrl}/jamf/${instance.instanceId}/webhooks`,
    inventoryUrl: `${publicUrl}/jamf/${instance.instanceId}/inventory`,
  });

/** Object of the instance's entries in the history. */
export const instanceObject = ({ instanceId, name }: Pick<Instance, 'instanceId' | 'name'>) => ({
  kind: 'instance',
  id: instanceId,
  name,
});
