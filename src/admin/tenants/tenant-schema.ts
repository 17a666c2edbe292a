import { z } from '@hono/zod-openapi';
import { getTableColumns } from 'drizzle-orm';
import { tagPattern } from '../../ids.ts';
import { tenantTags } from '../../limits.ts';
import { connectionStates } from '../../store/row-types.ts';
import { tenants } from '../../store/schema.ts';
import { shownApplication } from '../../store/tenants/application.ts';
import { defaulting, optional, required } from '../resource/fields.ts';
import { resource } from '../resource/resource.ts';
import { guid } from '../schemas.ts';
import { clientWithSecret } from '../secret-reference.ts';

/** A tenant as the admin API takes and shows it. */

const mode = z.enum(['device-compliance', 'conditional-access']);
const connectionType = z.enum(['cloud-connector', 'manual']);

export const landing = z
  .object({
    choice: z.enum(['default', 'denied', 'custom']),
    customUrl: z
      .url({ protocol: /^https$/ })
      .max(2_000)
      .optional(),
    defaultInstanceId: guid.optional(),
  })
  .strict()
  .refine((value) => (value.choice === 'custom') === (value.customUrl !== undefined), {
    message: 'is needed for the choice custom and for no other',
    path: ['customUrl'],
  })
  .openapi('Landing');

const partnerGroup = z
  .union([z.object({ id: guid }).strict(), z.object({ displayName: z.string().min(1).max(256) }).strict()])
  .openapi('PartnerGroup');

const tags = z
  .array(z.string().regex(tagPattern))
  .max(tenantTags)
  .refine((given) => new Set(given).size === given.length, 'must not name a tag twice');

const application = clientWithSecret.safeExtend({ clientId: guid }).openapi('TenantApplication');

/** A change of these is a migration with steps in Intune and Jamf Pro, not a change of a field. */
const byMigration = z
  .unknown()
  .refine((value) => value === undefined, 'is changed by a migration of the tenant')
  .optional()
  .openapi({ not: {}, description: 'Refused: changes by POST /tenants/{tenantId}/migrate' });

export const tenantResource = resource({
  names: ['Tenant', 'Tenants'],
  from: tenants,
  columns: {
    ...getTableColumns(tenants),
    application: shownApplication,
  },
  fields: ({ column }) => ({
    id: column('tenantId'),
    tenantId: column('tenantId', { filter: true, sort: true, input: { create: guid } }),
    cloud: column('cloud', {
      filter: true,
      sort: true,
      setting: true,
      input: { create: z.string().min(1).max(100).default('public') },
    }),
    displayName: column('displayName', {
      filter: 'wildcards',
      sort: true,
      setting: true,
      input: required(z.string().trim().min(1).max(200)),
    }),
    mode: column('mode', {
      schema: mode,
      filter: mode.options,
      setting: true,
      input: { create: mode.default('device-compliance'), change: byMigration },
    }),
    connectionType: column('connectionType', {
      schema: connectionType,
      filter: connectionType.options,
      setting: true,
      input: { create: connectionType.default('cloud-connector'), change: byMigration },
    }),
    landing: column('landing', {
      schema: landing,
      setting: true,
      input: defaulting(landing, { choice: 'default' }),
    }),
    partnerGroup: column('partnerGroup', {
      schema: partnerGroup.nullable(),
      show: (value) => value as z.infer<typeof partnerGroup> | null,
      setting: true,
      input: optional(partnerGroup),
    }),
    tags: column('tags', {
      schema: z.array(z.string()),
      description: 'Words of your own, by which "espalier apply --select-tag" finds the tenants of one team.',
      filter: true,
      setting: true,
      input: defaulting(tags, []),
    }),
    /** The tenant's own application, which may be given before a migration to the type manual; its secret is never shown. */
    application: column('application', {
      schema: z.object({ clientId: z.string(), secretRef: z.string().nullable() }).nullable(),
      setting: true,
      input: { create: application.optional(), change: application.optional() },
    }),
    connectionState: column('connectionState', { filter: connectionStates }),
    paused: column('paused', { filter: true }),
    versionLock: column('version'),
    createdAt: column('createdAt', { filter: true, sort: true }),
    updatedAt: column('updatedAt'),
    connectedAt: column('connectedAt'),
  }),
  table: [
    { field: 'tenantId', whole: true, importance: 1 },
    { field: 'displayName', importance: 2 },
    { field: 'connectionState', title: 'connection', importance: 3 },
    { field: 'paused', importance: 5 },
    { field: 'cloud', importance: 4 },
    { field: 'mode', importance: 6 },
    { field: 'connectionType', importance: 7 },
    { field: 'connectedAt', importance: 8 },
  ],
  sort: 'displayName:asc,tenantId:asc',
  key: [tenants.tenantId],
});

export const newTenant = tenantResource
  .body('create')
  .refine((value) => (value.connectionType === 'manual') === (value.application !== undefined), {
    message: 'is needed for the connection type manual and for no other',
    path: ['application'],
  })
  .openapi('NewTenant');

export const changedTenant = tenantResource.body('change').openapi('TenantChange');
