import { z } from 'zod';
import { address, guid, instant, text } from './values.ts';

/** Made from the OpenAPI document of the admin API by `npm run docs`; change the schemas in src/admin/. */

/** What operators set of a tenant, an instance and a key. */
export const tenantFields = {
  tenantId: guid,
  cloud: text(100).optional(),
  displayName: text(200).optional(),
  mode: z.enum(['device-compliance', 'conditional-access']).optional(),
  connectionType: z.enum(['cloud-connector', 'manual']).optional(),
  landing: z
    .strictObject({
      choice: z.enum(['default', 'denied', 'custom']),
      customUrl: address(2000).optional(),
      defaultInstanceId: guid.optional(),
    })
    .optional(),
  partnerGroup: z
    .union([z.strictObject({ id: guid }), z.strictObject({ displayName: text(256) })])
    .nullable()
    .optional(),
  tags: z.array(z.string()).max(20).optional(),
  application: z
    .strictObject({ clientId: guid, clientSecret: text(1000).optional(), secretRef: text(1000).optional() })
    .optional(),
};
export const instanceFields = {
  name: text(100).optional(),
  url: address(500).optional(),
  apiClient: z
    .strictObject({
      clientId: text(200),
      clientSecret: text(1000).optional(),
      secretRef: text(1000).optional(),
    })
    .optional(),
  compliance: z
    .strictObject({
      source: z.enum(['jamf', 'smart-group']),
      applicableGroup: text(200).optional(),
      complianceGroup: text(200).optional(),
    })
    .optional(),
  caCertificate: text(50000).nullable().optional(),
  clientCertificateSha256: z.string().nullable().optional(),
  enabled: z.boolean().optional(),
};
export const keyFields = {
  name: text(100),
  role: z.enum(['viewer', 'operator', 'admin']),
  tenants: z.array(guid).min(1).max(1000).optional(),
  expiresAt: instant.optional(),
};

/** The same as the API shows it. */
export const presentTenant = z.object({
  tenantId: z.string(),
  cloud: z.string(),
  displayName: z.string(),
  mode: z.enum(['device-compliance', 'conditional-access']),
  connectionType: z.enum(['cloud-connector', 'manual']),
  landing: z.object({
    choice: z.enum(['default', 'denied', 'custom']),
    customUrl: z.string().optional(),
    defaultInstanceId: z.string().optional(),
  }),
  partnerGroup: z.union([z.object({ id: z.string() }), z.object({ displayName: z.string() })]).nullable(),
  tags: z.array(z.string()),
  application: z.object({ clientId: z.string(), secretRef: z.string().nullable() }).nullable(),
  paused: z.boolean(),
  versionLock: z.number(),
});
export const presentInstance = z.object({
  id: z.string(),
  name: z.string(),
  url: z.string(),
  apiClient: z.object({ clientId: z.string(), secretRef: z.string().nullable() }),
  compliance: z.object({
    source: z.enum(['jamf', 'smart-group']),
    applicableGroup: z.string().optional(),
    complianceGroup: z.string().optional(),
  }),
  caCertificate: z.string().nullable(),
  clientCertificateSha256: z.string().nullable(),
  enabled: z.boolean(),
  paused: z.boolean(),
  versionLock: z.number(),
});
export const presentKey = z.object({
  id: z.string(),
  name: z.string(),
  role: z.enum(['viewer', 'operator', 'admin']),
  tenants: z.array(z.string()).nullable(),
  expiresAt: z.string().nullable(),
});

/** Other answers that are read. */
export const created = z.object({ id: z.string(), href: z.string() });
export const createdKey = z.object({ id: z.string(), href: z.string(), key: z.string() });
export const waitsForApproval = z.object({
  approvalId: z.string(),
  href: z.string(),
  devices: z.number(),
  expiresAt: z.string(),
  state: z.enum(['waiting']),
});
