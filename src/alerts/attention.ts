/** An entry is one thing of one tenant that needs a person: who has to act, since when, and what ends it. */

/** Kinds in the order of the list: what stops everything comes first, what is only waiting last. */
export const attentionKinds = [
  'tenant-held',
  'tenant-terminated',
  'mass-change',
  'approval-waiting',
  'instance-unreachable',
  'reports-failed',
  'permission-drift',
  'certificate-not-renewed',
  'alert-target-failing',
  'credential-expiring',
  'connection-unfinished',
  'paused',
] as const;
export type AttentionKind = (typeof attentionKinds)[number];

/** A kind in words, as the console and alerts head an entry. */
export const attentionNames: Readonly<Record<AttentionKind, string>> = {
  'tenant-held': 'Delivery held',
  'tenant-terminated': 'Connection ended by Intune',
  'mass-change': 'Too many changes',
  'approval-waiting': 'Approval waiting',
  'instance-unreachable': 'Instance unreachable',
  'reports-failed': 'Reports failed',
  'permission-drift': 'Permissions changed',
  'certificate-not-renewed': 'Certificate not renewed',
  'alert-target-failing': 'Alerts do not arrive',
  'credential-expiring': 'Key or certificate runs out',
  'connection-unfinished': 'Connection not finished',
  paused: 'Paused',
};

export interface Attention {
  readonly kind: AttentionKind;
  /** null: it is about the gateway itself. */
  readonly tenantId: string | null;
  readonly tenantName: string | null;
  readonly instanceId: string | null;
  readonly instanceName: string | null;
  /** Identifier of the cause, as the status of the tenant has it. */
  readonly cause: string;
  readonly detail: string;
  readonly remedy: string;
  /** Who has to act: caller, configuration, instance, microsoft or espalier. */
  readonly owner: string;
  readonly since: string | null;
  readonly count: number;
  /** There may be more: counting ended at this number. */
  readonly countIsLeast: boolean;
  /** The page of the console on which something can be done. */
  readonly action: { readonly label: string; readonly href: string };
}

const rank = new Map<string, number>(attentionKinds.map((kind, index) => [kind, index]));
const sinceMs = ({ since }: Attention): number => (since === null ? 0 : Date.parse(since));

/** Orders entries by kind, then the oldest first. */
export const byUrgency = (a: Attention, b: Attention): number =>
  (rank.get(a.kind) ?? 0) - (rank.get(b.kind) ?? 0) || sinceMs(a) - sinceMs(b);
