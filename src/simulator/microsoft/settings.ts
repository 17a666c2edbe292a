import { z } from 'zod';

const delayMs = z.number().int().min(0).max(86_400_000);
const guid = z.guid();

/** How the tenant's administrator behaves on the consent page: domain/microsoft.md 1.5. */
export const consentSchema = z.strictObject({
  behaviour: z.enum(['approve', 'decline', 'lose-state', 'tamper-tenant']),
  /** Time until the granted roles appear in tokens and in Graph. */
  delayMs,
  /** `error` of a declined consent; null: `permission_denied` on v1, `consent_required` on v2. */
  declineError: z.string().min(1).nullable(),
  /** The tenant that `tamper-tenant` puts in the redirect; null: a random one. */
  tamperedTenantId: guid.nullable(),
});
export type ConsentSettings = z.infer<typeof consentSchema>;

/** What Graph answers about the tenant's Intune addresses: domain/microsoft.md 3 and 11.7. */
export const discoverySchema = z.strictObject({
  services: z.enum(['all', 'none', 'unrelated-only', 'tenant-only', 'device-only']),
  providerNameCase: z.enum(['documented', 'lower', 'upper']),
  pageSize: z.number().int().min(1).nullable(),
  /** Where the addresses point; everything but `own` must be refused by a careful client. */
  address: z.enum(['own', 'plain-http', 'foreign-host', 'foreign-port', 'user-info']),
  /** Relocation: appended to both service names; the old path then answers 404. */
  relocation: z
    .string()
    .regex(/^[\w-]{1,40}$/)
    .nullable(),
});
export type DiscoverySettings = z.infer<typeof discoverySchema>;

/** How the tenant's Intune answers: domain/microsoft.md 4 and 11.11 to 11.14. */
export const intuneSchema = z.strictObject({
  answerStyle: z.enum(['json', 'no-content', 'empty']),
  /** `ErrorCode` of the next uploads; null: 202 (api-version 1.2) or 0 (1.1). Others than 0 and 202 refuse. */
  uploadErrorCode: z.union([z.number().int(), z.string().min(1)]).nullable(),
  uploadErrorDetail: z.string().nullable(),
  processingDelayMs: delayMs,
  /** Added at random to each message's delay, so that messages overtake each other. */
  processingJitterMs: delayMs,
  /** From `Completed` until Entra shows it; null: never. */
  visibilityDelayMs: delayMs.nullable(),
  errorDetailStyle: z.enum(['string', 'object']),
  /** The word for a message not yet processed; public sources do not say which it is. */
  pendingStatus: z.string().min(1),
  /** In-body `HttpStatusCode` and `ErrorDetail` of PartnerTenants in an HTTP 200 that changes nothing. */
  partnerTenantsRefusal: z
    .strictObject({ httpStatusCode: z.number().int(), errorDetail: z.string() })
    .nullable(),
  /** The application id pasted in Intune; another application is rejected. null: any. */
  configuredAppId: guid.nullable(),
  resyncTimestamp: z.iso.datetime().nullable(),
  messageErrors: z.array(z.unknown()),
  /** Groups the partner is assigned to, besides those of policies; users outside fail. Empty: no assignment. */
  assignedGroupIds: z.array(guid),
  /** The tenant's policy over inventory (legacy mode): compliant when the exact `Encrypted` is true. */
  inventoryVerdict: z.enum(['none', 'encrypted']),
});
export type IntuneSettings = z.infer<typeof intuneSchema>;

export interface TenantSettings {
  consent: ConsentSettings;
  /** By application id, over the tenant's. */
  readonly consentByApp: Map<string, Partial<ConsentSettings>>;
  discovery: DiscoverySettings;
  intune: IntuneSettings;
}

export interface CloudSettings {
  /** Made with the honest defaults on first use. */
  tenant(tenantId: string): TenantSettings;
  /** Who signs in when a consent goes to `common` or `organizations`. */
  signedInTenantId: string | null;
  /** Whether a client assertion may be presented twice; some client libraries reuse theirs until it expires. */
  assertionReplay: 'refuse' | 'allow';
}

const honestDefaults = (): TenantSettings => ({
  consent: { behaviour: 'approve', delayMs: 0, declineError: null, tamperedTenantId: null },
  consentByApp: new Map(),
  discovery: {
    services: 'all',
    providerNameCase: 'documented',
    pageSize: null,
    address: 'own',
    relocation: null,
  },
  intune: {
    answerStyle: 'json',
    uploadErrorCode: null,
    uploadErrorDetail: null,
    processingDelayMs: 300,
    processingJitterMs: 0,
    visibilityDelayMs: 200,
    errorDetailStyle: 'string',
    pendingStatus: 'Pending',
    partnerTenantsRefusal: null,
    configuredAppId: null,
    resyncTimestamp: null,
    messageErrors: [],
    assignedGroupIds: [],
    inventoryVerdict: 'none',
  },
});

/** What the control API can switch in one cloud; the defaults make the honest path work. */
export function createCloudSettings(): CloudSettings {
  const tenants = new Map<string, TenantSettings>();
  return {
    tenant: (tenantId) => {
      const known = tenants.get(tenantId);
      if (known) return known;
      const made = honestDefaults();
      tenants.set(tenantId, made);
      return made;
    },
    signedInTenantId: null,
    assertionReplay: 'refuse',
  };
}
