import { z } from '@hono/zod-openapi';
import type { ShownApplication } from '../../connection/tenant-credentials.ts';
import type { Queries } from '../../store/database.ts';
import { type Tenant, tenantColumns } from '../../store/tenants.ts';
import { guid, instant, instantOrNull, iso } from '../schemas.ts';
import { clientWithSecret } from '../secret-reference.ts';

/** A tenant as the admin API takes and shows it. */

const displayName = z.string().trim().min(1).max(200);

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

const application = clientWithSecret.safeExtend({ clientId: guid }).openapi('TenantApplication');

export const newTenant = z
  .object({
    tenantId: guid,
    cloud: z.string().min(1).max(100).default('public'),
    displayName,
    mode: z.enum(['device-compliance', 'conditional-access']).default('device-compliance'),
    connectionType: z.enum(['cloud-connector', 'manual']).default('cloud-connector'),
    landing: landing.default({ choice: 'default' }),
    partnerGroup: partnerGroup.optional(),
    application: application.optional(),
  })
  .strict()
  .refine((value) => (value.connectionType === 'manual') === (value.application !== undefined), {
    message: 'is needed for the connection type manual and for no other',
    path: ['application'],
  })
  .openapi('NewTenant');

/** A change of these is a migration with steps in Intune and Jamf Pro, not a change of a field. */
const byMigration = z
  .unknown()
  .refine((value) => value === undefined, 'changes by POST /tenants/{tenantId}/migrate')
  .optional()
  .openapi({ not: {}, description: 'Refused: changes by POST /tenants/{tenantId}/migrate' });

export const changedTenant = z
  .object({
    mode: byMigration,
    connectionType: byMigration,
    /** Used while the connection type is manual; may be given before a migration to it. */
    application: application.optional(),
    displayName: displayName.optional(),
    landing: landing.optional(),
    partnerGroup: partnerGroup.nullable().optional(),
  })
  .strict()
  .openapi('TenantChange');

export const tenantSchema = z
  .object({
    id: z.string(),
    tenantId: z.string(),
    cloud: z.string(),
    displayName: z.string(),
    mode: z.string(),
    connectionType: z.string(),
    landing,
    partnerGroup: partnerGroup.nullable(),
    /** The tenant's own application; its secret is never shown. */
    application: z.object({ clientId: z.string(), secretRef: z.string().nullable() }).nullable(),
    connectionState: z.string(),
    paused: z.boolean(),
    versionLock: z.number().int(),
    createdAt: instant,
    updatedAt: instant,
    connectedAt: instantOrNull,
  })
  .openapi('Tenant');

export interface TenantRow extends Tenant {
  readonly application: ShownApplication | null;
}

/** A tenant with its own application; the sealed secret stays in the database. */
export const rowColumns = (sql: Queries) => sql`${tenantColumns(sql)},
  case when application is not null then jsonb_build_object(
    'clientId', application->'clientId', 'secretRef', application->'ref') end as application`;

export const describeTenant = (tenant: TenantRow): z.infer<typeof tenantSchema> => ({
  id: tenant.tenantId,
  tenantId: tenant.tenantId,
  cloud: tenant.cloud,
  displayName: tenant.displayName,
  mode: tenant.mode,
  connectionType: tenant.connectionType,
  landing: tenant.landing,
  partnerGroup: tenant.partnerGroup as z.infer<typeof partnerGroup> | null,
  application: tenant.application,
  connectionState: tenant.connectionState,
  paused: tenant.paused,
  versionLock: tenant.version,
  createdAt: tenant.createdAt.toISOString(),
  updatedAt: tenant.updatedAt.toISOString(),
  connectedAt: iso(tenant.connectedAt),
});

/** The members of a tenant that operators set, as the history shows them. */
export const tenantSettings = ({
  application: own,
  cloud,
  connectionType,
  displayName: name,
  landing: choice,
  mode,
  partnerGroup: group,
}: Pick<
  TenantRow,
  'application' | 'cloud' | 'connectionType' | 'displayName' | 'landing' | 'mode' | 'partnerGroup'
>) => ({
  cloud,
  displayName: name,
  mode,
  connectionType,
  landing: choice,
  partnerGroup: group,
  application: own,
});
