/**
 * What the admin API takes and answers, by method and path after `/api/v1`. Made from its OpenAPI document by
 * `npm run docs`; change the schemas in src/admin/.
 */

export type Version = { readonly version: string };

export type Problem = {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly detail: string;
  readonly instance: string;
  readonly owner: string;
  readonly httpStatus: number;
  readonly errors: readonly {
    readonly code: string;
    readonly description: string;
    readonly id: string | null;
    readonly field: string | null;
  }[];
};

export type Clouds = { readonly totalCount: number; readonly results: readonly Cloud[] };

export type Cloud = {
  readonly name: string;
  readonly authority: string;
  readonly graph: string;
  readonly portal: string;
  readonly intuneHosts: readonly string[];
  readonly configured: boolean;
};

export type Session = {
  readonly name: string;
  readonly kind: 'bootstrap' | 'key' | 'user';
  readonly id: string | null;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly tenants: readonly string[] | null;
  readonly session: {
    readonly expiresAt: string;
    /** To be sent as x-espalier-csrf with a write; another text in every answer, and each is good */
    readonly csrfToken: string;
  } | null;
};

export type OperatorSessions = { readonly totalCount: number; readonly results: readonly OperatorSession[] };

export type OperatorSession = {
  readonly id: string;
  /** Of the person or the key. */
  readonly name: string;
  /** At the sign-in; a key has at each request the role that it has then. */
  readonly role: 'viewer' | 'operator' | 'admin';
  /** Of the key that was exchanged for it; null for a person, and for the bootstrap key. */
  readonly keyId: string | null;
  /** Of the person in Entra. */
  readonly objectId: string | null;
  /** Those that the key or person is bound to now; null: all of them. */
  readonly tenants: readonly string[] | null;
  /** It is the one that asks. */
  readonly current: boolean;
  readonly createdAt: string;
  /** Written at most once a minute. */
  readonly lastSeenAt: string;
  /** However busy it is, it ends then; half an hour without a request ends it before. */
  readonly expiresAt: string;
};

export type EffectiveSettings = {
  readonly totalCount: number;
  readonly results: readonly EffectiveSetting[];
};

export type EffectiveSetting = {
  /** The environment variable. */ readonly name: string;
  /** The heading under which docs/settings.md has it. */
  readonly group: string;
  /** What is in force: the value, masked where it is secret, or the default in words. */
  readonly value: string;
  /** false: the variable is absent or empty, and the default holds. */
  readonly set: boolean;
  readonly secret: boolean;
  readonly default: string;
  readonly meaning: string;
};

export type Overview = {
  readonly attention: {
    readonly totalCount: number;
    readonly kinds: readonly {
      readonly kind:
        | 'tenant-held'
        | 'tenant-terminated'
        | 'mass-change'
        | 'approval-waiting'
        | 'instance-unreachable'
        | 'reports-failed'
        | 'permission-drift'
        | 'certificate-not-renewed'
        | 'alert-target-failing'
        | 'credential-expiring'
        | 'connection-unfinished'
        | 'paused';
      readonly count: number;
    }[];
    /** The 100 most urgent */
    readonly results: readonly Attention[];
  };
  readonly totalCount: number;
  readonly results: readonly OverviewTenant[];
};

export type Attention = {
  readonly kind:
    | 'tenant-held'
    | 'tenant-terminated'
    | 'mass-change'
    | 'approval-waiting'
    | 'instance-unreachable'
    | 'reports-failed'
    | 'permission-drift'
    | 'certificate-not-renewed'
    | 'alert-target-failing'
    | 'credential-expiring'
    | 'connection-unfinished'
    | 'paused';
  /** null: it is about the gateway itself */
  readonly tenantId: string | null;
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  /** Identifier of the cause, as the status of the tenant has it */
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  /** Who has to act: caller, configuration, instance, microsoft or espalier */
  readonly owner: string;
  readonly since: string | null;
  readonly count: number;
  /** There may be more: counting ended at this number */
  readonly countIsLeast: boolean;
  readonly action: {
    readonly label: string;
    /** The page of the console on this listener */
    readonly href: string;
  };
};

export type OverviewTenant = {
  readonly tenantId: string;
  readonly displayName: string;
  readonly connectionState: string;
  readonly held: boolean;
  readonly paused: boolean;
  readonly instances: number;
  readonly backlog: {
    readonly computers: number;
    readonly reports: number;
    /** There may be more: counting ended at these numbers */
    readonly isLeast: boolean;
  };
  /** Since when Intune lacks the state that has waited longest */
  readonly oldestUndeliveredAt: string | null;
  readonly lastHeartbeatAt: string | null;
};

export type SearchResults = {
  readonly tenants: {
    /** There are more than the 20 that are shown */ readonly more: boolean;
    readonly results: readonly {
      readonly tenantId: string;
      readonly displayName: string;
      readonly connectionState: string;
    }[];
  };
  readonly instances: {
    /** There are more than the 20 that are shown */ readonly more: boolean;
    readonly results: readonly {
      readonly tenantId: string;
      readonly tenantName: string;
      readonly instanceId: string;
      readonly name: string;
      readonly url: string;
    }[];
  };
  readonly devices: {
    /** There are more than the 20 that are shown */ readonly more: boolean;
    readonly results: readonly {
      readonly tenantId: string;
      readonly tenantName: string;
      readonly deviceId: string;
      readonly matched: 'device-id' | 'user' | 'udid' | 'serial-number' | 'computer-name';
      readonly serialNumber: string | null;
      readonly computerName: string | null;
      readonly userId: string | null;
      readonly instanceId: string | null;
      readonly instanceName: string | null;
    }[];
  };
};

export type Tenants = { readonly totalCount: number; readonly results: readonly Tenant[] };

export type Tenant = {
  readonly id: string;
  readonly tenantId: string;
  readonly cloud: string;
  readonly displayName: string;
  readonly mode: 'device-compliance' | 'conditional-access';
  readonly connectionType: 'cloud-connector' | 'manual';
  readonly landing: Landing;
  readonly partnerGroup: PartnerGroup;
  /** Words of your own, by which "espalier apply --select-tag" finds the tenants of one team. */
  readonly tags: readonly string[];
  readonly application: { readonly clientId: string; readonly secretRef: string | null } | null;
  readonly connectionState: string;
  readonly paused: boolean;
  readonly versionLock: number;
  readonly createdAt: string;
  readonly updatedAt: string;
  readonly connectedAt: string | null;
};

export type Landing = {
  readonly choice: 'default' | 'denied' | 'custom';
  readonly customUrl?: string;
  readonly defaultInstanceId?: string;
};

export type PartnerGroup = { readonly id: string } | { readonly displayName: string } | null;

export type CreatedWithReference = Created & {
  /** what was accepted although it does not work yet */
  readonly warnings?: readonly { readonly field: string; readonly description: string }[];
};

export type Created = { readonly id: string; readonly href: string };

export type NewTenant = {
  readonly tenantId: string;
  readonly cloud?: string;
  readonly displayName: string;
  readonly mode?: 'device-compliance' | 'conditional-access';
  readonly connectionType?: 'cloud-connector' | 'manual';
  readonly landing?: Landing;
  readonly partnerGroup?: PartnerGroup;
  readonly tags?: readonly string[];
  readonly application?: TenantApplication;
};

export type TenantApplication = {
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly secretRef?: string;
};

export type ChangedTenant = Tenant & {
  /** what was accepted although it does not work yet */
  readonly warnings?: readonly { readonly field: string; readonly description: string }[];
};

export type TenantChange = {
  readonly displayName?: string;
  /** Refused: changes by POST /tenants/{tenantId}/migrate */
  readonly mode?: never;
  /** Refused: changes by POST /tenants/{tenantId}/migrate */
  readonly connectionType?: never;
  readonly landing?: Landing;
  readonly partnerGroup?: PartnerGroup;
  readonly tags?: readonly string[];
  readonly application?: TenantApplication;
};

export type TenantRemoval = {
  readonly dryRun: boolean;
  readonly devices: number;
  readonly instances: number;
  readonly relay: Relay;
};

/** Where the tenant lives, and until when what comes here is passed on */
export type Relay = { readonly to: string; readonly until: string } | null;

export type WaitsForApproval = {
  readonly approvalId: string;
  readonly href: string;
  readonly devices: number;
  readonly expiresAt: string;
  readonly state: 'waiting';
};

export type TenantDelivery = {
  readonly tenantId: string;
  readonly step: 'five-minutes' | 'hour' | 'day';
  readonly stepSeconds: number;
  readonly total: DeliveryNumbers;
  readonly results: readonly (DeliveryNumbers & { readonly at: string })[];
};

export type DeliveryNumbers = {
  readonly received: number;
  readonly accepted: number;
  readonly completed: number;
  readonly failed: number;
  readonly delaySeconds: { readonly median: number | null; readonly p99: number | null };
};

export type Connect = {
  readonly consentUrls: readonly { readonly app: 'connector' | 'user-registration'; readonly url: string }[];
  readonly expiresAt: string;
};

export type TenantPaused = { readonly tenantId: string; readonly paused: boolean };

export type TenantResumed = {
  readonly tenantId: string;
  readonly paused: boolean;
  readonly dryRun: boolean;
  readonly reports: number;
};

export type TenantStatus = {
  readonly tenantId: string;
  readonly connectionState: string;
  readonly partnerState: {
    readonly state: string;
    readonly source: 'graph' | 'derived';
    readonly at: string | null;
  };
  readonly paused: boolean;
  readonly hold: {
    readonly cause: string;
    readonly detail: string;
    readonly remedy: string;
    readonly owner: string;
    readonly since: string;
  } | null;
  readonly lastHeartbeatAt: string | null;
  readonly terminatedAt: string | null;
  readonly devicesMarkedAt: string | null;
  readonly devicesRemovedAt: string | null;
  readonly deprovisionPending: boolean;
  readonly retraction: { readonly total: number; readonly left: number } | null;
  readonly messageErrors: readonly unknown[];
  readonly permissions: {
    readonly ok: boolean;
    readonly checkedAt: string;
    readonly missing: readonly string[];
    readonly extra: readonly string[];
  } | null;
  readonly lastConfirmAt: string | null;
  readonly notifications: TenantNotifications;
  readonly backlog: { readonly computers: number; readonly reports: number };
  readonly backlogCauses: readonly {
    readonly instanceId: string;
    readonly instance: string;
    readonly cause: string;
    readonly detail: string;
    readonly owner: string;
    readonly computers: number;
    readonly since: string | null;
    readonly lastAnswerAt: string | null;
    readonly nextTryAt: string | null;
  }[];
  readonly oldestUndeliveredAgeSeconds: number | null;
  readonly reports: Readonly<Record<string, number>>;
  readonly heldReasons: Readonly<Record<string, number>>;
  readonly devices: number;
  readonly warnings: readonly string[];
};

export type TenantNotifications = {
  readonly state: 'off' | 'not-configured' | 'not-connected' | 'pending' | 'refused' | 'partly' | 'active';
  readonly remedy: string | null;
  readonly subscriptions: readonly {
    readonly resource: string;
    readonly state: string;
    readonly expiresAt: string | null;
    readonly lastNotificationAt: string | null;
    readonly lastError: string | null;
  }[];
};

export type Confirm = {
  readonly ok: boolean;
  readonly steps: readonly Step[];
  readonly dryRun: boolean;
  readonly reports?: number;
};

export type Step = {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
  readonly owner?: string;
};

export type Enable = {
  readonly ok: boolean;
  readonly steps: readonly Step[];
  readonly dryRun: boolean;
  readonly reports?: number;
};

export type Confirmation = {
  readonly tenantId: string;
  readonly state: 'none' | 'running' | 'ended' | 'interrupted';
  readonly action: 'confirm' | 'enable' | null;
  readonly ok: boolean | null;
  readonly startedAt: string | null;
  readonly endedAt: string | null;
  readonly steps: readonly Step[];
};

export type Consents = { readonly totalCount: number; readonly results: readonly Consent[] };

export type Consent = {
  readonly app: 'connector' | 'user-registration';
  readonly clientId: string;
  readonly state: 'not-asked' | 'open' | 'given' | 'declined' | 'failed' | 'expired';
  readonly cause: string | null;
  readonly detail: string | null;
  readonly remedy: string | null;
  readonly at: string | null;
  readonly linkExpiresAt: string | null;
};

export type Disabled = Departure & { readonly dryRun: boolean; readonly devices: number };

export type Departure = {
  readonly tenantId: string;
  readonly before: string;
  readonly connectionState: string;
};

export type Disconnected = Departure & {
  readonly dryRun: boolean;
  readonly devices: number;
  readonly retracting: number;
};

export type Disconnect = { readonly retract?: boolean };

export type Resync = { readonly tenantId: string; readonly dryRun: boolean; readonly reports: number };

export type Permissions = {
  readonly checkedAt: string;
  readonly applications: readonly {
    readonly app: string;
    readonly state: string;
    readonly expected: readonly string[];
    readonly granted: readonly string[];
    readonly missing: readonly string[];
    readonly extra: readonly string[];
    readonly problem?: {
      readonly cause: string;
      readonly detail: string;
      readonly remedy: string;
      readonly owner: string;
    };
  }[];
};

export type MigrationPlan = {
  readonly from: MigrationTarget;
  readonly to: MigrationTarget;
  readonly dryRun: boolean;
  readonly steps: readonly {
    readonly name: string;
    readonly who: 'espalier' | 'operator';
    readonly done: boolean;
    readonly detail: string;
  }[];
  readonly window?: { readonly startsAt: string; readonly endsAt: string; readonly hoursLeft: number };
  readonly dates: {
    readonly terminatedAt: string | null;
    readonly deprovisionedAt: string | null;
    readonly devicesMarkedAt: string | null;
    readonly devicesRemovedAt: string | null;
    readonly conditionalAccessEndedOn: string | null;
    readonly conditionalAccessExtendedTo: string | null;
  };
  readonly devices: number;
  readonly warnings: readonly string[];
};

export type MigrationTarget = {
  readonly mode: 'device-compliance' | 'conditional-access';
  readonly connectionType: 'cloud-connector' | 'manual';
};

export type Migrate = {
  readonly mode?: 'device-compliance' | 'conditional-access';
  readonly connectionType?: 'cloud-connector' | 'manual';
};

export type MoveOut = {
  readonly tenantId: string;
  readonly dryRun: boolean;
  /** draining: what was under way has not ended. ready: the file may be taken */
  readonly state: 'here' | 'draining' | 'ready';
  readonly moveId: string | null;
  readonly generation: number | null;
  readonly fencedAt: string | null;
  readonly sealedAt: string | null;
  readonly relay: Relay;
  readonly waitsFor: { readonly computers: number; readonly reports: number; readonly seconds: number };
};

export type NewRelay = {
  /** ESPALIER_PUBLIC_URL of the deployment where the tenant lives */ readonly to: string;
  /** From then on nothing is passed on */
  readonly until: string;
};

export type MoveIn = {
  readonly tenantId: string;
  readonly dryRun: boolean;
  readonly displayName: string;
  readonly moveId: string;
  readonly generation: number;
  /** true: this file was taken in before */
  readonly already: boolean;
  /** Rows by table */
  readonly rows: Readonly<Record<string, number>>;
};

export type Instances = { readonly totalCount: number; readonly results: readonly Instance[] };

export type Instance = {
  readonly id: string;
  readonly tenantId: string;
  readonly name: string;
  readonly url: string;
  readonly apiClient: { readonly clientId: string; readonly secretRef: string | null };
  readonly compliance: ComplianceSource;
  readonly caCertificate: string | null;
  readonly clientCertificateSha256: string | null;
  readonly enabled: boolean;
  readonly paused: boolean;
  readonly jamfVersion: string | null;
  readonly lastSeenAt: string | null;
  readonly lastError: string | null;
  readonly lastErrorAt: string | null;
  readonly reading: InstanceReading;
  readonly webhookUrl: string;
  readonly inventoryUrl: string;
  readonly versionLock: number;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type ComplianceSource = {
  readonly source: 'jamf' | 'smart-group';
  readonly applicableGroup?: string;
  readonly complianceGroup?: string;
};

export type InstanceReading = {
  readonly polledAt: string | null;
  readonly pollError: string | null;
  readonly nextPollAt: string | null;
  readonly reconciledAt: string | null;
  readonly reconcileError: string | null;
  readonly reconcilingSince: string | null;
  readonly nextReconcileAt: string | null;
};

export type NewInstance = {
  readonly name: string;
  readonly url: string;
  readonly apiClient: ApiClient;
  readonly compliance?: ComplianceSource;
  readonly caCertificate?: string;
  readonly clientCertificateSha256?: string;
};

export type ApiClient = {
  readonly clientId: string;
  readonly clientSecret?: string;
  readonly secretRef?: string;
};

export type ChangedInstance = Instance & {
  /** what was accepted although it does not work yet */
  readonly warnings?: readonly { readonly field: string; readonly description: string }[];
  readonly dryRun: boolean;
  readonly routes?: { readonly devices: number; readonly changed: number; readonly ended: number };
};

export type InstanceChange = {
  readonly name?: string;
  readonly url?: string;
  readonly apiClient?: ApiClient;
  readonly compliance?: ComplianceSource;
  readonly caCertificate?: string | null;
  readonly clientCertificateSha256?: string | null;
  readonly enabled?: boolean;
};

export type InstanceTest = { readonly ok: boolean; readonly steps: readonly Step[] };

export type InstancePaused = {
  readonly instanceId: string;
  readonly paused: boolean;
  readonly dryRun: boolean;
  readonly computers?: number;
};

export type ReconciliationPlan = {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly dryRun: true;
  readonly computers: number;
};

export type Reconciliation = {
  readonly tenantId: string;
  readonly instanceId: string;
  readonly requestedAt: string;
};

export type RoutesRebuildPlan = {
  readonly tenantId: string;
  readonly instances: number;
  readonly dryRun: true;
  readonly computers: number;
};

export type RoutesRebuild = {
  readonly tenantId: string;
  readonly instances: number;
  readonly requestedAt: string;
};

export type InstanceRemoval = {
  readonly dryRun: boolean;
  readonly devices: number;
  readonly moved: number;
  readonly retracted: number;
};

export type InstanceKeys = { readonly totalCount: number; readonly results: readonly InstanceKey[] };

export type InstanceKey = {
  readonly id: string;
  readonly name: string;
  readonly prefix: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly lastUsedAt: string | null;
};

export type CreatedKey = { readonly id: string; readonly href: string; readonly key: string };

export type NewInstanceKey = { readonly name?: string; readonly expiresAt?: string };

export type RouteImport = {
  readonly dryRun: boolean;
  readonly mode: 'partial' | 'atomic';
  readonly rows: number;
  readonly accepted: number;
  readonly changed: number;
  readonly noted: number;
  readonly versionBefore: number | null;
  readonly version: number | null;
  readonly sha256: string;
  readonly rejectedCount: number;
  readonly rejected: readonly {
    readonly line: number;
    readonly code: string;
    readonly description: string;
  }[];
  /** Of a dry run the first 100 changes, by line; otherwise empty. */
  readonly changes: readonly RouteImportChange[];
};

export type RouteImportChange = {
  readonly line: number;
  readonly deviceId: string;
  /** described: only the serial number or UDID. unpinned: claims may then put it elsewhere. */
  readonly change: 'created' | 'moved' | 'pinned' | 'unpinned' | 'described';
  readonly from: RouteComputer;
  readonly to: RouteComputer;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
};

/** null: the device has no route. */
export type RouteComputer = { readonly instanceId: string; readonly jamfComputerId: string } | null;

export type Devices = { readonly totalCount: number; readonly results: readonly Device[] };

export type Device = {
  readonly id: string;
  readonly deviceId: string;
  readonly tenantId: string;
  readonly instanceId: string;
  readonly jamfComputerId: string;
  readonly serialNumber: string | null;
  readonly udid: string | null;
  readonly pinned: boolean;
  readonly rule: string;
  readonly since: string;
  readonly routeVersion: number;
  readonly report: DeviceReport;
};

export type DeviceReport = {
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly revision: number;
  readonly confirmedRevision: number;
  readonly messageId: string | null;
  readonly verification: string | null;
  readonly verdict: string;
  readonly reportedAt: string | null;
  readonly sentAt: string | null;
  readonly acceptedAt: string | null;
  readonly completedAt: string | null;
  readonly verifiedAt: string | null;
  readonly updatedAt: string;
} | null;

export type DevicePlace = {
  readonly instanceId: string;
  readonly jamfComputerId: string;
  readonly serialNumber?: string;
  readonly udid?: string;
  readonly pinned?: boolean;
  readonly reason?: string;
};

export type DeviceRemoval = {
  readonly dryRun: true;
  /** The instance that has the device now. */
  readonly instanceId: string;
  readonly jamfComputerId: string;
  /** Claims of instances that would be forgotten. */
  readonly claims: number;
  /** Whether Intune would be told that the device is not managed and not compliant. */
  readonly told: boolean;
};

export type Explanation = {
  readonly at: string | null;
  readonly instanceId: string | null;
  readonly jamfComputerId: string | null;
  readonly rule: string;
  readonly since: string | null;
  readonly version: number | null;
  readonly claims: readonly {
    readonly instanceId: string;
    readonly jamfComputerId: string;
    readonly lastEnrolledDate: string | null;
    readonly lastCheckIn: string | null;
    readonly pinned: boolean;
    readonly state: 'active' | 'resting' | 'stale';
  }[];
  readonly conflict: boolean;
  readonly wouldChange: readonly string[];
  readonly previousDeviceIds: readonly string[];
  readonly nextDeviceId: string | null;
};

export type Timeline = { readonly totalCount: number; readonly results: readonly TimelineEntry[] };

export type TimelineEntry = {
  readonly stage: string;
  readonly at: string;
  readonly instanceId?: string;
  readonly messageId?: string;
  readonly detail?: string;
};

export type DeviceComparison = {
  readonly jamf: {
    readonly instanceId: string;
    readonly jamfComputerId: string;
    readonly verdict: string | null;
    readonly managed: boolean | null;
    readonly userId: string | null;
    readonly deviceName: string | null;
    readonly osVersion: string | null;
    readonly lastCheckInAt: string | null;
    readonly reportedAt: string | null;
    /** The computer is due to be read and was not read yet */
    readonly readWaits: boolean;
    /** Why the last read failed */
    readonly readError: string | null;
  } | null;
  readonly intune: {
    /** null: none was sent, because Intune makes it */ readonly verdict: string | null;
    readonly managed: boolean | null;
    readonly userId: string | null;
    readonly deviceName: string | null;
    readonly osVersion: string | null;
    readonly messageId: string | null;
    readonly sentAt: string | null;
    readonly acceptedAt: string | null;
    readonly completedAt: string | null;
    /** Nothing newer waits to be told */
    readonly newest: boolean;
    /** Intune did not take it, so that it holds what it held before */
    readonly refused: boolean;
  } | null;
  readonly entra: {
    /** As it was seen after the last message; null: it was not looked up, or showed no value */
    readonly isCompliant: boolean | null;
    readonly enabled: boolean | null;
    readonly enabledSeenAt: string | null;
    readonly verification: string | null;
    readonly verifiedAt: string | null;
    readonly detail: string | null;
  };
  readonly differences: readonly ('verdict' | 'managed' | 'userId' | 'deviceName' | 'osVersion' | 'entra')[];
};

export type DeviceRefresh = {
  readonly deviceId: string;
  readonly computers: readonly { readonly instanceId: string; readonly jamfComputerId: string }[];
  readonly reportTriedAgain: boolean;
  readonly requestedAt: string;
};

export type Erasure = {
  readonly dryRun: boolean;
  readonly deviceIds: readonly string[];
  readonly rows: {
    readonly reports: number;
    readonly computers: number;
    readonly links: number;
    readonly directory: number;
    readonly timeline: number;
    readonly claimHistory: number;
    readonly routeChanges: number;
    readonly moveDevices: number;
  };
  /** Entries whose texts were erased. */
  readonly historyEntries: number;
  /** The entry of the history that proves it. */
  readonly proof?: { readonly erasureId: string; readonly sequence: number; readonly hash: string };
};

export type ErasureRequest = {
  /** The user's object id in Entra. */ readonly userId?: string;
  /** Device ids in Entra, beside those that are known to be the user's. */
  readonly deviceIds?: readonly string[];
};

export type RouteConvergence = {
  readonly version: number;
  readonly processes: readonly {
    readonly process: string;
    readonly startedAt: string;
    readonly seenAt: string;
    readonly version: number;
    readonly current: boolean;
    readonly cachedRoutes: number;
  }[];
};

export type MovePlan = {
  readonly dryRun: true;
  readonly devices: number;
  readonly planned: number;
  /** pinned: pins stay. not-claimed: the target does not claim the device (unclaimed=true finds it by UDID or serial number). not-found-at-target, ambiguous: none or several computers of the target have that UDID or serial number. left: the route went elsewhere meanwhile. */
  readonly skipped: readonly { readonly reason: string; readonly count: number }[];
};

export type NewMove = {
  readonly from: string;
  readonly to: string;
  /** Of the devices at `from`; default: all of them. RSQL over deviceId, instanceId, serialNumber, pinned, state, conflict: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
  readonly filter?: string;
  /** Of one step. */
  readonly percent?: number;
  /** Device calls are first asked of both instances and the answers are compared. */
  readonly shadow?: boolean;
  /** Also devices that the target does not claim but has a computer for, by UDID or else by serial number. */
  readonly unclaimed?: boolean;
  /** Share of the compared answers that may differ before `advance` refuses. */
  readonly threshold?: number;
  readonly reason?: string;
};

export type Moves = { readonly totalCount: number; readonly results: readonly Move[] };

export type Move = {
  readonly id: string;
  readonly moveId: string;
  readonly tenantId: string;
  readonly from: string;
  readonly to: string;
  readonly filter: string | null;
  readonly unclaimed: boolean;
  readonly shadow: boolean;
  readonly threshold: number;
  readonly stepPercent: number;
  readonly state: 'planned' | 'shadowing' | 'moving' | 'done' | 'rolled-back';
  readonly paused: boolean;
  /** Of the devices, by a hash of their ids: these are to be moved. */
  readonly percent: number;
  readonly devices: {
    readonly total: number;
    readonly planned: number;
    readonly moved: number;
    readonly rolledBack: number;
    readonly skipped: number;
  };
  /** pinned: pins stay. not-claimed: the target does not claim the device (unclaimed=true finds it by UDID or serial number). not-found-at-target, ambiguous: none or several computers of the target have that UDID or serial number. left: the route went elsewhere meanwhile. */
  readonly skipped: readonly { readonly reason: string; readonly count: number }[];
  /** Devices whose routes are still being written. */
  readonly pending: number;
  readonly shadowing: {
    readonly startedAt: string | null;
    readonly compared: number;
    readonly differed: number;
    readonly share: number;
    readonly needed: number;
  };
  readonly author: string;
  readonly reason: string;
  readonly createdAt: string;
  readonly updatedAt: string;
};

export type MovesOfTenants = { readonly totalCount: number; readonly results: readonly Move[] };

export type MoveWithDifferences = Move & { readonly differences: readonly MoveDifference[] };

export type MoveDifference = {
  /** Of the answer of the new instance against that of the old one: unreachable, not-found, status, verdict, body. */
  readonly kind: string;
  readonly call: string;
  readonly count: number;
  readonly example: { readonly deviceId: string; readonly description: string };
  readonly lastAt: string;
};

export type MoveDevices = { readonly totalCount: number; readonly results: readonly MoveDevice[] };

export type MoveDevice = {
  readonly deviceId: string;
  readonly state: 'planned' | 'moved' | 'rolled-back' | 'skipped';
  readonly reason: string | null;
  /** Moved when the percent of the move is above it. */
  readonly bucket: number;
  readonly fromJamfComputerId: string;
  readonly toJamfComputerId: string | null;
  readonly movedVersion: number | null;
  readonly updatedAt: string;
};

export type OperatedMove = MoveWithDifferences & { readonly dryRun: boolean };

export type AdvanceMove = {
  /** To this percent at once; default: the next step. */ readonly percent?: number;
  /** Although the instances were compared too little, or differ beyond the threshold. */
  readonly force?: boolean;
  /** For the routes' history; default: the one of the move. */
  readonly reason?: string;
};

export type MoveReason = {
  /** For the routes' history; default: the one of the move. */ readonly reason?: string;
};

export type Holds = { readonly totalCount: number; readonly results: readonly Hold[] };

export type Hold = {
  readonly id: string;
  readonly tenantId: string;
  /** open: nobody has decided. refused: the instances were asked again, and what they still say waits. released: told. over: nothing was held any more. */
  readonly state: 'open' | 'refused' | 'released' | 'over';
  /** ESPALIER_MASS_CHANGE when it began. */
  readonly mode: 'hold-unmanaged' | 'hold-all' | 'alert';
  /** ESPALIER_MASS_CHANGE_PERCENT when it began. */
  readonly percent: number;
  readonly cause: string;
  /** Macs of the tenant when it began. */
  readonly macs: number;
  /** Those that had become unmanaged within the hour. */
  readonly unmanaged: number;
  /** Those that had become not compliant. */
  readonly notCompliant: number;
  /** Devices whose newest state waits for a decision now. */
  readonly held: number;
  readonly openedAt: string;
  readonly decidedBy: string | null;
  readonly decidedAt: string | null;
  readonly reason: string | null;
  readonly endedAt: string | null;
  readonly versionLock: number;
};

export type HoldWithExamples = Hold & {
  /** Where the held states come from, most first. */
  readonly instances: readonly { readonly instanceId: string; readonly held: number }[];
  /** Up to 20 of the held devices. */
  readonly examples: readonly {
    readonly deviceId: string;
    readonly instanceId: string;
    readonly deviceName: string;
    /** What Intune would be told; null: nothing that is worse any more. */
    readonly change: 'unmanaged' | 'not-compliant' | null;
    readonly since: string | null;
  }[];
};

export type DecidedHold = HoldWithExamples & {
  readonly dryRun: boolean;
  /** Devices whose held state Intune is told of. */
  readonly told: number;
  /** Instances that are asked again. */
  readonly asked: number;
};

export type HoldDecision = { readonly reason?: string };

export type RouteChanges = { readonly totalCount: number; readonly results: readonly RouteChange[] };

export type RouteChange = {
  readonly version: number;
  readonly deviceId: string;
  readonly changedAt: string;
  readonly author: string;
  readonly reason: string;
  readonly rule: string;
  readonly pinned: boolean;
  readonly from: RouteComputer;
  readonly to: RouteComputer;
};

export type RouteDifferences = { readonly totalCount: number; readonly results: readonly RouteDifference[] };

export type RouteDifference = {
  readonly deviceId: string;
  readonly from: RoutePlace;
  readonly to: RoutePlace;
};

export type RoutePlace = RouteComputer &
  ({ readonly pinned: boolean; readonly rule: string; readonly version: number } | null);

export type RouteRollback = {
  readonly dryRun: boolean;
  readonly toVersion: number;
  readonly version: number | null;
  readonly changed: number;
  readonly placed: number;
  readonly ended: number;
  readonly unclaimed: number;
  readonly retracted: number;
  readonly devices: readonly {
    readonly deviceId: string;
    readonly from: RouteComputer;
    readonly to: RouteComputer;
    readonly pinned: boolean;
  }[];
  readonly skippedCount: number;
  readonly skipped: readonly { readonly deviceId: string; readonly reason: string }[];
};

export type RouteRollbackRequest = { readonly toVersion: number; readonly reason: string };

export type RouteConflicts = { readonly totalCount: number; readonly results: readonly RouteConflict[] };

export type RouteConflict = {
  readonly deviceId: string;
  readonly pain: 'opposite-verdicts' | 'same-verdict' | 'unknown';
  readonly winner: RouteComputer;
  readonly rule: string;
  readonly claims: readonly (RouteComputer & {
    readonly verdict: string | null;
    readonly lastEnrolledDate: string | null;
    readonly lastCheckIn: string | null;
    readonly serialNumber: string | null;
    readonly udid: string | null;
    readonly wins: boolean;
  })[];
};

export type StaleRegistrations = {
  readonly totalCount: number;
  readonly results: readonly StaleRegistration[];
};

export type StaleRegistration = {
  readonly deviceId: string;
  readonly previousDeviceId: string;
  readonly linkedBy: string;
  readonly linkedAt: string;
  readonly retiredAt: string | null;
  readonly previousRoute: RouteComputer;
  readonly advice: string;
};

export type Reports = { readonly totalCount: number; readonly results: readonly Report[] };

export type Report = {
  readonly tenantId: string;
  readonly deviceId: string;
  /** That of its route; null: it has none, or the serial number is not known. */
  readonly serialNumber: string | null;
  readonly instanceId: string;
  readonly state: string;
  readonly reason: string | null;
  readonly detail: string | null;
  readonly revision: number;
  readonly confirmedRevision: number;
  readonly messageId: string | null;
  readonly attempts: number;
  readonly dueSince: string | null;
  readonly failedAt: string | null;
  readonly sentAt: string | null;
  readonly acceptedAt: string | null;
  readonly completedAt: string | null;
  readonly verifiedAt: string | null;
  readonly verification: string | null;
  readonly nextTryAt: string | null;
  readonly background: boolean;
  readonly updatedAt: string;
};

export type ReportCauses = { readonly totalCount: number; readonly results: readonly ReportCause[] };

export type ReportCause = {
  readonly tenantId: string;
  readonly state: string;
  readonly reason: string;
  readonly count: number;
  readonly oldest: string | null;
  readonly newest: string | null;
  readonly exampleDetail: string | null;
  /** Who has to act: caller (an operator), configuration, instance, microsoft or espalier. */
  readonly owner: string;
  readonly remedy?: string;
};

export type Replay = {
  readonly matched: number;
  readonly replayed: number;
  readonly skipped: number;
  readonly ratePerSecond: number;
  readonly dryRun: boolean;
  readonly sample: readonly {
    readonly tenantId: string;
    readonly deviceId: string;
    readonly state: string;
    readonly reason: string | null;
  }[];
};

export type ReplayRequest = {
  /** RSQL over tenantId, deviceId, instanceId, state, reason, failedAt, updatedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
  readonly filter: string;
};

export type ApiKeys = { readonly totalCount: number; readonly results: readonly ApiKey[] };

export type ApiKey = {
  readonly id: string;
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly tenants: readonly string[] | null;
  readonly prefix: string;
  readonly createdAt: string;
  readonly expiresAt: string | null;
  readonly expired: boolean;
  readonly lastUsedAt: string | null;
};

export type CreatedApiKey = { readonly id: string; readonly href: string; readonly key: string };

export type NewApiKey = {
  readonly name: string;
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly tenants?: readonly string[];
  readonly expiresAt?: string;
};

export type Operators = { readonly totalCount: number; readonly results: readonly Operator[] };

export type Operator = {
  /** The Entra tenant and the object id, joined by a colon; of everybody the Entra tenant. */
  readonly id: string;
  /** The tenant of Entra that signs the operator in. */
  readonly entraTenantId: string;
  /** Of the person, or of the application's service principal. null: everybody of the Entra tenant; a filter has 00000000-0000-0000-0000-000000000000 for it. */
  readonly objectId: string | null;
  /** As the last token said; null: not seen yet. */
  readonly name: string | null;
  /** As the last token said. */
  readonly role: 'viewer' | 'operator' | 'admin' | null;
  /** Written at most once a minute. */
  readonly lastSeenAt: string | null;
  /** The tenants that the operator sees, by whichever assignment decides; null: all of them. */
  readonly tenants: readonly string[] | null;
  /** Which one decides: the own, that of everybody of the Entra tenant, or none, and all are seen. */
  readonly assignment: 'own' | 'entra-tenant' | 'none';
  /** Since when the own assignment holds. */
  readonly assignedAt: string | null;
  /** ESPALIER_OPERATOR_TENANTS names the Entra tenant. */
  readonly admitted: boolean;
  readonly version: number;
};

export type OperatorAssignment = {
  /** null: all of them; empty: none. */ readonly tenants: readonly string[] | null;
};

export type AlertTargets = { readonly totalCount: number; readonly results: readonly AlertTarget[] };

export type AlertTarget = {
  readonly id: string;
  readonly name: string;
  readonly format: 'standard' | 'teams' | 'slack';
  /** The origin of its URL; the rest is a secret. */
  readonly address: string;
  /** null: all tenants, and the gateway itself. */
  readonly tenants: readonly string[] | null;
  /** Kinds of the overview; null: all of them. */
  readonly kinds: readonly string[] | null;
  /** True: every entry of the history is sent to it too. */
  readonly history: boolean;
  readonly enabled: boolean;
  readonly state: 'ok' | 'failing' | 'given-up' | 'disabled';
  /** Failed tries since it last took a message. */
  readonly attempts: number;
  readonly failingSince: string | null;
  readonly lastError: string | null;
  readonly lastToldAt: string | null;
  readonly createdAt: string;
  readonly version: number;
};

export type AlertTargetTest = {
  readonly ok: boolean;
  /** null: there was no answer */
  readonly status: number | null;
  readonly detail: string | null;
};

export type CreatedAlertTarget = {
  readonly id: string;
  readonly href: string;
  /** null for chats, which check no signature */
  readonly secret: string | null;
};

export type NewAlertTarget = {
  readonly name: string;
  readonly format?: 'standard' | 'teams' | 'slack';
  readonly tenants?: readonly string[];
  readonly kinds?: readonly (
    | 'tenant-held'
    | 'tenant-terminated'
    | 'mass-change'
    | 'approval-waiting'
    | 'instance-unreachable'
    | 'reports-failed'
    | 'permission-drift'
    | 'certificate-not-renewed'
    | 'alert-target-failing'
    | 'credential-expiring'
    | 'connection-unfinished'
    | 'paused'
  )[];
  readonly history?: boolean;
  readonly enabled?: boolean;
  readonly url: string;
};

export type AlertTargetChange = {
  readonly name?: string;
  readonly tenants?: readonly string[] | null;
  readonly kinds?:
    | readonly (
        | 'tenant-held'
        | 'tenant-terminated'
        | 'mass-change'
        | 'approval-waiting'
        | 'instance-unreachable'
        | 'reports-failed'
        | 'permission-drift'
        | 'certificate-not-renewed'
        | 'alert-target-failing'
        | 'credential-expiring'
        | 'connection-unfinished'
        | 'paused'
      )[]
    | null;
  readonly history?: boolean;
  readonly enabled?: boolean;
  readonly url?: string;
};

export type Approvals = { readonly totalCount: number; readonly results: readonly Approval[] };

export type Approval = {
  readonly id: string;
  readonly tenantId: string;
  /** approved: being carried out. done: carried out. failed: refused when it was carried out, or its end is not known. expired: nobody decided within a day. */
  readonly state: 'waiting' | 'approved' | 'done' | 'failed' | 'rejected' | 'expired';
  readonly action: string;
  readonly summary: string;
  readonly devices: number;
  /** That it takes to decide. */
  readonly role: 'viewer' | 'operator' | 'admin';
  readonly request: { readonly method: string; readonly target: string; readonly ifMatch: string | null };
  readonly requestedBy: {
    readonly kind: string;
    readonly id: string | null;
    readonly name: string;
    readonly role: string;
  };
  /** Address that the request came from. */
  readonly source: string | null;
  readonly createdAt: string;
  readonly expiresAt: string;
  readonly decidedBy: { readonly kind: string; readonly id: string | null; readonly name: string } | null;
  readonly decidedAt: string | null;
  readonly reason: string | null;
  /** Status and body of the answer when the request was carried out; `detail` where it was not made or was interrupted. */
  readonly outcome: {
    readonly status: number | null;
    readonly answer?: unknown;
    readonly detail: string | null;
  } | null;
  readonly versionLock: number;
};

export type ApprovalDecision = { readonly reason?: string };

export type History = { readonly totalCount: number; readonly results: readonly HistoryEntry[] };

export type HistoryEntry = {
  /** Tenant and sequence, joined by a colon. */ readonly id: string;
  /** Null: it belongs to no tenant. */
  readonly tenantId: string | null;
  /** In the chain of the tenant, from 1. */
  readonly sequence: number;
  readonly recordedAt: string;
  /** gateway: what Espalier did by itself, such as on what Microsoft said. */
  readonly authorKind: 'bootstrap' | 'gateway' | 'key' | 'user';
  readonly authorId: string | null;
  readonly author: string;
  readonly action: string;
  readonly objectKind: string;
  readonly objectId: string;
  readonly objectName: string | null;
  /** What changed, as it was. Secrets show as set or changed only. */
  readonly before: Readonly<Record<string, unknown>> | null;
  /** What changed, as it is since; or what came of it. */
  readonly after: Readonly<Record<string, unknown>> | null;
  readonly reason: string | null;
  readonly requestId: string | null;
  /** Address that the request came from. */
  readonly source: string | null;
  readonly approvedBy: string | null;
  readonly previousHash: string;
  readonly hash: string;
  /** When what the entry said of a person was erased; who did what kind of thing when, and the hash, stay. */
  readonly erasedAt: string | null;
};

export type HistoryVerified = {
  readonly ok: boolean;
  /** Entries that were found right. */
  readonly entries: number;
  /** The first that is not; what comes after it is not looked at. */
  readonly brokenAt?: {
    readonly tenantId: string | null;
    readonly sequence: number;
    readonly fault: 'changed' | 'missing' | 'unexpected';
  };
};

export interface Operations {
  /** The version of this gateway. The version of the process that answers. During an upgrade two processes may answer differently. */
  'GET /version': {
    readonly input: Record<never, never>;
    readonly answer: Version;
  };
  /** The Microsoft clouds this gateway knows. The built-in clouds and those of ESPALIER_CLOUDS_FILE, with the hosts that a discovered Intune address may have. A tenant belongs to one of them for good. */
  'GET /clouds': {
    readonly input: Record<never, never>;
    readonly answer: Clouds;
  };
  /** Who you are here, and what you may. The name, role and tenants of the key, token or session that was shown. A browser also reads here the token that its writes have to send as x-espalier-csrf. */
  'GET /session': {
    readonly input: Record<never, never>;
    readonly answer: Session;
  };
  /** Browsers that are signed in: your own, or all of them for an admin of all tenants. Each browser that is signed in: by which key or person, since when, when it was last used and when it ends. `current` marks the one that asks. */
  'GET /sessions': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over name, createdAt, lastSeenAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: OperatorSessions;
  };
  /** End a session: its browser is signed out with the next request. The browser is signed out with its next request, a stream of events within two seconds. It stands in the history. */
  'DELETE /sessions/{sessionId}': {
    readonly input: { readonly path: { readonly sessionId: string } };
    readonly answer: undefined;
  };
  /** The settings in force, secrets masked. Every environment variable with its group, its value or default and what it means, of the process that answers. Secrets are masked, of DATABASE_URL host and database are shown. A key that is bound to tenants is refused, because this is about all of them. */
  'GET /settings': {
    readonly input: Record<never, never>;
    readonly answer: EffectiveSettings;
  };
  /** What needs a person, and how the tenants are. What needs a person comes first, the most urgent on top, each with who has to act, what ends it and the page to do it on. Of failed reports the newest 500 of a tenant are counted, of what waits the first 1,000; countIsLeast and isLeast say so. The answer may be a second old. */
  'GET /overview': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Only what needs a person for this kind of reason */
        readonly kind?:
          | 'tenant-held'
          | 'tenant-terminated'
          | 'mass-change'
          | 'approval-waiting'
          | 'instance-unreachable'
          | 'reports-failed'
          | 'permission-drift'
          | 'certificate-not-renewed'
          | 'alert-target-failing'
          | 'credential-expiring'
          | 'connection-unfinished'
          | 'paused';
      };
    };
    readonly answer: Overview;
  };
  /** Tenants, instances and devices by any name or id. At most 20 of a kind, of the tenants that the operator sees; more says that there are others. Serial numbers are matched whole, in capitals too; a computer by how its name begins; an id by all of it. A user is found by the object id in Entra, not by a name or address: no list of users is kept. */
  'GET /search': {
    readonly input: {
      readonly query: {
        /** A part of the name of a tenant or instance, a serial number, the beginning of the name of a computer, or the id of a tenant, instance, device, user or computer (UDID) */
        readonly q: string;
      };
    };
    readonly answer: SearchResults;
  };
  /** What changed, as server-sent events. Changes of the tenants that the operator sees, gathered to one event a second at most, and a comment every 15 seconds. The stream ends within two seconds of the credential and does not count as use of a session. A reader comes back by itself; what changed meanwhile it reads anew. */
  'GET /events': {
    readonly input: {
      readonly query?: {
        /** The stream ends after that; else with the credential */ readonly seconds?: number;
      };
    };
    readonly answer: string;
  };
  /** The tenants this key may see. A key that is bound to tenants sees those alone, and totalCount counts only what it may see. */
  'GET /tenants': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over tenantId, cloud, displayName, mode, connectionType, tags, connectionState, paused, createdAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Tenants;
  };
  /** Add a tenant. Nothing is sent to Microsoft: connect and confirm do that. The answer may hold warnings about a secret reference that gives no secret yet. */
  'POST /tenants': {
    readonly input: { readonly body: NewTenant };
    readonly answer: CreatedWithReference;
  };
  /** One tenant. The settings of the tenant and the state of its connection. GET …/status says what waits and why. */
  'GET /tenants/{tenantId}': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: Tenant;
  };
  /** Change a tenant. Members that are left out stay as they are. Mode and connection type change by migrate only, because Intune and Jamf Pro take part in that. */
  'PATCH /tenants/{tenantId}': {
    readonly input: { readonly path: { readonly tenantId: string }; readonly body: TenantChange };
    readonly answer: ChangedTenant;
  };
  /** Remove a tenant with all it has here; refused with devices, or while it is relayed, unless force=true. A connected tenant is deprovisioned at Intune first; while Intune cannot be told, the answer is 409. Instances, keys, routes and reports go with it, its history stays. */
  'DELETE /tenants/{tenantId}': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: also with devices, whose routes and reports go with it */ readonly force?: 'true' | 'false';
        /** true: only say what would be done, and do nothing */
        readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: TenantRemoval | WaitsForApproval;
  };
  /** How much was delivered when, and how long it took. What was delivered in each step of the time until now. Received: a state of a device was new, and Intune had to be told. Accepted, completed, failed: what became of reports, also of those of a resync or replay. Delays are seconds from the state being new to Intune accepting it, from a histogram and at most a fifth off. Numbers are up to 2 s old and are kept for 35 days. */
  'GET /tenants/{tenantId}/delivery': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** How long one row of the answer is */ readonly step?: 'five-minutes' | 'hour' | 'day';
        /** How far back. Unless told 24 for five minutes, 168 for hours, 840 for days. */
        readonly hours?: number;
      };
    };
    readonly answer: TenantDelivery;
  };
  /** Begin the connection: the addresses at which an administrator consents, in this order. An administrator of the tenant opens the addresses one after the other within an hour. Older addresses are void. Nothing changes at Microsoft before the consent. */
  'POST /tenants/{tenantId}/connect': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: Connect;
  };
  /** Hold delivery without telling Intune. Reports are held and go on being brought up to date; device calls are still answered. Intune marks Macs that it hears nothing of for long. */
  'POST /tenants/{tenantId}/pause': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: TenantPaused;
  };
  /** Go on delivering. What was held is due at once. dry-run=true says how many reports that would be. */
  'POST /tenants/{tenantId}/resume': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: TenantResumed;
  };
  /** Where the connection stands and what waits. The state of the connection and of the partner in Intune, the last heartbeat, the backlog with the causes of what is held, the age of the oldest report that Intune does not have, and the dates on which Intune removes Macs. */
  'GET /tenants/{tenantId}/status': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: TenantStatus;
  };
  /** Provision the tenant and test every step; safe to repeat, 200 also when a step fails. Takes tokens, checks permissions, finds the Intune address, provisions, makes the compliance policy and tests each enabled instance. Each step says whether it worked, its cause, its remedy and who has to act. With Accept: application/x-ndjson each is told as soon as it is done. */
  'POST /tenants/{tenantId}/confirm': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: Confirm;
  };
  /** Provision the tenant at Intune again and test every step. For a tenant that was disabled: the steps of confirm, after which every state is told again over time. Macs do not register again. */
  'POST /tenants/{tenantId}/enable': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: Enable;
  };
  /** Where the newest confirm or enable stands: its steps while it is at work, and afterwards. Of the newest confirm or enable: running with the steps so far, ended with all of them, or interrupted when the process that was at it is gone; to be confirmed again then. A browser or command that lost its connection reads here what became of it. */
  'GET /tenants/{tenantId}/confirmation': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: Confirmation;
  };
  /** Which consents were given since the last connect, and what came of the others. What connect asked for: given, declined, failed with the words of Microsoft and a remedy, or open until a time. A tenant of type manual has none. clientId of the connector is the application id that Intune asks for. */
  'GET /tenants/{tenantId}/consents': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: Consents;
  };
  /** Deprovision at Intune and keep all configuration, routes and reports. What unticking the box in Jamf Pro does: Intune is told that the partner is gone. The tenant can be enabled again at any time. */
  'POST /tenants/{tenantId}/disable': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: Disabled;
  };
  /** End the connection; with retract Intune is first told that no device is managed or compliant. With retract=true every device is first told to be not managed and not compliant, which takes a while; the connection ends after that. To come back, connect again. */
  'POST /tenants/{tenantId}/disconnect': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: Disconnect;
    };
    readonly answer: Disconnected | WaitsForApproval;
  };
  /** Tell Intune every state again, without delaying what is new. Every state that was told becomes due again, 100 a second, behind what is new. The answer says how many reports that is. */
  'POST /tenants/{tenantId}/resync': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: Resync;
  };
  /** What both applications hold against what they must hold, read now. Asks Graph for what both applications were granted. missing breaks the connection, extra is unsupported by Microsoft; both have a remedy in docs/connection.md. */
  'GET /tenants/{tenantId}/permissions': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: Permissions;
  };
  /** Plan a change of mode or connection type; with dry-run=false take the steps that Espalier can take. A dry run unless dry-run=false: the steps of the change in their order, who takes each, the window of 24 hours and the dates. Devices, routes and history are kept. */
  'POST /tenants/{tenantId}/migrate': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** false: also take the steps that Espalier itself can take */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: Migrate;
    };
    readonly answer: MigrationPlan;
  };
  /** Fence a tenant, so that it can move to another deployment; the same again changes nothing. From its answer on this deployment sends nothing for the tenant, reads nothing, changes nothing and takes no webhook or push for it; device calls are still answered. A connection that is being ended, a confirm at work and an open move of devices are in the way. See docs/cells.md. */
  'POST /tenants/{tenantId}/move-out': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: MoveOut;
  };
  /** Whether a tenant is leaving, and what its file waits for. waitsFor counts reads and uploads that began before the fence, and the seconds until every request from before it has ended. ready: the file may be taken. */
  'GET /tenants/{tenantId}/move-out': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: MoveOut;
  };
  /** Keep a tenant that was to leave; after a file was made, or while it is relayed, only with force=true. The tenant lives here again, and what waited is done within a minute. Once a file was given out it takes force=true, for a tenant must not live in two deployments. */
  'DELETE /tenants/{tenantId}/move-out': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
        /** true: no deployment took its file in, and none will */
        readonly force?: 'true' | 'false';
      };
    };
    readonly answer: MoveOut;
  };
  /** The sealed file of a tenant that is leaving, once its move-out is ready. The key is made by whoever asks and is not kept: without it nobody opens the file. Every file of one departure says the same, so a transfer that broke off is begun anew. Secrets of instances are in it. */
  'GET /tenants/{tenantId}/move-out/file': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: string;
  };
  /** Pass on what comes for a tenant that has left to the deployment where it lives; the same again changes nothing. Webhooks, pushes, device calls, notifications and landing pages of the tenant go on to `to` with their callers' credentials, once, and are answered as that answers: 202 only after its 202, 503 while it is away. Takes a file that was given out, and an admin of all tenants. After `until` they are 404. */
  'PUT /tenants/{tenantId}/move-out/relay': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: NewRelay;
    };
    readonly answer: MoveOut;
  };
  /** Pass nothing on any more for a tenant that has left. Webhooks and pushes are 503 again, and device calls are answered by what this deployment knew. */
  'DELETE /tenants/{tenantId}/move-out/relay': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: MoveOut;
  };
  /** Take a tenant in by the sealed file of its move-out, all of it or nothing. One transaction: the whole file, or nothing. The same file again answers already=true; one of an older generation, or of another version of the schema, is a conflict. Every instance is reconciled afterwards; confirm tells Intune the addresses of this deployment. Idempotency-Key is refused here with 400: the body is streamed and never held, so two of them cannot be compared. The same body again changes nothing. */
  'POST /tenants/{tenantId}/move-in': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      /** No JSON: send it by a request of your own. */
      readonly body: never;
    };
    readonly answer: MoveIn;
  };
  /** The Jamf Pro instances of a tenant. Each with its last contact, its last error and how far polling and reconciliation are. Secrets are never shown. */
  'GET /tenants/{tenantId}/instances': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over name, url, enabled, paused, jamfVersion, lastSeenAt, lastErrorAt, instanceId: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Instances;
  };
  /** Add a Jamf Pro instance; its secret is sealed and never shown again. The URL's address is checked against the rules for outgoing connections. Test it afterwards, and make a key for its webhooks. A tenant of type manual has one instance only. */
  'POST /tenants/{tenantId}/instances': {
    readonly input: { readonly path: { readonly tenantId: string }; readonly body: NewInstance };
    readonly answer: CreatedWithReference;
  };
  /** One instance. Settings, last contact and error, and the addresses to which its webhooks and pushes go. */
  'GET /tenants/{tenantId}/instances/{instanceId}': {
    readonly input: { readonly path: { readonly tenantId: string; readonly instanceId: string } };
    readonly answer: Instance;
  };
  /** Change an instance; another URL's origin needs the secret again. enabled=false lets the instance's claims rest: its devices go to other instances that claim them. dry-run=true says how many routes that would change. */
  'PATCH /tenants/{tenantId}/instances/{instanceId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: InstanceChange;
    };
    readonly answer: ChangedInstance;
  };
  /** Remove an instance; refused with devices unless force=true, retract=true tells Intune first. Devices that another instance claims move to it. Of the others the routes end; with retract=true Intune is told before that they are not managed. */
  'DELETE /tenants/{tenantId}/instances/{instanceId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** true: also with devices */ readonly force?: 'true' | 'false';
        /** true: Intune is told first that devices which nobody else claims are not managed */
        readonly retract?: 'true' | 'false';
        /** true: only say what would be done, and do nothing */
        readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: InstanceRemoval | WaitsForApproval;
  };
  /** Test the API client, the version and the privileges of an instance. Each step on its own: a token, the version, one page of inventory, compliance information. All calls together take 30 s at most. Nothing in Jamf Pro is changed. */
  'POST /tenants/{tenantId}/instances/{instanceId}/test': {
    readonly input: { readonly path: { readonly tenantId: string; readonly instanceId: string } };
    readonly answer: InstanceTest;
  };
  /** Leave the instance alone: calls for it answer 503. It is neither read nor called until it is resumed; its webhooks and pushes are still taken in and wait. */
  'POST /tenants/{tenantId}/instances/{instanceId}/pause': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: InstancePaused;
  };
  /** Use the instance again. What waited is read at once, and the instance is polled for what it did not tell meanwhile. */
  'POST /tenants/{tenantId}/instances/{instanceId}/resume': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: InstancePaused;
  };
  /** List every computer of the instance now and read what differs from what is known. Begins in the background and is answered at once; reading.reconciledAt of the instance says when it has ended. A computer that is not listed is asked for itself before it counts as gone. */
  'POST /tenants/{tenantId}/instances/{instanceId}/reconcile': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: ReconciliationPlan | Reconciliation;
  };
  /** Make all routes and reports anew from the instances alone: every computer is listed and read. After a database was lost: begins in the background for every enabled instance. The command espalier routes rebuild shows how far it is. */
  'POST /tenants/{tenantId}/routes/rebuild': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: RoutesRebuildPlan | RoutesRebuild;
  };
  /** The live keys of an instance, without the keys themselves. Name, first characters, expiry and last use. A key that has expired is not listed. */
  'GET /tenants/{tenantId}/instances/{instanceId}/keys': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over name, createdAt, expiresAt, lastUsedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: InstanceKeys;
  };
  /** Make a key; it is shown this once. For the webhooks and pushes of this instance alone. An instance has two live keys at most, so that one can replace the other without a gap. */
  'POST /tenants/{tenantId}/instances/{instanceId}/keys': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string };
      readonly body?: NewInstanceKey;
    };
    readonly answer: CreatedKey;
  };
  /** One key, without the key itself. Name, first characters, expiry and last use; lastUsedAt is written once a minute at most. */
  'GET /tenants/{tenantId}/instances/{instanceId}/keys/{keyId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string; readonly keyId: string };
    };
    readonly answer: InstanceKey;
  };
  /** Revoke a key. From this answer on it opens nothing in this process, and a second later in no process at all. Webhooks with it are lost: make and use the next key first. */
  'DELETE /tenants/{tenantId}/instances/{instanceId}/keys/{keyId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly instanceId: string; readonly keyId: string };
    };
    readonly answer: undefined;
  };
  /** Put the devices of a CSV or NDJSON file on their computers, as PUT of each; gzip is taken. Up to 1,000,000 rows, streamed. mode=partial takes every good row and lists the bad ones with their lines; mode=atomic takes all or none. Rows that change nothing are counted as accepted. Idempotency-Key is refused here with 400: the body is streamed and never held, so two of them cannot be compared. The same body again changes nothing. */
  'POST /tenants/{tenantId}/devices/import': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** partial keeps the good rows; atomic refuses all of them where one is bad */
        readonly mode?: 'partial' | 'atomic';
        /** true: only say what would be done, and do nothing */
        readonly 'dry-run'?: 'true' | 'false';
        /** For the history */
        readonly reason?: string;
      };
      /** No JSON: send it by a request of your own. */
      readonly body: never;
    };
    readonly answer: RouteImport;
  };
  /** The routes of a tenant as CSV or NDJSON, in the order of their devices, out of one snapshot. The same columns that an import takes, so an export can be imported again without a change. Cells that a spreadsheet would run as a formula begin with an apostrophe, which an import takes away. */
  'GET /tenants/{tenantId}/devices/export': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** RSQL over deviceId, instanceId, serialNumber, pinned, state, conflict: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
        /** For a link in a browser, which names no media type of ours; it comes before Accept */
        readonly format?: 'csv' | 'ndjson';
      };
    };
    readonly answer: string;
  };
  /** The devices of a tenant, each with its route and its report. Every device that has a route, with what Intune was last told about it. conflict==true in the filter leaves those that two or more computers of enabled instances claim. */
  'GET /tenants/{tenantId}/devices': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over deviceId, instanceId, serialNumber, pinned, state, conflict: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Devices;
  };
  /** One device. Its ETag begins with routeVersion; PUT and DELETE compare that. */
  'GET /tenants/{tenantId}/devices/{deviceId}': {
    readonly input: { readonly path: { readonly tenantId: string; readonly deviceId: string } };
    readonly answer: Device;
  };
  /** Put a device on a computer. pinned=true holds whatever instances claim; otherwise it holds until the Mac enrols elsewhere later. The computer is read at once, and its state is told as the device’s. The same place again changes nothing; another serial number or UDID is a new version too. */
  'PUT /tenants/{tenantId}/devices/{deviceId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly deviceId: string };
      readonly body: DevicePlace;
    };
    readonly answer: Device | Created;
  };
  /** End a route and tell Intune that the device is not managed; it comes back when an instance claims it again. Claims of instances on the device go too, or they would bring it back at once. dry-run=true says how many claims that are, and whether Intune would be told. */
  'DELETE /tenants/{tenantId}/devices/{deviceId}': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly deviceId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
    };
    readonly answer: DeviceRemoval | undefined;
  };
  /** Which instance, by which rule, since when, who else claims it, what would change it; now or at a time. Every claim on the device with its dates, in the order in which the rules compare them. With at=<time> the answer is the one that was given then. */
  'GET /tenants/{tenantId}/devices/{deviceId}/explain': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly deviceId: string };
      readonly query?: {
        /** A time that is past, ISO 8601 with its zone; the answer is the one that was given then */
        readonly at?: string;
      };
    };
    readonly answer: Explanation;
  };
  /** The way of the device's state, newest first. Received, fetched, routed, sent, accepted, completed and verified, each with its time and the ids with which Jamf or Microsoft know it. */
  'GET /tenants/{tenantId}/devices/{deviceId}/timeline': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly deviceId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
      };
    };
    readonly answer: Timeline;
  };
  /** What Jamf Pro says of a Mac, what Intune was told, and what Entra shows. The Jamf side is what was read last, the Intune side what the last message said, and Entra is looked up for a sample of the messages after they were completed. differences names what is not the same; what is not known differs from nothing. */
  'GET /tenants/{tenantId}/devices/{deviceId}/comparison': {
    readonly input: { readonly path: { readonly tenantId: string; readonly deviceId: string } };
    readonly answer: DeviceComparison;
  };
  /** Read every computer that names the device now, and try again what was held or failed. Every computer record that names the device is read at once, whatever back-off it had; one of a paused or disabled instance waits for it. A held report is looked at again, and a failed one is told again. */
  'POST /tenants/{tenantId}/devices/{deviceId}/refresh': {
    readonly input: { readonly path: { readonly tenantId: string; readonly deviceId: string } };
    readonly answer: DeviceRefresh;
  };
  /** Erase what is kept of one person's Macs that are gone; the history keeps a proof and stays verifiable. Reports, computers, links, directory rows, timelines and the histories of claims and routes of the person's devices go, and what the history says of them; who did what kind of thing when stays. 409 while an instance still names one of the devices, or, without force=true, Intune has not confirmed that it is not managed. proof names the entry of the history that holds the counts and the hashes of what was erased there. docs/data.md says what stays. */
  'POST /tenants/{tenantId}/erasures': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: also before Intune has confirmed that the Macs are not managed */
        readonly force?: 'true' | 'false';
        /** true: only say what would be done, and do nothing */
        readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: ErasureRequest;
    };
    readonly answer: Erasure;
  };
  /** Which process serves which version of the tenant's routes. After a change of routes: whether every process that serves already answers by it. */
  'GET /tenants/{tenantId}/routes/convergence': {
    readonly input: { readonly path: { readonly tenantId: string } };
    readonly answer: RouteConvergence;
  };
  /** Plan a move of devices between two instances; dry-run=true only says which devices would go. Chooses the devices of one instance that the other claims; with unclaimed=true also the others. Nothing moves before advance. */
  'POST /tenants/{tenantId}/moves': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: NewMove;
    };
    readonly answer: MovePlan | Created;
  };
  /** The moves of a tenant, newest first. Those that have ended too; the filter can leave them out. */
  'GET /tenants/{tenantId}/moves': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over moveId, tenantId, from, to, state, paused: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Moves;
  };
  /** The moves of all tenants, newest first. Those of the tenants that the operator sees, each with how far it is. The filter narrows them to a state or a tenant. */
  'GET /moves': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over moveId, tenantId, from, to, state, paused: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: MovesOfTenants;
  };
  /** One move: its devices by state, why some are not moved, how the answers of both instances differ. Counts by state, with the causes of what is skipped. Differences are of answers that were compared in the shadow. */
  'GET /tenants/{tenantId}/moves/{moveId}': {
    readonly input: { readonly path: { readonly tenantId: string; readonly moveId: string } };
    readonly answer: MoveWithDifferences;
  };
  /** The devices of a move. Each with its state, where it was, and why it was skipped if it was. */
  'GET /tenants/{tenantId}/moves/{moveId}/devices': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly moveId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over deviceId, state, reason: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: MoveDevices;
  };
  /** The next step: shadow, cut over so many percent, or go on after a pause. Works for some seconds and answers; what is left follows by itself. Which devices go at a percentage is decided by a hash of their ids, so a higher one only adds. */
  'POST /tenants/{tenantId}/moves/{moveId}/advance': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly moveId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: AdvanceMove;
    };
    readonly answer: OperatedMove | WaitsForApproval;
  };
  /** Leave everything where it is; advance goes on. Devices that have moved stay where they are, and nothing more follows. */
  'POST /tenants/{tenantId}/moves/{moveId}/pause': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly moveId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: MoveReason;
    };
    readonly answer: OperatedMove;
  };
  /** Take back every device that is still where the move put it. Devices that went elsewhere since are left alone. Reports that were accepted meanwhile are neither lost nor doubled. */
  'POST /tenants/{tenantId}/moves/{moveId}/rollback': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly moveId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: MoveReason;
    };
    readonly answer: OperatedMove | WaitsForApproval;
  };
  /** Mass changes of a tenant, newest first. A hold begins when more Macs of the tenant change for the worse within an hour than ESPALIER_MASS_CHANGE_PERCENT allows, 50 at least. One is in force at a time: open or refused. held counts the devices whose newest state waits now; a device whose state is fine again leaves the hold. Ended holds are listed for 90 days. */
  'GET /tenants/{tenantId}/holds': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over state, openedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Holds;
  };
  /** One mass change: what it holds, of which instances, with examples. instances says where the held states come from, examples what Intune would be told of some of the devices. In mode alert nothing is held, and in hold-unmanaged no Mac that is only not compliant. */
  'GET /tenants/{tenantId}/holds/{holdId}': {
    readonly input: { readonly path: { readonly tenantId: string; readonly holdId: string } };
    readonly answer: HoldWithExamples;
  };
  /** The change is right: Intune is told what was held. What was held is told to Intune, 100 devices a second and behind what is new; a policy that asks for a compliant device then locks their users out. The count of the hour begins anew. 409 when the hold has ended. */
  'POST /tenants/{tenantId}/holds/{holdId}/release': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly holdId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: HoldDecision;
    };
    readonly answer: DecidedHold;
  };
  /** The change is an accident: ask the instances again, and hold what they still say. The instances that the held states came from are reconciled, all of the tenant where nothing is held. The hold stays in force: states that are fine again are told, those that are not go on waiting. It ends by itself an hour after nothing is held any more, and may be released or refused again. */
  'POST /tenants/{tenantId}/holds/{holdId}/refuse': {
    readonly input: {
      readonly path: { readonly tenantId: string; readonly holdId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body?: HoldDecision;
    };
    readonly answer: DecidedHold;
  };
  /** Every change of a route with author, reason and version, newest first. One line for each device and version, with where it was and where it went. Claims, operators, imports, moves and rollbacks all stand in it. */
  'GET /tenants/{tenantId}/routes/changes': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over version, deviceId, changedAt, author, rule, pinned, fromInstanceId, toInstanceId: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: RouteChanges;
  };
  /** Devices whose route is another one at the version `to` than at the version `from`. Both versions have to be within what the history keeps; the newest version is the first line of routes/changes. */
  'GET /tenants/{tenantId}/routes/diff': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** The version of the table that is compared */
        readonly from: number;
        /** The version that it is compared with */
        readonly to: number;
      };
    };
    readonly answer: RouteDifferences;
  };
  /** Put every route of the tenant where it was at a version, as a new version; pins as they were. Devices that had no route then lose theirs. dry-run=true lists every route that would change. The reason is kept with each change. */
  'POST /tenants/{tenantId}/routes/rollback': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: RouteRollbackRequest;
    };
    readonly answer: RouteRollback;
  };
  /** Devices that two or more computers of enabled instances claim, with what each says and who has them. The claim that loses is kept; explain says what would make it win. */
  'GET /tenants/{tenantId}/routes/conflicts': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over deviceId, pain: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: RouteConflicts;
  };
  /** Old registrations of Macs that registered anew, and whether they still have a route. A Mac that registers with Entra again leaves its old registration behind there. Deleting it in Entra is the tenant administrator’s business. */
  'GET /tenants/{tenantId}/routes/stale': {
    readonly input: {
      readonly path: { readonly tenantId: string };
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over deviceId, previousDeviceId, linkedBy, linkedAt, retiredAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: StaleRegistrations;
  };
  /** Reports of all tenants, dead letters with the filter state==failed. One report for each device: the newest state that Intune should hold, and how far it is. A key that is bound to tenants sees their reports alone. */
  'GET /reports': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over tenantId, deviceId, instanceId, state, reason, failedAt, updatedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Reports;
  };
  /** Failed and held reports by cause, with what ends it. Failed and held reports grouped by cause, each with who has to act, the remedy and since when. */
  'GET /reports/causes': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over tenantId, deviceId, instanceId, state, reason, failedAt, updatedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: ReportCauses;
  };
  /** Make the failed, held, completed or verified reports that a filter matches due again, behind what is new. They are sent again at 100 a second for each tenant. Held reports are looked at at once; reports that are on their way are left alone. dry-run=true says how many there are, with a sample. */
  'POST /reports/replay': {
    readonly input: {
      readonly query?: {
        /** true: only say what would be done, and do nothing */ readonly 'dry-run'?: 'true' | 'false';
      };
      readonly body: ReplayRequest;
    };
    readonly answer: Replay;
  };
  /** Admin API keys, without the keys themselves. A tenant-bound admin sees the keys that are bound within its tenants. A revoked key is not listed; an expired one is until it is deleted. */
  'GET /keys': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over name, role, createdAt, expiresAt, lastUsedAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: ApiKeys;
  };
  /** Make an admin API key; it is shown this once. Bound to tenants, or to none: then it is for all of them. A bound admin can make keys within its tenants only. */
  'POST /keys': {
    readonly input: { readonly body: NewApiKey };
    readonly answer: CreatedApiKey;
  };
  /** One key, without the key itself. Role, tenants, expiry and last use; lastUsedAt is written once a minute at most. */
  'GET /keys/{keyId}': {
    readonly input: { readonly path: { readonly keyId: string } };
    readonly answer: ApiKey;
  };
  /** Revoke a key. From this answer on it opens nothing in this process, and a second later in no process at all. When the last admin key goes, the bootstrap key does not come back. */
  'DELETE /keys/{keyId}': {
    readonly input: { readonly path: { readonly keyId: string } };
    readonly answer: undefined;
  };
  /** Whom Entra signs in here, with role and tenants. People and applications whom Entra signed in here, and everybody of each Entra tenant that may, who are bound where nobody is himself. Who was not seen for 90 days and has no assignment is left out. A tenant-bound admin sees those who are bound within its tenants. */
  'GET /operators': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over entraTenantId, objectId, name, role, lastSeenAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Operators;
  };
  /** One operator of Entra, or everybody of an Entra tenant. Name and role are those of the last token. tenants are the ones that the operator sees from the next request on; assignment says why. */
  'GET /operators/{operatorId}': {
    readonly input: { readonly path: { readonly operatorId: string } };
    readonly answer: Operator;
  };
  /** Bind an operator of Entra, or everybody of an Entra tenant, to tenants. Holds from the next request on, in every process, and within two seconds on an open stream of events. It can be made before the first sign-in. The own assignment of an operator decides before that of everybody of the Entra tenant. A tenant-bound admin binds operators who are bound within its tenants, to tenants of its own. */
  'PUT /operators/{operatorId}': {
    readonly input: { readonly path: { readonly operatorId: string }; readonly body: OperatorAssignment };
    readonly answer: Operator;
  };
  /** End the assignment of an operator, or of everybody of an Entra tenant. From the next request on the assignment of everybody of the Entra tenant decides; without one the operator sees all tenants. A tenant-bound admin can end what leaves the operator within its tenants. */
  'DELETE /operators/{operatorId}': {
    readonly input: { readonly path: { readonly operatorId: string } };
    readonly answer: undefined;
  };
  /** Webhooks that are told what needs a person. A tenant-bound key sees the targets that are for its own tenants alone. state given-up: it has taken nothing for five days, and is told nothing until it is changed or tested. Of an address only the origin is shown, for the rest of it opens a chat. */
  'GET /alerts/targets': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over name, format, createdAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: AlertTargets;
  };
  /** Add a webhook for alerts; its signing secret is shown this once. Without tenants it is for all of them and for the gateway itself, which only an operator who is not bound to tenants may ask for. Messages of the format standard are signed by Standard Webhooks with the secret, which is shown this once. history streams what is recorded from now on. */
  'POST /alerts/targets': {
    readonly input: { readonly body: NewAlertTarget };
    readonly answer: CreatedAlertTarget;
  };
  /** One target, without its address and secret. What it is told, what it took last, and why it did not take more. */
  'GET /alerts/targets/{targetId}': {
    readonly input: { readonly path: { readonly targetId: string } };
    readonly answer: AlertTarget;
  };
  /** Change what a target is told, or its address. null ends tenants or kinds. Every change lets a target that was given up be tried again. The format and the secret stay: for others make a new target. */
  'PATCH /alerts/targets/{targetId}': {
    readonly input: { readonly path: { readonly targetId: string }; readonly body: AlertTargetChange };
    readonly answer: AlertTarget;
  };
  /** Remove a target. What it was not told yet it is not told any more. */
  'DELETE /alerts/targets/{targetId}': {
    readonly input: { readonly path: { readonly targetId: string } };
    readonly answer: undefined;
  };
  /** Send a test to a target, now. Sends a message of type alerts.test at once and says what came of it; ok=false is an answer, no problem. A test that arrives lets a target go on that was given up. */
  'POST /alerts/targets/{targetId}/test': {
    readonly input: { readonly path: { readonly targetId: string } };
    readonly answer: AlertTargetTest;
  };
  /** Requests that wait for a second operator or did, newest first. What waits is kept for a day, what was decided for 90 days. */
  'GET /approvals': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over tenantId, state, action, source, createdAt: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: Approvals;
  };
  /** One approval, with what came of the request. The request as it was made, who asked, who decided, and the answer that it got. */
  'GET /approvals/{approvalId}': {
    readonly input: { readonly path: { readonly approvalId: string } };
    readonly answer: Approval;
  };
  /** Carry the request out now, as the operator who asked; another operator with the role that it takes. Everything is checked anew, with the rights that the asking key or person has now. Who asked cannot approve. */
  'POST /approvals/{approvalId}/approve': {
    readonly input: { readonly path: { readonly approvalId: string }; readonly body?: ApprovalDecision };
    readonly answer: Approval;
  };
  /** Refuse the request; who asked may take it back so. The request is not carried out, and cannot be approved any more. */
  'POST /approvals/{approvalId}/reject': {
    readonly input: { readonly path: { readonly approvalId: string }; readonly body?: ApprovalDecision };
    readonly answer: Approval;
  };
  /** Who did what, newest first; with Accept: text/plain all that the filter matches as lines of JAMFChangeManagement.log, oldest first. Every change by people and by the gateway itself, with the state before and after; secrets are named as set or changed, never shown. */
  'GET /history': {
    readonly input: {
      readonly query?: {
        /** The page, counted from 0 */ readonly page?: number;
        /** Rows of a page */
        readonly 'page-size'?: number;
        /** Fields, each with :asc or :desc, joined by commas */
        readonly sort?: string;
        /** RSQL over tenantId, recordedAt, authorKind, authorId, author, action, objectKind, objectId, requestId: == != =in=(a,b) =out=(a,b), for times and numbers also =gt= =ge= =lt= =le=, joined by ; (and) or , (or) with parentheses; a value with reserved signs stands in quotes */
        readonly filter?: string;
      };
    };
    readonly answer: History;
  };
  /** Check every entry against the one before it and each chain against its end. Recomputes the hash of every entry. brokenAt names the first one that is not as it was written. A tenant-bound key checks the chains of its tenants. */
  'GET /history/verify': {
    readonly input: Record<never, never>;
    readonly answer: HistoryVerified;
  };
}
