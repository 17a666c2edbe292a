import { z } from 'zod';
import { dayMs } from '../clock.ts';
import { defaultEntityTypes } from './entity-types.ts';
import { isKnownEntraCode } from './entra-catalogue.ts';

const delayMs = z.number().int().min(0).max(dayMs);
const longTimeMs = z
  .number()
  .int()
  .min(0)
  .max(3650 * dayMs);
const guid = z.guid();

/** A refusal that Entra answers by order, whatever the request deserves: domain/microsoft.md 1.8 and 11.4. */
export const entraErrorSchema = z
  .strictObject({
    /** The AADSTS number. */
    code: z.int().positive(),
    /** Number of times; default: until it is taken back. */
    times: z.int().min(1).optional(),
    /** Restricts it to this application; default: every one. */
    appId: guid.optional(),
    /** `consent`: on the redirect from the consent page, or on the page itself where Entra does not redirect. */
    at: z.enum(['token', 'consent', 'sign-in']).default('token'),
    /** The cloud that codes like 90038 name; default: the tenant's own, or one that is not this one. */
    cloud: z.string().min(1).optional(),
    /** OAuth `error`, HTTP status and text over those of the catalogue; needed for a code that it lacks. */
    error: z
      .string()
      .regex(/^[a-z_]{1,60}$/)
      .optional(),
    status: z.int().min(400).max(599).optional(),
    message: z.string().min(1).max(1000).optional(),
  })
  .refine(({ code, error }) => error !== undefined || isKnownEntraCode(code), {
    message: 'is not in the catalogue: say its OAuth error too',
    path: ['code'],
  });
export type EntraErrorScript = z.infer<typeof entraErrorSchema>;
/** The same as it may be written: `{ code: 700016 }`. */
export type EntraErrorInput = z.input<typeof entraErrorSchema>;

/** Entra's answers in one tenant, besides consent. */
export const entraSchema = z.strictObject({
  entraError: entraErrorSchema.nullable(),
  /** The error for an application without a service principal: both are seen (domain/microsoft.md 1.6). */
  missingPrincipalCode: z.union([z.literal(700016), z.literal(7000229)]),
});
export interface EntraSettings {
  entraError: EntraErrorInput | null;
  missingPrincipalCode: 700016 | 7000229;
}

/** Graph's answers in one tenant: domain/microsoft.md 9 and 11.10. */
export const graphSchema = z.strictObject({
  /**
   * 401 `Authentication_MissingOrMalformed`: the first `times` calls with each token of a random share of them,
   * as long as the token is younger than a minute.
   */
  freshToken401: z
    .strictObject({ share: z.number().min(0).max(1), times: z.int().min(1).default(1) })
    .nullable(),
  /** `documented`: section 9's; numbers: units or requests of one application in the tenant, in the window. */
  quotas: z.union([
    z.enum(['off', 'documented']),
    z.strictObject({
      /** Resource units in 10 s, for users, groups, devices and service principals. */
      identityUnits: z.int().min(1),
      /** Requests in 20 s, for the partner resources. */
      partnerRequests: z.int().min(1),
      /** Writing ones of these. */
      partnerWrites: z.int().min(1),
    }),
  ]),
  /** Change notifications. */
  notifications: z.strictObject({
    /** Resources that may be subscribed to. Microsoft's list of supported resources does not name devices. */
    resources: z.array(z.enum(['users', 'groups', 'devices'])),
    /** A lifetime that is granted instead of a longer one that was asked for; null: what was asked for. */
    grantedMs: z.int().min(1).nullable(),
    /** Changes that come within this time share a request. */
    gatherMs: delayMs,
    /** Before the first repetition of what was not answered 2xx; each next one waits twice as long. */
    retryMs: z.int().min(1).max(dayMs),
    /** After this time it is dropped: 4 h. */
    giveUpMs: z.int().min(1).max(dayMs),
  }),
  /** Decides whether a 429 by quota says when to come back; Intune's may not. */
  retryAfter: z.enum(['send', 'omit']),
});
export type GraphSettings = z.infer<typeof graphSchema>;

/** Behaviour of the tenant's administrator on the consent page: domain/microsoft.md 1.5. */
export const consentSchema = z.strictObject({
  behaviour: z.enum(['approve', 'decline', 'lose-state', 'tamper-tenant']),
  /** Time until the granted roles appear in tokens, and in Graph unless `graphDelayMs` says otherwise. */
  delayMs,
  /** Time until Graph lists the grants and honours them: a token with the role gets 403 until then. */
  graphDelayMs: delayMs.nullable(),
  /** `error` of a declined consent; null: `permission_denied` on v1, `consent_required` on v2. */
  declineError: z.string().min(1).nullable(),
  /** The tenant that `tamper-tenant` puts in the redirect; null: a random one. */
  tamperedTenantId: guid.nullable(),
});
export type ConsentSettings = z.infer<typeof consentSchema>;

/** Graph's answer about the tenant's Intune addresses: domain/microsoft.md 3 and 11.7. */
export const discoverySchema = z.strictObject({
  services: z.enum(['all', 'none', 'unrelated-only', 'tenant-only', 'device-only']),
  providerNameCase: z.enum(['documented', 'lower', 'upper']),
  pageSize: z.number().int().min(1).nullable(),
  /** Form of the addresses; everything but `own` must be refused by a careful client. */
  address: z.enum(['own', 'plain-http', 'foreign-host', 'foreign-port', 'user-info']),
  /** Relocation: appended to both service names; the old path then answers 404. */
  relocation: z
    .string()
    .regex(/^[\w-]{1,40}$/)
    .nullable(),
});
export type DiscoverySettings = z.infer<typeof discoverySchema>;

/** Answers of the tenant's Intune: domain/microsoft.md 4 and 11.11 to 11.14. */
export const intuneSchema = z.strictObject({
  answerStyle: z.enum(['json', 'no-content', 'empty']),
  /** `ErrorCode` of the next uploads; null: 202 (api-version 1.2) or 0 (1.1). Others than 0 and 202 refuse. */
  uploadErrorCode: z.union([z.number().int(), z.string().min(1)]).nullable(),
  uploadErrorDetail: z.string().nullable(),
  /** Devices that have every message refused that carries one of them, while all others pass. */
  poison: z.array(z.strictObject({ deviceId: guid, refusal: z.enum(['http-400', 'in-body', 'http-500']) })),
  processingDelayMs: delayMs,
  /** Added at random to each message's delay, so that messages overtake each other. */
  processingJitterMs: delayMs,
  /** Time from `Completed` until Entra shows it; null: never. */
  visibilityDelayMs: delayMs.nullable(),
  errorDetailStyle: z.enum(['string', 'object']),
  /** The word for a message not yet processed; public sources do not say which it is. */
  pendingStatus: z.string().min(1),
  /** Members `HttpStatusCode` and `ErrorDetail` of PartnerTenants in an HTTP 200 that changes nothing. */
  partnerTenantsRefusal: z
    .strictObject({ httpStatusCode: z.number().int(), errorDetail: z.string() })
    .nullable(),
  /** The application id pasted in Intune; another application is rejected. null: any. */
  configuredAppId: guid.nullable(),
  /** True where the administrator has added the partner in Intune; provisioning is refused before. */
  partnerAdded: z.boolean(),
  /** Somebody else's connector holds the tenant: ours is refused until this is null again. */
  foreignProvisioning: z.strictObject({ appId: guid }).nullable(),
  /** Form of refusing an upload or a heartbeat of a tenant that is not connected (domain/microsoft.md 4.6, 12.12). */
  refusalStyle: z.enum(['in-body', 'http']),
  /** Without a heartbeat for longer, the partner is `unresponsive`. */
  unresponsiveAfterMs: longTimeMs,
  /** Time from the end of the connection until the partner's devices count as not compliant. */
  markDevicesAfterMs: longTimeMs,
  /** Time from the end of the connection until the partner's devices are removed. */
  removeDevicesAfterMs: longTimeMs,
  /** Provisioned again later than this, devices known before stop reporting until they register anew. null: never. */
  reprovisionWindowMs: longTimeMs.nullable(),
  /** Graph's word for the connection instead of the one that follows from it. */
  partnerState: z
    .enum(['unknown', 'unavailable', 'enabled', 'terminated', 'rejected', 'unresponsive'])
    .nullable(),
  resyncTimestamp: z.iso.datetime().nullable(),
  messageErrors: z.array(z.unknown()),
  /** Creation of a policy answers the entity, or a collection of one (domain/microsoft.md 4.5). */
  policyAnswer: z.enum(['single', 'collection']),
  /** 1 and 4 are seen in public code; the number of legacy compliance inventory is not public. */
  entityTypes: z.strictObject({
    inventory: z.int().min(0),
    /** The verdict of `device-compliance` mode. */
    compliance: z.int().min(0),
    /** The second entity of `conditional-access` mode. */
    complianceInventory: z.int().min(0),
  }),
  /** Groups the partner is assigned to, besides those of policies; users outside fail. Empty: no assignment. */
  assignedGroupIds: z.array(guid),
  /** The tenant's policy over inventory (legacy mode): compliant when the exact `Encrypted` is true. */
  inventoryVerdict: z.enum(['none', 'encrypted']),
});
export type IntuneSettings = z.infer<typeof intuneSchema>;

export interface TenantSettings {
  consent: ConsentSettings;
  /** Settings by application id, over the tenant's. */
  readonly consentByApp: Map<string, Partial<ConsentSettings>>;
  entra: EntraSettings;
  graph: GraphSettings;
  discovery: DiscoverySettings;
  intune: IntuneSettings;
}

export interface CloudSettings {
  /** Made with the honest defaults on first use. */
  tenant(tenantId: string): TenantSettings;
  /** The tenant of the person who signs in when a consent goes to `common` or `organizations`. */
  signedInTenantId: string | null;
  /** Decides whether a client assertion may be presented twice; some client libraries reuse theirs until it expires. */
  assertionReplay: 'refuse' | 'allow';
  /** Answered to every tenant of the cloud, after the tenant's own. */
  entraError: EntraErrorInput | null;
  /** `refresh_in` of token answers, seconds; null: left out. */
  refreshInSeconds: number | null;
  /** Answer to a person who may sign in only when assigned (AADSTS50105): both are seen. */
  notAssigned: 'redirect' | 'page';
  /** Certificates (PEM) that the simulated browser, and Graph where it notifies, trust besides public ones and the world's. */
  browserTrustPem: string | null;
}

const honestDefaults = (): TenantSettings => ({
  consent: {
    behaviour: 'approve',
    delayMs: 0,
    graphDelayMs: null,
    declineError: null,
    tamperedTenantId: null,
  },
  consentByApp: new Map(),
  entra: { entraError: null, missingPrincipalCode: 700016 },
  graph: {
    freshToken401: null,
    quotas: 'off',
    notifications: {
      resources: ['users', 'groups', 'devices'],
      grantedMs: null,
      gatherMs: 50,
      retryMs: 500,
      giveUpMs: 4 * 3_600_000,
    },
    retryAfter: 'send',
  },
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
    poison: [],
    processingDelayMs: 300,
    processingJitterMs: 0,
    visibilityDelayMs: 200,
    errorDetailStyle: 'string',
    pendingStatus: 'Pending',
    partnerTenantsRefusal: null,
    configuredAppId: null,
    partnerAdded: true,
    foreignProvisioning: null,
    refusalStyle: 'in-body',
    // 24 h is the only figure Microsoft gives nearby (domain/microsoft.md 4.3).
    unresponsiveAfterMs: dayMs,
    markDevicesAfterMs: 90 * dayMs,
    removeDevicesAfterMs: 90 * dayMs,
    reprovisionWindowMs: dayMs,
    partnerState: null,
    resyncTimestamp: null,
    messageErrors: [],
    policyAnswer: 'single',
    entityTypes: { ...defaultEntityTypes },
    assignedGroupIds: [],
    inventoryVerdict: 'none',
  },
});

/** Settings of one cloud that the control API can switch; the defaults make the honest path work. */
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
    entraError: null,
    refreshInSeconds: null,
    notAssigned: 'redirect',
    browserTrustPem: null,
  };
}
