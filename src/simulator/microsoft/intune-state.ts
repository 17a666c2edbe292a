import { createUploadLedger, type UploadLedger } from './upload-ledger.ts';

/** A partner's reports about one device: the states that took effect, oldest first. */
export interface AppliedState {
  readonly messageId: string;
  readonly appliedAt: string;
  readonly lastUpdateTime: string;
  /** Entity types of the message that took effect. */
  readonly entityTypes: readonly number[];
  /** null: the message did not carry it in a form that counts. */
  readonly complianceStatus: 'compliant' | 'notCompliant' | null;
  readonly deviceManagementState: 'managed' | 'notManaged' | null;
  readonly deviceName: string | null;
  readonly osVersion: string | null;
  readonly lastCheckInTime: string | null;
  /** Attributes of domain/microsoft.md 6 that came in a form that counts, by their wire names. */
  readonly attributes: Readonly<Record<string, unknown>>;
}

export interface PartnerDevice {
  readonly deviceId: string;
  complianceStatus: 'compliant' | 'notCompliant' | null;
  deviceManagementState: 'managed' | 'notManaged' | null;
  /** Applied inventory by its wire names (domain/microsoft.md 6), the newest value of each. */
  readonly inventory: Record<string, unknown>;
  /** The same of the legacy compliance inventory entity; null: none has come that was complete. */
  complianceInventory: Record<string, unknown> | null;
  /** Newest `LastUpdateTime` that took effect, by entity type. */
  readonly lastUpdateTimes: Map<number, string>;
  readonly history: AppliedState[];
}

export interface UploadMessage {
  readonly messageId: string;
  readonly apiVersion: string;
  readonly receivedAt: string;
  readonly uploadTime: string;
  readonly entities: readonly Record<string, unknown>[];
  /** Times this message id was put. */
  readonly attempts: number;
  status: 'pending' | 'Completed' | 'Failed';
  errorDetail: unknown;
}

export interface CompliancePolicy {
  readonly id: string;
  readonly displayName: string;
  readonly description: string;
  readonly platform: string;
  assignments: readonly string[];
}

export interface UploadCounters {
  /** Uploads that were answered, refused ones among them. */
  received: number;
  accepted: number;
  /** Entities in accepted uploads, replayed ones among them. */
  acceptedEntities: number;
  refused: number;
  /** Accepted uploads whose message id had been put before. */
  replayed: number;
  completed: number;
  failed: number;
  /** Entities ignored for a `LastUpdateTime` not newer than the one in effect. */
  staleEntities: number;
  /** Entities accepted in which nothing counted (misspelt names, unknown types). */
  ineffectiveEntities: number;
  /** Compliance inventory ignored because an attribute was missing (domain/microsoft.md 6.1). */
  incompleteComplianceEntities: number;
}

/** domain/microsoft.md 4.6. */
export type PartnerState = 'unknown' | 'unavailable' | 'enabled' | 'terminated' | 'rejected' | 'unresponsive';

/** One `PUT PartnerTenants`, in the order they came. */
export interface PartnerCall {
  readonly kind: 'provision' | 'deprovision';
  /** Milliseconds by the world's clock. */
  readonly at: number;
  readonly appId: string;
  readonly enrollmentUrl: string;
  readonly remediationUrl: string | null;
  /** null: accepted. */
  readonly refusal: string | null;
}

/** One `PUT PartnerTenantHeartbeat`. */
export interface HeartbeatCall {
  /** Milliseconds by the world's clock. */
  readonly at: number;
  readonly appId: string;
  /** Time as the partner wrote it. */
  readonly timestamp: string;
  /** null: accepted. */
  readonly refusal: string | null;
}

export interface IntuneTenant {
  readonly tenantId: string;
  provisioning: 'never' | 'provisioned' | 'deprovisioned' | 'rejected';
  enrollmentUrl: string | null;
  remediationUrl: string | null;
  /** Milliseconds by the world's clock, as the two below. */
  provisionedAt: number | null;
  terminatedAt: number | null;
  lastHeartbeatAt: number | null;
  /** The side that ended the connection; null while there is one, or never was. */
  terminatedBy: 'partner' | 'administrator' | null;
  /** The application that provisioned last. */
  provisionedBy: string | null;
  /** Accepted ones. */
  provisionedCount: number;
  deprovisionedCount: number;
  /** Refused ones among them. */
  readonly partnerCalls: PartnerCall[];
  /** Accepted ones. */
  heartbeats: number;
  /** Refused ones among them. */
  readonly heartbeatCalls: HeartbeatCall[];
  /** State since the end of the connection: whether its devices count as not compliant, and how many were removed. */
  devicesMarked: boolean;
  removedDevices: number;
  /** Devices, by id, that have to register anew before they report again (domain/microsoft.md 4.6). */
  readonly lapsedDevices: Set<string>;
  readonly policies: CompliancePolicy[];
  readonly messages: Map<string, UploadMessage>;
  readonly ledger: UploadLedger;
  /** Devices by id, lower case. */
  readonly devices: Map<string, PartnerDevice>;
  readonly counters: UploadCounters;
}

export interface IntuneState {
  /** Made empty on first use. */
  tenant(tenantId: string): IntuneTenant;
  device(tenantId: string, deviceId: string): PartnerDevice;
  /** Those used so far. */
  tenants(): IntuneTenant[];
}

/** The state that follows from what the partner did: domain/microsoft.md 4.6. Silence counts after 24 h by default. */
export function partnerState(
  tenant: IntuneTenant,
  nowMs: number,
  unresponsiveAfterMs = 86_400_000,
): PartnerState {
  switch (tenant.provisioning) {
    case 'never':
      return 'unknown';
    case 'rejected':
      return 'rejected';
    case 'deprovisioned':
      return 'terminated';
    case 'provisioned': {
      const heard = Math.max(tenant.lastHeartbeatAt ?? 0, tenant.provisionedAt ?? 0);
      return nowMs - heard > unresponsiveAfterMs ? 'unresponsive' : 'enabled';
    }
  }
}

/** The state of the Intune double of one cloud. */
export function createIntuneState(): IntuneState {
  const tenants = new Map<string, IntuneTenant>();
  const tenant = (tenantId: string): IntuneTenant => {
    const known = tenants.get(tenantId);
    if (known) return known;
    const made: IntuneTenant = {
      tenantId,
      provisioning: 'never',
      enrollmentUrl: null,
      remediationUrl: null,
      provisionedAt: null,
      terminatedAt: null,
      lastHeartbeatAt: null,
      terminatedBy: null,
      provisionedBy: null,
      provisionedCount: 0,
      deprovisionedCount: 0,
      partnerCalls: [],
      heartbeats: 0,
      heartbeatCalls: [],
      devicesMarked: false,
      removedDevices: 0,
      lapsedDevices: new Set(),
      policies: [],
      messages: new Map(),
      ledger: createUploadLedger(),
      devices: new Map(),
      counters: {
        received: 0,
        accepted: 0,
        acceptedEntities: 0,
        refused: 0,
        replayed: 0,
        completed: 0,
        failed: 0,
        staleEntities: 0,
        ineffectiveEntities: 0,
        incompleteComplianceEntities: 0,
      },
    };
    tenants.set(tenantId, made);
    return made;
  };
  return {
    tenant,
    tenants: () => [...tenants.values()],
    device: (tenantId, deviceId) => {
      const { devices } = tenant(tenantId);
      const key = deviceId.toLowerCase();
      const known = devices.get(key);
      if (known) return known;
      const made: PartnerDevice = {
        deviceId: key,
        complianceStatus: null,
        deviceManagementState: null,
        inventory: {},
        complianceInventory: null,
        lastUpdateTimes: new Map(),
        history: [],
      };
      devices.set(key, made);
      return made;
    },
  };
}
