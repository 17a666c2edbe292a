/** Values of columns that the database knows as text or JSON only. */

/** Destination of a browser whose Mac is unknown (contract section 8). */
export interface Landing {
  readonly choice: 'default' | 'denied' | 'custom';
  readonly customUrl?: string;
  readonly defaultInstanceId?: string;
}

/** Reason why delivery waits although the tenant is connected, for the person who can end it. */
export interface Hold {
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  readonly owner: string;
  readonly since: string;
}

/** What came of one step of a `confirm`, `enable` or test of an instance; a failed one with who has to do what. */
export interface ConfirmStep {
  readonly name: string;
  readonly ok: boolean;
  readonly detail?: string;
  readonly cause?: string;
  readonly remedy?: string;
  readonly owner?: string;
}

/** src/connection/state.ts says what follows what. */
export const connectionStates = [
  'new',
  'consenting',
  'consented',
  'connected',
  'disabled',
  'disconnecting',
  'disconnected',
  'terminated',
] as const;
export type ConnectionState = (typeof connectionStates)[number];

export type Mode = 'device-compliance' | 'conditional-access';
export type ConnectionType = 'cloud-connector' | 'manual';

/** Progress of a report (contract section 7). */
export type ReportState = 'due' | 'held' | 'sent' | 'accepted' | 'completed' | 'verified' | 'failed';

/** Modes of the brake on mass changes: `ESPALIER_MASS_CHANGE`. */
export const massChangeModes = ['hold-unmanaged', 'hold-all', 'alert'] as const;
export type MassChangeMode = (typeof massChangeModes)[number];

/** `open`: nobody has decided. `refused`: the instances were asked again, and what they still say waits. */
export const massChangeStates = ['open', 'refused', 'released', 'over'] as const;
export type MassChangeState = (typeof massChangeStates)[number];

/** State of the connection at Intune, and how it is known. */
export interface PartnerState {
  readonly state: string;
  readonly source: 'graph' | 'derived';
  readonly at: string;
}

/** Summary of a permission check; the whole result is in the answer of `permissions`. */
export interface PermissionSummary {
  readonly ok: boolean;
  readonly checkedAt: string;
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** Source of an instance's verdict on a computer (contract section 8). */
export interface ComplianceSource {
  readonly source: 'jamf' | 'smart-group';
  /** Names or ids of smart groups, for `smart-group`. */
  readonly applicableGroup?: string;
  readonly complianceGroup?: string;
}

/** Roles of operators; each role may do what the ones before it may. */
export const roles = ['viewer', 'operator', 'admin'] as const;
export type Role = (typeof roles)[number];

/** Resources of a tenant's directory that Graph may be asked to send notifications of. */
export const subscribable = ['groups', 'users', 'devices'] as const;
export type SubscribedResource = (typeof subscribable)[number];

/** `none`: not made yet, or not wanted. `refused`: Graph or Entra will not; `lastError` says why. */
export type SubscriptionState = 'none' | 'active' | 'refused' | 'removed';

/**
 * `planned` → `shadowing` (the new instance is asked too) → `moving` (by percents) → `done`; from each of them to
 * `rolled-back`, which is also how a move that has not begun is given up.
 */
export const moveStates = ['planned', 'shadowing', 'moving', 'done', 'rolled-back'] as const;
export type MoveState = (typeof moveStates)[number];

/** The own application of a tenant whose connection is `manual`. */
export interface StoredApplication {
  readonly clientId: string;
  readonly sealed?: string;
  /** `env:NAME` or `file:/path`. */
  readonly ref?: string;
}

/** How an authority proves that a name is ours (RFC 8555 section 8.3, RFC 8737). */
export const challengeKinds = ['http-01', 'tls-alpn-01'] as const;
export type ChallengeKind = (typeof challengeKinds)[number];

/** Reports of a tenant; computers of an instance that wait for a read, and those whose pushed record says all. */
export type ScheduleKind = 'report' | 'read' | 'pushed';

/** How a target of alerts wants its messages: as Standard Webhooks has them, or as a chat shows them. */
export const alertFormats = ['standard', 'teams', 'slack'] as const;
export type AlertFormat = (typeof alertFormats)[number];

/** What a message says of an alert, as it was when the alert was opened: no serial number, no id of a user or device. */
export interface AlertFacts {
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  readonly count: number;
  readonly countIsLeast: boolean;
  readonly owner: string;
  readonly remedy: string;
  readonly since: string | null;
  /** Path of the console's page on which something can be done. */
  readonly href: string;
}
